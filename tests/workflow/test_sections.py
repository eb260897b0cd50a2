"""What each job is given of the configuration, of a machine, and in `snakemake --report`."""

import json
import os
from pathlib import Path

import pytest
from workflow.test_files import CHECKPOINT, job

from heatproof.workflow import job as environment
from heatproof.workflow import job as resources
from heatproof.workflow import sections
from heatproof.workflow.files import caption

JOBS = {name: value for name, value in vars(sections).items() if getattr(value, "__module__", "") == sections.__name__}


def given(overrides: dict | None = None) -> dict[str, str]:
    one = job(overrides=overrides, **CHECKPOINT, family="localization")
    return {name: function(one) for name, function in JOBS.items() if name != "sentence"}


@pytest.mark.parametrize(
    ("overrides", "changed"),
    [
        ({"stats": {"alpha": 0.04}}, {"stats"}),
        ({"data": {"audit": {"draws": 11}}}, {"audit"}),
        ({"data": {"regions": ["body"]}}, {"regions", "score"}),
        ({"score": {"faithfulness": {"steps": 7}}}, set()),  # of another family
        ({"ensembles": {"both": {"combine": "mean"}}}, {"ensembles"}),
        ({"compute": {"shards": 3}}, set()),
        ({"compute": {"batch_size": 3}}, set()),  # localization queries no model
    ],
)
def test_an_edit_changes_the_sections_of_the_jobs_that_depend_on_it(overrides, changed):
    before, after = given(), given(overrides)
    assert {name for name in before if before[name] != after[name]} == changed


def test_keys_that_a_study_leaves_out_are_not_in_its_sections():
    """Results from before there were such keys stand."""
    data = json.loads(given()["data"])
    assert "drawn_as" not in data and set(data["phantom"]) == {"patients", "slices"}
    text = given({"data": {"shortcut": {"kind": "text_tag", "rate": 0.9}, "regions": ["cue"]}})["regions"]
    assert json.loads(text)["cue"] == "text_tag" and "cue" not in json.loads(given()["regions"])


def test_sections_are_sorted_json():
    for name, text in given().items():
        assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")), name


def test_a_family_that_queries_the_model_asks_for_a_gpu_and_more_memory(monkeypatch):
    monkeypatch.setenv(resources.GPU, "1")
    auto = job(overrides={"compute": {"device": "auto"}}, **CHECKPOINT, family="faithfulness")
    assert (resources.gpus(auto), resources.scoring_gpus(auto), resources.scoring_memory(auto)) == (1, 1, 4000)
    other = auto.at(family="localization")
    assert (resources.scoring_gpus(other), resources.scoring_memory(other)) == (0, 2000)
    assert json.loads(sections.scoring(auto))["device"] == "auto" and sections.scoring(other) == '{"threads":1}'
    assert sections.scoring(auto.at(family="")) == '{"threads":1}'  # the job over seeds
    monkeypatch.setenv(resources.GPU, "0")
    assert resources.gpus(auto) == 0
    assert resources.training_memory(auto) > 3000


def test_jobs_run_this_checkout_with_this_python(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/mine")
    monkeypatch.delenv(resources.GPU, raising=False)
    assert environment.variables(tmp_path, conda=False)["PYTHONPATH"] == "/mine"  # what is installed
    (tmp_path / "src").mkdir()
    found = environment.variables(tmp_path, conda=False)
    assert found["PYTHONPATH"] == f"{tmp_path}/src{os.pathsep}/mine" and found[resources.GPU] in ("0", "1")
    assert "PATH" not in environment.variables(tmp_path, conda=True)
    warm = environment.warm_modules([job().study])
    assert {"heatproof.explain.cam", "heatproof.score.jobs.consistency", "heatproof.train.command"} <= set(warm)


def test_captions_are_there_for_what_snakemake_shows():
    folder = Path(__file__).parents[2] / "rules"
    names = ["models.csv", "accuracy.svg", "localization.svg", "localization_ranks.svg", "tiny.html"]
    for found in map(caption, map(Path, names)):
        assert (folder / found["caption"]).is_file()
    assert caption(Path("localization_ranks.svg"))["labels"] == {"figures": "localization: mean ranks"}
    assert [caption(Path(name)) for name in ("roc.csv", "summary.json", "accuracy.png", "models.tex")] == [None] * 4
