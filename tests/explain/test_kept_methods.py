"""A method added, removed or changed: only its maps and scores are computed, and all bytes are those of a fresh run."""

import json
import shutil

import numpy as np
import pytest
from explain.test_shards import CONFIG, MODEL, SCORE, content, in_shards, job, place, study  # noqa: F401 (fixtures)

from heatproof.explain.job import Job
from heatproof.score.heatmaps import Heatmaps
from heatproof.store import artifacts, kept

pytestmark = pytest.mark.slow

HEATMAPS = artifacts.Checkpoint("s", MODEL, 0, "fold0")
MAPS = [HEATMAPS.heatmaps / name for name in ("maps.npy", "index.parquet")]
VARIANTS = [HEATMAPS.variants / name for name in ("maps.npy", "index.parquet")]
VARIED = {
    "images": 3,
    "transforms": ["flip"],
    "sensitivity": {"draws": 1, "radius": 0.02},
    "randomize": {"cascade": True, "independent": True, "layers": 2},
    "random_target": True,
}
FEW, MANY = ["gradcam", "guided_backprop"], ["saliency", "gradcam", "guided_backprop", "integrated_gradients"]


def config(methods, **changed):
    return CONFIG | {"methods": methods} | changed


def explain(methods, *options, run="explain", code=None, **changed):
    given = config(methods, **changed)
    names = [*given["methods"], *given["external"]]
    known = [] if code is False else ["--code", json.dumps(dict.fromkeys(names, "1") | (code or {}))]
    job(run, *options, "--config", json.dumps(given), *known)


def varied(methods, code=None):
    explain(methods, run="variants", code=code, variants=VARIED, external={})


def fresh(paths, make):
    """The bytes of a result that nothing is kept of."""
    shutil.rmtree(kept.FOLDER, ignore_errors=True)
    make()
    found = content(*paths)
    shutil.rmtree(kept.FOLDER, ignore_errors=True)
    return found


@pytest.fixture
def explained(study, monkeypatch):  # noqa: F811
    """The methods that are explained, as it happens."""
    names, part = [], Job.part
    monkeypatch.setattr(Job, "part", lambda self, name, *args: names.append(name) or part(self, name, *args))
    return names


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        ({"methods": FEW}, {"methods": MANY}, {"saliency", "integrated_gradients"}),
        ({"methods": MANY}, {"methods": FEW}, set()),
        ({"methods": FEW}, {"methods": FEW[::-1]}, set()),
        (
            {"methods": MANY},
            {"methods": MANY, "options": {"integrated_gradients": {"steps": 3}}},
            {"integrated_gradients"},
        ),
        ({"methods": MANY}, {"methods": MANY, "code": {"saliency": "2"}}, {"saliency"}),
        ({"methods": MANY}, {"methods": FEW, "batch_size": 3}, set(FEW)),
        ({"methods": MANY}, {"methods": MANY}, set(MANY)),
        ({"methods": FEW}, {"methods": MANY, "code": False}, set(MANY)),
    ],
)
def test_only_what_changed_is_explained(explained, before, after, new):
    expected = fresh(MAPS, lambda: explain(**after | {"code": False}))
    explain(**before)
    explained.clear()
    explain(**after)
    assert set(explained) == new
    assert content(*MAPS) == expected
    explained.clear()
    explain(FEW)  # and on from there
    assert content(*MAPS) == fresh(MAPS, lambda: explain(FEW))


def test_external_maps_are_kept_by_their_content(explained, capsys):
    explain(FEW)
    draw = np.random.default_rng(1)
    given = dict(np.load("mine.npz"))
    np.savez("mine.npz", **{name: draw.random((8, 8)) for name in given})
    explain(FEW)
    assert "keeps gradcam, guided_backprop; computes mine" in capsys.readouterr().err
    found = content(*MAPS)
    assert found == fresh(MAPS, lambda: explain(FEW))
    np.savez("mine.npz", **given)


def test_only_what_changed_is_explained_of_the_variants(explained):
    expected = fresh(VARIANTS, lambda: varied(MANY))
    varied(FEW)
    explained.clear()
    varied(MANY)
    assert set(explained) == {"saliency", "integrated_gradients"}
    assert content(*VARIANTS) == expected
    explained.clear()
    varied(["integrated_gradients", "gradcam"])
    assert not explained
    assert content(*VARIANTS) == fresh(VARIANTS, lambda: varied(["integrated_gradients", "gradcam"]))


@pytest.mark.parametrize("count", [2, 5])
def test_shards_keep_as_one_job_does(explained, count):
    expected = fresh(MAPS, lambda: explain(MANY))
    explain(FEW)
    explained.clear()
    given = json.dumps(config(MANY))
    in_shards(count, "explain", "--config", given, "--code", json.dumps(dict.fromkeys([*MANY, "mine"], "1")))
    assert set(explained) == {"saliency", "integrated_gradients"}
    assert content(*MAPS) == expected
    explained.clear()
    explain([*MANY, "smoothgrad"])
    assert set(explained) == {"smoothgrad"}, "what shards made is kept, too"


@pytest.fixture
def scored(explained, monkeypatch):
    """The methods and controls whose maps are read to be scored, as it happens."""
    names, stack = [], Heatmaps.stack
    monkeypatch.setattr(Heatmaps, "stack", lambda self, name, *args: names.append(name) or stack(self, name, *args))
    return names


def score(family, *more, code="1"):
    sections = SCORE | {"robustness": {}, "sanity": {}}
    return "score", family, "--config", json.dumps(sections[family]), *(("--code", code) if code else ()), *more


@pytest.mark.parametrize("family", SCORE)
def test_only_what_changed_is_scored(scored, family):
    table = HEATMAPS.scores(family)
    explain(MANY)
    expected = fresh([table], lambda: job(*score(family)))
    explain(FEW)
    job(*score(family))
    explain(MANY)
    scored.clear()
    job(*score(family))
    # the first method is another one: so are the maps of other images
    assert set(scored) == {"saliency", "integrated_gradients", "other_image"}
    assert content(table) == expected
    explain([*MANY, "smoothgrad"])
    scored.clear()
    in_shards(2, *score(family))
    assert set(scored) == {"smoothgrad"}
    explain(MANY)
    scored.clear()
    job(*score(family))
    assert not scored, "what a method leaves behind that is removed"
    assert content(table) == expected
    job(*score(family, code="2"))
    assert {*MANY, "random", "other_image"} <= set(scored)


@pytest.mark.parametrize("family", ["robustness", "sanity"])
def test_only_what_changed_is_scored_of_variants(scored, family):
    table = HEATMAPS.scores(family)

    def both(methods):
        explain(methods)
        varied(methods)

    both(MANY)
    expected = fresh([table], lambda: job(*score(family)))
    both(FEW)
    job(*score(family))
    both(MANY)
    scored.clear()
    job(*score(family))
    assert "random" not in scored and "guided_backprop" not in scored
    assert {"saliency", "integrated_gradients", "other_image", "other_image:gradcam"} <= set(scored)
    assert content(table) == expected
    both(["gradcam", "guided_backprop", "integrated_gradients"])
    job(*score(family))
    assert content(table) == fresh([table], lambda: job(*score(family)))
