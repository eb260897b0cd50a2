"""`heatproof judge`: the study that it writes, what it chooses for the time there is, and what it refuses."""

import argparse
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from PIL import Image

from heatproof.cli import main
from heatproof.commands import judge, plan
from heatproof.config.load import load, resolve
from heatproof.core.messages import InputError
from heatproof.workflow.files import data_fingerprint

COST = plan.Cost(0.0, 0.05, 1000, {"gradcam": 0.1, "layercam": 0.1, "saliency": 0.0})


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A folder of two classes, 30 patients with two images each; masks of one class; a checkpoint."""
    folder, rng = tmp_path_factory.mktemp("given"), np.random.default_rng(0)
    rows = ["path,label,who"]
    for number in range(60):
        label = "ab"[number // 2 % 2]
        path = folder / f"images/{label}/p{number // 2:02}_{number % 2}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (64, 64), np.uint8)).save(path)
        rows.append(f"images/{label}/{path.name},{label},p{number // 2}")
        if label == "b":
            mask = folder / f"masked/masks/b/{path.name}"
            mask.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.pad(np.full((16, 16), 255, np.uint8), 24)).save(mask)
        copy = folder / f"masked/{label}/{path.name}"
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (folder / "table.csv").write_text("\n".join(rows))
    net = timm.create_model("test_resnet", num_classes=2)
    safetensors.torch.save_file(net.state_dict(), folder / "m.safetensors")
    torch.nn.init.constant_(
        net.conv1[0].weight if isinstance(net.conv1, torch.nn.Sequential) else net.conv1.weight, torch.nan
    )
    safetensors.torch.save_file(net.state_dict(), folder / "nan.safetensors")
    return folder


def parsed(given: Path, *options: str, images: str = "images", weights: bool = True) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    judge.add_arguments(parser)
    common = ["--model", "test_resnet", "--images", str(given / images)]
    return parser.parse_args([*common, *(["--weights", str(given / "m.safetensors")] if weights else []), *options])


def chosen(given: Path, monkeypatch, minutes: float, *options: str) -> tuple[dict, list[str]]:
    monkeypatch.setattr(plan, "measure", lambda *_: COST)
    monkeypatch.setattr(plan, "import_seconds", lambda: 2.0)
    monkeypatch.setattr(judge, "unusable", lambda *_: [])  # opens the model once more
    content = judge.study_of(parsed(given, "--patient", r"^(p\d+)_", *options))
    return judge.fit("toy", content, 60 * minutes, cores=2)


def test_more_time_judges_more_and_what_it_would_add_is_stated(given, monkeypatch):
    (little, said), (much, all_said) = (chosen(given, monkeypatch, minutes) for minutes in (1, 500))
    assert little["data"]["sample"] == judge.ENOUGH and much["data"]["sample"] is None
    assert little["score"]["families"] == ["faithfulness", "complexity", "agreement"]
    assert {"robustness", "sanity"} < {*much["score"]["families"]}
    assert little["score"]["faithfulness"]["road"] is None and much["score"]["faithfulness"]["road"]
    assert any(one.startswith("Chosen: 40 of 60 images of 20 patients") for one in said)
    assert "more than --minutes 1" in said[-3] and "all patients" in said[-1] and "A longer run would add" in said[-1]
    assert "A longer run" not in all_said[-1] and not any("Verdicts need more patients" in one for one in all_said)
    assert any("saliency not supported" in one for one in said)
    assert (
        little["data"]["split"] == {"test": "all", "unseen": False} and "Held-out accuracy is not claimed" in said[-2]
    )
    assert chosen(given, monkeypatch, 1, "--unseen")[0]["data"]["split"]["unseen"]


def test_a_table_and_masks(given):
    table = judge.study_of(parsed(given, "--patient", "who", "--classes", "b", "a", images="table.csv"))["data"]
    assert table["columns"] == {"patient": "who"} and table["source"].endswith("table.csv")
    assert list(table["classes"]) == ["b", "a"]
    masked = judge.study_of(parsed(given, "--masks", "masks", images="masked"))
    assert masked["score"]["families"][0] == "localization" and list(masked["data"]["classes"]) == ["a", "b"]


def test_outputs_of_a_model_of_more_classes(given):
    found = judge.study_of(parsed(given, "--classes", "a=7", "b=cat", weights=False))
    assert found["models"]["test_resnet"]["classes"] == {"a": 7, "b": "cat"}


def test_fewer_patients_than_a_verdict_takes(given, tmp_path, monkeypatch):
    for path in [*sorted((given / "images/a").iterdir())[:6], *sorted((given / "images/b").iterdir())[:6]]:
        target = tmp_path / "few" / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    monkeypatch.setattr(plan, "measure", lambda *_: COST)
    content = judge.study_of(parsed(given, "--patient", r"^(p\d+)_", "--images", str(tmp_path / "few")))
    assert any("Verdicts need more patients: 6 patients here" in one for one in judge.fit("toy", content, 60, 2)[1])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--images", "nowhere"], "--images: nowhere: not found"),
        (["--weights", "gone.pth"], "--weights: gone.pth: not found"),
        (["--minutes", "0"], "--minutes 0: must be a number above 0"),
        (["--minutes", "nan"], "--minutes nan: must be"),
        (["--mean", "0.5"], "--std: give both --mean and --std"),
        (["--classes", "a", "c"], "--classes: c: no such class in"),
        (["--classes", "a=1", "b"], "--classes: give NAME=OUTPUT for all classes, or for none"),
        (["--model", "torchvison:vit_b_16"], "did you mean torchvision:vit_b_16?"),
        (["--model", "test_resnet", "test_vit"], "--weights: needs exactly one --model"),
        (["--model", "gone.py:build"], "--model: gone.py: not found"),
    ],
)
def test_options_that_cannot_be(given, options, said):
    with pytest.raises(InputError) as caught:
        judge.study_of(parsed(given, *options))
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "a folder without files; give the folder of the images"),
        (["a/1.png", "a/2.png"], "only one class (a); at least two are needed"),
        (["a/1.png", "a/2.png"], "listed in a table (CSV) with the columns path and label"),
        (["1.png", "2.png"], "images must be in one folder per class, or listed in a table"),
        (["1.png", "2.png", "a/3.png"], "2 images without a label: images must be in one folder per class"),
        (["a/1.png", "b/2.png", "masks/a/1.png"], "--masks: 1 file such as masks/a/1.png look like masks: add --masks"),
        (["a/1.dcm"], "--key: DICOM needs a file with a secret"),
    ],
)
def test_images_that_cannot_be_judged(given, tmp_path, files, said):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (64, 64)).save(tmp_path / name, "PNG")
    with pytest.raises(InputError) as caught:
        judge.study_of(parsed(given, "--images", str(tmp_path)))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--weights", "{given}/nan.safetensors"], "not finite"),
        (["--weights", "{given}/m.safetensors", "--method", "gradcm"], "--method: 'gradcm': did you mean gradcam"),
        (["--weights", "{given}/table.csv"], "table.csv"),
        (["--weights", "{given}/m.safetensors", "--patient", "p"], "--patient: "),
    ],
)
def test_a_model_that_cannot_be_judged_is_one_line(given, tmp_path, monkeypatch, capsys, options, said):
    monkeypatch.chdir(tmp_path)
    given_options = [one.format(given=given) for one in options]
    assert main(["judge", "--model", "test_resnet", "--images", str(given / "images"), *given_options]) == 1
    error = capsys.readouterr().err
    assert error.startswith("heatproof judge: ") and said in error and "Traceback" not in error
    assert not list(tmp_path.glob("studies/*.yaml"))


FAILING = """import torch, timm

