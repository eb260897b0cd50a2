"""What numbers are turned into, where no small study gives such numbers."""

import pytest

from heatproof.stats.headline import headline
from heatproof.stats.sentences import cautions, seeds_sentence, sentences
from heatproof.stats.words import joined, shown, shown_p, span


def summary(**changes):
    row = {"verdict": "better", "smallest_p": 0.001}
    return {
        "alpha": 0.05,
        "groups": {"kind": "patient"},
        "groups_test": 30,
        "seeds": {"count": 2},
        "methods": ["gradcam"],
        "competence": {"floor": 0.6},
        "models": {"a": {"competent": True}, "b": {"competent": True}},
        "primary": {
            "localization": {
                "metric": "iou",
                "lower_is_better": False,
                "methods": {
                    "gradcam": {"a": 0.5, "b": 0.4},
                    "random": {"a": 0.1, "b": 0.1},
                    "ceiling": {"a": 0.9, "b": 0.6},
                },
            }
        },
        "seed_means": {"localization": {"gradcam": {"a": {"0": 0.45, "1": 0.55}, "b": {"0": 0.4, "1": 0.4}}}},
        "missing": {"localization": {"gradcam": {"a": {"scores": 60, "reasons": {"no truth": 20}}}}},
        "controls": {"localization": {"gradcam": {"random": {"a": row, "b": row}}}},
        "omnibus": {"localization": {"gradcam": {"models": 2, "groups": 30, "dropped": 0, "p": None}}},
        "pairs": {
            "localization": {
                "gradcam": {
                    "tested": 1,
                    "different": 1,
                    "smallest_p": 1e-8,
                    "largest": {"a": "a", "b": "b", "difference": 0.1, "effect": 0.9, "p_corrected": 1e-4},
                }
            }
        },
    } | changes


def test_headline():
    assert headline(summary()) == [
        "The heatmaps of a and b find the marked region better than a random map.",
        "Differences between models are more than chance: the two can be told apart, and a has the best "
        "mean (mean IoU 0.40 to 0.50; 0.10 for a random map).",
    ]


def test_best_is_lowest_where_lower_is_better():
    found = summary()
    found["primary"]["localization"]["lower_is_better"] = True
    assert "b has the best mean" in headline(found)[1]


def test_expected_gaps_need_no_warning_and_ceilings_and_seeds_do():
    texts = " ".join(cautions(summary(), "localization", "gradcam"))
    assert "flatter" not in texts
    assert "at best 0.60 (b) to 0.90 (a)" in texts
    assert "moves by up to 0.10 (a); between models by 0.10" in texts


def test_beating_one_of_two_controls_is_not_enough():
    better, unclear = ({"verdict": v, "smallest_p": 0.001} for v in ("better", "unclear"))
    controls = {"random": {"a": better, "b": better}, "center": {"a": better, "b": unclear}}
    texts = headline(summary(controls={"localization": {"gradcam": controls}}))[0]
    assert "heatmaps of a find the marked region better than a random map and a blob in the centre." in texts
    assert "heatmaps of b find the marked region better than a random map and a blob in the centre could not" in texts


def test_without_controls_nothing_is_claimed():
    assert headline(summary(controls={"localization": {"gradcam": {}}}))[0].startswith("There is no control")


@pytest.mark.parametrize(("count", "words"), [(1, "from 1 seed:"), (4, "from 4 seeds"), (5, "means over 5")])
def test_seeds(count, words):
    text = seeds_sentence(summary(seeds={"count": count}))
    assert words in text and ("not of architectures" in text) == (count < 5)


def test_every_sentence_has_a_family():
    assert {s["family"] for s in sentences(summary())} == {"general", "localization"}


def test_words():
    assert [joined(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
    assert [shown(v) for v in (0.5, 0.0123, 0, -0.25)] == ["0.50", "0.012", "0.00", "-0.25"]
    assert [shown_p(p) for p in (0.0004, 0.04, 1)] == ["p < 0.001", "p = 0.040", "p = 1.000"]
    assert span([0.3, 0.301]) == "0.30" and span([0.5, 0.2]) == "0.20 to 0.50"
