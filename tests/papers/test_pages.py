"""docs/findings*.md, their figures and the README's block: made from the artifacts, and from nothing else."""

import os
import re
import shutil
import subprocess
import sys
import xml.dom.minidom
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from heatproof.stats import results
from heatproof.store import artifacts
from heatproof.text.words import called
from papers.claims import criteria, read
from papers.pages import CLAIMS, PAGE, README, TEMPLATES, XRAY, fill, hours, main
from papers.studies import Results, read_roles

ROOT = Path(__file__).parents[2]
SVG = Path("docs/findings")
NAMES = (r"\{[{%].*?[%}]\}", r"\]\([^)]*\)", r"arXiv \d{4}\.\d{5}", r"`[^`]*`", r"\bF1\b", r"```.*?```")  # with digits


@pytest.fixture(scope="module")
def roles():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return read_roles()


def change(path: Path, column: str, *, sealed: bool = True) -> None:
    """Change every value of a column of a table, with or without a new digest."""
    table = pd.read_csv(path)
    table[column] += 1 if table[column].dtype == int else 0.1
    table.to_csv(path, index=False)
    if sealed:
        artifacts.seal(path)


def test_what_is_committed_is_what_the_results_have(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert main(["--check"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    ("role", "table", "column", "files"),
    [
        ("real", "published", "value", {PAGE, README, SVG / "splits.svg"}),
        ("truth", "metrics", "mean", {PAGE, SVG / "overview.svg"}),
        ("attention", "pairs", "difference", {PAGE, SVG / "transformers.svg"}),
        ("synthetic", "claims", "effect", {PAGE, CLAIMS, SVG / "claims.csv"}),
        ("xray", "published", "published", {XRAY, SVG / "xray.svg"}),
        ("xray", "multilabel", "low", {XRAY, SVG / "xray.svg"}),
        ("xray", "profiles/layers", "dead", {XRAY}),
        ("xray", "profiles/models", "agreement", {XRAY}),
    ],
)
@pytest.mark.slow
def test_a_changed_number_fails_and_names_what_is_stale(project, capsys, roles, role, table, column, files):
    change(Path(f"results/stats/{getattr(roles, role)}/{table}.csv"), column)
    assert main(["--check"]) == 1
    lines = capsys.readouterr().err.splitlines()
    named = {Path(line.removeprefix("papers: ").split(": ")[0]) for line in lines}
    assert (files == named if role == "xray" else files <= named) and all("make findings" in line for line in lines)


def test_an_altered_artifact_is_named(project, capsys, roles):
    path = Path(f"results/stats/{roles.truth}/metrics.csv")
    change(path, "mean", sealed=False)
    assert main(["--check"]) == 1
    assert f"papers: {path}: truncated or altered" in capsys.readouterr().err


@pytest.mark.slow
def test_numbers_edited_by_hand_are_found_and_written_anew(project, capsys):
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    for path in (README, PAGE, XRAY):
        edited = re.sub(r"\d\.\d\d to", "7.77 to", path.read_text(), count=1)
        assert edited != path.read_text()
        path.write_text(edited)
    assert main(["--check"]) == 1
    error = capsys.readouterr().err
    assert all(f"papers: {path}: " in error for path in (README, PAGE, XRAY))
    assert main([]) == 0 and set(capsys.readouterr().out.split()) == {str(path) for path in (README, PAGE, XRAY)}
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before
    assert main([]) == 0 and capsys.readouterr().out == "nothing changed\n"


@pytest.mark.parametrize("name", ["findings.md", "findings_xray.md", "claims.md", "README.md", "in_short.md", "macros"])
def test_templates_hold_no_number(name):
    """Digits may only be names; in expressions places of a list, a format, or the rate at which a cue tells nothing."""
    text = (ROOT / TEMPLATES / f"{name}.jinja").read_text()
    for found in re.findall(r"\{\{.*?\}\}", text, re.DOTALL):
        assert not re.search(r"\d", re.sub(r"\[\d?:?\d?\]|%\.\d[fg]|> 1|== 0\.5", "", found)), found
    for allowed in NAMES:
        text = re.sub(allowed, "", text, flags=re.DOTALL)
    assert re.findall(r".{0,30}\d.{0,30}", text) == []


@pytest.mark.slow
def test_studies_that_have_not_run_leave_their_line_and_no_figure(project, capsys, roles):
    for study in (roles.real, roles.cue[0], roles.xray):
        shutil.rmtree(f"results/stats/{study}")
    assert main([]) == 0
    line = "This study has not run yet: `snakemake --cores all --config studies={}`"
    assert line.format(roles.real) in PAGE.read_text() and line.format(roles.real) in README.read_text()
    assert f"- `{roles.cue[0]}`: {line.format(roles.cue[0])}" in " ".join(PAGE.read_text().split())
    assert XRAY.read_text().rstrip().endswith(line.format(roles.xray)) and "findings_xray" not in README.read_text()
    assert {path.stem for path in SVG.glob("*.svg")} == {"overview", "cheat", "transformers", "cues"}
    assert set(re.findall(r"\]\(findings/(\w+)\.svg\)", PAGE.read_text())) == {"overview", "cheat", "transformers"}
    shutil.rmtree("results/stats")
    assert main([]) == 0 and {path.name for path in SVG.iterdir()} == {"overview.svg", "cost.csv", "flops.csv"}
    assert PAGE.read_text().count("has not run yet") >= 5


@pytest.mark.slow
def test_what_networks_did_not_learn_is_stated(project, roles):
    for found in map(results.read, roles.cue):
        results.write(replace(found, cue=replace(found.cue, relies=dict.fromkeys(found.cue.relies, False))))
    found = results.read(roles.xray)
    networks = {model: replace(one, competent=False) for model, one in found.models.items()}
    families = {name: replace(family, outcomes={}) for name, family in found.families.items()}
    nothing = {"findings": {}, "published": {}, "ensembles": {}}
    results.write(replace(found, models=networks, families=families, **nothing))
    assert main([]) == 0
    readme, page = " ".join(README.read_text().split()), " ".join(XRAY.read_text().split())
    assert "No model relies on a mark in the corner at any rate" in readme
    assert "None of the networks performs above chance by" in page
    assert "Nothing is tested: no network performs above chance." in page
    assert "The study names no published numbers." in page and "The study names no finding." in page
    assert not (SVG / "xray.svg").exists() and "xray.svg" not in page


@pytest.mark.parametrize("path", [PAGE, XRAY, CLAIMS], ids=str)
def test_pages_say_what_a_p_value_is_corrected_over_and_begin_with_what_holds(path):
    """A p value stands in a list of evidence alone, and names its tests there; no table has one."""
    text = (ROOT / path).read_text()
    for item in re.findall(r"^- .*(?:\n  .+)*", text, re.MULTILINE):
        if re.search(r"\bp [=<] ", " ".join(item.split())):
            assert re.search(
                r"Holm-corrected over \d|one planned test|one test over all|the only pair", " ".join(item.split())
            )
    assert not re.search(r"\bp [=<] |\| p \|", re.sub(r"^- .*(?:\n  .+)*", "", text, flags=re.MULTILINE))
    assert re.search(r"^# .*\n\n(- \*\*|\*\*)", text, re.MULTILINE), "the conclusion comes first"


def test_criteria_are_shown_by_method_and_model(monkeypatch, roles):
    monkeypatch.chdir(ROOT)
    (whole,) = (row for row in read([Results(roles.truth)]) if row.known)
    metrics, pairs = criteria(whole)
    told = whole.evidence.statements[0].numbers
    assert len(metrics) == told["criteria"] and len(pairs) == told["pairs"]
    assert sum("fails" in cells for _, _, cells in pairs) == told["failing"]
    text = CLAIMS.read_text()
    assert all(
        f"| {called(method)} | {called(model)} | {' | '.join(cells)} |" in text for method, model, cells in pairs
    )


def test_figures_stand_alone():
    paths = list((ROOT / SVG).glob("*.svg"))
    assert len(paths) == 6
    for path in paths:
        text = path.read_text()
        root = xml.dom.minidom.parseString(text).documentElement
        assert root.getAttribute("role") == "img" and len(root.getAttribute("aria-label")) > 40
        assert '<rect width="100%" height="100%" fill="#ffffff"/>' in text  # its own ground, in any colour scheme
        assert len(text) < 60_000 and "var(" not in text and "currentColor" not in text and "url(http" not in text
        assert not re.search(r'href="(?!#)', text) and "<style>@" not in text and "nan" not in text.lower().split()


def test_links_lead_somewhere():
    for path in (PAGE, XRAY, CLAIMS, README):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / path).read_text()):
            assert (ROOT / path.parent / target).exists(), f"{path}: {target}"
    heads = re.findall(r"^#+ (.*)$", (ROOT / PAGE).read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
    wanted = set(re.findall(r"docs/findings\.md#([\w-]+)", (ROOT / README).read_text()))
    assert wanted and wanted <= anchors


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (
            "truth: planted_ct_tuned",
            "truth: planted",
            "truth: Value error, no file studies/planted.yaml; write it or name",
        ),
        ("synthetic: phantom", "synthtic: phantom", "synthtic: Extra inputs are not permitted"),
        ("truth: planted_ct_tuned", "", "truth: Field required"),
        ("sustained_tflops: 5", "sustained_tflops: -5", "gpu.sustained_tflops: Input should be greater than 0"),
        ("cue:", "cue: {", "not YAML"),
    ],
)
def test_a_wrong_part_is_named(project, capsys, old, new, error):
    path = Path("papers/studies.yaml")
    path.write_text(path.read_text().replace(old, new, 1))
    assert main([]) == 1
    assert f"papers: papers/studies.yaml: {error}" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["# Made\n", "<!-- findings -->\n<!-- /findings -->\n" * 2])
@pytest.mark.slow
def test_a_readme_without_its_one_block_is_refused(project, capsys, text):
    README.write_text(text)
    assert main([]) == 1
    assert "README.md: " in capsys.readouterr().err and README.read_text() == text


def test_paragraphs_are_wrapped_anew_and_nothing_else():
    kept = "| a | b |\n| - | - |\n\n"
    code = "\n\n```\nas   it is\n```\n"
    ragged = f"Some words\nthat stand  on\nlines.\n\n\n\n{kept}- one\n  item\n- two{code}"
    assert fill(ragged) == f"Some words that stand on lines.\n\n{kept}- one item\n- two{code}"
    assert fill("- " + "word " * 30) == f"- {'word ' * 22}word\n  {' '.join(['word'] * 7)}"


@pytest.mark.parametrize(("number", "text"), [(0.1, "6 min"), (0.999, "60 min"), (1.234, "1.2 h"), (328.0, "330 h")])
def test_an_estimate_has_two_digits(number, text):
    assert hours(number) == text


@pytest.mark.slow
def test_pages_import_no_torch():
    code = "import sys; from papers.pages import main; assert main(['--check']) == 0; print('torch' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "False\n", done.stderr
