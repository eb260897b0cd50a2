"""What the templates may state, by hand from tables of a few rows."""

import math

import pandas as pd
import pytest
from minimal import results

from heatproof.stats.results import Cue, Ensemble, Family, Finding, MethodPair, Model, Omnibus, Outcome, Pairs, Shares
from heatproof.text.numbers import span
from papers import cue
from papers.facts import Splits, collect_claims, described, localized, read_leads
from papers.studies import Transformer
from papers.xray import Xray

INTERVAL = {"low": 0.1, "high": 0.4}
TOO_FEW = {"controls": {}, "omnibus": Omnibus("friedman", 2, 0, 0), "pairs": Pairs(0, "p_corrected")}


def judged(**verdicts: str) -> dict[str, Outcome]:
    """Verdicts of the models by the method that is looked at."""
    return {"gradcam": Outcome("checkpoints", Shares(0.025, 0.025), verdicts=verdicts, **TOO_FEW)}


def metrics(*rows: tuple[str, str, str, str, float]) -> list[dict]:
    names = ("family", "metric", "method", "model", "mean")
    return [dict(zip(names, row, strict=True)) | {"low": row[-1] - 0.1, "high": row[-1] + 0.1} for row in rows]


def test_splits_by_hand():
    rows = [
        {"model": model, "measure": "accuracy", "published": published, "split": split, "value": value, **INTERVAL}
        | {"images": 210, "groups": 40}
        for model, published, values in (("a", 0.8, (0.9, 0.7)), ("b", 0.85, (0.95, 0.6)))
        for split, value in zip(("random", "patient"), values, strict=True)
    ]
    neighbour = {"model": "nearest neighbour", "measure": "accuracy", "split": "random", "value": 0.5}
    splits = Splits(pd.DataFrame([*rows, neighbour]), "patient", {}, "")
    assert splits.networks == ["a", "b"] and splits.models[-1] == "nearest neighbour"
    assert splits.span("accuracy", "random") == (0.9, 0.95) and splits.span("accuracy", "patient") == (0.6, 0.7)
    assert splits.span("accuracy", "published", ["b"]) == (0.85, 0.85)
    assert math.isnan(splits.number("nearest neighbour", "accuracy", "published"))
    assert splits.value("a", "accuracy", "patient") == "0.70 [0.10, 0.40]" and splits.value("a", "f1", "x") == "–"
    assert splits.size("patient") == (210, 40) and splits.size("other") == (0, 0)
    assert span((0.521, 0.523)) == "0.52" and span((0.5, 0.6)) == "0.50 to 0.60"


def test_claims_come_claim_by_claim_and_of_cued_studies_the_new_ones_alone(made):
    claim = {"claim": "c", "verdict": "supported", "effect": 0.2, **INTERVAL, "p": 0.0001, "groups": 30, "seeds": 2}
    first = made(
        results("first"), claims=[claim | {"name": "one"}, claim | {"name": "two", "effect": math.nan, "groups": None}]
    )
    second = made(results("second"), claims=[claim | {"name": "one"}])
    cued = made(results("cued"), claims=[claim | {"name": "one"}, claim | {"name": "three"}])
    table = collect_claims([first, second], [cued])
    order = [("one", "first"), ("one", "second"), ("two", "first"), ("three", "cued")]
    assert list(table[["name", "study"]].itertuples(index=False, name=None)) == order
    rows = described(table)
    assert (rows[0]["effect"], rows[0]["p"], rows[0]["groups"]) == ("0.20 [0.10, 0.40]", "< 0.001", 30)
    assert (rows[2]["effect"], rows[2]["groups"], rows[2]["seeds"]) == ("–", "–", 2)


