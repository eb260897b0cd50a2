"""docs/findings_xray.md: made from the second study's artifacts, and from nothing else."""

import re
from pathlib import Path

import pandas as pd
import pytest
from findings import made, made_xray

from heatproof import artifacts
from heatproof.cli import main
from heatproof.findings import roles, xray_figure
from heatproof.findings.facts import Facts
from heatproof.stats_tables import TABLES

PAGE, README, FIGURE = Path("docs/findings_xray.md"), Path("README.md"), Path("docs/findings/xray.svg")
STATS = Path("results/stats") / made_xray.STUDY


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = made.project(tmp_path_factory.mktemp("rendered"), ("xray",))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["findings"]) == 0
    return folder


def page() -> str:
    return " ".join(PAGE.read_text().split())


def summary(**changes) -> None:
    path = STATS / "summary.json"
    artifacts.write_json(path, artifacts.read_json(path) | changes)


@pytest.mark.slow
def test_a_study_that_has_not_run_leaves_one_line_and_no_figure(tmp_path, monkeypatch, capsys):
    made.project(tmp_path, ())
    monkeypatch.chdir(tmp_path)
    assert main(["findings"]) == 0
    assert PAGE.read_text().rstrip().endswith("\nnot run yet: `snakemake --cores all --config studies=covid_cxr`")
    assert not FIGURE.exists() and "findings_xray" not in README.read_text()
    made_xray.study(tmp_path)
    capsys.readouterr()
    assert main(["findings", "--check"]) == 1
    error = capsys.readouterr().err
    assert all(str(path) in error for path in (PAGE, FIGURE, README))


