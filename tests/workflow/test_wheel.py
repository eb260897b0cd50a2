"""What `pip install heatproof` brings: the built wheel in an environment of its own, without a clone."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import yaml
from PIL import Image
from workflow.project import create

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return a function that runs an installed command in a folder."""
    place = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    venv.create(place / "venv", with_pip=False)
    python = place / "venv/bin/python"
    packages = next((place / "venv/lib").glob("python*/site-packages"))
    # what heatproof needs is here already; a path file of this name brings it, and no editable heatproof with it
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])
    (wheel,) = place.glob("*.whl")
    options = ["install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python), *options], check=True)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run(folder: Path, command: str, *arguments: str) -> str:
        done = subprocess.run(
            [place / "venv/bin" / command, *arguments], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@pytest.mark.slow
def test_the_tag_is_the_version_of_sdist_and_wheel_which_an_index_would_accept(tmp_path):
    def run(*command: str, folder: Path = tmp_path / "clone") -> str:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def hatchling(*arguments: str, **where: Path) -> str:
        return run(sys.executable, "-m", "hatchling", *arguments, **where).strip()

    run("git", "clone", "--quiet", "--depth", "1", "--no-tags", f"file://{ROOT}", "clone", folder=tmp_path)
    clone, release = tmp_path / "clone", yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]
    assert hatchling("version").startswith(f"{release}.post1.dev"), "no tag is known"
    run("git", "tag", "v71.2.3")
    hatchling("build", "-d", str(tmp_path / "dist"))
    sdist, wheel = tmp_path / "dist/heatproof-71.2.3.tar.gz", tmp_path / "dist/heatproof-71.2.3-py3-none-any.whl"
    run(sys.executable, "-m", "twine", "check", "--strict", str(sdist), str(wheel))
    run(sys.executable, "-m", "check_wheel_contents", str(wheel))
    shutil.unpack_archive(sdist, tmp_path)
    hatchling("build", "-t", "wheel", "-d", str(tmp_path / "again"), folder=tmp_path / "heatproof-71.2.3")
    assert (tmp_path / "again" / wheel.name).read_bytes() == wheel.read_bytes(), "what the sdist builds"
    shutil.rmtree(clone / ".git")
    assert hatchling("version") == release, "no git is known"


@pytest.mark.slow
def test_a_wheel_runs_a_study_in_an_empty_folder_and_a_clone_has_nothing_left_to_do(installed, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    where = installed(empty, "python", "-c", "import heatproof; print(heatproof.__file__)")
    assert "site-packages" in where and str(ROOT) not in where
    assert "tiny: 2 models" in installed(empty, "heatproof", "check", "tiny")
    assert "models to train" in installed(empty, "heatproof", "plan", "tiny")
    assert "Report: results/report/tiny.html" in installed(empty, "heatproof", "run", "tiny", "--cores", "2")
    assert sorted(path.name for path in empty.iterdir() if not path.name.startswith(".")) == [
        "benchmarks", "logs", "results",
    ]  # fmt: skip
    (tmp_path / "clone").mkdir()
    project = create(tmp_path / "clone")
    for name in ("results", "benchmarks", ".snakemake"):
        shutil.copytree(empty / name, project.folder / name, dirs_exist_ok=True)
    assert project.planned() == {}


@pytest.mark.slow
def test_a_wheel_judges_a_model_in_an_empty_folder(installed, tmp_path):
    empty, rng = tmp_path / "empty", np.random.default_rng(0)
    for number in range(24):
        path = tmp_path / f"images/{'ab'[number % 2]}/p{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (64, 64), np.uint8)).save(path)
    (tmp_path / "model.py").write_text(
        "import timm\n\ndef build():\n    return timm.create_model('test_resnet', num_classes=2)"
    )
    safetensors.torch.save_file(
        timm.create_model("test_resnet", num_classes=2).state_dict(), tmp_path / "m.safetensors"
    )
    command = ["judge", "--model", str(tmp_path / "model.py:build"), "--weights", str(tmp_path / "m.safetensors")]
    command += ["--images", str(tmp_path / "images"), "--patient", r"^(p\d+)", "--minutes", "1", "--out", "judged"]
    empty.mkdir()
    said = installed(empty, "heatproof", *command, "--mean", "0.5", "--std", "0.25")
    assert "model.py:build" in said.splitlines()[0]
    assert re.search(r"(20|24) of 24 images of \1 patients", said), said  # by the speed that is measured
    report = empty / "judged/results/report/model_build_on_images.html"
    assert f"\nReport: {report}\n" in said and "model_build" in report.read_text()
    assert sorted(path.name for path in empty.iterdir()) == ["judged"]
    assert "audit" in installed(tmp_path, "heatproof", "audit", "images").lower()
