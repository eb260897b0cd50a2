"""The whole stage on small made-up studies: what the page says, shows, escapes and leaves out."""

import re
import subprocess
import sys
from itertools import pairwise

import pytest
from report.conftest import ALL, MANY_METHODS
from report.pages import Page, check_text, scripts, section, table, text_of, without_scripts

from heatproof.store import tables

PICTURES = ("data:image/png;base64,", "data:image/webp;base64,")


def outside_provenance(page: str) -> str:
    kept, found = re.subn(r'<section id="provenance">.*?</section>', "", page, flags=re.DOTALL)
    assert found == 1
    return kept


CASES = {
    "plain": {},
    "one model": {"models": ("alpha_net",)},
    "one seed, two methods, colour": {"seeds": (3,), "methods": ("gradcam", "other_cam"), "channels": 3},
    "no truth, no patients": {"truth": False, "seeds": (0,), "group_kind": "image"},
    "no competent model": {"wrong": ("alpha_net", "beta_net", "gamma_net"), "group_kind": "lookalike"},
    "many classes, two models": {"classes": tuple(f"class {i}" for i in range(20)), "models": ("a", "b"), "groups": 20},
    "only consistency": {"families": ("consistency",)},
    "all that an audit can find": {"alarming": True, "group_kind": "lookalike", "compare": True},
    "three folds": {"folds": 3, "alarming": True, "group_kind": "lookalike", "compare": True},
    "many methods, all families": MANY_METHODS,
    "the first method refuses every model": {
        "methods": ("none_cam", "gradcam"),
        "refused": tuple(("none_cam", model) for model in ("alpha_net", "beta_net", "gamma_net")),
    },
    "all heatmaps of a model degenerate": {"degenerate": tuple(("alpha_net", i) for i in range(18))},
}


FAST = ("plain",)
EVERY = [
    pytest.param(changes, id=name, marks=() if name in FAST else pytest.mark.slow) for name, changes in CASES.items()
]


@pytest.mark.parametrize("changes", EVERY)
def test_page_is_whole_and_alone_in_every_case(made, report, changes):
    study = made(**changes)
    source = report(study)
    page = Page(source)
    assert not page.faults and not page.open
    assert len(page.ids) == len(set(page.ids))
    assert not re.search(r"https?:|<script|<link|@import|url\((?!#)", without_scripts(source))
    found = [attributes.strip() for attributes, _ in scripts(source)]
    assert found == ["", 'type="application/json" id="look-data"', 'id="library"', ""]
    assert len(scripts(source)[2][1]) > 500_000 and "https:" not in "".join(text for _, text in scripts(source)[:2])
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", *PICTURES)), (tag, name)
        if tag == "img":
            assert attributes["alt"]
        if tag == "svg":
            assert attributes["role"] == "img" and attributes["aria-label"]
    targets = re.findall(r'(?:href="#|url\(#)([^")]+)', source)
    assert set(targets) <= set(page.ids)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1 and all(b - a <= 1 for a, b in pairwise(levels))
    assert not re.search(r"\bnan\b|\bNone\b(?! of)|<NA>|\binf\b", page.text)


def test_the_text_of_a_page(made, report):
    check_text("page.txt", text_of(report(made())))


def test_first_screen_holds_question_answer_doubt_and_figure(made, report):
    study = made(wrong=("gamma_net",))
    source = report(study, question="Is it <so>?", title="Ours & yours")
    header = source[source.index("<header>") : source.index("</header>")]
    text = Page(header).text
    assert "Is it <so>?" in text and "Ours & yours" in text
    assert "alpha_net and beta_net locate the marked region better than" in text
    assert "No verdict on gamma_net" in text
    assert "apply to these checkpoints, not to architectures" in text
    # six patients are few
    assert "It is undecided whether the heatmaps of alpha_net and beta_net mark the lesion" in text
    rows = table(source, "Yes: significantly better than every control.")
    assert [row[:2] for row in rows[1:]] == [["Grad-CAM", "alpha_net"], ["Grad-CAM", "beta_net"]]
    assert all(row[-1] == "undecided" for row in rows[1:]) and 'href="#combined"' in header
    assert header.count("<svg") == 1 and "Relevance rank accuracy of Grad-CAM: alpha_net 0.7" in header


