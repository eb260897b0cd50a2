"""docs/findings.md, its figures and the README's block: made from the artifacts, and from nothing else."""

import os
import re
import subprocess
import sys
import xml.dom.minidom
from pathlib import Path

import pandas as pd
import pytest
from findings import made

from heatproof import artifacts
from heatproof.cli import main
from heatproof.findings import cheat, pages, roles
from heatproof.findings.facts import Facts
from heatproof.stats_tables import TABLES

ROOT = Path(__file__).parents[2]
PAGE, XRAY, README = Path("docs/findings.md"), Path("docs/findings_xray.md"), Path("README.md")
ALLOWED = (  # digits that are names: of the paper, a format, a measure, the rate that tells nothing, an address
    r"\{[{%].*?[%}]\}",
    r"\]\([^)]*\)",
    r"arXiv \d{4}\.\d{5}",
    r"`[^`]*`",
    r"\bF1\b",
    r"```.*?```",
)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = made.project(tmp_path_factory.mktemp("rendered"))
    made.costs(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["findings"]) == 0
    return folder


def change(path: Path, column: str, *, sealed: bool) -> None:
    """Add to every value of a column of a table, with or without a new digest."""
    frame = pd.read_csv(path)
    frame[column] += 0.1
    frame.to_csv(path, index=False)
    if sealed:
        artifacts.seal(path)


def test_what_is_committed_is_what_the_results_say(monkeypatch):
    monkeypatch.chdir(ROOT)
    differing = pages.differing(pages.render(roles.read()))
    assert not differing, f"{', '.join(map(str, differing))}: run `make findings` and commit what it changes"


@pytest.mark.slow
def test_the_same_results_give_the_same_bytes(project, capsys):
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert main(["findings"]) == 0 and capsys.readouterr().out == "nothing changed\n"
    assert main(["findings", "--check"]) == 0
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("table", "column", "files"),
    [
        ("iq_oth_nccd/published", "value", {PAGE, README, Path("docs/findings/splits.svg")}),
        ("planted_ct/metrics", "mean", {PAGE, Path("docs/findings/overview.svg")}),
        ("planted_ct/pairs", "difference", {PAGE, Path("docs/findings/transformers.svg")}),
        ("planted_ct_mark_090/cue", "marked", {Path("docs/findings/cheat.svg"), Path("docs/findings/cheat.csv")}),
        ("phantom/claims", "effect", {PAGE, Path("docs/findings/claims.csv")}),
    ],
)
@pytest.mark.slow
def test_a_changed_number_fails_and_names_what_is_stale(project, capsys, table, column, files):
    change(Path(f"results/stats/{table}.csv"), column, sealed=True)
    assert main(["findings", "--check"]) == 1
    lines = capsys.readouterr().err.splitlines()
    named = {line.removeprefix("heatproof findings: ").split(": ")[0] for line in lines}
    assert files <= set(map(Path, named)) and all("make findings" in line for line in lines)


def test_an_altered_artifact_is_named(project, capsys):
    change(Path("results/stats/planted_ct/metrics.csv"), "mean", sealed=False)
    assert main(["findings", "--check"]) == 1
    assert "results/stats/planted_ct/metrics.csv: truncated or altered" in capsys.readouterr().err


@pytest.mark.parametrize("path", [README, PAGE])
@pytest.mark.slow
def test_a_number_edited_by_hand_is_found_and_mended(project, capsys, path):
    text = path.read_text()
    path.write_text(text.replace("0.78 to 0.90", "0.78 to 0.99", 1))
    assert path.read_text() != text
    assert main(["findings", "--check"]) == 1 and str(path) in capsys.readouterr().err
    assert main(["findings"]) == 0 and path.read_text() == text


@pytest.mark.parametrize("name", ["findings.md", "findings_xray.md", "readme.md", "in_short.md", "macros"])
def test_templates_hold_no_number(name):
    text = (ROOT / f"docs/findings/{name}.jinja").read_text()
    for allowed in ALLOWED:
        text = re.sub(allowed, "", text, flags=re.DOTALL)
    assert re.findall(r".{0,30}\d.{0,30}", text) == []


def test_templates_compute_no_number_that_a_reader_would_quote():
    """In expressions digits are places of a list, a format, or the rate at which a cue tells nothing."""
    for path in (ROOT / "docs/findings").glob("*.jinja"):
        for found in re.findall(r"\{\{.*?\}\}", path.read_text(), re.DOTALL):
            bare = re.sub(r"\[\d?:?\d?\]|%\.\dg|f1_macro|> 1|== 0\.5", "", found)
            assert not re.search(r"\d", bare), f"{path.name}: {found}"


