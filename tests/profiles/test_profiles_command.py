"""From checkpoints to tables and the page."""

import html
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from profiles.made import LABELS, asked, asked_study, write_study

from heatproof.core.messages import InputError
from heatproof.profiles import files, measure
from heatproof.profiles.page import run
from heatproof.store import artifacts


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A study with all that its commands write, and where it lies."""
    folder = tmp_path_factory.mktemp("profiles")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_study()
        for model in ("test_resnet", "test_vit"):
            for seed in (0, 1):
                measure.run(asked(model, seed))
        run(asked_study())
    return folder


@pytest.fixture
def here(done, monkeypatch):
    monkeypatch.chdir(done)


def tables(model="test_resnet", seed=0):
    folder = files.profile_dir(artifacts.Checkpoint("made", model, seed, "fold0"))
    return (
        artifacts.read_table(folder / f"{name}.parquet", getattr(files, name.upper()))
        for name in ("profiles", "groups", "layers", "distances")
    )


@pytest.mark.slow
def test_every_layer_unit_and_group_has_its_row(here):
    profiles, groups, layers, distances = tables()
    kept = groups[groups["kept"]]
    assert set(groups["group"]) >= {*LABELS, "no label", "covid: true positive"}
    assert len(profiles) == layers["units"].sum() * len(kept)
    assert layers["depth"].tolist() == [4, 3, 2, 1, 0]
    live = profiles[~profiles["dead"]]
    balance = live.groupby(["layer", "unit", "by"])["profile"].sum()
    np.testing.assert_allclose(balance, 0, atol=1e-6)
    for (layer, by), part in live.groupby(["layer", "by"]):
        values = part.assign(size=part["profile"].abs()).groupby("rank")["size"].mean().to_numpy()
        assert (np.diff(values) <= 1e-12).all(), (layer, by)
    per_kind = kept["by"].value_counts()
    assert len(distances) == len(layers) * sum(count * (count - 1) // 2 for count in per_kind)
    drawn = artifacts.read_array(
        files.profile_dir(artifacts.Checkpoint("made", "test_resnet", 0, "fold0")) / "draws.npy"
    )
    assert drawn.shape == (20, len(distances))


def test_dead_units_have_no_profile_and_are_counted(here):
    profiles, _, layers, _ = tables()
    counted = profiles[profiles["by"] == "label"].drop_duplicates(["layer", "unit"]).groupby("layer")["dead"].sum()
    assert counted.to_dict() == dict(zip(layers["layer"], layers["dead"], strict=True))
    dead = profiles[profiles["dead"]]
    assert dead["profile"].isna().all() and dead["rank"].isna().all() and dead["mean"].notna().all()


def test_two_runs_write_the_same_bytes(here):
    folder = files.profile_dir(artifacts.Checkpoint("made", "test_vit", 1, "fold0"))
    before = {name: (folder / name).read_bytes() for name in files.CHECKPOINT_FILES}
    measure.run(asked("test_vit", 1))
    assert before == {name: (folder / name).read_bytes() for name in files.CHECKPOINT_FILES}


def test_the_tables_of_the_study_hold_those_of_its_checkpoints(here):
    joined = {
        name: artifacts.read_table(files.study_dir("made") / f"{name}.csv", schema)
        for name, schema in files.STUDY_TABLES.items()
    }
    assert len(joined["layers"]) == 2 * (5 + 6)
    inside = joined["distances"].dropna(subset=["low", "high"])
    assert len(inside) and (inside["low"] <= inside["high"]).all()
    means = joined["models"][joined["models"]["seed_a"].isna()]
    label = means[(means["by"] == "label") & (means["depth"] == 0)].set_index(["model_a", "model_b"])
    assert label["agreement"].between(-1, 1).all() and (label["groups"] == 5).all()
    own = (
        label.loc[("test_resnet", "test_resnet"), "agreement"] + label.loc[("test_vit", "test_vit"), "agreement"]
    ) / 2
    both = label.loc[("test_resnet", "test_vit")]
    assert both["gap"] == pytest.approx(own - both["agreement"], abs=1e-9)


def test_the_page_carries_all_that_it_shows(here):
    page = files.page_path("made").read_text(encoding="utf-8")
    assert "default-src 'none'" in page and "<script" not in page
    assert not re.search(r"""(src|href)=["'](?!#|made\.html)""", page)
    assert "<b>clear</b>" not in page and "&lt;b&gt;clear&lt;/b&gt;" in page and "Made &lt;up&gt;" in page
    figures = re.findall(r"<svg[^>]*>", page)
    assert figures and all(re.search(r'role="img" aria-label="Groups by distance: .* at ', one) for one in figures)
    assert len(re.findall(r'id="tree-', page)) == len(set(re.findall(r'id="(tree-[^"]*)"', page)))
    for words in ("What a profile is", "Dead feature maps", "What this cannot tell", "covid: true positive"):
        assert words in page
    _, _, _, distances = tables()
    label = distances[(distances["by"] == "label") & (distances["depth"] == 0)].set_index("correlation")
    near = label.loc[label.index.min()]
    assert f"Nearest by label: {near['a']} and {near['b']} ({label.index.min():.2f}" in html.unescape(page)
    assert page.count('<th scope="row">map ') >= 3 * 2


@pytest.mark.slow
def test_the_page_is_the_same_twice(here):
    before = files.page_path("made").read_bytes()
    run(asked_study())
    assert files.page_path("made").read_bytes() == before


@pytest.mark.slow
def test_one_training_each_has_no_comparison_of_seeds(here):
    run(asked_study(architectures=["test_vit"], seeds=[0]))
    page = files.page_path("made").read_text(encoding="utf-8")
    assert "Models are not compared" in page and "nothing to hold against each other" in page
    run(asked_study())


def test_groups_that_are_all_too_small_stop_with_what_to_set(here):
    with pytest.raises(InputError, match=r"no two groups of label, .* 99 test images .*profiles\.min_images"):
        measure.run(asked(min_images=99))


def test_predictions_of_other_images_stop(done, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_study(architectures=["test_vit"], seeds=[0])
    path = artifacts.Checkpoint("made", "test_vit", 0, "fold0").predictions
    table = artifacts.read_table(path, artifacts.PREDICTIONS)
    artifacts.write_table(path, table.iloc[1:], artifacts.PREDICTIONS)
    with pytest.raises(InputError, match=r"predictions\.parquet: its test images are not those of the manifest"):
        measure.run(asked("test_vit"))


@pytest.mark.slow
def test_tables_and_page_need_no_torch():
    snippet = "import sys, json, heatproof.profiles.page; print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", snippet], env=os.environ, capture_output=True, text=True, check=True)
    assert "torch" not in json.loads(done.stdout)
