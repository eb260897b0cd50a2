"""What a study leaves for a paper: all files that are declared, the same bytes each time, the study's own numbers."""

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from report.conftest import STATS
from report.pages import check_text
from report.test_cue_section import CLAIM

from heatproof.config.load import load, section
from heatproof.report import inputs as reading
from heatproof.report import page, tables, words
from heatproof.report.figures import canvas
from heatproof.report.paper import files as paper
from heatproof.report.paper import methods, provenance
from heatproof.report.paper import methods as method_text
from heatproof.store import artifacts

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def resolved() -> dict:
    """A study's whole configuration, as its rule hands it over."""
    return json.loads(section(load(ROOT, studies=["phantom"])["phantom"]))


def configured(resolved: dict, study, **changes) -> dict:
    explain = resolved["explain"] | {"methods": list(study.methods), "options": {}}
    own = {"models": list(study.models), "seeds": list(study.seeds), "explain": explain, "stats": STATS}
    return resolved | own | {"train": resolved["train"] | {"models": {}}} | changes


def read(study):
    return reading.read(study.name, study.models, study.seeds, study.methods, study.fold_names)


def written(study, config: dict) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in paper.write(read(study), config)}


@pytest.fixture(scope="module")
def once() -> dict[str, bytes]:
    return {}


@pytest.fixture
def files(made, resolved, once) -> dict[str, bytes]:
    """Those of the study that `made` makes by default, written once; the working folder is that study's."""
    study = made()
    if not once:
        once.update(written(study, configured(resolved, study)))
    return once


@pytest.mark.slow
def test_every_declared_file_is_there_and_no_other(files):
    folder = artifacts.folder("made_up")
    there = {path.name for path in folder.iterdir()} - set(artifacts.PROVENANCE)  # of a report that was written
    assert set(files) == set(artifacts.NAMES) == there
    assert len(set(artifacts.NAMES)) == len(artifacts.NAMES)
    assert {str(path) for path in artifacts.paths("{study}")} == {
        f"results/report/{{study}}/{name}" for name in artifacts.NAMES
    }


@pytest.mark.slow
def test_a_second_time_gives_the_same_bytes(made, resolved, files):
    study = made()
    assert written(study, configured(resolved, study)) == files


def test_figures_stand_alone_on_white_in_colours_and_are_what_the_page_shows(files):
    for name in artifacts.FIGURES:
        svg = files[f"{name}.svg"].decode()
        root = ElementTree.fromstring(svg)
        assert root.tag == "{http://www.w3.org/2000/svg}svg" and root.get("width").endswith("pt")
        assert root.find("{http://www.w3.org/2000/svg}title").text == root.get("aria-label")
        assert 'fill="#ffffff"/>' in svg and "var(--" not in svg and "currentColor" not in svg
        assert "#01020" not in svg, "placeholders of colours are replaced"
        used, own = set(re.findall(r'href="#([^"]+)"', svg)), set(re.findall(r'\bid="([^"]+)"', svg))
        assert used <= own
    assert "alpha_net" in files["localization.svg"].decode()


def test_pictures_have_300_dots_an_inch_and_show_something(files):
    for name in artifacts.FIGURES:
        path = artifacts.folder("made_up") / f"{name}.png"
        picture = Image.open(path)
        assert [round(dots) for dots in picture.info["dpi"]] == [300, 300]
        width = float(ElementTree.fromstring(files[f"{name}.svg"].decode()).get("width").removesuffix("pt"))
        assert picture.width == pytest.approx(width / 72 * 300, abs=1)
        pixels = np.asarray(picture)
        assert (pixels == 255).all(axis=2).mean() > 0.5, "the ground is white"
        assert (pixels < 128).any(axis=2).sum() > 500, "text is drawn, whatever fonts the machine has"


