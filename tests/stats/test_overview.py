"""What a study of many methods states in a few lines, from verdicts written by hand."""

from dataclasses import replace

import pytest

from heatproof.stats.results import Against, Family, Groups, Model, Omnibus, Outcome, Pairs, Seeds, Shares, StudyResults
from heatproof.stats.statements.verdicts import answer, in_short, other_methods

# method -> a letter for each of the models a and b: `.` is refused, `f` has too few groups
VERDICTS = {"m0": "bb", "m1": "bb", "m2": "bb", "m3": "bw", "m4": "uu", "m5": "..", "m6": "ff"}
NAMES = {"b": "better", "w": "worse", "u": "unclear", "f": "unclear"}


def family(verdicts, control="random", **more):
    """A family whose models have such verdicts against one control."""
    means, outcomes = {}, {}
    for method, letters in verdicts.items():
        of = {model: letter for model, letter in zip("ab", letters, strict=True) if letter != "."}
        means[method] = {model: (0.5 if model == "a" else 0.4) if model in of else None for model in "ab"}
        words = {model: NAMES[letter] for model, letter in of.items()}
        rows = {m: Against(word, smallest_p=0.5 if of[m] == "f" else 0.001) for m, word in words.items()}
        tested = Omnibus("friedman", len(of), 30, 0), Pairs(len(of) // 2, "p_corrected", 30, smallest_p=1e-8)
        outcome = Outcome("checkpoints", Shares(0.025, 0.05), {control: rows} if rows else {}, words, *tested)
        outcomes |= {method: outcome} if of else {}
    return Family("iou", means=means | {control: {"a": 0.1, "b": 0.1}}, outcomes=outcomes, **more)


def many(**families):
    refused = {method: dict.fromkeys("ab", "no_relu") for method, letters in VERDICTS.items() if letters == ".."}
    return StudyResults(
        "made",
        *(30, 30),
        Groups("patient"),
        tuple(VERDICTS),
        Seeds(2, 2),
        *(0.05, 0.95, "friedman", 0.8),
        {model: Model(competent=True) for model in "ab"},
        {"localization": family(VERDICTS)} | families,
        refused=refused,
    )


def sanity(*failing):
    """The same study with a sanity check that some methods fail for model b."""
    letters = {method: "bw" if method in failing else "bb" for method in VERDICTS}
    return many(sanity=family(letters, "other_image", lower_is_better=True))


def test_models_by_verdict():
    results = many()
    assert results.by_verdict("localization", "m3") == {"better": ["a"], "worse": ["b"], "unclear": [], "blind": []}
    assert results.refuses_all("m5") and results.unjudged("localization", "m5") == "no_scores"
    assert [method for method in VERDICTS if results.too_few("localization", method)] == ["m6"]


def test_a_metric_that_does_not_rank_the_truth_first_has_no_verdict_on_localization():
    of = family(VERDICTS, separates={"a": False, "b": True})
    results = many(localization=of, faithfulness=replace(of, metric="srg"))
    assert results.unvalidated("localization") == results.unvalidated("faithfulness") == ("a",)
    assert results.blind("localization") == ("a",) and results.blind("faithfulness") == ()
    assert results.by_verdict("localization", "m0")["blind"] == ["a"]
    assert results.seen("localization", "m0") == {"b": 0.4}


def test_other_methods_in_one_statement():
    (found,) = other_methods(many(), "localization")
    kinds = {kind: found.subjects[kind] for kind in ("all", "some", "none", "few")}
    assert kinds == {"all": ("m1", "m2"), "some": ("m3",), "none": ("m4",), "few": ("m6",)}
    assert found.kind == "methods.others" and found.numbers == {"absent": 1}
    assert found.subjects["controls"] == ("random",) and found.one("family") == "localization"


def test_the_answer_speaks_of_the_first_method_and_sums_up_the_others():
    rows = answer(many())
    assert [row.kind for row in rows] == ["controls.better", "pairs.no_evidence", "methods.others"]
    assert [row.one("by") for row in rows] == ["m0", "m0", ""]


@pytest.mark.parametrize(
    ("letters", "kind", "better"),
    [("bb", "all", 2), ("bw", "some", 1), ("bu", "some", 1), ("ww", "worse", 0), ("uw", "no_evidence", 0)],
)
def test_in_short(letters, kind, better):
    found = in_short(replace(many(localization=family({"m0": letters})), methods=("m0",)))
    assert (found.kind, found.numbers) == (f"short.{kind}", {"better": better, "models": 2})


@pytest.mark.parametrize(("methods", "lead"), [(VERDICTS, "m0"), (("m5", "m3"), "m3"), (("m5",), "m5")])
def test_the_first_method_that_has_maps_leads(methods, lead):
    assert replace(many(), methods=tuple(methods)).lead == lead


def test_without_controls_there_are_not_too_few():
    outcome = replace(many().outcome("localization", "m6"), controls={})
    assert not outcome.too_few()


def test_a_failed_sanity_check_stands_in_the_answer():
    rows = answer(sanity("m0", "m1", "m3"))
    failed = rows[2]
    assert (failed.kind, failed.one("family"), failed.one("by")) == ("controls.worse", "sanity", "m0")
    assert failed.subjects["models"] == ("b",) and failed.subjects["beaten_by"] == ("other_image",)
    assert (rows[4].kind, rows[4].subjects["methods"]) == ("methods.others_fail", ("m1", "m3"))
    assert not any("sanity" in (row.one("family"), row.area) for row in answer(sanity()))


def test_a_sanity_check_of_few_groups_leaves_it_open():
    few = many(sanity=family(dict.fromkeys(VERDICTS, "ff"), "other_image"))
    assert [row.kind for row in answer(few)][2] == "sanity.open"
