"""What numbers are turned into, where no small study gives such numbers."""

import pytest

from heatproof.stats.differences import between_models, verdict
from heatproof.stats.headline import headline
from heatproof.stats.sentences import (
    cautions,
    comparison_sentence,
    groups_sentence,
    left_out_sentence,
    seeds_sentence,
    sentences,
    unjudged,
)
from heatproof.stats.words import joined, shown, shown_p, span


def summary(**changes):
    row = {"verdict": "better", "smallest_p": 0.001}
    return {
        "alpha": 0.05,
        "groups": {"kind": "patient", "split_by": "auto", "patients_known": True},
        "groups_test": 30,
        "folds": 1,
        "refused": {},
        "comparison": None,
        "seeds": {"count": 2},
        "methods": ["gradcam"],
        "competence": {"floor": 0.6, "chance": 0.5},
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
        "The two models differ: a over b by 0.10 (mean IoU 0.40 to 0.50; 0.10 for a random map).",
    ]


def test_headline_says_where_lower_is_better():
    found = summary()
    found["primary"]["localization"]["lower_is_better"] = True
    assert "a over b by 0.10 (mean IoU, lower is better: 0.40 to 0.50;" in headline(found)[1]


def compared(p, different, smallest_p=0.001, tested=3):
    """A summary of models of which Friedman's test gives `p`, and `different` of the pairs differ."""
    omnibus = {"models": 3 if tested > 1 else 2, "groups": 30, "dropped": 0, "p": p}
    omnibus |= {"statistic": 7.5, "df": 2.0, "kendall_w": 0.3}
    top = {"a": "a", "b": "b", "difference": -0.123, "effect": -0.9, "p_corrected": 0.01} if different else None
    pairs = {"tested": tested, "different": different, "smallest_p": smallest_p, "largest": top}
    return summary(omnibus={"localization": {"gradcam": omnibus}}, pairs={"localization": {"gradcam": pairs}})


SAME = "No difference between models could be shown, which does not mean that they are the same"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"p": 0.01, "different": 2},
            "The models differ: 2 of 3 pairs can be told apart; the largest difference is b over a by 0.12",
        ),
        (
            {"p": 0.01, "different": 0},
            "As a set the models differ (Friedman), but no single pair can be told apart",
        ),
        (
            {"p": 0.2, "different": 1},
            "1 of 3 pairs can be told apart although the test over all models does not show a difference; "
            "the largest difference is b over a by 0.12",
        ),
        ({"p": 0.2, "different": 0}, SAME),
        ({"p": 0.05, "different": 0}, "As a set the models differ (Friedman), but no single pair can be told apart"),
        ({"p": 0.2, "different": 0, "smallest_p": 0.1}, "There are too few patients to tell whether the models differ"),
        (
            {"p": 0.01, "different": 0, "smallest_p": 0.1},
            "As a set the models differ (Friedman), but no single pair can be told apart",
        ),
        ({"p": None, "different": 1, "tested": 1}, "The two models differ: b over a by 0.12"),
        ({"p": None, "different": 0, "tested": 1}, SAME),
    ],
)
def test_headline_and_sentences_share_one_verdict(given, text):
    found = compared(**given)
    assert verdict(found, "localization", "gradcam") == text
    texts = between_models(found, "localization", "gradcam")
    assert texts[0] == f"{text}." and headline(found)[1].startswith(f"{text} (mean IoU")
    assert any("Friedman's test of IoU over 3 models: chi-square 7.5" in t for t in texts) == (given["p"] is not None)
    assert any("rank-biserial 0.90, p = 0.010" in t for t in texts) == bool(given["different"])
    assert any("too few for Holm" in t for t in texts) == (given.get("smallest_p", 0) > 0.05)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ("a", "a is left out of every verdict: the balanced accuracy of at least one of its trainings is not"),
        ("ab", "a and b are left out of every verdict: the balanced accuracy of at least one of the trainings of each"),
    ],
)
def test_the_rule_of_competence_is_named(names, text):
    found = summary(models={name: {"competent": name not in names} for name in "ab"})
    left_out = left_out_sentence(found)
    assert left_out.startswith(text)
    assert left_out.endswith(" is not surely above the floor of 0.60 (guessing scores 0.50).")
    if names == "ab":
        assert headline(found) == [
            "No heatmap of this study can be judged: no model is competent with all its trainings (the low end of "
            "each interval of balanced accuracy has to lie above 0.60; guessing scores 0.50)."
        ]
        reason = unjudged(found, "localization", "gradcam")
        assert reason == "Localization is not judged: no model is competent with all its trainings."


def test_expected_gaps_need_no_warning_and_ceilings_and_seeds_do():
    texts = " ".join(cautions(summary(), "localization", "gradcam"))
    assert "flatter" not in texts
    assert "blurred to the grids that the heatmaps come from, scores 0.60 (b) to 0.90 (a)" in texts
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


CLUSTERS = (
    "Look-alike clusters are not patients: the tests are on means of clusters of look-alike images (30 in the test "
    "split), and images of one patient may lie in several of them, so p values may be too small, and may stand in "
    "training and test, so accuracies may be too high."
)
IMAGES = (
    "Patients are not known, and the split is random: the tests are on single images (30 in the test split), and "
    "images of one patient may count several times, so p values may be too small, and may stand in training and test, "
    "so accuracies may be too high."
)
PATIENTS = "All tests are on means per patient (30 patients in the test split)."
WHOLE = "All tests are on means of clusters of look-alike images, each of whole patients (30 in the test split)."
IGNORED = " The split ignores patients: images of one stand in training and test, so accuracies are too high."


