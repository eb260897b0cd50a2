"""Which code a job depends on, and which jobs an edit of code re-runs."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from data.configured import data_config
from PIL import Image

from heatproof import cli
from heatproof.catalogue.families import FAMILIES
from heatproof.catalogue.methods import METHODS
from heatproof.config.data import Data
from heatproof.config.load import load
from heatproof.data.sources import opening
from heatproof.data.synthetic import phantom
from heatproof.store import artifacts
from heatproof.workflow import code
from heatproof.workflow.code import PACKAGE, source_files
from heatproof.workflow.job import Job

ROOT = Path(__file__).parents[2]
COMMANDS = {name: job.module for name, job in cli.JOBS.items()}
FOLDERS = {".".join(("heatproof", *path.parent.relative_to(PACKAGE).parts)) for path in PACKAGE.rglob("*.py")}

LIGHT = ("data", "regions", "audit", "stats", "profiles", "report")  # jobs that never import torch
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


@pytest.mark.parametrize("job", COMMANDS)
def test_imports_of_a_command_are_followed(job, loaded_modules):
    plugins = {
        "score": [family.job for family in FAMILIES.values()],
        "explain": {method.path for method in METHODS.values()},
        "variants": {method.path for method in METHODS.values()},
    }
    followed = set(source_files([f"heatproof.{COMMANDS[job]}", *plugins.get(job, ())]))
    loaded = {name for name in loaded_modules[job] if name.startswith("heatproof.")} - FOLDERS
    assert loaded <= followed
    assert not {"heatproof.config.load", "heatproof.config.study"} & (loaded | followed)  # jobs never read params.yaml
    if job in LIGHT:
        assert "torch" not in loaded_modules[job]


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
    "shortcut": {"kind": "folder", "source": "images", "shortcut": {"kind": "corner_mark", "rate": 0.95}},
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
def test_a_data_job_runs_the_files_that_count(place, case):
    config = data_config(**{"classes": {"a": "a", "b": "b"}, "size": 48} | CASES[case])
    snippet = f"""
import json, sys
from heatproof.cli import main
assert main(["job", "data", "--study", {case!r}, "--config", {json.dumps(config)!r}]) == 0
print(json.dumps(sorted(name for name in sys.modules if name.startswith("heatproof."))))
"""
    done = subprocess.run(
        [sys.executable, "-c", snippet], cwd=place, env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ran = set(json.loads(done.stdout.splitlines()[-1])) - {"heatproof.cli", "heatproof.store.locks"} - FOLDERS
    taken = [config["kind"], *([config["planted"]["kind"]] if config["kind"] == "planted" else [])]
    taken += [key for key in ("contents", "shortcut", "annotations") if config[key]]
    assert ran == set(source_files(["heatproof.data.command"], taken))


@pytest.mark.parametrize(("job", "has"), [("report", True), ("profiles", True), ("stats", False), ("data", False)])
def test_templates_and_tables_are_code_of_the_jobs_that_read_them(job, has):
    files = dict(code._beside(source_files([f"heatproof.{COMMANDS[job]}"]).values()))
    assert ({"report/templates/style.css", "report/separation.csv"} <= files.keys()) == has
    assert all(not Path(name).is_absolute() for name in files)


def test_every_kind_of_source_has_a_reader():
    assert set(get_args(Data.model_fields["kind"].annotation)) - {"planted"} == set(opening.BRANCHES)


def test_every_branch_and_every_start_is_a_module():
    tables = [table for path in PACKAGE.rglob("*.py") if (table := code._imports(path)[1])]
    started = [f"heatproof.{module}" for module in COMMANDS.values()] + [family.job for family in FAMILIES.values()]
    assert len(tables) == 8
    for name in [*started, *(module for table in tables for module in table.values())]:
        assert code._path(name), name


def test_imports_count_wherever_they_stand_and_branches_where_they_are_taken(tmp_path, monkeypatch):
    monkeypatch.setattr("heatproof.workflow.code.PACKAGE", tmp_path)
    texts = {
        "__init__.py": "",
        "a.py": "import os\nfrom heatproof import b\nfrom heatproof.part.c import thing\n",
        "b.py": "import heatproof.a\n\ndef later():\n    from heatproof.part import own, d\n",
        "part/__init__.py": "from heatproof import e\nown = 1\n",
        "part/c.py": 'thing, BRANCHES = 1, {}\nBRANCHES = {"one": "heatproof.one", "two": "heatproof.two"}\n',
        "part/d.py": "",
        "e.py": "",
        "one.py": "",
        "two.py": "from heatproof import three\n",
        "three.py": "",
        "unrelated.py": "",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    always = {"a", "b", "part", "part.c", "part.d", "e"}
    for taken, more in (((), set()), (("two", "else"), {"two", "three"}), (("one", "two"), {"one", "two", "three"})):
        assert set(source_files(["heatproof.a"], taken)) == {f"heatproof.{name}" for name in always | more}


# prints the digest of the code of every kind of job of a study
DIGESTS = """
import json, sys
from pathlib import Path
from heatproof.config.load import load
from heatproof.catalogue.families import FAMILIES
from heatproof.workflow import code
from heatproof.workflow.job import Job

