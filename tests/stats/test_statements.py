"""What results are turned into, where no small study gives such results."""

from dataclasses import replace

import pytest
from stats.built import BETTER, FAMILY, PAIRS, TOP, UNCLEAR, WORSE, results

from heatproof.stats.results import Change, Comparison, Groups, MethodPair, Missing, Model, Omnibus, Seeds, Sensitivity
from heatproof.stats.results import Setting as SettingOf
from heatproof.stats.statements import general, verdicts
from heatproof.stats.statements.verdicts import (
    against_controls,
    answer,
    between_methods,
    cautions,
    family_statements,
    statements,
)

PLACE = ("localization", "gradcam")


def of_family(made):
    return {one.kind: one for one in family_statements(made, *PLACE)}


def test_the_answer():
    better, apart = answer(results())
    assert (better.kind, better.subjects["models"], better.subjects["controls"]) == (
        "controls.better",
        ("a", "b"),
        ("random",),
    )
    assert (apart.kind, apart.one("over"), apart.one("under"), apart.subjects["beside"]) == (
        "pairs.apart",
        "a",
        "b",
        ("random",),
    )
    assert "better" not in apart.subjects
    scale = {name: apart.numbers[name] for name in ("difference", "lowest", "highest", "control_low", "control_high")}
    assert scale == {"difference": 0.1, "lowest": 0.4, "highest": 0.5, "control_low": (0.1,), "control_high": (0.1,)}
    assert answer(results(family={"lower_is_better": True}))[1].one("better") == "lower"


def compared(p, different, smallest_p=0.001, tested=3, effect=-0.9):
    """Results of models of which Friedman's test gives `p`, and `different` of the pairs differ."""
    omnibus = Omnibus("friedman", 3 if tested > 1 else 2, 30, 0, 7.5, 2.0, None, 0.3, p)
    top = replace(TOP, difference=-0.123, effect=effect, p=0.01) if different else None
    apart = (("a", "b"),) * different
    pairs = replace(PAIRS, tested=tested, told_apart=apart, smallest_p=smallest_p, largest=top)
    return results({"omnibus": omnibus, "pairs": pairs})


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"p": 0.01, "different": 2}, "apart"),
        ({"p": 0.01, "different": 0}, "as_a_set"),
        ({"p": 0.2, "different": 0}, "no_evidence"),
        ({"p": 0.05, "different": 0}, "as_a_set"),
        ({"p": 0.2, "different": 0, "smallest_p": 0.1}, "too_few"),
        ({"p": 0.01, "different": 0, "smallest_p": 0.1}, "as_a_set"),
        ({"p": None, "different": 1, "tested": 1}, "apart"),
        ({"p": None, "different": 0, "tested": 1}, "no_evidence"),
    ],
)
def test_answer_and_scores_share_one_verdict(given, kind):
    made = compared(**given)
    (short,), (long,) = (
        [one for one in of if one.area == "pairs"] for of in (answer(made), family_statements(made, *PLACE))
    )
    assert short.kind == long.kind == f"pairs.{kind}" and "lowest" in short.numbers and "lowest" not in long.numbers
    assert long.numbers.items() <= short.numbers.items()
    if given["different"]:
        apart = {"apart": given["different"], "tested": given.get("tested", 3), "difference": 0.123, "effect": 0.9}
        assert long.numbers == apart and (long.one("over"), long.one("under")) == ("b", "a")
    tested = {one.kind: one.numbers for one in verdicts.tests(made, *PLACE)}
    assert ("test.over_all" in tested) == (given["p"] is not None)
    assert tested.get("test.largest", {}) == (
        {"effect": 0.9, "p": 0.01, "tested": given.get("tested", 3)} if given["different"] else {}
    )
    assert ("test.too_few" in tested) == (given.get("smallest_p", 0) > 0.05)


def test_ranks_that_point_the_other_way_are_stated():
    """The mean is for b, the ranks, which the test uses, are for a."""
    made = compared(0.01, 1, effect=0.4)
    assert of_family(made)["pairs.apart"].numbers["effect"] == -0.4
    assert [one.numbers["effect"] for one in verdicts.tests(made, *PLACE) if one.kind == "test.largest"] == [-0.4]


