"""What the templates may state, by hand from tables of a few rows."""

import math
from dataclasses import replace

import pandas as pd
import pytest
from minimal import results
from scipy import stats

from heatproof.config.stages import Claim
from heatproof.stats.results import (
    Against,
    Competence,
    Cue,
    Ensemble,
    Family,
    MethodPair,
    Model,
    Omnibus,
    Outcome,
    Pairs,
    Seeds,
    Shares,
)
from heatproof.stats.statements.general import state
from heatproof.stats.tests.paired import WILCOXON_TO_T
from heatproof.stats.tests.power import detectable_effect
from heatproof.stats.verdicts import rules
from heatproof.text.numbers import rounded, span
from papers import cue, figures, pages
from papers.claims import UNKNOWN, Evidence, Row, summary, table, untested
from papers.facts import Facts, Splits, localized, read_leads
from papers.studies import Transformer, read_roles
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


CLAIM = {"source": "paper", "claim": "so", "family": "localization", "metric": "iou", "method": "gradcam"}
STORED = {
    "name": "c",
    "verdict": "undecided",
    "effect": 0.1,
    "low": -0.1,
    "high": 0.3,
    "p": 0.3,
    "groups": 24,
    "seeds": 1,
}


def row(made, check: str, of: dict | None = None, found: dict | None = None, **tables) -> Row:
    """A claim on a study of two CNNs and a transformer, which alone does not perform above chance."""
    models = {"r1": Model(competent=True), "r2": Model(competent=True), "vit": Model(competent=False)}
    against = {"r1": Against("unclear", 0.1, groups=24), "r2": Against("better", 0.2, groups=24)}
    outcome = replace(judged(r1="unclear", r2="better")["gradcam"], controls={"center": against})
    family = Family("iou", margin=0.05, means={"gradcam": dict.fromkeys(models, 0.5)}, outcomes={"gradcam": outcome})
    study = {"models": models, "families": {"localization": family}, "groups_test": 20}
    study |= {"competence": Competence(0.5, 0.6)} | (found or {})
    asked = Claim(**CLAIM | {"check": check} | (of or {}))
    stored = pd.Series(STORED | CLAIM | {key: tables.pop(key) for key in (*STORED, *CLAIM) if key in tables})
    return Row(made(results(**study), **tables), stored, asked, margin=0.05)


LOWER = {"models": ["vit_base_patch16_224"], "than": ["resnet50"]}


@pytest.mark.parametrize(
    ("check", "of", "found", "reason"),
    [
        ("beat_controls", {}, {}, ""),
        ("beat_controls", {"metric": "iou_area"}, {}, "this study tests localization by"),
        (
            "beat_controls",
            {},
            {"models": {"r1": Model(competent=False)}},
            "no model of the study performs above chance",
        ),
        ("beat_controls", {}, {"families": {}}, "the study has no localization scores of Grad-CAM"),
        ("differ", {"models": ["resnet50"]}, {"models": {"resnet50": Model(competent=True)}}, "only ResNet-50 can be"),
        ("lower", LOWER, {"models": {"vit_base_patch16_224": Model(competent=True)}}, "the study lacks ResNet-50"),
        ("shows_cue", {}, {"cue": Cue(0.5, 0.5, "ill")}, "no model can learn to rely on it"),
        ("shows_cue", {}, {"cue": Cue(0.9, 0.5, "ill")}, ""),
        ("differ", {}, {"cue": Cue(0.9, 0.5, "ill")}, "the study is about the cue alone"),
        ("falls_within", {"family": "", "method": "", "metric": None}, {}, ""),
    ],
)
def test_what_a_study_cannot_test_leaves_with_the_reason(made, check, of, found, reason):
    runs = [{"model": "r1", "seed": 0, "balanced_accuracy": 0.5, "low": 0.4}]
    one = row(made, check, of, found, models=runs)
    one.stored["metric"] = of.get("metric") or "iou"
    assert (reason in one.obstacle) if reason else one.askable
    assert ([one.study] in [studies for _, studies, _ in untested([one])]) == bool(reason)
    assert summary([one])["asked"] == (0 if reason else 1)


@pytest.mark.parametrize(
    ("runs", "text"),
    [
        ([(0.7, 0.5), (0.8, 0.7)], "about 80 patients would show it if scores stay as they are; 20 here"),  # (.2/.1)^2
        (
            [(0.58, 0.5), (0.8, 0.7)],
            "they need better training, not more patients: the balanced accuracy of a run is 0.58",
        ),
    ],
)
def test_what_would_make_a_model_competent(made, runs, text):
    rows = [{"model": "r1", "seed": i, "balanced_accuracy": value, "low": low} for i, (value, low) in enumerate(runs)]
    one = row(made, "beat_controls", found={"models": {"r1": Model(competent=False)}}, models=rows)
    assert text in one.obstacle


