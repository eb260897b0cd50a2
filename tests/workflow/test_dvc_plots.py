"""DVC's metrics, parameters and plots on a small repository, without a network: two commits, then their difference."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from heatproof.catalogue.families import CONTROLS

ROOT = Path(__file__).parents[2]
MODELS = "model,seed,images,balanced_accuracy,low,high,competent\n"
METRICS = "family,metric,method,model,mean,low,high,groups,missing\n"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><title>{}</title></svg>\n'


class Repository:
    """The project's own dvc.yaml, parameters and DVC's settings, with made-up results of its first study."""

    def __init__(self, folder: Path):
        self.folder = folder
        for name in ("params.yaml", ".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots")
        recorded = yaml.safe_load((ROOT / "dvc.yaml").read_text())
        outs = [{"results/report": {"persist": True}}, {"results/stats": {"persist": True, "cache": False}}]
        recorded["stages"] = {"study": {"cmd": "true", "params": [{"params.yaml": None}], "outs": outs}}
        (folder / "dvc.yaml").write_text(yaml.safe_dump(recorded, sort_keys=False))
        self.run("git", "init", "-q")

    def run(self, *command: str) -> str:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        environment |= dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
        environment |= {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t"}
        environment |= {"GIT_COMMITTER_EMAIL": "t@t", "GIT_CONFIG_GLOBAL": "/dev/null"}
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def results(self, accuracy: float, srg: float) -> None:
        for study in STUDIES:
            stats, report = (self.folder / "results" / part / study for part in ("stats", "report"))
            for path in (stats, report):
                path.mkdir(parents=True, exist_ok=True)
            (stats / "models.csv").write_text(f"{MODELS}one_net,0,10,{accuracy},{accuracy - 0.1},1.0,True\n")
            rows = [f"faithfulness,{name},{method},one_net,{srg},0.1,0.9,10,0" for name, method in SHOWN | HIDDEN]
            (stats / "metrics.csv").write_text(METRICS + "\n".join(rows) + "\n")
            values = {"balanced_accuracy": {"one_net": accuracy}, "scores": {"faithfulness": {"gradcam": srg}}}
            (stats / "metrics.json").write_text(json.dumps(values))
            for name in ("localization", "faithfulness"):
                (report / f"{name}.svg").write_text(SVG.format(srg))


STUDIES = ("quickstart", "phantom", "iq_oth_nccd", "planted_ct")
SHOWN = {("srg", "gradcam"): None, ("relevance_rank_accuracy", "gradcam"): None}
HIDDEN = {("srg", name): None for name in (*CONTROLS, "other_image:gradcam")} | {("infidelity", "gradcam"): None}


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Repository:
    """Results that were committed, and others in the working tree."""
    made = Repository(tmp_path_factory.mktemp("dvc"))
    made.results(accuracy=0.75, srg=0.25)
    made.run("dvc", "repro", "-q")
    made.run("git", "add", "-A")
    made.run("git", "commit", "-qm", "first")
    made.results(accuracy=0.875, srg=0.5)
    params = made.folder / "params.yaml"
    text = params.read_text()
    assert text.count("  alpha: 0.05") == 1
    params.write_text(text.replace("  alpha: 0.05", "  alpha: 0.01"))
    return made


@pytest.mark.slow
def test_metrics_show_and_diff_name_what_changed(repository):
    shown = json.loads(repository.run("dvc", "metrics", "show", "--json"))[""]["data"]
    assert shown["results/stats/phantom/metrics.json"]["data"]["balanced_accuracy"] == {"one_net": 0.875}
    changed = repository.run("dvc", "metrics", "diff")
    row = next(line.split() for line in changed.splitlines() if "phantom" in line and "balanced_accuracy" in line)
    assert row[1:] == ["balanced_accuracy.one_net", "0.75", "0.875", "0.125"]


@pytest.mark.slow
def test_params_diff_names_what_changed(repository):
    rows = [line.split() for line in repository.run("dvc", "params", "diff").splitlines()]
    assert rows[1:] == [["params.yaml", "stats.alpha", "0.05", "0.01"]]


def specifications(page: str) -> dict[str, dict]:
    """Vega-Lite's specifications of a page, by title."""
    found = re.findall(r"var spec = (\{.*?\});\n", page)
    specs = [json.loads(text) for text in found]
    return {spec["title"]["text"]: spec for spec in specs if spec}


@pytest.mark.slow
def test_plots_show_and_diff_make_a_page_of_every_chart(repository):
    for command, revisions in ((["show"], {"workspace"}), (["diff"], {"workspace", "HEAD"})):
        repository.run("dvc", "plots", *command, "--out", f"page_{command[0]}")
        folder = repository.folder / f"page_{command[0]}"
        page = (folder / "index.html").read_text(encoding="utf-8")
        drawn = specifications(page)
        assert set(drawn) == {
            f"{study}: {what}"
            for study in STUDIES
            for what in ("balanced accuracy of every training", "primary metric of every family")
        }
        values = drawn["phantom: balanced accuracy of every training"]["data"]["values"]
        accuracy = {row["rev"]: float(row["balanced_accuracy"]) for row in values}
        assert accuracy == {name: {"workspace": 0.875, "HEAD": 0.75}[name] for name in revisions}
        images = re.findall(r'<img src="(static/[^"]+)">', page)
        assert len(images) == 2 * len(STUDIES) * len(revisions)
        assert all((folder / image).is_file() for image in images)


@pytest.mark.slow
def test_the_plot_of_scores_filters_primary_metrics_of_methods(repository):
    """Vega-Lite's own compiler runs the filters, as the page would."""
    import vl_convert

    repository.run("dvc", "plots", "show", "--out", "page_scores")
    page = (repository.folder / "page_scores/index.html").read_text(encoding="utf-8")
    points = vl_convert.vegalite_to_svg(specifications(page)["phantom: primary metric of every family"])
    titles = set(re.findall(r'aria-label="[^"]*metric: (\w+); method: ([\w:]+)', points))
    assert titles == set(SHOWN)


def test_templates_know_the_primary_metrics_and_the_controls():
    spec = json.loads((ROOT / ".dvc/plots/scores.json").read_text())
    filters = [step["filter"] for step in spec["transform"]]
    primary = yaml.safe_load((ROOT / "params.yaml").read_text())["score"]["primary"]
    assert filters[0]["oneOf"] == list(primary.values())
    assert set(re.search(r"\^\(([\w|]+)\)", filters[1])[1].split("|")) == set(CONTROLS)