def broken():
    raise RuntimeError("its file is gone")

def flat():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 224 * 224, 2))

def fine():
    return timm.create_model("test_resnet", num_classes=2)
"""


def test_models_that_fail_are_all_named_and_left_out_on_request(given, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(FAILING)
    specs = [f"nets.py:{name}" for name in ("broken", "fine", "flat")]
    command = ["judge", "--model", *specs, "--images", str(given / "images"), "--patient", r"^(p\d+)_", "--write"]
    command += ["--name", "toy", "--mean", "0.5", "--std", "0.5"]
    assert main(command) == 1
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 3 and error[0].startswith("heatproof judge: nets_broken: ") and "its file is gone" in error[0]
    assert error[1].startswith("nets_flat: Sequential has no layer")
    assert "--skip-failing leaves out models that fail" in error[2]
    assert not (tmp_path / "studies/toy.yaml").exists()
    assert main([*command, "--skip-failing"]) == 0
    out = capsys.readouterr().out
    assert "Left out: nets_broken: " in out and "Left out: nets_flat: " in out
    study = load(studies=["toy"])["toy"]
    assert list(study.networks) == ["nets_fine"] and study.report.title == "nets_fine on images"
    assert "Left out, because heatproof cannot judge them: nets_broken (.../nets.py:broken: " in study.setting
    assert "; nets_flat (Sequential has no layer" in study.setting and str(tmp_path) not in study.setting
    only = [*command[:2], specs[0], *command[5:], "--skip-failing", "--name", "none"]
    assert main(only) == 1 and "--skip-failing leaves" not in capsys.readouterr().err


def test_a_model_that_no_method_supports_fails(given, monkeypatch):
    monkeypatch.setattr(plan, "measure", lambda *_: plan.Cost(0.0, 0.05, 1000, {"gradcam": 0.0, "saliency": 0.0}))
    with pytest.raises(InputError, match=r"test_resnet: no explanation method supports it \(gradcam, saliency\)"):
        judge.fit("toy", judge.study_of(parsed(given)), 60, 2)


@pytest.mark.parametrize("place", ["{folder}", "{folder}/{{stem}}.png", "{folder}/../drawn"])
def test_masks_may_lie_anywhere(given, tmp_path, monkeypatch, place):
    folder = tmp_path / "drawn"
    shutil.copytree(given / "masked/masks", folder)
    found = judge.study_of(parsed(given, "--masks", place.format(folder=folder), "--patient", r"^(p\d+)_"))
    assert found["score"]["families"][0] == "localization"
    assert found["data"]["masks"].startswith(str(folder))
    monkeypatch.setattr(plan, "measure", lambda *_: COST)
    study = resolve(judge.fit("toy", found, 60, 2)[0])
    records = plan.records_of("toy", study)
    drawn = [record.label for record in records if record.read().mask is not None]
    assert drawn and {study.data.class_names[label] for label in drawn} == {"b"}
    assert all(not record.source.startswith("(masks)") for record in records)
    before = data_fingerprint(study.data, tmp_path / "none.json")
    Image.new("L", (64, 64), 255).save(next(folder.rglob("*.png")))
    assert data_fingerprint(study.data, tmp_path / "none.json") != before


def test_masks_that_are_nowhere_and_masks_inside(given, tmp_path):
    with pytest.raises(InputError, match="--masks: nowhere: not found, neither inside the images nor as a folder"):
        judge.study_of(parsed(given, "--masks", "nowhere"))
    inside = judge.study_of(parsed(given, "--masks", str(given / "masked/masks"), images="masked"))
    assert inside["data"]["masks"] == "masks"


def test_the_study_is_written_once_and_runs_as_it_stands(given, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(plan, "measure", lambda *_: COST)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(judge.running, "run", lambda args: args.studies != ["toy"])
    command = ["judge", "--model", "test_resnet", "--images", str(given / "images"), "--name", "toy", "--out", "."]
    command += ["--weights", str(given / "m.safetensors")]
    monkeypatch.setattr("sys.argv", ["heatproof", *command])
    assert main(command) == 0
    out = capsys.readouterr().out
    path = tmp_path / "studies/toy.yaml"
    assert f"Study: {path}; edit it" in out and "results/report/toy.html" in out
    assert load(studies=["toy"])["toy"].networks["test_resnet"].weights == str(given / "m.safetensors")
    path.write_text(path.read_text().replace("unseen: false", "unseen: true"))
    assert main(command) == 0 and f"Study: {path} (not changed)" in capsys.readouterr().out
    assert load(studies=["toy"])["toy"].data.split.unseen
    monkeypatch.setattr("sys.argv", ["heatproof", *command, "--minutes", "20"])
    assert main([*command, "--minutes", "20"]) == 1 and "exists, written by another command" in capsys.readouterr().err