def test_an_undecided_claim_states_what_would_decide_it(made):
    one = row(made, "beat_controls")
    spread = 0.2 / stats.t.ppf(0.975, 23) * math.sqrt(24) / math.sqrt(WILCOXON_TO_T)
    count, show = one.needed
    level = 0.025 / 2  # Holm's first step over two models, at the share of the question about controls
    assert detectable_effect(count, level, 0.8) * spread <= 0.05 < detectable_effect(count - 1, level, 0.8) * spread
    assert (
        show == "a difference of 0.05, the margin, with a power of 80%"
        and f"{rounded(count):,} patients" in one.missing
    )
    assert one.told.startswith("1 of 2 models beat every control; the deciding model is r1, 0.10 above")
    assert one.told.endswith("without vit, which cannot be evaluated; Holm-corrected over 2 models")
    assert row(made, "beat_controls", verdict="supported").missing == ""
    assert row(made, "beat_controls", effect=None, low=None, high=None).missing == UNKNOWN


def test_an_interval_over_seeds_narrows_with_patients_and_seeds_alike(made):
    one = row(made, "beat_controls")
    ((family, study),) = one.found.families.items()
    over = {name: replace(outcome, population=rules.ARCHITECTURES) for name, outcome in study.outcomes.items()}
    found = {"families": {family: replace(study, outcomes=over)}, "seeds": Seeds(5, 5)}
    seeds = row(made, "beat_controls", found=found)
    assert seeds.needed[0] < one.needed[0]  # no rank test
    assert f" patients, with {rounded(math.ceil(5 * seeds.needed[0] / 24))} seeds of each model, would" in seeds.missing


def test_a_fall_within_a_source(made):
    one = row(made, "falls_within", {"family": "", "method": "", "metric": None}, family="", method="", metric="")
    assert one.askable and "balanced accuracy of r1, r2 and vit is 0.10 below that over all images" in one.told
    assert one.needed[0] > 24 and "a difference of 0.05, the margin" in one.missing
    gone = row(made, "falls_within", {"family": "", "method": "", "metric": None}, effect=None, low=None, high=None)
    assert "no label has enough images" in gone.obstacle


def criterion(made, method: str, metric: str, effect: float, half: float) -> Row:
    """Part of a finding; above zero a method fails the criterion."""
    stored = {"method": method, "metric": metric, "effect": effect, "low": effect - half, "high": effect + half}
    told = state("claim.criterion", numbers={}, method=method, model="r1", metric=metric)
    one = row(made, "differ")
    return replace(one, stored=pd.Series(STORED | CLAIM | stored), asked=None, known=Evidence((told,)))


@pytest.mark.parametrize(
    ("effects", "unmeasured", "deciding", "shown"),
    [
        # gradcam fails one criterion and lime both, if differences are as they seem: lime's clearest takes longest
        ({"gradcam": (0.3, -0.1), "lime": (0.1, 0.2)}, None, (0.2, 2), "every pair fails a criterion"),
        # lime passes both, the nearer one decides
        ({"gradcam": (0.05, -0.1), "lime": (-0.1, -0.3)}, None, (0.1, 2), "lime passes every criterion on r1"),
        ({"gradcam": (0.05, -0.1), "lime": (-0.1, -0.3)}, 1, None, "so that none can pass"),
    ],
)
def test_what_would_decide_a_finding_of_criteria(made, effects, unmeasured, deciding, shown):
    parts = [
        criterion(made, method, metric, effect, 0.4)
        for method, of in effects.items()
        for metric, effect in zip(("iou", "dice"), of, strict=True)
    ]
    told = state("claim.criteria", numbers={"pairs": 2, "unmeasured": unmeasured})
    missing = pd.Series(STORED | CLAIM | {"effect": math.nan, "groups": math.nan})
    whole = replace(parts[0], stored=missing, parts=tuple(parts), known=Evidence((told,)))
    assert shown in whole.missing and whole.askable
    if deciding is None:
        assert whole.needed is None
        return
    effect, tests = deciding
    spread, level = 0.4 / stats.t.ppf(0.975, 23) * math.sqrt(24), 0.05 / tests
    count = whole.needed[0]
    assert detectable_effect(count, level, 0.8) * spread <= effect < detectable_effect(count - 1, level, 0.8) * spread


def test_parts_that_contradict_each_other_leave_a_finding_undecided(made):
    parts = tuple(row(made, "differ", verdict=word) for word in ("supported", "contradicted", "contradicted"))
    whole = replace(parts[0], stored=pd.Series(STORED | CLAIM), asked=None, parts=parts)
    assert whole.missing == "of its parts 1 supported and 2 contradicted: as a whole it stays undecided with any number"