@pytest.mark.parametrize(
    ("kind", "by", "known", "text"),
    [
        ("patient", "auto", True, PATIENTS),
        ("patient", "random", True, PATIENTS + IGNORED),
        ("lookalike", "lookalike", False, CLUSTERS),
        ("lookalike", "lookalike", True, WHOLE),
        ("image", "random", False, IMAGES),
    ],
)
def test_what_the_groups_are(kind, by, known, text):
    assert groups_sentence(summary(groups={"kind": kind, "split_by": by, "patients_known": known})) == text


def test_groups_of_folds():
    text = groups_sentence(summary(folds=5, groups_test=1))
    assert text == "All tests are on means per patient (1 patient tested once each, over 5 folds)."


BEGIN = "Under a random split the same models reach a balanced accuracy of 0.95 to 0.99, with look-alike images kept "


@pytest.mark.parametrize(
    ("clear", "end"),
    [
        ("ab", "together 0.41 to 0.65: the difference, 0.34 to 0.54, is what a random split hides."),
        (
            "b",
            "together 0.41 to 0.65: the difference for b, 0.34, is what a random split hides; "
            "for a it could be chance.",
        ),
        ("", "together 0.41 to 0.65: the difference could be chance."),
    ],
)
def test_random_beside_grouped(clear, end):
    found = {"random": {"a": 0.95, "b": 0.99}, "grouped": {"a": 0.41, "b": 0.65}, "fall": {"a": 0.54, "b": 0.34}}
    of = summary(groups={"kind": "lookalike", "split_by": "auto"}, comparison=found | {"clear": list(clear)})
    assert comparison_sentence(of) == BEGIN + end


def test_random_beside_grouped_of_one_model():
    found = {"random": {"a": 0.95}, "grouped": {"a": 0.41}, "fall": {"a": 0.54}, "clear": ["a"]}
    assert comparison_sentence(summary(comparison=found)) == (
        "Under a random split the same model reaches a balanced accuracy of 0.95, with each patient's images kept "
        "together 0.41: the difference, 0.54, is what a random split hides."
    )


def test_every_sentence_has_a_family():
    assert {(s["family"], s["method"]) for s in sentences(summary())} == {("general", ""), ("localization", "gradcam")}


def test_words():
    assert [joined(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
    assert [shown(v) for v in (0.5, 0.0123, 0, -0.25)] == ["0.50", "0.012", "0.00", "-0.25"]
    assert [shown(v) for v in (0.001234, -0.00005, 1e-17)] == ["0.00123", "-5e-05", "0.00"]
    assert [shown_p(p) for p in (0.0004, 0.04, 1)] == ["p < 0.001", "p = 0.040", "p = 1.000"]
    assert span([0.3, 0.301]) == "0.30" and span([0.5, 0.2]) == "0.20 to 0.50"
    assert span([0.099, 0.101]) == "0.10" and span([0.001, 0.002]) == "0.001 to 0.002"


def test_ranks_that_point_the_other_way_are_told():
    found = compared(0.01, 1)
    top = found["pairs"]["localization"]["gradcam"]["largest"]
    assert "by ranks" not in verdict(found, "localization", "gradcam")
    top["effect"] = 0.4
    assert verdict(found, "localization", "gradcam").endswith(
        "the largest difference is b over a by 0.12 in the mean, which a few large differences carry: by ranks, which "
        "the test uses, a is ahead"
    )
    assert any("has rank-biserial -0.40" in text for text in between_models(found, "localization", "gradcam"))


def test_a_refused_model_has_one_line_and_no_warning():
    found = summary(refused={"gradcam": {"b": "no ReLU"}})
    found["primary"]["localization"]["methods"]["gradcam"]["b"] = None
    found["missing"]["localization"]["gradcam"]["b"] = {"scores": 60, "reasons": {"not supported: no ReLU": 60}}
    texts = sentences(found)
    assert [row["text"] for row in texts if row["family"] == "methods"] == ["No heatmaps of b: no ReLU."]
    assert not any("% of the heatmaps of b" in row["text"] for row in texts)


def test_a_method_that_refuses_every_model_is_told_once():
    found = summary(refused={"gradcam": {"a": "no ReLU", "b": "no ReLU"}})
    found["primary"]["localization"]["methods"]["gradcam"] = {"a": None, "b": None}
    texts = [row for row in sentences(found) if row["method"] == "gradcam"]
    assert texts == [{"family": "methods", "method": "gradcam", "text": "No heatmaps of any model: no ReLU."}]


def test_images_left_out_on_purpose_need_no_warning_and_gaps_do():
    found = summary()
    rows = found["missing"]["localization"]["gradcam"]
    rows["a"] = {"scores": 60, "reasons": {"one of the images left out: 32 of 60": 28}}
    assert not any("flatter" in text for text in cautions(found, "localization", "gradcam"))
    rows["a"]["reasons"]["completeness gap above 1 %"] = 8
    (text,) = [text for text in cautions(found, "localization", "gradcam") if "flatter" in text]
    assert text.startswith("25% of the heatmaps of a have no IoU (mostly: completeness gap above 1 %)")


@pytest.mark.parametrize(("count", "said"), [(1, False), (3, True)])
def test_several_methods_are_a_caution(count, said):
    texts = [row["text"] for row in sentences(summary(methods=["gradcam"] * count)) if row["family"] == "general"]
    assert any("explanation methods were tested, each by itself" in text for text in texts) == said


def test_models_that_fall_behind_the_same_controls_share_a_sentence():
    worse = {"verdict": "worse", "smallest_p": 0.001}
    found = summary(controls={"localization": {"gradcam": {"random": {"a": worse, "b": worse}}}})
    assert headline(found)[0] == "The heatmaps of a and b do worse than a random map."
