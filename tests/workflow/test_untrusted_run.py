"""A run on hostile names, from absolute paths: nothing is unpickled, no page runs them, no file says where it was."""

import csv
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from workflow.project import ROOT, Project, create

pytestmark = pytest.mark.slow

CLASSES = {"</script><script>alert(1)</script>": "<", "=1+1": "plain", "\\input{x} & $y$ %": "third"}
INSIDE = {"<": "script><img src=x onerror=alert(2)>"}  # so that a path holds `</script>`
GROUP = "p{:02d}\"'><img src=x onerror=alert(3)>"
NOBODY = {"HOME": "home-of-nobody", "USER": "user-nobody", "LOGNAME": "user-nobody", "HOSTNAME": "host-of-nobody"}

# Python imports this by itself: jobs have src on their path
WATCH = """
import json, os, platform, socket, sys

def note(**row):
    file = os.open("logs/watched.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, (json.dumps(row) + "\\n").encode())
    os.close(file)

def watch(event, args):
    if event != "pickle.find_class":
        return
    frame, by = sys._getframe(1), []
    while frame:
        by.append(frame.f_globals.get("__name__", "?"))
        frame = frame.f_back
    note(found=".".join(map(str, args)), by=by)

if "heatproof" in sys.orig_argv:
    os.makedirs("logs", exist_ok=True)
    note(job=sys.orig_argv[sys.orig_argv.index("job") + 1])
    sys.addaudithook(watch)
    socket.gethostname = platform.node = lambda: "host-of-nobody"
    uname = os.uname()
    os.uname = lambda: os.uname_result((uname[0], "host-of-nobody", *uname[2:]))
"""


def write_images(folder: Path) -> list[str]:
    """Pictures that classes can be told by, of patients with hostile names; returns their ids."""
    rng, names = np.random.default_rng(0), []
    for label, name in enumerate(CLASSES.values()):
        for patient in range(14):
            path = folder / name / INSIDE.get(name, "") / f"{GROUP.format(14 * label + patient)}_0.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 90, (64, 64), np.uint8)
            pixels[:, 20 * label : 20 * label + 20] += 120
            Image.fromarray(pixels).save(path)
            names.append(path.relative_to(folder).as_posix().removesuffix(".png"))
    return names


def write_weights(folder: Path) -> None:
    from heatproof.train.model import build, save

    for model in ("test_resnet", "test_vit"):
        save(build(model, 3, 64), folder / f"{model}.safetensors")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    """What a user has outside of the project: images, weights, maps."""
    folder = tmp_path_factory.mktemp("elsewhere")
    names = write_images(folder / "scans")
    write_weights(folder)
    np.savez(folder / "maps.npz", **{name: np.random.default_rng(1).random((8, 8)) for name in names})
    return folder


@pytest.fixture(scope="module")
def ran(elsewhere, tmp_path_factory) -> Project:
    project = create(tmp_path_factory.mktemp("hostile"))
    path = project.folder / "studies/tiny.yaml"
    study = yaml.safe_load(path.read_text())
    study |= {"seeds": [0], "explain": study["explain"] | {"external": {"mine": str(elsewhere / "maps.npz")}}}
    study["explain"]["variants"]["random_labels"] = False
    study["score"]["families"] = ["localization", "faithfulness", "robustness"]
    study["train"]["weights"] = f"{elsewhere}/{{model}}.safetensors"
    study["data"] = {key: study["data"][key] for key in ("size", "split", "audit")} | {
        "kind": "folder",
        "source": str(elsewhere / "scans"),
        "classes": CLASSES,
        "patient": r"(p\d\d.*)_\d",
    }
    path.write_text(yaml.safe_dump(study))
    (project.folder / "src/sitecustomize.py").write_text(WATCH)
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "hostile")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (NOBODY | {"HOME": str(project.folder.parent / NOBODY["HOME"])}).items():
            patch.setenv(name, value)
        project.snakemake()
    return project


def texts(path: Path) -> list[bytes]:
    """What a file holds, and what it holds packed."""
    found = [path.read_bytes()]
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        found += [repr(table.to_pydict()).encode(), repr(table.schema.metadata).encode()]
    if path.suffix == ".png":
        with Image.open(path) as image:
            found.append(repr(image.info).encode())
    return found


