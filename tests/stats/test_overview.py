"""All methods in a few lines, from verdicts written by hand."""

import pytest
from heatproof.stats.sentences.headline import answer, lead, listed, other_methods, overview, too_few
from stats.test_sentences import summary

VERDICTS = {"m1": "bb", "m2": "bb", "m3": "bw", "m4": "uu", "m5": "..", "m6": "ff"}
NAMES = {"b": "better", "w": "worse", "u": "unclear", "f": "unclear"}


PARTS = ("omnibus", "pairs", "missing", "seed_means", "shares", "population", "sensitivity")


def headline(found):
    return [row["text"] for row in answer(found)]


def words(rows):
    """Model -> verdict, of one control's rows."""
    return {model: row["verdict"] for found in rows.values() for model, row in found.items()}


def many(**changes):
    """Methods with a verdict for each of the models a and b: `.` is refused, `f` too few groups."""
    methods = {"m0": "bb"} | VERDICTS
    found = summary(methods=list(methods), refused={"m5": dict.fromkeys("ab", "no ReLU")})
    means = {
        m: {k: (0.5 if k == "a" else 0.4) if v != "." else None for k, v in zip("ab", text, strict=True)}
        for m, text in methods.items()
    }
    controls = {
        m: {
            "random": {
                k: {"verdict": NAMES[v], "smallest_p": 0.5 if v == "f" else 0.001}
                for k, v in zip("ab", text, strict=True)
                if v != "."
            }
        }
        for m, text in methods.items()
    }
    found["primary"]["localization"]["methods"] |= means
    for key in PARTS:
        found[key]["localization"] |= {m: found[key]["localization"].get("gradcam", {}) for m in methods}
    found["verdicts"] = {"localization": {m: words(controls[m]) for m in methods}}
    found |= {"controls": {"localization": controls}} | changes
    return found | {"overview": overview(found)}


def test_overview():
    rows = many()["overview"]["localization"]
    assert rows["m3"] == {
        "better": ["a"],
        "worse": ["b"],
        "unclear": [],
        "blind": [],
        "refused": [],
        "unscored": [],
        "left_out": [],
        "low": 0.4,
        "high": 0.5,
        "few": False,
    }
    assert rows["m5"]["refused"] == ["a", "b"] and rows["m5"]["low"] is None
    assert rows["m6"]["few"] and not rows["m4"]["few"]


def test_other_methods_in_one_sentence():
    assert other_methods(many(), "localization") == [
        "Of 5 other methods with a verdict, the heatmaps find the marked region better than a random map: 2 for every "
        "model judged (m1 and m2), 1 for some models (m3), 1 for none (m4) and 1 with too few images to tell (m6)."
    ]


def test_headline_speaks_of_the_first_method_and_sums_up_the_others():
    texts = headline(many())
    assert len(texts) == 3 and [text[:4] for text in texts[:2]] == ["m0: "] * 2 and texts[2].startswith("Of 5 other")


def test_the_first_method_that_has_maps_leads():
    found = many()
    assert lead(found) == "m0"
    assert lead(found | {"methods": ["m5", "m3"]}) == "m3"
    assert lead(found | {"methods": ["m5"]}) == "m5"


@pytest.mark.parametrize(("count", "text"), [(2, "0 and 1"), (5, "0, 1, 2, 3 and 4"), (6, "0, 1, 2, 3 and 2 more")])
def test_long_lists_are_cut(count, text):
    assert listed([str(i) for i in range(count)]) == text


def test_without_controls_there_are_not_too_few():
    assert not too_few(many(controls={}), "localization", "m0")


def sanity(found, methods):
    """The same study with a sanity check that some methods fail for model b."""
    rows = {
        m: {
            "other_image": {
                "a": {"verdict": "better", "smallest_p": 0.001},
                "b": {"verdict": "worse" if m in methods else "better", "smallest_p": 0.001},
            }
        }
        for m in found["methods"]
    }
    found["primary"]["sanity"] = found["primary"]["localization"] | {"lower_is_better": True}
    for key in PARTS:
        found[key]["sanity"] = found[key]["localization"]
    found["verdicts"]["sanity"] = {m: words(row) for m, row in rows.items()}
    found["controls"]["sanity"] = rows
    return found | {"overview": overview(found)}


def test_a_failed_sanity_check_stands_in_the_headline():
    texts = headline(sanity(many(), ["m0", "m1", "m3"]))
    assert texts[2] == (
        "m0: As trained here, the heatmaps of b fail the sanity check: when the model's weights are randomized they "
        "stay more like the originals than the heatmaps of two different images."
    )
    assert texts[4] == "Of the other methods, 2 fail the sanity check for some model (m1 and m3)."
    assert not any("sanity" in text for text in headline(sanity(many(), [])))
