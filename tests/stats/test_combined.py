"""Localization and faithfulness together: the four meanings, and when nothing is said."""

import pytest

from heatproof.stats.command import run
from heatproof.stats.verdicts import combined as rules
from heatproof.stats.verdicts.combined import (
    NO,
    UNDECIDED,
    YES,
    combined,
    decided_sentences,
    open_sentence,
    other_sentences,
)
from heatproof.store import artifacts

BETTER = {"word": "better", "difference": 0.2, "p_below": 1.0, "p_no": 1.0}
SAME = {"word": "unclear", "difference": -0.1, "p_below": 0.001, "p_no": 0.01}
OPEN = {"word": "unclear", "difference": 0.03, "p_below": 0.2, "p_no": 1.0}
GIVEN = {YES: BETTER, NO: SAME, UNDECIDED: OPEN}


def summary(answers, lead="cam"):
    """Make a summary from (model, method) -> the answers of localization and of faithfulness."""
    made = {"lead": lead, "methods": list(dict.fromkeys(method for _, method in answers)), "separates": {}}
    made["models"] = {model: {"competent": True} for model, _ in answers}
    made["seeds"] = {"count": 2}
    for key in ("primary", "controls", "verdicts", "shares", "population"):
        made[key] = {}
    for place, (family, metric) in enumerate((("localization", "iou"), ("faithfulness", "srg"))):
        means = {m: {model: 0.4 for model, method in answers if method == m} for m in made["methods"]}
        means |= {"center": dict.fromkeys(made["models"], 0.5), "ceiling": dict.fromkeys(made["models"], 0.9)}
        made["primary"][family] = {"metric": metric, "lower_is_better": False, "margin": 0.05, "methods": means}
        for (model, method), found in answers.items():
            row = {"low": None, "high": None} | GIVEN[found[place]]
            weak = row | {"difference": row["difference"] + 0.1, "p_below": row["p_below"] + 0.01}
            of = made["controls"].setdefault(family, {}).setdefault(method, {"center": {}, "random": {}})
            of["center"][model], of["random"][model] = row, weak
            made["verdicts"].setdefault(family, {}).setdefault(method, {})[model] = row["word"]
            made["shares"].setdefault(family, {})[method] = {"controls": 0.025}
            made["population"].setdefault(family, {})[method] = "checkpoints"
    return made | {"combined": combined(made)}


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ((YES, YES), "show what the model uses, and that is the marked lesion."),
        (
            (NO, YES),
            "show what the model uses, and that is not the marked lesion, which they find no better than a blob in the "
            "centre.",
        ),
        (
            (YES, NO),
            "mark the lesion, but that is not what the prediction depends on, which they single out no better than a "
            "blob in the centre.",
        ),
        ((NO, NO), "neither mark the lesion nor show what the model uses: they find the lesion no better than "),
    ],
)
def test_what_two_decided_answers_mean(answers, says):
    found = summary({("a", "cam"): answers})
    (text,) = decided_sentences(found)
    assert text.startswith(f"As trained here, the heatmaps of a {says}") and open_sentence(found) is None


@pytest.mark.parametrize("other", [YES, NO, UNDECIDED])
def test_nothing_is_combined_where_one_answer_is_undecided(other):
    found = summary({("a", "cam"): (UNDECIDED, other), ("b", "cam"): (other, UNDECIDED)})
    assert decided_sentences(found) == [] and [row["text"] for row in found["combined"]] == [None, None]
    assert open_sentence(found) == (
        "Undecided: whether the heatmaps of a and b mark the lesion, and whether they show what the model uses."
        if other == UNDECIDED
        else "Undecided: whether the heatmaps of a mark the lesion; whether the heatmaps of b show what the model uses."
    )


def test_the_first_method_leads_and_the_others_are_summed_up():
    answers = {("a", "ig"): (YES, YES), ("a", "cam"): (NO, YES), ("b", "ig"): (YES, YES), ("a", "lrp"): (NO, NO)}
    found = summary(answers)
    assert next((row["method"], row["model"]) for row in found["combined"]) == ("cam", "a")
    assert len(decided_sentences(found)) == 1
    assert other_sentences(found) == [
        "By other methods, heatmaps show what the model uses, and that is the marked lesion: ig (a and b).",
        "By other methods, heatmaps neither mark the lesion nor show what the model uses: lrp (a).",
    ]


def test_better_by_less_than_the_margin_is_yes_and_no_room_is_not_no():
    """Significantly better is better, however little; a control as good as the grid allows leaves nothing to gain."""
    made = summary({("a", "cam"): (NO, NO)})
    made["verdicts"]["localization"]["cam"]["a"] = "better"
    assert rules.decide(made, "localization", "cam", "a").verdict == YES
    made = summary({("a", "cam"): (NO, NO)})
    made["primary"]["localization"]["methods"]["ceiling"]["a"] = 0.54
    assert rules.decide(made, "localization", "cam", "a").verdict == UNDECIDED
    assert rules.decide(made, "faithfulness", "cam", "a").verdict == NO
    made["primary"]["localization"]["methods"]["center:cam"] = {"a": 0.4}  # the control that was made for the method
    assert rules.decide(made, "localization", "cam", "a").verdict == NO


def test_without_a_true_region_there_is_nothing_to_combine():
    made = summary({("a", "cam"): (YES, YES)})
    made["primary"]["localization"]["metric"] = "outside_lungs"
    assert combined(made) == []
    del made["primary"]["localization"]
    assert combined(made) == []


def test_a_model_that_uses_something_else_than_the_lesion(write_study):
    """The metric of faithfulness ranks the true region no higher than noise there: a remark, and no silence."""
    given = {"patients": 36, "seeds": (0,), "families": ("localization", "faithfulness")}
    args = write_study({"net": 0.5}, over={"localization": 0.1}, truths={"net": 0.1}, **given)
    run(args)
    found = artifacts.read_json(artifacts.stats_dir("toy") / "summary.json")
    assert found["separates"]["faithfulness"] == {"net": False}
    assert found["verdicts"]["faithfulness"]["gradcam"] == {"net": "better"}
    (row,) = found["combined"]
    assert [row[family]["verdict"] for family in ("localization", "faithfulness")] == ["no", "yes"]
    first = found["headline"][0]
    assert "the heatmaps of net show what the model uses, and that is not the marked lesion" in first
    assert "Symmetric relevance gain cannot be validated on the images of net" in first
    numbers = artifacts.read_json(artifacts.stats_dir("toy") / "metrics.json")
    assert numbers["combined"] == {"gradcam": {"net": "localization no, faithfulness yes"}}
    texts = [row["text"] for row in found["sentences"] if row["family"] == "faithfulness" and row["kind"] == "verdict"]
    run(write_study({"net": 0.5}, truth=False, **given))
    plain = artifacts.read_json(artifacts.stats_dir("toy") / "summary.json")
    assert plain["combined"] == [] and plain["separates"]["faithfulness"] == {}
    unmarked = [t["text"] for t in plain["sentences"] if t["family"] == "faithfulness" and t["kind"] == "verdict"]
    remark = [text for text in texts if "cannot be validated" in text]
    assert len(remark) == 1 and len(texts) == len(unmarked) + 1  # masks add a remark, and take no verdict away
    assert "single out what the model uses better than every control" in unmarked[0]