def places(ran: Project, elsewhere: Path) -> dict[str, bytes]:
    """What would tell where a run was, and whose it was."""
    known = {"project": ran.folder, "elsewhere": elsewhere, "home": Path.home(), "python": sys.prefix, "checkout": ROOT}
    return {name: str(value).encode() for name, value in known.items()} | {
        f"fake {name}": value.encode() for name, value in NOBODY.items()
    }


def test_no_artifact_says_where_it_was_made(ran, elsewhere):
    files = [path for path in (ran.folder / "results").rglob("*") if path.is_file()]
    suffixes = {path.suffix for path in files}
    assert {".npy", ".parquet", ".safetensors", ".json", ".csv", ".html", ".svg", ".png", ".tex", ".md"} <= suffixes
    told = {
        (path.relative_to(ran.folder).as_posix(), name)
        for path in files
        for content in texts(path)
        for name, place in places(ran, elsewhere).items()
        if place in content
    }
    assert not told
    record = json.loads((ran.folder / "results/report/tiny/provenance.json").read_text())
    assert record["dirty"] is False and (ran.folder / "results/report/tiny/changes.diff").read_bytes() == b""
    page = (ran.folder / "results/report/tiny.html").read_text(encoding="utf-8")
    assert all(f".../{name}" in page for name in ("scans", "maps.npz", "{model}.safetensors"))


def test_snakemakes_own_records_tell_no_place_but_what_the_configuration_tells(ran, elsewhere):
    kept = [path.read_bytes() for path in (ran.folder / ".snakemake/metadata").rglob("*") if path.is_file()]
    assert len(kept) > 50
    hidden = {name: place for name, place in places(ran, elsewhere).items() if name != "elsewhere"}
    assert not {name for name, place in hidden.items() for content in kept if place in content}


def test_no_job_unpickles_anything(ran):
    rows = [json.loads(line) for line in (ran.folder / "logs/watched.jsonl").read_text().splitlines()]
    jobs = [row["job"] for row in rows if "job" in row]
    assert set(jobs) == {"data", "audit", "train", "explain", "variants", "score", "stats", "report"}
    assert len(jobs) >= 13
    assert [row for row in rows if "found" in row] == []


def test_the_watch_sees_what_is_unpickled(ran):
    (ran.folder / "heatproof").write_text("import pickle, collections as c; pickle.loads(pickle.dumps(c.Counter))")
    watched = ran.folder / "logs/watched.jsonl"
    before = watched.read_text()
    ran.run("env", f"PYTHONPATH={ran.folder}/src", sys.executable, "heatproof", "job", "none")
    assert '"found": "collections.Counter"' in watched.read_text().removeprefix(before)
    watched.write_text(before)
    (ran.folder / "heatproof").unlink()


def test_hostile_names_are_text_wherever_they_stand(ran):
    report = ran.folder / "results/report"
    for path in [report / "tiny.html", *(report / "tiny").glob("*.svg"), report / "tiny/methods.md"]:
        content = path.read_text(encoding="utf-8")
        assert not re.search(r"<img src=x|<script>alert", content), path
    page = (report / "tiny.html").read_text(encoding="utf-8")
    assert "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "onerror=alert(2)" in page and "onerror=alert(3)" in page
    for path in (report / "tiny").glob("*.tex"):
        assert r"\input" not in path.read_text() and not re.search(r"[<>]", path.read_text())
    for path in (ran.folder / "results/stats/tiny").glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            assert len({len(row) for row in csv.reader(file, strict=True)}) == 1, path


def test_no_browser_runs_them(ran):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium on this machine")
    report, seen = ran.folder / "results/report", []
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        page = started.new_page()
        page.on("dialog", lambda dialog: (seen.append(dialog.message), dialog.dismiss()))
        page.on("pageerror", lambda error: seen.append(str(error)))
        for path in [report / "tiny.html", *sorted((report / "tiny").glob("*.svg"))]:
            page.goto(path.as_uri())
            assert page.locator("img[onerror], img[src=x]").count() == 0
            page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true })")
            for choice in page.locator("select:visible").all():
                for value in choice.locator("option").evaluate_all("all => all.map(one => one.value)"):
                    choice.select_option(value)
                    assert page.locator("img[onerror], img[src=x]").count() == 0
        started.close()
    assert seen == []