@pytest.mark.parametrize(("better", "hardest", "lead"), [("higher", "edges", 0.05), ("lower", "random", -0.2)])
def test_the_hardest_control_is_the_one_least_behind(made, better, hardest, lead):
    controls = [
        {"metric": "m", "method": "gradcam", "model": "a", "control": name, "difference": value, **INTERVAL}
        for name, value in (("random", 0.2), ("edges", 0.05), ("center", None))
    ]
    family = "localization"
    of = {"families": {family: Family("m", outcomes=judged(a="worse", b="worse"))}, "better": {family: {"m": better}}}
    found = results(models={"a": Model(competent=True)}, **of)
    means = [(family, "m", "gradcam", "a", 0.3), (family, "m", "gradcam", "b", 0.2), (family, "m", "random", "a", 0.1)]
    means += [(family, "m", "mean_mask", "a", 0.4), (family, "m", "random:gradcam", "a", 0.15)]
    a, b = localized(made(found, metrics=metrics(*means), controls=controls), "m")
    assert a.hardest == hardest and a.lead[0] == pytest.approx(lead) and a.lead[1] < a.lead[2]
    assert a.marks["random"] == 0.15 and a.outcome == "worse than a control" and a.value == "0.30 [0.20, 0.40]"
    assert b.hardest == "" and b.outcome == "left out: not surely better than guessing" and b.verdict == ""


def test_a_lead_is_above_zero_where_the_method_is_better(made):
    wanted = Transformer(model="vit", reference="gradcam", methods=["attnlrp", "rollout"])
    pair = {"factor": "method", "within": "vit", "a": "gradcam", "b": "attnlrp", "groups": 26, "p_corrected": 0.04}
    pair |= {"difference": -0.2, "low": -0.3, "high": 0.1}  # reference - method
    pairs = [pair | {"family": "faithfulness", "metric": "srg"}, pair | {"family": "localization", "metric": "outside"}]
    pairs.append(pair | {"family": "faithfulness", "metric": "srg", "a": "rollout", "b": "gradcam"})
    names = (("attnlrp", "gradcam", "vit"), ("gradcam", "rollout", "vit"), ("rollout", "gradcam", "other"))
    apart = tuple(MethodPair(*named, 0.1) for named in names)
    families = {"faithfulness": Family("srg", methods_apart=apart), "localization": Family("outside", True)}
    means = metrics(("faithfulness", "srg", "attnlrp", "vit", 0.5))
    study = made(results(families=families), pairs=pairs, metrics=means)
    leads = {(lead.family, lead.method): lead for lead in read_leads(study, wanted)}
    higher, lower = leads["faithfulness", "attnlrp"], leads["localization", "attnlrp"]
    assert (higher.difference, higher.low, higher.high) == pytest.approx((0.2, -0.1, 0.3)) and higher.p == 0.04
    assert (lower.difference, lower.low, lower.high) == pytest.approx((-0.2, -0.3, 0.1))
    assert higher.values == ("0.50 [0.40, 0.60]", "–")
    verdicts = (higher.verdict, leads["faithfulness", "rollout"].verdict, lower.verdict)
    assert verdicts == ("better", "worse", "no difference shown") and len(leads) == 3


def cued(made, rate, relies, shown, hidden=()):
    """A study at one rate: which model relies on the cue, and the verdicts of model and method."""
    found = results(cue=Cue(rate, 0.5, "ill", relies=relies), methods=("gradcam", "hirescam", "attnlrp"))
    verdicts = dict.fromkeys(shown, "shown") | dict.fromkeys(hidden, "hidden")
    rows = [
        {"model": model, "method": method, "metric": cue.ON_CUE, "marked": 0.3, "unmarked": 0.1}
        | {"seed": seed, "verdict": verdicts.get((model, method), "unclear")}
        for model in relies
        for method in ("gradcam", "hirescam", "random")
        for seed in (0, None)
    ]
    return made(found, cue=rows)


def test_the_cue_by_hand(made):
    studies = [
        cued(made, 0.5, {"a": False, "b": None}, [("b", "hirescam"), ("a", "random")]),
        cued(made, 0.9, {"a": True, "b": False}, [("a", "gradcam")]),
        cued(made, 1.0, {"a": True, "b": True}, [("a", "gradcam"), ("b", "hirescam")], [("b", "gradcam")]),
    ]
    found = cue.read(studies)
    assert found.rates == [0.5, 0.9, 1.0] and found.models == ["a", "b"] and found.used("a") == ["gradcam", "hirescam"]
    assert found.relied("a") == [0.9, 1.0] and found.relied("b") == [1.0] and found.cases == 3
    assert found.cell("a", "gradcam", cue.ON_CUE) == "0.90 (2 of 2)"
    assert found.cell("a", "hirescam", cue.ON_CUE) == "never"
    assert found.cell("b", "gradcam", cue.ON_CUE) == "never; surely hidden at 1 of 1"
    assert found.given_away("gradcam") == 2 and found.given_away("hirescam") == 1 and found.best == "gradcam"
    assert found.false_alarms == [("b", "hirescam", cue.ON_CUE, 0.5)] and found.controls_shown == [
        ("random", cue.ON_CUE)
    ]
    assert len(found.line("a", "gradcam", cue.ON_CUE)) == 3  # means over seeds alone
    assert cue.read([made(results())]) is None