@pytest.mark.parametrize(
    ("there", "absent", "figures"),
    [
        (("truth", "cue"), "iq_oth_nccd", {"overview", "cheat", "transformers"}),
        (("real", "synthetic"), "planted_ct", {"overview", "splits", "transformers"}),
        (("real", "truth"), "planted_ct_mark_050", {"overview", "splits", "transformers"}),
        ((), "iq_oth_nccd", {"overview"}),
    ],
)
@pytest.mark.slow
def test_a_study_that_has_not_run_leaves_its_line(tmp_path, monkeypatch, there, absent, figures):
    made.project(tmp_path, there)
    monkeypatch.chdir(tmp_path)
    assert main(["findings"]) == 0
    line = f"not run yet: `snakemake --cores all --config studies={absent}`"
    assert line in PAGE.read_text() and line in README.read_text()
    assert {path.stem for path in Path("docs/findings").glob("*.svg")} == figures
    assert set(re.findall(r"\]\(findings/(\w+)\.svg\)", PAGE.read_text())) == figures


def test_a_cue_that_ran_at_some_rates_is_told_with_those_that_lack(tmp_path, monkeypatch):
    made.project(tmp_path, ("truth",))
    made.study("planted_ct_mark_100", models=(made.MODELS[0],), rate=1.0, root=tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["findings"]) == 0
    text = PAGE.read_text()
    assert text.count("studies=planted_ct_mark_0") == 4 and "studies=planted_ct_mark_100`" not in text
    assert "| resnet50 | gradcam | 1.00 (1 of 1) |" in text


@pytest.mark.slow
def test_figures_that_nothing_makes_any_more_go(project, capsys):
    for name in made.RATES:
        for path in Path(f"results/stats/planted_ct_mark_{name}").iterdir():
            path.unlink()
    assert main(["findings", "--check"]) == 1 and "docs/findings/cheat.svg" in capsys.readouterr().err
    assert main(["findings"]) == 0
    assert not Path("docs/findings/cheat.svg").exists() and not Path("docs/findings/cheat.csv").exists()


def test_the_three_sentences_say_what_the_tables_say(project):
    text = " ".join(README.read_text().split())
    assert "reach an accuracy of 0.78 to 0.90 (published: 0.83 to 0.87)" in text
    assert (
        "kept together they reach 0.65 to 0.77, and a nearest neighbour on thumbnails, no network at all, 0.75" in text
    )
    assert "better than every control for 1 of 4 models that learnt the task, and worse than one of them for 1" in text
    assert "none surely does better than gradcam by localization, and attnlrp surely does better" in text
    assert (
        "(7 cases of a model and a rate), the share of relevance that gradcam lays on the mark gives it away in 6"
        in text
    )
    assert text.startswith("# Made ") and text.endswith(" The rest.")


def test_a_model_that_rests_on_nothing_gives_nothing_away(tmp_path, monkeypatch):
    made.project(tmp_path, ("truth",))
    made.study("planted_ct_mark_050", models=(made.MODELS[0],), rate=0.5, root=tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["findings"]) == 0
    assert "At no rate of a mark in the corner did a model surely rest on it" in " ".join(README.read_text().split())


def test_the_cue_by_hand(project):
    found = Facts(roles.read()).cheat
    assert found.rates == [0.5, 0.7, 0.8, 0.9, 1.0] and found.models == ["resnet50", made.VIT]
    assert found.learnt("resnet50") == [0.7, 0.8, 0.9, 1.0] and found.learnt(made.VIT) == [0.8, 0.9, 1.0]
    assert found.at("resnet50", "gradcam", cheat.ON_CUE) == [0.8, 0.9, 1.0]
    assert found.cell("resnet50", "gradcam", cheat.ON_CUE) == "0.80 (3 of 4)"
    assert found.cell("resnet50", "hirescam", cheat.ON_CUE) == "never"
    assert found.given_away("gradcam") == (6, 7) and found.oftenest() == ("gradcam", 6)
    assert found.used("resnet50") == ["gradcam", "hirescam", "integrated_gradients"]
    assert found.false_alarms == []
    assert len(found.rows(made.VIT, "", cheat.ACCURACY)) == 5  # means over seeds alone


@pytest.mark.slow
def test_what_is_hidden_and_what_controls_show_is_said(project):
    path = Path("results/stats/planted_ct_mark_100/cue.csv")
    frame = artifacts.read_table(path, TABLES["cue"])
    on_cue = (frame["model"] == "resnet50") & (frame["metric"] == cheat.ON_CUE)
    frame.loc[on_cue & (frame["method"] == "hirescam"), "verdict"] = "hidden"
    frame.loc[on_cue & (frame["method"] == "random"), "verdict"] = "shown"
    artifacts.write_table(path, frame, TABLES["cue"])
    assert main(["findings"]) == 0
    text = " ".join(PAGE.read_text().split())
    assert "| resnet50 | hirescam | never; surely hidden at 1 of 4 |" in text
    assert "show it, too: random noise (heat on the planted cue). Seen by" in text