job = Job("tiny", load(Path(sys.argv[1]), studies=["tiny"])["tiny"])
found = {name: code.code(name, job) for name in code.JOBS if name != "score"}
print(json.dumps(found | {family: code.code("score", job.at(family=family)) for family in FAMILIES}))
"""


def digests(package: Path) -> dict[str, str]:
    environment = os.environ | {"PYTHONPATH": str(package)}
    command = [sys.executable, "-c", DIGESTS, str(ROOT)]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


@pytest.fixture(scope="module")
def before() -> dict[str, str]:
    return digests(ROOT / "src")


def test_each_method_has_the_digest_of_its_own_code():
    explain = {"methods": ["gradcam", "occlusion", "layercam"], "external": {"mine": "mine.npz"}}
    study = load(ROOT, studies=["tiny"], overrides={"explain": explain})["tiny"]
    job = Job("tiny", study, model="test_vit", seed="0", fold="fold0")
    found = json.loads(code.code_by_method("explain", job))
    assert [*found] == ["gradcam", "occlusion", "layercam", "mine"]
    assert len(set(found.values())) == 4
    files = {name: set(source_files(code.JOBS["explain"](job.at(method=name))[1:])) for name in found}
    assert files["gradcam"] == files["layercam"] and "heatproof.explain.cam" in files["gradcam"]
    assert "heatproof.explain.cam" not in files["occlusion"] and not files["mine"]
    assert found.keys() == json.loads(code.code_by_method("variants", job)).keys()


NEW_METRIC = 'METRICS["a_new_one"] = Metric("a_new_one", "complexity", "A new one", "How new is it?", better="lower")'
OF_CATALOGUE = {"stats", "report"}


def slow(*of):
    return pytest.param(*of, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        ("catalogue/metrics.py", "Overlap (IoU)", "Overlap", OF_CATALOGUE),  # a display name
        slow("catalogue/methods.py", "their mean gradient", "gradients", OF_CATALOGUE),
        slow("catalogue/families.py", "random noise", "noise", OF_CATALOGUE),
        slow("catalogue/families.py", "right region", "region", OF_CATALOGUE),
        slow("catalogue/reasons.py", "the heatmap is zero everywhere", "it is zero", OF_CATALOGUE),
        ("catalogue/metrics.py", "", NEW_METRIC, OF_CATALOGUE | {"complexity"}),
        slow("catalogue/metrics.py", 'region="lungs"', 'region="body"', OF_CATALOGUE | {"localization"}),
        slow(
            "catalogue/methods.py",
            'mean gradient"), layer=True',
            'mean gradient")',
            OF_CATALOGUE | {"explain", "variants"},
        ),
        slow("catalogue/reasons.py", '"no_truth"', '"no mask"', OF_CATALOGUE | {*FAMILIES}),
        ("score/metrics/complexity.py", "", "# a remark", {"complexity"}),
        slow("explain/cam.py", "", "# a remark", {"explain", "variants"}),  # a method of the study
        slow("explain/perturbation.py", "", "# a remark", set()),  # of other studies
        slow("train/sources.py", "", "# a remark", set()),  # of studies with models that were trained elsewhere
        slow("explain/variants.py", "", "# a remark", {"variants"}),
        slow("data/synthetic/phantom.py", "", "# a remark", {"data"}),
        ("data/sources/dicom.py", "", "# a remark", set()),
        slow("data/synthetic/planted.py", "", "# a remark", set()),
        slow("data/audit/command.py", "", "# a remark", {"audit"}),
        slow("stats/external.py", "", "# a remark", set()),
        slow("report/page.py", "", "# a remark", {"report"}),
        slow("profiles/measure.py", "", "# a remark", {"profile"}),
        slow("cli.py", "", "# a remark", set()),
        slow("workflow/files.py", "", "# a remark", set()),
    ],
)
def test_an_edit_of_code_changes_the_jobs_that_run_it(tmp_path, before, file, old, new, changed):
    shutil.copytree(PACKAGE, tmp_path / "heatproof")
    path = tmp_path / "heatproof" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1) if old else text + new)
    after = digests(tmp_path)
    assert {job for job in before if after[job] != before[job]} == changed