def test_reliance_on_a_cue_that_is_not_shown_yet(made):
    cue_rows = [
        {"model": "r1", "metric": "accuracy", "method": "", "groups": 25, "difference": 0.24, "verdict": "unclear"}
    ]
    cue_rows[0] |= {"low": -0.04, "high": 0.48}
    one = row(made, "shows_cue", found={"cue": Cue(0.8, 0.5, "ill")}, cue=cue_rows)
    assert one.needed[0] == 35 and "reliance on the cue" in one.missing  # 25 (.28 / .24)^2
    assert "no model relies significantly on the cue" in one.told
    cue_rows[0]["difference"] = -0.1
    assert row(made, "shows_cue", found={"cue": Cue(0.8, 0.5, "ill")}, cue=cue_rows).needed is None


def test_claims_are_grouped_and_counted(made):
    first, second = row(made, "beat_controls", verdict="supported"), row(made, "beat_controls", {"metric": "iou_area"})
    second.stored["metric"] = "iou_area"
    assert summary([first, second]) == {"supported": 1, "contradicted": 0, "undecided": 0, "asked": 1, "decided": 1}
    found = table([first, second])
    assert found["p_of"].tolist() == ["Holm-corrected over 2 models", ""] and found["obstacle"].tolist()[0] == ""


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
    assert b.hardest == "" and b.outcome == "not above chance" and b.verdict == ""


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
    assert verdicts == ("better", "worse", "no evidence of a difference") and len(leads) == 3


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
    assert found.cell("b", "gradcam", cue.ON_CUE) == "never; hidden at 1 of 1"
    assert found.given_away("gradcam") == 2 and found.given_away("hirescam") == 1 and found.best == "gradcam"
    assert found.false_alarms == [("b", "hirescam", cue.ON_CUE, 0.5)] and found.controls_shown == [
        ("random", cue.ON_CUE)
    ]
    assert len(found.line("a", "gradcam", cue.ON_CUE)) == 3  # means over seeds alone
    assert cue.read([made(results())]) is None


def kind(made, relying, verdicts, seeds=(0, 1, 2, None), methods_of=(0, 1, 2, None)):
    """A study with a cue: seeds that rely on it, (seed, method, metric) -> verdict; None: the mean over runs."""
    found = results(cue=Cue(0.95, 0.5, "ill", relies={"a": True}), methods=("gradcam", "saliency"))
    table = [
        {"model": "a", "seed": seed, "method": "", "metric": cue.ACCURACY, "difference": 0.4, "low": 0.3, "high": 0.5}
        | {"verdict": "relies" if seed in relying else "unclear"}
        for seed in seeds
    ]
    table += [
        {"model": "a", "seed": seed, "method": method, "metric": metric, "groups": 20}
        | {"verdict": verdicts.get((seed, method, metric), "unclear")}
        for seed in methods_of
        for method in ("gradcam", "saliency", "random")
        for metric in (cue.ON_CUE, "outside_body")
    ]
    return made(found, cue=table)


@pytest.fixture
def kinds(made):
    shown = {(0, "gradcam", "inside_cue"): "shown", (0, "gradcam", "outside_body"): "shown"}
    shown |= {(2, "gradcam", "outside_body"): "shown", (1, "saliency", "inside_cue"): "hidden"}
    # of the mean over training runs, and of a run that does not rely on the cue
    shown |= {(None, "saliency", "inside_cue"): "shown", (1, "gradcam", "inside_cue"): "shown"}
    clean = kind(made, (), {(1, "saliency", "outside_body"): "shown"})
    cues = {"tag": kind(made, (0, 2), shown), "later": made(results()), "blur": kind(made, (), {})}
    return cue.read_kinds(cues, dict.fromkeys(cues, clean), {"tag": "text tag", "later": "-", "blur": "blur"})


def test_kinds_of_cues_by_hand(kinds):
    tag, blur = kinds
    assert (tag.name, tag.fall, str(tag.relying)) == ("text tag", (0.4, 0.3, 0.5), "2 of 3")
    assert {name: str(share) for name, share in tag.revealed.items()} == {"gradcam": "2 of 2", "saliency": "0 of 2"}
    assert {name: str(share) for name, share in tag.accused.items()} == {"gradcam": "0 of 3", "saliency": "1 of 3"}
    assert tag.revealed["gradcam"].ends == pytest.approx((0.025**0.5, 1))  # Clopper and Pearson, k = n
    assert blur.revealed == {} and str(blur.relying) == "0 of 3"


