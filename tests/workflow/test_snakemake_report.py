"""`snakemake --report` on a finished project, without a network: every captioned file is in it, with its caption."""

import base64
import re

import pytest

from heatproof.store import artifacts

pytestmark = pytest.mark.slow

CAPTIONS = {  # file -> how its caption begins
    "results/report/tiny.html": "The report of study tiny",
    "results/report/tiny/accuracy.svg": "How well the models of study tiny tell the classes apart",
    "results/report/tiny/localization.svg": "One family of metrics of study tiny",
    "results/report/tiny/localization_ranks.svg": "Mean ranks of the models of study tiny",
    "results/stats/tiny/models.csv": "Accuracy of every training of study tiny",
    "results/stats/tiny/metrics.csv": "Every metric of study tiny, by method and model",
    "results/stats/tiny/pairs.csv": "Pairs of models of study tiny",
    "results/stats/tiny/controls.csv": "Heatmaps against controls in study tiny",
    "results/stats/tiny/claims.csv": "Claims of others, as study tiny finds them",
}


SETTING = "Trained from scratch (no pretrained weights)"  # beneath each caption


@pytest.fixture
def page(project, monkeypatch) -> str:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens: whatever asks the network fails
    project.run("snakemake", "--report", "report.html")
    return (project.folder / "report.html").read_text(encoding="utf-8")


def test_the_report_holds_every_captioned_file_and_asks_the_network_for_nothing(project, page):
    for name, caption in CAPTIONS.items():
        assert caption in page, name
        content = base64.b64encode((project.folder / name).read_bytes()).decode()
        assert content in page, f"{name} is not in the report"
    assert page.count(SETTING) >= len(CAPTIONS)
    for name in artifacts.FIGURES:
        assert f"results/report/tiny/{name}.svg" in page
    assert "Do the heatmaps of medical image classifiers hold?" in page
    assert not re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="https?:[^"]*', page)


def test_the_files_of_a_paper_are_made_by_the_run_and_made_again_where_one_is_gone(project):
    for path in artifacts.paths("tiny"):
        assert (project.folder / path).stat().st_size > 0, path
    (project.folder / artifacts.folder("tiny") / "methods.md").unlink()
    assert project.planned() == {"report": 1}