@pytest.mark.slow
def test_where_there_is_nothing_to_draw_the_file_says_why(made, resolved):
    study = made(truth=False)
    files = written(study, configured(resolved, study))

    def title(name: str) -> str:
        return re.search("<title>(.*?)</title>", files[f"{name}.svg"].decode())[1]

    assert title("localization") == (
        "No figure of localization: no heatmap of Grad-CAM has a value of relevance rank accuracy (the image has no "
        "mask of the true region)."
    )
    assert title("localization_ranks").startswith("No figure of localization: ")
    assert title("sanity") == "No figure of sanity: this study does not score it (score.families)."
    assert "Grad-CAM" in title("faithfulness") and "No figure" not in title("faithfulness")
    alone = read(study)
    family = alone.results.families["faithfulness"]
    outcomes = {"gradcam": replace(family.outcomes["gradcam"], ranks=None)}
    families = alone.results.families | {"faithfulness": replace(family, outcomes=outcomes)}
    without = replace(alone, results=replace(alone.results, families=families))
    assert "or there is but one model" in paper.figure(without, "faithfulness_ranks")
    drawn = " ".join(ElementTree.fromstring(files["sanity.svg"].decode()).itertext()).split()
    assert " ".join(drawn).endswith("does not score it (score.families).")


def test_tables_have_a_row_each_and_cells_as_many_as_columns(files):
    for name in artifacts.TABLES:
        text = files[f"{name}.tex"].decode()
        if text.startswith("% No"):
            assert name == "claims"
            continue
        rows = [line for line in text.splitlines() if line.endswith(r" \\") and not line.startswith(r"\caption")]
        assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == 1, name
        assert text.count(r"\begin{") == text.count(r"\end{")
    check_text("tables.tex", "\n".join(files[f"{name}.tex"].decode() for name in artifacts.TABLES))


@pytest.mark.slow
def test_methods_follow_the_configuration(made, resolved, files):
    study = made()
    text = files["methods.md"].decode()
    body, listed = text.split("## References")
    check_text("paper.txt", body.split("## Software")[0])
    numbers = [int(n) for found in re.findall(r" \[(\d+(?:, \d+)*)\]", body) for n in found.split(", ")]
    count = len(re.findall(r"^\d+\. ", listed, re.M))
    assert list(dict.fromkeys(numbers)) == list(range(1, count + 1)), "numbered as they are first cited"
    keys = re.findall(r"^@\w+{(\w+),", files["references.bib"].decode(), re.M)
    assert [f"{i}. {methods.written(methods.entries()[key])}" for i, key in enumerate(keys, 1)] == [
        line for line in listed.splitlines() if line
    ]
    assert not re.search(r"\d{4}-\d{2}-\d{2}", text), "no date"
    claim = {"source": "arXiv:2601.12826", "claim": "CAMs point well", "check": "differ", "family": "localization"}
    stats = STATS | {"test": "rm_anova", "margin": {"default": 0.1, "srg": 0.2}, "claims": {"c": claim, "gone": None}}
    other = written(study, configured(resolved, study, stats=stats))["methods.md"].decode()
    assert "paired t test" in other and "Wilcoxon's" not in other
    assert "margin of 0.1 (symmetric relevance gain 0.2)" in other
    assert "CAMs point well" not in other, "the statistics did not check it"