@pytest.mark.parametrize("names", ["a", "ab"])
def test_the_rule_of_competence_is_named(names):
    made = results(models={name: Model(name not in names) for name in "ab"})
    left = general.left_out(made)
    assert left.subjects == {"models": tuple(names), "measure": ("balanced accuracy",)}
    assert left.numbers == {"floor": 0.6, "chance": 0.5} and general.left_out(results()) is None
    if names == "ab":
        assert [(one.kind, one.numbers) for one in answer(made)] == [("models.none_competent", left.numbers)]
        (why,) = family_statements(made, *PLACE)
        assert (why.kind, why.reason) == ("family.not_judged", "not_competent")


def test_expected_gaps_need_no_warning_and_ceilings_and_seeds_do():
    found = {one.kind: one for one in cautions(results(), *PLACE)}
    assert found.keys() == {"scores.ceiling", "scores.seed_spread"}
    ceiling = found["scores.ceiling"]
    assert (ceiling.subjects["models"], ceiling.numbers["mean"]) == (("b", "a"), (0.6, 0.9))
    assert found["scores.seed_spread"].one("models") == "a"
    assert found["scores.seed_spread"].numbers == pytest.approx({"spread": 0.1, "apart": 0.1})


def test_beating_one_of_two_controls_is_not_enough():
    rows = {"random": {"a": BETTER, "b": UNCLEAR}, "center": {"a": BETTER, "b": UNCLEAR}}
    better, unclear, _ = answer(results({"controls": rows, "verdicts": {"a": "better", "b": "unclear"}}))
    assert (better.kind, better.subjects["models"]) == ("controls.better", ("a",))
    assert (unclear.kind, unclear.subjects["models"]) == ("controls.no_evidence", ("b",))
    assert unclear.subjects["controls"] == ("random", "center")


def test_models_that_fall_behind_the_same_controls_share_a_statement():
    worse = {"controls": {"random": {"a": WORSE, "b": WORSE}}, "verdicts": {"a": "worse", "b": "worse"}}
    first = answer(results(worse))[0]
    assert (first.kind, first.subjects["models"], first.subjects["beaten_by"]) == (
        "controls.worse",
        ("a", "b"),
        ("random",),
    )


def test_several_methods_are_a_caution():
    kinds = [[one.kind for one in general.statements(results(methods=("gradcam",) * count))] for count in (1, 3)]
    assert ["methods.several" in of for of in kinds] == [False, True]


def test_without_controls_nothing_is_claimed():
    assert answer(results({"controls": {}, "verdicts": {}}))[0].kind == "controls.none"


@pytest.mark.parametrize(
    ("count", "most", "kind"), [(1, 1, "checkpoints"), (4, 4, "checkpoints"), (5, 5, "architectures"), (2, 5, "uneven")]
)
def test_seeds(count, most, kind):
    one = general.seeds(results(seeds=Seeds(count, most)))
    assert one.kind == f"seeds.{kind}" and one.numbers["seeds"] == count
    assert one.numbers.get("most") == (most if kind == "uneven" else None)


@pytest.mark.parametrize(
    ("kind", "by", "known", "stated", "reason"),
    [
        ("patient", "auto", True, "patient", None),
        ("patient", "random", True, "patient", "random_split"),
        ("lookalike", "lookalike", False, "lookalike", None),
        ("lookalike", "lookalike", True, "united", None),
        ("image", "random", False, "image", None),
    ],
)
def test_what_the_groups_are(kind, by, known, stated, reason):
    made = results(groups=Groups(kind, by, known), folds=5)
    one = general.groups(made)
    assert (one.kind, one.reason, one.one("unit")) == (f"groups.{stated}", reason, kind)
    assert one.numbers == {"groups": 30, "folds": 5}
    assert (one in answer(made)) == (by == "random")  # a split that ignores patients is part of the answer


@pytest.mark.parametrize(("by", "kept"), [("auto", "lookalike"), ("column", "given"), ("folder", "given")])
@pytest.mark.parametrize("clear", ["ab", "b", ""])
def test_random_beside_grouped(clear, by, kept):
    found = Comparison({"a": 0.95, "b": 0.99}, {"a": 0.41, "b": 0.65}, {"a": 0.54, "b": 0.34}, tuple(clear))
    one = general.comparison(results(groups=Groups("lookalike", by), comparison=found))
    assert one.numbers == {"random": (0.95, 0.99), "grouped": (0.41, 0.65), "fall": (0.54, 0.34)}
    assert (one.subjects["models"], one.subjects.get("clear", ()), one.one("kept")) == (("a", "b"), tuple(clear), kept)
    assert general.comparison(results()) is None


