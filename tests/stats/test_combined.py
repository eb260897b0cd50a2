"""Localization and faithfulness together: the four meanings, and when nothing is stated."""

from dataclasses import replace

import pytest
from stats.built import answered

from heatproof.stats.command import run
from heatproof.stats.results import key_numbers, read
from heatproof.stats.statements.verdicts import answer
from heatproof.stats.verdicts.judge import combined, decide
from heatproof.stats.verdicts.rules import NO, UNDECIDED, YES


def stated(results, *kinds):
    return [one for one in answer(results) if one.kind in {f"combined.{kind}" for kind in kinds}]


@pytest.mark.parametrize("answers", [(YES, YES), (NO, YES), (YES, NO), (NO, NO)])
def test_what_two_decided_answers_mean(answers):
    (one,) = stated(answered({("a", "cam"): answers}), "decided", "open")
    assert one.kind == "combined.decided" and one.numbers == {"seeds": 2} and one.evidence == ("combined",)
    assert (one.one("localization"), one.one("faithfulness")) == answers
    assert one.subjects["controls"] == ("center", "center") and one.one("models") == "a"


@pytest.mark.parametrize("other", [YES, NO, UNDECIDED])
def test_nothing_is_combined_where_one_answer_is_undecided(other):
    found = answered({("a", "cam"): (UNDECIDED, other), ("b", "cam"): (other, UNDECIDED)})
    (one,) = stated(found, "decided", "open")
    assert one.kind == "combined.open" and one.subjects["models"] == ("a", "b")
    assert one.subjects["localization"] == (UNDECIDED, other) and one.subjects["faithfulness"] == (other, UNDECIDED)
    assert not any(row.decided for row in found.combined)


def test_the_first_method_leads_and_the_others_are_summed_up():
    answers = {("a", "ig"): (YES, YES), ("a", "cam"): (NO, YES), ("b", "ig"): (YES, YES), ("a", "lrp"): (NO, NO)}
    found = answered(answers)
    assert found.lead == "ig" and (found.combined[0].method, found.combined[0].model) == ("ig", "a")
    assert len(stated(found, "decided")) == 2 and {one.one("by") for one in stated(found, "decided")} == {"ig"}
    others = [(one.subjects["methods"], one.subjects["models"]) for one in stated(found, "others")]
    assert others == [(("cam",), ("a",)), (("lrp",), ("a",))]
    found = replace(found, methods=("cam", "ig", "lrp"))
    others = stated(replace(found, combined=combined(found)), "others")
    assert [(one.one("localization"), one.subjects["methods"]) for one in others] == [
        (YES, ("ig", "ig")),
        (NO, ("lrp",)),
    ]


def test_better_by_less_than_the_margin_is_yes_and_no_room_is_not_no():
    """Significantly better is better, however little; a control as good as the grid allows leaves nothing to gain."""
    made = answered({("a", "cam"): (NO, NO)})
    of = made.families["localization"]

    def decided(family, **changes):
        return decide(
            replace(made, families=made.families | {"localization": replace(of, **changes)}), family, "cam", "a"
        )

    better = {"cam": replace(of.outcomes["cam"], verdicts={"a": "better"})}
    assert decided("localization", outcomes=better).verdict == YES
    full = of.means | {"ceiling": {"a": 0.54}}
    assert decided("localization", means=full).verdict == UNDECIDED
    assert decided("faithfulness", means=full).verdict == NO
    # the control that was made for the method
    assert decided("localization", means=full | {"center:cam": {"a": 0.4}}).verdict == NO


def test_without_a_true_region_there_is_nothing_to_combine():
    assert answered({("a", "cam"): (YES, YES)}, metric="outside_lungs").combined == ()
    made = answered({("a", "cam"): (YES, YES)})
    assert combined(replace(made, families={"faithfulness": made.families["faithfulness"]})) == ()


def test_a_model_that_uses_something_else_than_the_lesion(write_study):
    """The metric of faithfulness ranks the true region no higher than noise there: a remark, and no silence."""
    given = {"patients": 36, "seeds": (0,), "families": ("localization", "faithfulness")}
    run(write_study({"net": 0.5}, over={"localization": 0.1}, truths={"net": 0.1}, **given))
    found = read("toy")
    assert found.families["faithfulness"].separates == {"net": False}
    assert found.outcome("faithfulness", "gradcam").verdicts == {"net": "better"}
    assert [one.verdict for row in found.combined for one in row.answers] == [NO, YES]
    assert [one.kind for one in found.answer[:2]] == ["combined.decided", "controls.unvalidated"]
    assert (found.answer[0].one("localization"), found.answer[1].subjects["models"]) == (NO, ("net",))
    assert key_numbers(found)["combined"] == {"gradcam": {"net": "localization no, faithfulness yes"}}
    run(write_study({"net": 0.5}, truth=False, **given))
    plain = read("toy")
    assert plain.combined == () and plain.families["faithfulness"].separates == {}
    kinds, unmarked = ([one.kind for one in r.about("controls", family="faithfulness")] for r in (found, plain))
    assert kinds == [*unmarked, "controls.unvalidated"]  # masks add a remark, and take no verdict away
    assert unmarked == ["controls.better"]