def test_the_methods_section_names_what_this_study_has(made, resolved):
    study = made()
    alone, stats = read(study), STATS | {"claims": {"never": {"claim": "asked of no study", "source": "me"}}}
    claim = replace(CLAIM, source="somebody", claim="CAMs point well", verdict="contradicted", name="a")
    open_ = replace(claim, claim="CAMs miss it", verdict="undecided", effect=None, name="b")
    close = replace(claim, claim="CAMs differ", verdict="undecided", name="c")
    given = replace(alone, results=replace(alone.results, claims=(claim, open_, close)))
    text = methods.write_statistics(given, stats)
    assert text.endswith(
        'Published claims tested: "CAMs point well" (somebody); "CAMs differ" (somebody).\n\n'
        'Published claims that this study could not test: "CAMs miss it" (somebody).'
    )
    assert "asked of no study" not in text
    assert "claims" not in methods.write_statistics(replace(alone, results=replace(alone.results, claims=())), stats)
    controls = re.search(r"A model beats the controls \((.*?)\) if", text)[1]
    for family, found in alone.results.families.items():
        named = {words.CONTROLS[name] for outcome in found.outcomes.values() for name in outcome.controls}
        (part,) = [part for part in controls.split("; ") if family in part]
        assert {name for name in words.CONTROLS.values() if name in part} == named
    assert "mean training mask" not in text, "it was not scored here"
    config = configured(resolved, study)
    made_of = method_text.heatmaps(alone, config)
    layer = "Methods that read a layer use last of alpha_net, beta_net and gamma_net (4 by 4 cells)"
    assert f"{layer}: the deepest with a grid of at least 7 cells per side, or the deepest of all." in made_of
    config["explain"] |= {"layers": {"beta_net": "last"}}
    assert f"{layer}: of beta_net as configured, else the deepest with" in method_text.heatmaps(alone, config)
    config["explain"] |= {"layers": dict.fromkeys(study.models, "last")}
    assert f"{layer} as configured. Maps" in method_text.heatmaps(alone, config)
    scratch = "Pixels were normalized by the mean and standard deviation of the training images."
    assert scratch in method_text.models(alone, config)
    config["train"] |= {"weights": "pretrained"}
    assert "normalized by the mean and standard deviation stored with the weights" in method_text.models(alone, config)
    assert tables.layers(alone).rows == [
        [model, "last", "4 x 4", f"{study.size // 4} x {study.size // 4}"] for model in study.models
    ]
    record = {"layers": {"a": [["layer2", 8, 8]], "both": [["", 8, 8]]}}
    assert provenance.layers(record) == "a layer2 8 x 8; both (no layer of its own) 8 x 8"


def test_nothing_is_claimed_of_unseen_images_where_checkpoints_may_have_seen_them(made, resolved):
    study = made()
    config, data = configured(resolved, study), read(study)
    assert "unseen test images" in page.accuracy_figure(data, "accuracy").caption
    config["train"] |= {"epochs": 0, "weights": "mine/{model}-{seed}.safetensors"}
    setting = replace(data.results.setting, epochs=dict.fromkeys(study.models, 0), unstated=tuple(study.models))
    data = replace(data, results=replace(data.results, setting=setting))
    caption, text = page.accuracy_figure(data, "accuracy").caption, method_text.models(data, config)
    assert "on the test images, on which they may have been trained." in caption and "unseen" not in caption
    taken = "were used as supplied, without further training. Each has checkpoints of 2 seeds (0, 1)."
    assert f"{taken} The training images of alpha_net" in text
    assert "accuracies may not hold for unseen images" in text and "trained from" not in text
    config["train"]["models"] = {"beta_net": {"epochs": 3}}
    text = method_text.models(data, config)
    assert (
        "User-supplied checkpoints, not trained in the study: alpha_net and gamma_net." in text
        and "for 3 epochs" in text
    )


@pytest.mark.slow
def test_methods_of_other_studies(made, resolved):
    study = made(
        group_kind="lookalike",
        folds=3,
        seeds=(0, 1, 2, 3, 4),
        methods=("gradcam", "mine"),
        models=("alpha_net", "beta_net"),
    )
    config = configured(resolved, study)
    config["explain"] |= {"methods": ["gradcam"], "external": {"mine": "mine.npz"}, "target": "predicted"}
    config["train"] |= {"epochs": 0, "weights": "mine-{model}.safetensors"}
    text = written(study, config)["methods.md"].decode()
    for said in (
        "3 folds",
        "clusters of look-alike images",
        "not patients",
        "quasi-F [",
        "mine (user-supplied)",
        "used as supplied, without further training",
        "predicted class",
    ):
        assert said in text, said


def test_a_message_is_wrapped_and_escaped():
    svg = canvas.svg(canvas.message("m", "a & <b> " * 40))
    lines = [text.text for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert len(lines) > 3 and all(len(line) < 60 for line in lines)
