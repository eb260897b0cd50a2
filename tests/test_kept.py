"""Which parts of a result a job keeps, by their recipes, and what of it is left after a kill."""

import json

import pytest

from heatproof.store import artifacts, kept
from heatproof.store.kept import Kept
from heatproof.store.sealing import Share

PATHS = [artifacts.RESULTS / "scores/s/m/a.npy", artifacts.RESULTS / "scores/s/m/b.json"]
BEFORE = {"gradcam": "1", "random": "2"}


def make(content="first"):
    PATHS[0].parent.mkdir(parents=True, exist_ok=True)
    for path in PATHS:
        with artifacts.sealing(path) as temporary:
            temporary.write_text(f"{content} {path.name}")


@pytest.fixture(autouse=True)
def stored(tmp_path, monkeypatch):
    """A result of two files and two parts, which Snakemake has deleted since."""
    monkeypatch.chdir(tmp_path)
    make()
    Kept(PATHS, BEFORE).store(Share())
    for path in PATHS:
        path.unlink()


def names(recipes):
    return set(Kept.of("s/m", PATHS, recipes).names)


@pytest.mark.parametrize(
    ("recipes", "expected"),
    [
        ({"gradcam": "1", "layercam": "9", "random": "2"}, {"gradcam", "random"}),
        ({"gradcam": "1"}, {"gradcam"}),
        ({"random": "2", "gradcam": "1"}, {"gradcam", "random"}),
        ({"gradcam": "7", "random": "2"}, {"random"}),
        ({"layercam": "1"}, set()),
        ({}, set()),
        (BEFORE, set()),  # nothing has changed: it is to be made again
    ],
)
def test_a_part_stays_where_its_recipe_does(recipes, expected):
    assert names(recipes) == expected


def test_a_line_says_what_stays(capsys):
    Kept.of("s/m", PATHS, {"gradcam": "1", "layercam": "9", "random": "2"})
    Kept.of("s/m", PATHS, {"gradcam": "1"})
    Kept.of("s/m", PATHS, {"layercam": "1"})
    told = [line.partition("s/m")[2] for line in capsys.readouterr().err.splitlines()]
    assert told == [": keeps gradcam, random; computes layercam", ": keeps gradcam; computes nothing"]


def test_what_is_kept_outlives_the_result():
    assert [kept.links(path)[0].read_text() for path in PATHS] == ["first a.npy", "first b.json"]
    make("second")
    assert kept.links(PATHS[0])[0].read_text() == "first a.npy", "until the job is done"
    assert names({"gradcam": "1"}) == {"gradcam"}
    Kept(PATHS, {"gradcam": "5"}).store(Share())
    assert kept.links(PATHS[0])[0].read_text() == "second a.npy" and kept.links(PATHS[0])[0].samefile(PATHS[0])
    assert names({"gradcam": "5", "random": "2"}) == {"gradcam"}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("change", ["altered", "gone", "of another run"])
def test_nothing_is_kept_of_files_that_do_not_fit(path, change):
    link = kept.links(path)[0]
    if change == "altered":
        link.write_text("other")
    elif change == "gone":
        link.unlink()
    else:  # killed between the two files
        make("second")
        link.unlink()
        link.hardlink_to(path)
    assert names({"gradcam": "1"}) == set()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"recipes": 1, "files": {}}', '{"recipes": [["gradcam", "1"]]}'])
def test_nothing_is_kept_without_a_whole_note(content):
    kept.links(PATHS[0])[1].write_text(content)
    assert names({"gradcam": "1"}) == set()


def test_a_job_that_does_not_know_its_code_leaves_nothing_to_keep():
    make("second")
    Kept(PATHS).store(Share())
    assert names({"gradcam": "1"}) == set()


def test_where_no_links_can_be_made_nothing_is_kept(monkeypatch):
    def refused(*_):
        raise OSError(18, "Invalid cross-device link")

    make("second")
    monkeypatch.setattr(type(PATHS[0]), "hardlink_to", refused)
    Kept(PATHS, BEFORE).store(Share())
    assert names({"gradcam": "1"}) == set()


def test_shards_hand_their_recipes_to_the_job_that_joins_them():
    for shard in (1, 2):
        Kept(PATHS, BEFORE).store(Share(2, shard))
    assert Kept.of_shards(PATHS, Share(2)).recipes == BEFORE
    assert list(Kept.of_shards(PATHS, Share(2)).recipes) == list(BEFORE)
    assert not Kept.of_shards(PATHS, Share(3)).recipes


def test_a_recipe_depends_on_every_fact():
    base = kept.recipe("code", {"steps": 4}, ["a", 1])
    assert base == kept.recipe("code", json.loads('{"steps": 4}'), ("a", 1))
    others = [
        ("edoc", {"steps": 4}, ["a", 1]),
        ("code", {"steps": 5}, ["a", 1]),
        ("code", {"steps": 4}, ["a", 1, None]),
    ]
    assert base not in {kept.recipe(*facts) for facts in others}