def test_a_single_run_has_the_verdicts_over_all_runs(made):
    found = kind(made, (0,), {(None, "gradcam", "outside_body"): "shown"}, (0, None), (None,))
    clean = kind(made, (), {}, (0, None), (None,))
    (tag,) = cue.read_kinds({"tag": found}, {"tag": clean}, {"tag": "text tag"})
    assert (str(tag.relying), str(tag.revealed["gradcam"]), str(tag.accused["gradcam"])) == (
        "1 of 1",
        "1 of 1",
        "0 of 1",
    )


def test_the_figure_and_the_table_of_kinds(kinds, project):
    roles = read_roles()
    facts = Facts(roles)
    facts.kinds = kinds
    alt = figures.alts(facts, None)
    assert alt["cues"].endswith(
        "text tag: 2 of 3 runs rely on it; revealed by Grad-CAM 2 of 2 and Saliency 0 of 2; "
        "blur: 0 of 3 runs rely on it; revealed by none."
    )
    drawn = figures.draw(facts, None, {"cues": alt["cues"]})["cues"]
    assert "Text tag (2 of 3 rely)" in drawn and drawn.count('"cues-tag-0"') == 2
    page = pages.fill(pages._environment().get_template("claims.md.jinja").render(facts=facts, alt=alt, roles=roles))
    assert "| text tag | 2 of 3 | 0.40 [0.30, 0.50] | 2 of 2; 0 of 3 | 0 of 2; 1 of 3 |" in page
    assert "| blur | 0 of 3 | 0.40 [0.30, 0.50] | –; 0 of 3 | –; 1 of 3 |" in page


def test_xrays_by_hand(made):
    published = [
        {"model": model, "measure": measure, "split": "patient", "published": number, "value": 0.5, **INTERVAL}
        for model, number in (("net", 0.8), ("vote", math.nan))
        for measure in ("f1_micro", "f1:Opacity")
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
    table += [("agreement", "rank_correlation_methods", "gradcam", "weak", 0.9)]
    layer = {"model": "net", "seed": 0, "fold": "fold0", "units": 100}
    layers = [layer | {"layer": "l1", "depth": 1, "dead": 10}, layer | {"layer": "l2", "depth": 0, "dead": 30}]
    pair = {"fold": "fold0", "by": "label", "model_a": "net", "model_b": "vote", "agreement": 0.7, **INTERVAL}
    models = [pair | {"depth": 0}, pair | {"depth": 1}, pair | {"depth": 0, "seed_a": 0, "seed_b": 0}]
    models += [pair | {"depth": 0, "by": "outcome", "agreement": None, "reason": "too few groups"}]
    models += [pair | {"depth": 0, "by": by, "model_b": "net", "agreement": 0.9} for by in ("label", "outcome")]
    found = results(
        models={"net": Model(competent=True), "weak": Model(competent=False)},
        ensembles={"vote": Ensemble("vote", ("net",), Model(competent=True), ())},
        methods=("gradcam", "saliency"),
        families={"localization": Family("iou", outcomes=judged(net="better", vote="unclear"))},
    )
    tables = {
        "multilabel": multilabel,
        "metrics": metrics(*table),
        "layers": layers,
        "models": models,
    }
    x = Xray(made(found, **tables), Splits(pd.DataFrame(published), "patient", {}, ""))
    assert x.competent == ["net"] and x.above_chance("vote") and not x.above_chance("weak")
    here = "0.50 [0.10, 0.40]"
    assert x.rows[0] == ("net", 0.8, here, "0.65 [0.50, 0.90]", "yes") and x.rows[1][0] == "vote"
    assert math.isnan(x.rows[1][1]) and x.rows[1][2:] == (here, "–", "yes")
    assert x.micro(["net"], "published") == (0.8, 0.8) and x.auroc("net") == pytest.approx((0.65, 0.5, 0.9))
    grid = x.grid("agreement")
    assert grid["models"] == ["net"], "a model that is not above chance is not shown"
    assert grid["rows"] == {"gradcam": ["0.30 [0.20, 0.40]"], "random": ["0.30 [0.20, 0.40]"]}
    assert x.grid("outside") is None
    assert x.verdicts("localization") == {"better": {"gradcam": ["net"]}, "worse": {}, "unclear": {"gradcam": ["vote"]}}
    counts = {"model": "net", "layers": 2, "units": 200, "dead": "40", "share": 0.2, "last": 0.3}
    assert x.dead == [counts] and x.kinds == {"label": "label", "outcome": "correct or not"}
    assert x.alike[0] == ("net and vote", ["0.70 [0.10, 0.40]", "too few groups"])
    assert x.alike[1][0] == "net, its seeds"