@pytest.mark.slow
def test_what_is_shown_where_no_model_rests_on_it_is_said(project):
    path = Path("results/stats/planted_ct_mark_050/cue.csv")
    frame = artifacts.read_table(path, TABLES["cue"])
    row = frame.index[(frame["method"] == "hirescam") & (frame["metric"] == cheat.ON_CUE)][0]
    frame.loc[row, "verdict"] = "shown"
    artifacts.write_table(path, frame, TABLES["cue"])
    assert Facts(roles.read()).cheat.false_alarms == [("resnet50", "hirescam", cheat.ON_CUE, 0.5)]
    assert main(["findings"]) == 0
    assert "not surely resting on it: hirescam (heat on the planted cue) of resnet50 at 0.50." in PAGE.read_text()


def test_a_lead_is_above_zero_where_the_method_is_better(project):
    """The tables hold reference - method; heat outside the lungs is better when it is lower."""
    found = {(lead.study, lead.family, lead.method): lead for lead in Facts(roles.read()).leads}
    assert len(found) == 18
    higher = found["planted_ct", "localization", "attnlrp"]
    assert (higher.difference, higher.low, higher.high) == pytest.approx((0.21, 0.15, 0.26))
    lower = found["iq_oth_nccd", "localization", "attnlrp"]
    assert (lower.difference, lower.low, lower.high) == pytest.approx((-0.21, -0.26, -0.15))
    assert found["planted_ct", "faithfulness", "attnlrp"].verdict == "better" and lower.verdict == "no difference shown"


def test_the_hardest_control_is_the_one_least_behind(project):
    facts = Facts(roles.read())
    row = facts.localization[1]
    assert row.hardest == "random" and row.lead == pytest.approx((0.07, -0.01, 0.17)) and row.verdict == "unclear"
    assert facts.localization[3].said == "left out: not surely better than guessing"
    outside = facts.outside["outside_lungs"][0]  # lower is better: of all controls the one with the lowest heat
    assert outside.hardest == "other_image" and outside.lead[0] == pytest.approx(-0.15)


def test_figures_stand_alone(project):
    for path in Path("docs/findings").glob("*.svg"):
        text = path.read_text()
        root = xml.dom.minidom.parseString(text).documentElement
        assert root.getAttribute("role") == "img" and len(root.getAttribute("aria-label")) > 40
        assert '<rect width="100%" height="100%" fill="#ffffff"/>' in text  # its own ground, in any colour scheme
        assert len(text) < 60_000 and "var(" not in text and "currentColor" not in text and "url(http" not in text
        assert not re.search(r'href="(?!#)', text) and "<style>@" not in text and "nan" not in text.lower().split()


def test_links_of_the_page_lead_somewhere(project):
    for path in (PAGE, XRAY, README):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
            beside = ROOT / path.parent / target
            assert (path.parent / target).exists() or beside.exists(), f"{path}: {target}"


def test_the_readme_links_to_headings_that_are_there():
    text = (ROOT / PAGE).read_text()
    anchors = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.*)$", text, re.M)}
    wanted = set(re.findall(r"docs/findings\.md#([\w-]+)", (ROOT / README).read_text()))
    assert wanted and wanted <= anchors


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("real: iq_oth_nccd", "real: iq_oth", "docs/findings/studies.yaml: 'iq_oth': no file studies/iq_oth.yaml"),
        ("synthetic: phantom", "synthtic: phantom", "docs/findings/studies.yaml: synthtic: unknown key; allowed: real"),
        ("truth: planted_ct", "", "docs/findings/studies.yaml: truth: not set; add it"),
        ("xray: covid_cxr", "xray: covid", "docs/findings/studies.yaml: 'covid': no file studies/covid.yaml"),
        ("sustained_tflops: 5", "sustained_tflops: -5", "docs/findings/studies.yaml: gpu.sustained_tflops: -5: "),
        ("cue:", "cue: {", "docs/findings/studies.yaml: not YAML"),
    ],
)
def test_a_wrong_part_is_named(project, capsys, old, new, said):
    path = Path("docs/findings/studies.yaml")
    path.write_text(path.read_text().replace(old, new, 1))
    assert main(["findings"]) == 1
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error


@pytest.mark.parametrize("text", ["# Made\n", "<!-- findings -->\n<!-- /findings -->\n" * 2])
@pytest.mark.slow
def test_a_readme_without_its_one_block_is_refused(project, capsys, text):
    README.write_text(text)
    assert main(["findings"]) == 1
    assert "README.md: " in capsys.readouterr().err and README.read_text() == text


def test_paragraphs_are_broken_anew_and_nothing_else():
    kept = "| a | b |\n| - | - |\n\n"
    code = "\n\n```\nas   it is\n```\n"
    ragged = f"Some words\nthat stand  on\nlines , short.\n\n{kept}- one\n  item\n- two{code}"
    assert pages.filled(ragged) == f"Some words that stand on lines, short.\n\n{kept}- one item\n- two{code}"


@pytest.mark.slow
def test_findings_never_import_torch(project):
    code = "import sys; from heatproof.cli import main; assert main(['findings']) == 0; print('torch' in sys.modules)"
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, cwd=project)
    assert done.stdout.splitlines()[-1:] == ["False"], done.stderr