def test_names_from_the_data_are_escaped_and_shown(made, report):
    source = report(made())
    assert "<script>alert" not in source and "&lt;script&gt;alert(1)&lt;/script&gt;" in source
    text = Page(source).text
    assert "<script>alert(1)</script>" in text and "dark & dense" in text
    assert '"note": "a <b> & c"' in text


@pytest.mark.slow
def test_same_bytes_outside_provenance(made, rewrite):
    study = made()
    assert outside_provenance(rewrite(study)) == outside_provenance(rewrite(study))


def test_what_cannot_be_judged_is_said_and_not_drawn(made, report):
    source = report(made(**CASES["no truth, no patients"]))
    page = Page(source)
    sections = dict(re.findall(r'<section id="(\w+)">(.*?)</section>', source, re.DOTALL))
    assert "No verdict on localization" in sections["localization"] and "<svg" not in sections["localization"]
    assert "No verdict on consistency" in sections["consistency"] and "<svg" not in sections["consistency"]
    assert "<svg" in sections["faithfulness"]
    assert "None of these images has a mask of the true region" in page.text
    assert "the image has no mask of the true region" in page.text
    assert "per patient" not in Page(sections["method"]).text
    assert "True region" not in sections["gallery"]


def test_without_a_competent_model_the_first_figure_is_accuracy(made, report):
    study = made(**CASES["no competent model"])
    source = report(study)
    header = source[: source.index("</header>")]
    assert "The heatmaps cannot be evaluated" in header and 'aria-label="Balanced accuracy:' in header
    left = source[source.index('<section id="left-out">') :]
    assert all(f"{model}: no verdict, because the interval of its balanced accuracy" in left for model in study.models)
    assert "below the floor of 0.43 (chance is 0.33)" in left


def numbers(cell: str) -> list[float]:
    return [float(text) for text in re.findall(r"[\d.]+", cell)]


def test_other_metrics_stand_beside_all_their_controls(made, report):
    from heatproof.store import artifacts

    study = made()
    source = report(study)
    section = source[source.index('<section id="localization">') :]
    head, *rows = table(section, "Other metrics")
    marks = ["random", "center", "lowres_noise", "other_image", "ceiling"]
    ceiling = "true region at this grid"
    assert head[3:8] == ["random noise", "centre blob", "coarse noise", "another image's map", ceiling]
    metrics = artifacts.read_table(artifacts.stats_dir(study.name) / "metrics.csv", tables.METRICS)
    metrics = metrics[metrics["metric"] == "iou"].set_index(["method", "model"])
    assert [row[1] for row in rows] == list(study.models)
    for row in rows:
        known = metrics.loc[("gradcam", row[1])]
        assert row[0].startswith("Overlap (IoU)") and int(row[8]) == known["groups"]
        assert numbers(row[2]) == pytest.approx(list(known[["mean", "low", "high"]]), abs=0.006)
        for cell, mark in zip(row[3:8], marks, strict=True):
            assert float(cell) == pytest.approx(metrics.loc[(mark, row[1]), "mean"], abs=0.006)
    faithful = source[source.index('<section id="faithfulness">') :]
    assert ceiling not in table(faithful, "Other metrics")[0]


@pytest.mark.slow
def test_a_long_table_of_other_metrics_can_be_folded(made, report):
    folded = "<details>\n<summary>Other metrics</summary>"
    assert folded not in report(made())
    assert folded in report(made(models=("a", "b", "c", "d", "e"), extra=("iou_half",)))


