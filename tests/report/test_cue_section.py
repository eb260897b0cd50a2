"""The section on a planted cue, and claims: what the results say, with its numbers, and what bears it out."""

from dataclasses import replace

import pandas as pd
import pytest
from report.pages import Page, check_text, section, table, text_of

from heatproof.report import page
from heatproof.report.sections import relations, trust
from heatproof.stats.results import Claim
from heatproof.stats.statements.relations import cue_statements, summarize_cue
from heatproof.store.tables import CUE

CONFIG = {"title": None, "question": "?", "gallery": 0, "images": 0}
SHORTCUT = {"rate": 0.8, "test_rate": 0.5, "label": "dark & dense"}
SETTINGS = {"margin": {"default": 0.05, "outside_body": 0.1}}


def row(model, method, metric, numbers, verdict, seed=pd.NA, groups=9, reason=""):
    names = {"model": model, "seed": seed, "method": method, "metric": metric, "images": 18, "groups": groups}
    values = dict(zip(("marked", "unmarked", "difference", "low", "high"), numbers, strict=True))
    return names | values | {"p": 0.01, "p_corrected": 0.02, "verdict": verdict, "reason": reason}


NONE = (float("nan"),) * 5
ROWS = [
    row("alpha_net", "", "accuracy", (0.95, 0.35, 0.6, 0.4, 0.8), "relies", seed=0),
    row("alpha_net", "", "accuracy", (0.9, 0.3, 0.6, 0.45, 0.75), "relies"),
    row("beta_net", "", "accuracy", (0.9, 0.88, 0.02, -0.1, 0.14), "unclear"),
    row("gamma_net", "", "accuracy", NONE, "unclear", reason="one_group"),
    row("alpha_net", "gradcam", "inside_cue", (0.41, 0.07, 0.34, 0.3, 0.38), "shown"),
    row("alpha_net", "gradcam", "outside_body", (0.12, 0.11, 0.01, -0.01, 0.03), "hidden"),
    row("alpha_net", "edges", "inside_cue", (0.06, 0.02, 0.04, 0.03, 0.05), "faint"),
    row("beta_net", "gradcam", "inside_cue", NONE, "unclear", groups=0, reason="no_truth"),
]


def with_cue(data, table, settings=SETTINGS):
    cue = summarize_cue(table, SHORTCUT, data.classes, data.methods, settings)
    results = replace(data.results, cue=cue)
    results = replace(results, statements=(*results.statements, *cue_statements(table, results)))
    return replace(data, tables=data.tables | {"cue": table}, results=results)


@pytest.fixture
def planted(data):
    return with_cue(data, pd.DataFrame(ROWS, columns=list(CUE)))


@pytest.mark.slow
def test_without_a_cue_there_is_no_section(data):
    assert relations.make_cue(data) is None
    assert 'id="cue"' not in page.render(data, CONFIG, {})


@pytest.mark.slow
def test_sentences_figure_and_tables(planted):
    body = section(page.render(planted, CONFIG, {}), "cue")
    check_text("cue.txt", text_of(body))
    found = table(body, "Balanced accuracy where the cue agrees with the class and where it conflicts")
    assert found[1] == ["alpha_net", "0", "0.95", "0.35", "0.60 [0.40, 0.80]", "relies"]
    assert [found[2][1], found[3][4], found[4][4]] == ["mean", "0.02 [−0.10, 0.14]", "–"]
    found = table(body, "alpha_net: verdict, and mean of images with the cue minus mean without it")
    names = [planted.metric(name).name for name in ("inside_cue", "outside_body")]
    assert found[0] == ["method", *names]
    assert found[1] == ["Grad-CAM", "shown: 0.34 [0.30, 0.38]", "hidden: 0.010 [−0.010, 0.030]"]
    assert found[2] == ["image edges", "faint: 0.04 [0.03, 0.05]", "–"]


def test_every_number_of_the_figure_is_drawn_and_told(planted):
    svg = str(relations.make_cue(planted).figure.svg)
    for told in (
        "alpha_net: accuracy, cue agrees with class 0.90, accuracy, cue conflicts 0.30",
        "– Grad-CAM: relevance on the cue 0.41, relevance there, no cue 0.07",
        "beta_net: accuracy, cue agrees with class 0.90",
    ):
        assert told in svg, told
    for mark in ("agrees-0-0", "conflicts-0-1", "marked-1-0", "unmarked-1-1", "agrees-2-0"):
        assert f'id="cue-{mark}"' in svg, mark
    assert svg.count('id="cue-marked') == 1  # none of the model whose heatmaps have no value


@pytest.mark.slow
def test_a_study_without_heat_on_the_mark_shows_reliance_alone(data):
    kept = pd.DataFrame(ROWS, columns=list(CUE)).query("metric == 'accuracy'")
    less = with_cue(data, kept)
    found = relations.make_cue(less)
    assert not found.tables and "marked-" not in str(found.figure.svg).replace("unmarked-", "")
    assert "All methods and metrics" not in section(page.render(less, CONFIG, {}), "cue")


CLAIM = Claim(
    name="c",
    source="a paper",
    claim="so it is",
    family="localization",
    metric="inside_cue",
    method="gradcam",
    verdict="supported",
    seeds=2,
    evidence="alpha_net hidden",
    change="other patients",
    effect=0.02,
    low=0.01,
    high=0.03,
    p=0.001,
    groups=9,
)


@pytest.mark.slow
def test_a_claim_stands_with_its_numbers_and_leads_to_what_bears_it_out(planted):
    nothing = dict.fromkeys(("effect", "low", "high", "p", "groups"))
    other = replace(CLAIM, metric="relevance_rank_accuracy", verdict="undecided", claim="or not", **nothing)
    inputs = replace(planted, results=replace(planted.results, claims=(CLAIM, other)))
    one, two = trust.claims(inputs)
    assert (one.text, one.effect, one.units, one.place) == (
        "So it is",
        "0.020 [0.010, 0.030]",
        "9 patients, 2 seeds",
        "cue",
    )
    assert (two.effect, two.units, two.place, two.look) == ("–", "–", "localization-gradcam", "empty")
    source = page.render(inputs, CONFIG, {})
    assert "9 patients, 2 seeds" in section(source, "claims") and 'href="#cue"' in section(source, "claims")
    assert not Page(source).faults