def refusing(models, **more):
    family = {
        "means": FAMILY.means | {"gradcam": {"a": 0.5, "b": 0.4} | dict.fromkeys(models)},
        "missing": {"gradcam": {model: Missing(60, {"no_rule": 60}) for model in models}},
    }
    kept = {"controls": {"random": {m: BETTER for m in "ab" if m not in models}}}
    kept |= {"verdicts": {m: "better" for m in "ab" if m not in models}}
    return results(kept, family=family, refused={"gradcam": dict.fromkeys(models, "no_rule")}, **more)


def test_an_unsupported_model_has_one_line_and_no_warning():
    (one,) = [one for one in statements(refusing("b")) if one.area == "methods"]
    assert (one.subjects["models"], one.reason, one.numbers, one.evidence) == (
        ("b",),
        "no_rule",
        {"all": 2},
        ("left-out",),
    )
    assert not any(one.kind == "scores.missing" for one in statements(refusing("b")))
    made = refusing("ab")
    assert [
        one.kind
        for one in statements(
            replace(made, families={"localization": replace(made.families["localization"], outcomes={})})
        )
    ] == ["methods.unsupported"]


def test_images_left_out_on_purpose_need_no_warning_and_gaps_do():
    def missing(reasons):
        made = results(family={"missing": {"gradcam": {"a": Missing(60, reasons)}}})
        return [one for one in cautions(made, *PLACE) if one.kind == "scores.missing"]

    assert not missing({"left_out": 28})
    (one,) = missing({"left_out": 28, "incomplete": 8})
    assert (one.one("models"), one.reason, one.numbers) == ("a", "incomplete", {"share": 0.25, "mean": 0.5})


def test_of_checkpoints_that_may_have_seen_the_test_images_nothing_is_claimed_of_unseen_ones():
    setting = SettingOf({"a": "brought", "b": "brought"}, {"a": 0, "b": 0}, 8, (0,), unstated=("a", "b"))
    made = results(setting=setting)
    every = [*general.statements(made), *statements(made), *answer(made)]
    assert [one.subjects["models"] for one in every if one.kind == "models.unstated"] == [("a", "b")] * 2
    assert {one.one("scope") for one in every} - {""} == {"checkpoints"}
    assert {one.one("scope") for one in answer(results())} == {"trained"}
    assert not any(one.kind == "models.unstated" for one in answer(results(setting=replace(setting, unstated=()))))


@pytest.mark.parametrize("reason", ["no_truth", "one_seed"])
def test_a_family_without_scores_has_its_reason(reason):
    lost = {"gradcam": {model: Missing(60, {reason: 60}) for model in "ab"}}
    made = results(family={"means": {"gradcam": {"a": None, "b": None}}, "missing": lost, "outcomes": {}})
    for found in (family_statements(made, *PLACE), answer(made)):
        assert [(one.kind, one.reason) for one in found] == [("family.not_judged", reason)]


def test_a_verdict_carries_its_numbers():
    """Mean and interval of each model, the control beside it."""
    kept = {"controls": {"random": {"a": BETTER, "b": WORSE}}, "verdicts": {"a": "better", "b": "worse"}}
    better, worse = against_controls(results(kept), *PLACE)
    shared = {"seeds": 2, "control_low": (0.1,), "control_high": (0.1,)}
    assert better.numbers == {"mean": (0.5,), "low": (0.45,), "high": (0.55,)} | shared
    assert worse.numbers == {"mean": (0.4,), "low": (0.31,), "high": (0.49,)} | shared
    assert worse.kind == "controls.worse" and worse.subjects["beaten_by"] == worse.subjects["beside"] == ("random",)


@pytest.mark.parametrize(("smallest", "few"), [(0.03, True), (0.025, False)])
def test_too_few_is_by_the_share_of_alpha(smallest, few):
    """.03 would do at .05, and half of it is what controls have here."""
    row = replace(UNCLEAR, smallest_p=smallest)
    kept = {"controls": {"random": {"a": row, "b": row}}, "verdicts": {"a": "unclear", "b": "unclear"}}
    assert ("controls.too_few" in of_family(results(kept))) == few == results(kept).too_few(*PLACE)


