"""Which code a job depends on, and what is registered by name."""

import ast
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from data.configured import data_config
from PIL import Image

from heatproof import artifacts
from heatproof.data import phantom
from heatproof.registry import explanation_methods, families, registered
from heatproof.schema_data import Data
from heatproof.sources import PACKAGE, source_files

ROOT = Path(__file__).parents[1]
JOBS = ("data", "regions", "audit", "train", "ensemble", "explain", "score", "stats", "profiles", "report")
COMMANDS = {job: f"{job}.command" for job in JOBS} | {
    "audit": "data.audit.command",
    "regions": "data.regions",
    "ensemble": "train.ensemble_command",
}
FILES = {"regions": "data", "audit": "data", "ensemble": "train"}  # rules that stand in another one's file
# what `heatproof audit PATH` imports as it runs, and no job does
FOLDERS = {".".join(("heatproof", *path.parent.relative_to(PACKAGE).parts)) for path in PACKAGE.rglob("__init__.py")}
BY_HAND = {
    "audit": {"heatproof.data.reading.decode", "heatproof.data.reading.images", "heatproof.data.reading.trees"},
    "stats": {"heatproof.stats.external", "heatproof.stats.score_table"},
}
COMMON = (ROOT / "rules/common.smk").read_text()
SOURCES = ast.literal_eval(re.search(r"^SOURCE_MODULES = ({.*?^})", COMMON, re.M | re.S)[1])


def named(job: str) -> set[str]:
    """Modules that a job's rules name: those in `code(...)`, and those of the lists that it is given."""
    text = (ROOT / "rules" / f"{FILES.get(job, job)}.smk").read_text()
    if job in FILES or job in FILES.values():
        rule = "data_regions" if job == "regions" else job
        text = re.search(rf"^rule {rule}:.*?(?=^rule |\Z)", text, re.M | re.S)[0]
    if job == "regions":
        text += COMMON.partition("def regions_code")[2].partition("\n\n\n")[0]
    if job in ("data", "regions"):  # which reads masks of lungs as data are read
        text += COMMON.partition("def data_modules")[2].partition("\n\n\n")[0]
        text += " ".join(f'"{name}"' for names in SOURCES.values() for name in names)
    if job == "score":
        text += COMMON.partition("def family_code")[2].partition("\n\n\n")[0]
        text += " ".join(f'"score.jobs.{family}"' for family in families())
    if job == "explain":
        text += COMMON.partition("def explain_code")[2].partition("\n\n\n")[0]
        text += " ".join(f'"{name}"' for name in registered("explain", "method").values()).replace("heatproof.", "")
    found = set(re.findall(r'"((?:\w+\.)*\w+)"', text))
    return {name for name in found if (PACKAGE / Path(*name.split("."))).with_suffix(".py").is_file()}


def modules(paths: list[str]) -> set[str]:
    return {".".join(("heatproof", *Path(path).relative_to(PACKAGE).with_suffix("").parts)) for path in paths}


def imports_in_functions(path: str) -> set[str]:
    """Modules of heatproof that a file imports only as a function runs."""
    tree, found = ast.parse(Path(path).read_text()), set()
    for node in ast.walk(tree):
        if node in tree.body:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    every = modules([str(p) for p in PACKAGE.rglob("*.py") if p.name != "__init__.py"])
    return found & every


LIGHT = ("data", "regions", "audit", "stats", "report")  # jobs that never import torch
# prints the modules that each command loads, in a fork of its own; those with torch fork once it is there
LOADED = """
import importlib, json, os, sys
commands, light = json.loads(sys.argv[1]), json.loads(sys.argv[2])

def loaded(job):
    if os.fork() == 0:
        importlib.import_module(f"heatproof.{commands[job]}")
        print(json.dumps([job, sorted(sys.modules)]), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0

[loaded(job) for job in light]
import pandas, timm
[loaded(job) for job in commands if job not in light]
"""