def test_xrays_by_hand(made):
    published = [
        {"model": model, "measure": measure, "split": "patient", "published": number, "value": 0.5, **INTERVAL}
        for model, number in (("net", 0.8), ("vote", math.nan))
        for measure in ("f1_micro", "f1:Opacity")
    ]
    claims = [
        {"name": "f", "claim": "best", "verdict": "undecided", "effect": 1.2, "low": -0.1, "high": 2.3},
        {"name": "f: srg", "family": "faithfulness", "metric": "srg", "verdict": "supported"},
    ]
    multilabel = [
        {
            "model": "net",
            "seed": seed,
            "measure": "auroc_macro",
            "value": value,
            "low": value - 0.1,
            "high": value + 0.2,
        }
        for seed, value in enumerate((0.6, 0.7))
    ]
    table = [("agreement", "rank_correlation_methods", method, "net", 0.3) for method in ("gradcam", "random")]
    layer = {"model": "net", "seed": 0, "fold": "fold0", "units": 100}
    layers = [layer | {"layer": "l1", "depth": 1, "dead": 10}, layer | {"layer": "l2", "depth": 0, "dead": 30}]
    pair = {"fold": "fold0", "by": "label", "model_a": "net", "model_b": "vote", "agreement": 0.7, **INTERVAL}
    models = [pair | {"depth": 0}, pair | {"depth": 1}, pair | {"depth": 0, "seed_a": 0, "seed_b": 0}]
    models += [pair | {"depth": 0, "by": "outcome", "agreement": None, "reason": "too few groups"}]
    models += [pair | {"depth": 0, "by": by, "model_b": "net", "agreement": 0.9} for by in ("label", "outcome")]
    found = results(
        models={"net": Model(competent=False)},
        ensembles={"vote": Ensemble("vote", ("net",), Model(competent=True), ())},
        findings={"f": Finding("undecided", "", ("f: srg",), ("f: srg",))},
        methods=("gradcam", "saliency"),
        families={"localization": Family("iou", outcomes=judged(net="better", vote="unclear"))},
    )
    tables = {
        "claims": claims,
        "multilabel": multilabel,
        "metrics": metrics(*table),
        "layers": layers,
        "models": models,
    }
    x = Xray(made(found, **tables), Splits(pd.DataFrame(published), "patient", {}, ""))
    assert x.measures == {"f1_micro": "micro", "f1:Opacity": "Opacity"} and x.competent == [] and x.surely("vote")
    here = ["0.50 [0.10, 0.40]"] * 2
    assert x.f1_rows == [("net", "published", ["0.80"] * 2), ("net", "here", here), ("vote", "here", here)]
    assert x.micro(["net"], "published") == (0.8, 0.8) and x.auroc("net") == pytest.approx((0.65, 0.5, 0.9))
    (finding,) = x.findings
    assert (finding["effect"], finding["verdict"]) == ("1.20 [−0.10, 2.30]", "undecided")
    assert [part["metric"] for part in finding["parts"]] == ["symmetric relevance gain"]
    (grid,) = x.grids("agreement")
    assert grid["rows"] == {"gradcam": ["0.30 [0.20, 0.40]"], "random": ["0.30 [0.20, 0.40]"]}
    assert x.grids("outside") == []
    assert x.verdicts("localization") == {"better": {"gradcam": ["net"]}, "worse": {}, "unclear": {"gradcam": ["vote"]}}
    counts = {"model": "net", "layers": 2, "units": 200, "dead": "40", "share": 0.2, "last": 0.3}
    assert x.dead == [counts] and x.kinds == {"label": "label", "outcome": "right or wrong"}
    assert x.alike[0] == ("net and vote", ["0.70 [0.10, 0.40]", "too few groups"])
    assert x.alike[1][0] == "net, its seeds"