@pytest.mark.parametrize(
    ("table", "column", "files"),
    [
        ("published", "value", {PAGE, FIGURE}),
        ("published", "published", {PAGE, FIGURE}),
        ("multilabel", "low", {PAGE, FIGURE}),
        ("labels", "groups", {PAGE}),
        ("claims", "effect", {PAGE}),
        ("metrics", "mean", {PAGE}),
        ("profiles/layers", "dead", {PAGE}),
        ("profiles/models", "agreement", {PAGE}),
    ],
)
@pytest.mark.slow
def test_a_changed_number_fails_and_names_what_is_stale(project, capsys, table, column, files):
    path = STATS / f"{table}.csv"
    frame = pd.read_csv(path)
    frame[column] += 1 if frame[column].dtype == int else 0.1
    frame.to_csv(path, index=False)
    assert main(["findings", "--check"]) == 1 and f"{path}: truncated or altered" in capsys.readouterr().err
    artifacts.seal(path)
    assert main(["findings", "--check"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert files == {Path(line.removeprefix("heatproof findings: ").split(": ")[0]) for line in lines}


def test_published_and_ours_stand_one_below_the_other(project):
    text = PAGE.read_text()
    assert "| model | F1 | micro | No finding | COVID-19 |\n" in text
    assert "| resnet34 | published | 0.84 | 0.88 | 0.90 |\n" in text
    assert "| resnet34 | here | 0.47 [0.37 to 0.59] | 0.51 [0.41 to 0.63] | 0.53 [0.43 to 0.65] |\n" in text
    assert "| ensemble_vote | published" not in text and "| ensemble_vote | here | 0.53 [0.43 to 0.65] |" in text
    assert "3 networks reach a micro F1 of 0.44 to 0.50 (published: 0.83 to 0.85), 2 ensembles 0.53 to 0.56;" in page()
    assert "without any network, 0.59 (nearest neighbour) and 0.62 (most frequent class)." in page()


def test_the_setting_and_who_is_judged(project):
    text = page()
    assert "Trained from scratch on 128 x 128 pixels. Judged on 57 test images of 31 patients;" in text
    assert "The published numbers come from arXiv:2006.02570: some figures. Another note." in text
    assert (
        "resnet18 and resnet34 are surely better than guessing by macro AUROC; verdicts leave out inception_v3." in text
    )
    assert "| inception_v3 | 0.58 [0.45 to 0.69] | not shown | " in text and "ensemble_vote is above." in text
    assert "| Klebsiella | 8 | 4 | no | " in text and "Klebsiella is left out of macro F1." in text


def test_no_competent_network_is_said(project):
    summary(models={model: {"competent": False} for model in made_xray.NETWORKS}, verdicts={})
    assert main(["findings"]) == 0
    assert "None of the networks is surely better than guessing by macro AUROC" in page()
    assert "None of it is tested: that needs a network that is surely better than guessing." in page()


def test_the_finding_and_its_parts(project):
    text = PAGE.read_text()
    assert "| faithfulness | symmetric relevance gain | supported | 0.11 [0.05 to 0.19] | 0.021 | 28 |\n" in text
    assert "| sanity | – | undecided | – |" in text and "- sanity: **undecided**; sanity says so.\n" in text
    assert "| all together | in margins | **undecided** | 1.23 [−0.12 to 2.31] | 0.400 | 28 |\n" in text
    assert 'its finding that "the ResNets were the most interpretable models" is **undecided** here.' in " ".join(
        README.read_text().split()
    )


def test_methods_stand_beside_random_maps(project):
    text = PAGE.read_text()
    assert "Heat outside the body (localization; lower is better):\n" in text
    assert "Rank correlation with other methods (agreement; higher is better):\n" in text
    assert "| method | resnet18 | resnet34 | inception_v3 | ensemble_vote | ensemble_mean |\n" in text
    row = "| saliency | 0.23 [0.18 to 0.30] | 0.33 [0.28 to 0.40] | 0.43 [0.38 to 0.50] | – | 0.63 [0.58 to 0.70] |\n"
    assert text.count(row) == 4
    assert text.count("| random noise | 0.27 [0.22 to 0.34] |") == 4
    assert "- better than each: gradcam (resnet18).\n- no verdict: gradcam (resnet34).\n" in text


def test_profiles_by_hand(project):
    found = Facts(roles.read()).xray
    assert [row["dead"] for row in found.dead] == ["30", "40", "50"]
    text = PAGE.read_text()
    assert "| resnet34 | 2 | 200 | 40 | 20% | 30% |\n" in text
    assert "| networks | label | right or wrong |\n" in text
    assert "| resnet18 and inception_v3 | 0.52 [0.22 to 0.72] | 0.52 [0.22 to 0.72] |\n" in text
    assert "| resnet34 and inception_v3 | 0.32 [0.02 to 0.52] | too few groups |\n" in text
    assert "From one seed it is not known how far two trainings of one network agree" in page()


def test_what_is_missing_is_said(project):
    for path in (STATS / "profiles").iterdir():
        path.unlink()
    artifacts.write_table(
        STATS / "metrics.csv", artifacts.read_table(STATS / "metrics.csv", TABLES["metrics"])[:0], TABLES["metrics"]
    )
    summary(findings={}, published={}, ensembles={}, cases_sentence=None)
    assert main(["findings"]) == 0
    text = PAGE.read_text()
    for said in (
        "The study names no published numbers.",
        "The study names no finding.",
        "The study has no scores of agreement.",
        "The study has no scores of it.",
        "The study has none.",
    ):
        assert said in text
    assert not FIGURE.exists() and "xray.svg" not in text and "nsemble" not in text.split("## In short")[1]


def test_the_figure_says_its_numbers(project):
    found = Facts(roles.read()).xray
    said = xray_figure.told(found)
    assert "resnet18 published 0.83, here 0.44, macro AUROC 0.66, surely better than guessing;" in said
    assert "inception_v3 published 0.85, here 0.50, macro AUROC 0.58, not surely better than guessing;" in said
    assert said in PAGE.read_text()
    drawn = set(re.findall(r'id="xray-((?:published|here|auroc)-\d)"', FIGURE.read_text()))
    assert drawn >= {f"here-{i}" for i in range(7)} | {f"auroc-{i}" for i in range(5)} | {"published-0"}