@pytest.fixture(scope="module")
def loaded_modules() -> dict[str, set[str]]:
    """Job -> the modules that importing its command loads."""
    command = [sys.executable, "-c", LOADED, json.dumps(COMMANDS), json.dumps(LIGHT)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return {job: set(names) for job, names in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("job", JOBS)
def test_a_rule_names_all_that_its_command_imports(job, loaded_modules):
    roots = named(job)
    assert COMMANDS[job] in roots
    static = source_files(*roots)
    late = set().union(*map(imports_in_functions, static)) - BY_HAND.get(job, set())
    assert late <= modules(static)
    loaded = loaded_modules[job]
    files = {name for name in loaded if name.startswith("heatproof.")} - FOLDERS
    assert files <= modules(static)
    assert not {"heatproof.config", "heatproof.schema"} & (loaded | modules(static))  # jobs never read params.yaml
    if job in LIGHT:
        assert "torch" not in loaded


CASES = {
    "phantom": {"kind": "phantom", "phantom": {"patients": 9, "slices": 1}},
    "folder": {"kind": "folder", "source": "images"},
    "archive": {"kind": "archive", "source": "images.zip", "boxes": "boxes.csv"},
    "table": {"kind": "table", "source": "images/table.csv"},
    "dicom": {"kind": "dicom", "source": "dicom", "key_file": "key"},
    "planted": {
        "kind": "planted", "planted": {"kind": "folder"}, "source": "slices", "classes": {"normal": "slices"},
        "patient": r"(\d+)_",
    },
    "contents": {"kind": "folder", "source": "images", "contents": "list.sha256"},
    "shortcut": {"kind": "folder", "source": "images", "shortcut": {}},
}  # fmt: skip


def write_dicom(path: Path, pixels: np.ndarray, patient: str) -> None:
    import pydicom

    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = pydicom.uid.CTImageStorage, pydicom.uid.generate_uid()
    dataset.StudyInstanceUID, dataset.PatientID = pydicom.uid.generate_uid(), patient
    dataset.set_pixel_data(pixels, "MONOCHROME2", 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a small source of every kind: nine images a class, and slices without lesions."""
    folder = tmp_path_factory.mktemp("sources")
    rng, rows, lines = np.random.default_rng(0), ["path,label"], []
    for label in ("a", "b"):
        for n in range(9):
            path, pixels = folder / f"images/{label}/{label}{n}.png", rng.integers(0, 256, (32, 32), np.uint8)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
            rows.append(f"{label}/{path.name},{label}")
            lines.append(f"{artifacts.digest(path)}  {label}/{path.name}")
            write_dicom(folder / f"dicom/{label}/{n}.dcm", pixels, f"{label}{n}")
    (folder / "images/table.csv").write_text("\n".join(rows))
    (folder / "list.sha256").write_text("\n".join(lines))
    (folder / "boxes.csv").write_text("path,x,y,width,height\na/a0.png,1,1,5,5\n")
    (folder / "key").write_bytes(b"a key of sixteen or more bytes")
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for path in sorted((folder / "images").rglob("*.png")):
            archive.write(path, path.relative_to(folder / "images"))
    (folder / "slices/slices").mkdir(parents=True)
    for record in phantom.list_records("s", 0, size=96, patients=30, slices=1):
        if record.label == 0:
            Image.fromarray(record.read().pixels).save(folder / f"slices/slices/{record.image_id}_.png")
    return folder


@pytest.mark.parametrize("case", CASES)
@pytest.mark.slow
def test_a_data_job_runs_the_files_of_its_rule(place, case):
    config = data_config(**{"classes": {"a": "a", "b": "b"}, "size": 48} | CASES[case])
    snippet = f"""
import json, sys
from heatproof.cli import main
assert main(["data", "--study", {case!r}, "--config", {json.dumps(config)!r}]) == 0
print(json.dumps(sorted(name for name in sys.modules if name.startswith("heatproof."))))
"""
    done = subprocess.run(
        [sys.executable, "-c", snippet], cwd=place, env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ran = set(json.loads(done.stdout.splitlines()[-1])) - {"heatproof.cli", "heatproof.running"} - FOLDERS
    parts = [config["kind"], *([config["planted"]["kind"]] if config["kind"] == "planted" else [])]
    parts += [key for key in ("contents", "shortcut") if config[key]]
    own = [name for part in parts for name in SOURCES[part]]
    assert ran == modules(source_files("data.command", *own))


def test_every_kind_of_source_has_its_files():
    kinds = set(get_args(Data.model_fields["kind"].annotation))
    assert kinds | {"contents", "download", "shortcut"} == set(SOURCES)
    assert {"data.command", *(name for names in SOURCES.values() for name in names)} == named("data")


def test_what_a_file_imports_counts_with_what_that_imports(tmp_path, monkeypatch):
    monkeypatch.setattr("heatproof.sources.PACKAGE", tmp_path)
    files = {
        "a.py": "import os\nfrom heatproof import b\nfrom heatproof.part.c import thing\n",
        "b.py": "import heatproof.a\n\ndef later():\n    from heatproof import unused\n",
        "part/c.py": "thing = 1\n",
        "part/unrelated.py": "",
        "unused.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert source_files("a") == [str(tmp_path / name) for name in ("a.py", "b.py", "part/c.py")]
    assert source_files("part.c", "unused") == [str(tmp_path / name) for name in ("part/c.py", "unused.py")]
    with pytest.raises(ModuleNotFoundError, match=r"no module heatproof\.gone"):
        source_files("a", "gone")


def test_an_edit_of_the_report_trains_nothing():
    assert not any("report" in path or "stats" in path for path in source_files(*named("train")))


def test_methods_and_metrics_are_found_without_importing_them():
    from heatproof.score import consistency, faithfulness, localization

    assert registered("explain", "method")["gradcam"] == "heatproof.explain.cam"
    for module in (consistency, faithfulness, localization):
        family = module.__name__.rpartition(".")[2]
        assert registered("score", "metric", f"{family}.py") == dict.fromkeys(module.METRICS, module.__name__)
    assert explanation_methods(["gradcam"])["gradcam"].__name__ == "gradcam"