@pytest.mark.slow
def test_every_family_says_on_how_many_images_it_was_scored(made, report):
    text = Page(report(made(faithful=7))).text
    part = ": a random sample spread over the patients, the same for every model."
    assert f"Faithfulness was scored on 7 images of 7 patients{part}" in text
    assert "Consistency was scored on 18 images of 9 patients." in text
    text = Page(report(made(**CASES["no truth, no patients"]))).text
    assert "Localization was scored" not in text and "Consistency was scored" not in text
    assert "Faithfulness was scored on 18 images." in text


@pytest.mark.slow
def test_missing_scores_are_counted_by_reason(made, report):
    text = Page(report(made(degenerate=(("beta_net", 5), ("beta_net", 7))))).text
    # two images, two seeds: 2 metrics each of faithfulness; localization where there is a mask; one of consistency
    left = text[text.index("Missing scores") :]
    reason = "the heatmap is zero everywhere"
    row = re.search(rf"{reason} ?(.*?)(\d+) ?Missing scores counted as the worst", left)
    assert "beta_net" in row[1] and "alpha_net" not in row[1]
    manifest_labels = [(5 // 2) % 3, (7 // 2) % 3]
    masked = sum(label > 0 for label in manifest_labels)
    assert int(row[2]) == 2 * 2 * 2 + 2 * 2 * masked + 2


@pytest.mark.slow
def test_small_enough_at_five_models_and_large_images(made, report):
    models = ("alpha_net", "beta_net", "gamma_net", "delta_net", "epsilon_net")
    assert (
        len(report(made(models=models, size=224, channels=3, groups=6, families=("faithfulness",)), gallery=6))
        < 4_000_000
    )


@pytest.mark.slow
def test_no_gallery_where_none_is_wanted(made, report):
    study = made(**CASES["one model"])
    assert '<section id="gallery">' not in report(study, gallery=0, images=0)
    assert len(scripts(report(study, gallery=0, images=0))) == 1
    assert 'id="gallery-static"' not in report(study, gallery=0)


def test_a_missing_table_is_named(made, report):
    from heatproof.store import artifacts

    study = made(name="damaged", models=("alpha_net",))
    (artifacts.stats_dir(study.name) / "pairs.csv").unlink()
    with pytest.raises(artifacts.ArtifactError, match=r"pairs\.csv: not found"):
        report(study)
    assert not artifacts.report_path(study.name).exists()


def test_imports_no_torch():
    code = (
        "import sys, heatproof.report.command as c; light = 'matplotlib' not in sys.modules;"
        "import heatproof.report.page; assert light and 'torch' not in sys.modules and 'pingouin' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_many_methods_are_folded_away_below_the_first(made, report):
    study = made(**CASES["many methods, all families"])
    source = report(study)
    assert source.count("<svg") < 30
    parts = ["overview", "faithfulness", "complexity", "left-out", "reading"]
    header = source[: source.index("</header>")]
    check_text("methods.txt", text_of("".join([header, *(section(source, part) for part in parts)])))
    for family in ("localization", "faithfulness", "consistency", "robustness", "sanity"):
        body = section(source, family)
        folded = re.findall(r'<details class="method"[^>]*>.*?<b>(.*?)</b>', body, re.DOTALL)
        assert [Page(name).text for name in folded] == ["lrp", "part_cam", "mine"]
        drawn = body.count("<svg") - (family == "faithfulness")  # whose curves are one more
        assert drawn in (2, 3)  # the first method's; mean ranks where there is anything to compare
    assert "<svg" not in section(source, "complexity") and "<details" not in section(source, "complexity")


@pytest.mark.slow
def test_the_page_stays_bounded_with_fifteen_methods(made, report):
    methods = tuple(f"method_{i}" for i in range(15))
    study = made(methods=methods, families=ALL, models=("alpha_net", "beta_net"), size=64)
    assert len(report(study, gallery=6)) < 2_000_000
