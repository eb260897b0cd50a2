"""A finding of several parts, on studies in which it holds, in which the opposite does, and in which parts disagree."""

from dataclasses import replace

import numpy as np
import pytest
from stats.conftest import judged
from stats.several import write

from heatproof.stats.claims.claims import rule_p, together
from heatproof.stats.tables import reading
from heatproof.stats.verdicts.rules import Design
from heatproof.store import artifacts
from heatproof.text.claims import clauses

FAMILIES = ("localization", "faithfulness", "agreement")
PARTS = [
    {"family": "faithfulness"},
    {"family": "agreement", "metric": "rank_correlation_methods"},
    {"family": "localization", "metric": "on_border"},
]
FINDING = {"source": "P", "claim": "a is best", "models": ["a"], "than": ["b", "c"], "parts": PARTS}
DESIGN = Design(["a", "b"], ["m"], {}, {}, frozenset(), {"margin": {"default": 0.05, "wide": 0.5}})


def row(verdict="supported", effect=0.1, low=0.05, high=0.15, p=0.01, metric="srg", groups=12):
    numbers = {"effect": effect, "low": low, "high": high, "p": p, "groups": groups}
    return {"verdict": verdict, "metric": metric, "family": "f"} | numbers


def test_the_rule_by_hand():
    good, bad = row(), row("contradicted", -0.1, -0.15, -0.05)
    none = row("undecided", None, None, None, None)
    found = together([good, good, row("undecided", 0.0, -0.05, 0.05, 1.0)], 3, DESIGN, "patient")
    assert found["verdict"] == "supported"
    assert [found[key] for key in ("effect", "low", "high")] == pytest.approx([4 / 3, 1 / 3, 7 / 3])  # margins of .05
    assert together([good, good, bad], 3, DESIGN, "patient")["verdict"] == "undecided"  # one part says the opposite
    assert together([good, none], 2, DESIGN, "patient")["verdict"] == "undecided"  # half is not most
    assert together([bad, bad, none], 3, DESIGN, "patient")["verdict"] == "contradicted"
    assert together([bad, bad, good], 3, DESIGN, "patient")["verdict"] == "undecided"
    wide = row("undecided", 0.1, -0.9, 1.1, 0.9)
    assert together([good, good, wide], 3, DESIGN, "patient")["verdict"] == "undecided"  # the mean may be below zero
    small = row("contradicted", 0.01, -0.01, 0.03, 0.5)  # no difference, surely below the margin
    assert together([small, small], 2, DESIGN, "patient")["verdict"] == "contradicted"
    assert together([], 2, DESIGN, "patient")["verdict"] == "undecided"


def test_effects_are_in_the_margins_of_their_metrics():
    found = together([row(), row(metric="wide", effect=0.5, low=0.0, high=1.0, groups=9)], 3, DESIGN, "patient")
    assert [found[key] for key in ("effect", "low", "high")] == pytest.approx([1.5, 0.5, 2.5])
    assert found["groups"] == 9
    assert clauses(found["evidence"]) == (
        "of 2 parts, 2 supported (symmetric relevance gain and wide); the mean effect is 1.50 margins [0.50, 2.50]; "
        "1 more not measured in this study"
    )


def test_p_by_hand():
    # of three the second smallest, one-sided, times 3 / 2; a part that points the other way counts from the other end
    assert rule_p([row(p=0.02), row(p=0.04), row(p=0.5)]) == pytest.approx(1.5 * 0.02)
    assert rule_p([row(p=0.02), row(p=0.04, effect=-0.1), row(p=0.5)]) == pytest.approx(1.5 * 0.25)
    assert rule_p([row(p=0.02), row(effect=None, p=None), row(p=0.5, effect=-0.1)]) == 1.0


def test_without_any_difference_it_is_rarely_supported():
    """Parts that hang together as closely as can be, or not at all: at most alpha."""
    rng = np.random.default_rng(0)
    for shared in (0.0, 0.7, 1.0):
        supported = 0
        for _ in range(1000):
            z = np.sqrt(shared) * rng.normal() + np.sqrt(1 - shared) * rng.normal(size=5)
            parts = [
                row("undecided" if abs(v) < 1.96 else "supported" if v > 0 else "contradicted", v, v - 1.96, v + 1.96)
                for v in z
            ]
            supported += together(parts, 5, DESIGN, "patient")["verdict"] == "supported"
        assert supported / 1000 <= 0.05


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(levels, finding=FINDING, **more):
        args = write(levels, families=FAMILIES, methods=("gradcam", "saliency"), **more)
        args.config["findings"] = {"best": finding}
        results, tables = judged(args)
        return tables["claims"].set_index("name"), results.findings.get("best")

    return run