def test_architectures_are_named_where_seeds_are_enough():
    outcome = compared(0.01, 2).outcome(*PLACE)
    omnibus = replace(outcome.omnibus, test="quasi_f", statistic=9.1, df2=17.25, effect=None)
    pairs = replace(outcome.pairs, column="p_seeds", equivalent=(("a", "b"),), detectable=None)
    made = results({"omnibus": omnibus, "pairs": pairs, "population": "architectures"}, seeds=Seeds(5, 5))
    assert {one.one("scope") for one in answer(made)} == {"architectures"} and answer(made)[0].numbers["seeds"] == 5
    over, largest, same = verdicts.tests(made, *PLACE)
    assert over.one("test") == "quasi_f" and over.numbers | {"df2": 17.25, "level": 0.05} == over.numbers
    assert largest.numbers["p"] == 0.01 and same.one("scope") == "architectures"


def test_what_is_small_and_what_is_too_small_to_see():
    small = {"equivalent": (("a", "b"), ("a", "c")), "within_seeds": (("b", "c"),)}
    outcome = compared(0.2, 0).outcome(*PLACE)
    made = results({"pairs": replace(outcome.pairs, **small), "omnibus": outcome.omnibus})
    _, same, close, unseen = verdicts.tests(made, *PLACE)
    assert (same.kind, same.numbers, same.subjects["a"], same.subjects["b"]) == (
        *("test.equivalent", {"margin": 0.05}),
        *(("a", "a"), ("b", "c")),
    )
    assert (close.kind, close.subjects["a"], close.subjects["b"]) == ("test.within_seeds", ("b",), ("c",))
    numbers = {"groups": 30, "detectable": 0.07, "power": 0.8, "margin": 0.05, "enough": 56}
    assert (unseen.kind, unseen.numbers) == ("test.detectable", numbers)


def test_a_metric_that_does_not_tell_the_truth_gives_no_verdict():
    one_blind = {"separates": {"a": True, "b": False}}
    kept = {
        "controls": {"random": {"a": BETTER}},
        "verdicts": {"a": "better"},
        "omnibus": Omnibus("friedman", 1, 30, 0),
    }
    found = family_statements(results(kept, family=one_blind), *PLACE)[:3]
    assert [one.kind for one in found] == ["controls.better", "controls.blind", "pairs.single"]
    assert found[1].subjects["models"] == ("b",)
    for of in (family_statements, lambda made, *_: answer(made)):
        (blind,) = of(results({"controls": {}, "verdicts": {}}, family={"separates": {"a": False, "b": False}}), *PLACE)
        assert blind.kind == "controls.blind" and "models" not in blind.subjects


def test_verdicts_that_change_with_missing_scores_are_named():
    rows = [Change("controls", name, "better", "unclear") for name in "abc"]
    rows.append(Change("models", "a - b", "a over b", "no difference shown"))
    for lost, changed in ((7, rows), (1, [])):
        made = results({"sensitivity": Sensitivity(lost, tuple(changed))})
        (one,) = [one for one in cautions(made, *PLACE) if one.kind == "scores.worst"]
        columns = [one.subjects.get(name, ()) for name in ("of", "main", "worst")]
        assert one.numbers == {"missing": lost}
        assert [*zip(*columns, strict=True)] == [(row.subject, row.main, row.worst_rank) for row in changed]


def test_methods_beside_the_lead():
    pairs = (MethodPair("lrp", "gradcam", "a", 0.2), MethodPair("gradcam", "lrp", "b", 0.1))
    other = MethodPair("lrp", "other", "b", 0.3)

    def beside(rows, method="lrp"):
        return between_methods(
            results(family={"methods_apart": rows}, methods=("gradcam", "lrp")), "localization", method
        )

    (one,) = beside((*pairs, other))
    assert (one.kind, one.one("lead"), one.numbers) == ("methods.apart", "gradcam", {"better": (0.2,), "worse": (0.1,)})
    assert (one.subjects["better"], one.subjects["worse"]) == (("a",), ("b",))
    assert beside((*pairs, other), "gradcam") == [] and [one.kind for one in beside((other,))] == [
        "methods.no_evidence"
    ]


def test_verdicts_come_before_tests_and_cautions():
    areas = [one.area for one in family_statements(results(), *PLACE)]
    assert areas == sorted(areas, key=["controls", "pairs", "test", "scores"].index) and len(set(areas)) == 4
    assert {one.evidence for one in family_statements(results(), *PLACE)} == {("localization-gradcam",)}