@pytest.mark.parametrize(
    ("levels", "verdict"),
    [
        ({"a": 0.7, "b": 0.5, "c": 0.5}, "supported"),
        pytest.param({"a": 0.5, "b": 0.6, "c": 0.7}, "contradicted", marks=pytest.mark.slow),
        pytest.param({"a": 0.5, "b": 0.5, "c": 0.5}, "contradicted", marks=pytest.mark.slow),  # equivalent
    ],
)
def test_a_finding_on_a_study(study, levels, verdict):
    claims, told = study(levels)
    names = ["best: faithfulness srg", "best: agreement rank_correlation_methods", "best: localization on_border"]
    assert list(claims.index) == [*names, "best"]
    assert (claims["verdict"] == verdict).all() and told.verdict == verdict
    border = claims.loc["best: localization on_border"]  # the study judges localization by another metric
    assert border["method"] == "all methods" and border["claim"] == "a is best: by relevance on the border"
    both = claims.loc["best"]
    assert both["family"] == both["metric"] == "" and both["low"] < both["effect"] < both["high"]
    assert both["effect"] == pytest.approx(claims.loc[names, "effect"].mean() / 0.05)
    assert told.measured == tuple(names) and getattr(told, verdict) == tuple(names)


def test_criteria_on_a_study(study):
    """Heatmaps at .5 meet controls of .15 and .1; those at 0 fail both."""
    criteria = [
        {"family": "faithfulness", "metric": "srg", "yardstick": "center"},
        {"family": "agreement", "metric": "rank_correlation_methods", "yardstick": "random"},
    ]
    finding = {"source": "P", "claim": "all fail", "models": [], "than": [], "parts": [], "methods": []}
    claims, told = study({"a": 0.5, "b": 0.5}, finding | {"criteria": criteria})
    assert told.verdict == claims.loc["best", "verdict"] == "contradicted" and len(told.parts) == 8
    assert claims.loc["best: gradcam a srg", "effect"] == pytest.approx(0.15 - 0.5, abs=0.05)
    assert set(claims["claim"]) == {"all fail"} and claims.loc["best", "effect"] < 0
    claims, told = study({"a": 0.0, "b": 0.0}, finding | {"criteria": criteria})
    assert told.verdict == "supported" and claims.loc["best", "effect"] > 0


@pytest.mark.slow
def test_the_effect_of_a_part_is_the_contrast_of_means_over_methods(study):
    claims, _ = study({"a": 0.7, "b": 0.5, "c": 0.6})
    path = artifacts.Checkpoint("toy", "{}", 0, "fold0").scores("faithfulness")
    means = {}
    for model in "abc":
        table = artifacts.read_table(type(path)(str(path).format(model)), artifacts.SCORES)
        of = table[table["method"].isin(["gradcam", "saliency"])]
        means[model] = of.groupby(["method", "group"])["value"].mean().groupby("group").mean()
    expected = means["a"] - (means["b"] + means["c"]) / 2
    assert claims.loc["best: faithfulness srg", "effect"] == pytest.approx(expected.mean())


@pytest.mark.slow
def test_parts_that_cannot_be_told(study):
    parts = [*PARTS, {"family": "localization", "metric": "outside_lungs"}, {"family": "sanity"}]
    claims, told = study({"a": 0.7, "b": 0.5, "c": 0.5}, FINDING | {"parts": parts})
    lungs = claims.loc["best: localization outside_lungs"]
    assert lungs["verdict"] == "undecided" and "has no scores of relevance outside the lungs" in lungs["evidence"]
    assert len(told.parts) == 5 and len(told.measured) == 3 and told.verdict == "supported"
    assert "2 more not measured in this study" in told.evidence


@pytest.mark.slow
def test_models_that_are_not_there_or_not_competent(study):
    claims, told = study({"a": 0.7, "b": 0.5, "c": 0.5}, FINDING | {"than": ["x"]})
    assert told.verdict == "undecided" and "lacks x" in claims["evidence"].iloc[0]
    claims, told = study({"a": 0.7, "b": 0.5, "c": 0.5}, noise={"a": 9.0})
    assert told.verdict == "undecided"
    assert "not all training runs of a perform above chance" in claims["evidence"].iloc[0]
    claims, told = study({"a": 0.7, "b": 0.5, "c": 0.5}, FINDING | {"models": ["x"], "than": ["y"]})
    assert told is None and claims.empty


@pytest.mark.slow
def test_a_method_that_refuses_one_model_is_left_out_for_all(study, monkeypatch):
    finished = reading.read_scores

    def refused(*given):
        found = finished(*given)
        table = found.table
        chosen = (table["model"] == "b") & (table["method"] == "saliency")
        table.loc[chosen, ["value", "reason"]] = [None, "not_supported"]
        return replace(found, table=table)

    monkeypatch.setattr(reading, "read_scores", refused)
    claims, told = study({"a": 0.7, "b": 0.5, "c": 0.5})
    assert "without Saliency, which lacks scores for some of these models" in claims["evidence"].iloc[0]
    assert told.verdict == "supported"
