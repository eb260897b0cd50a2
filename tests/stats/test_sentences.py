"""What numbers are turned into, where no small study gives such numbers."""

import pytest
from heatproof.stats.sentences.general import comparison_sentence, groups_sentence, left_out_sentence, seeds_sentence
from heatproof.stats.sentences.headline import answer, overview
from heatproof.stats.sentences.verdicts import (
    against_controls,
    between_methods,
    cautions,
    family_sentences,
    sentences,
    unjudged,
    worst_rank_sentence,
)
from heatproof.stats.sentences.words import claim_of, joined, shown, shown_p, span

from heatproof.stats.verdicts import rules
from heatproof.stats.verdicts.rules import verdict

BETTER, WORSE, UNCLEAR = ({"verdict": word, "smallest_p": 0.001} for word in ("better", "worse", "unclear"))


def headline(found):
    return [row["text"] for row in answer(found)]


def summary(**changes):
    return {
        "alpha": 0.05,
        "test": "friedman",
        "power": 0.8,
        "lead": "gradcam",
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
                "called": "IoU",
                "lower_is_better": False,
                "methods": {
                    "gradcam": {"a": 0.5, "b": 0.4},
                    "random": {"a": 0.1, "b": 0.1},
                    "ceiling": {"a": 0.9, "b": 0.6},
                },
                "intervals": {"gradcam": {"a": [0.45, 0.55], "b": [0.31, 0.49]}},
            }
        },
        "separates": {"localization": {"a": True, "b": True}},
        "population": {"localization": {"gradcam": "checkpoints"}},
        "shares": {"localization": {"gradcam": {"controls": 0.025, "models": 0.05}}},
        "verdicts": {"localization": {"gradcam": {"a": "better", "b": "better"}}},
        "sensitivity": {"localization": {"gradcam": None}},
        "methods_apart": {"localization": []},
        "seed_means": {"localization": {"gradcam": {"a": {"0": 0.45, "1": 0.55}, "b": {"0": 0.4, "1": 0.4}}}},
        "missing": {"localization": {"gradcam": {"a": {"scores": 60, "reasons": {"no_truth": 20}}}}},
        "controls": {"localization": {"gradcam": {"random": {"a": BETTER, "b": BETTER}}}},
        "omnibus": {
            "localization": {"gradcam": {"test": "friedman", "levels": 2, "groups": 30, "dropped": 0, "p": None}}
        },
        "pairs": {
            "localization": {
                "gradcam": {
                    "tested": 1,
                    "groups": 30,
                    "different": 1,
                    "smallest_p": 1e-8,
                    "largest": {"a": "a", "b": "b", "difference": 0.1, "effect": 0.9, "p_corrected": 1e-4},
                }
                | PAIRS
            }
        },
    } | changes


PAIRS = {"p": "p_corrected", "told_apart": [], "equivalent": [], "within_seeds": [], "detectable": 0.07, "margin": 0.05}
PAIRS["detectable_groups"] = 30


def with_controls(rows, words):
    """A summary whose controls have such rows and whose models, in order, such verdicts."""
    verdicts = {"localization": {"gradcam": dict(zip("ab", words, strict=True))}}
    return summary(controls={"localization": {"gradcam": rows}}, verdicts=verdicts)


def test_headline():
    assert headline(summary()) == [
        "As trained here, the heatmaps of a and b find the marked region better than a random map.",
        "The two models differ: a over b by 0.10 (mean IoU 0.40 to 0.50; 0.10 for a random map).",
    ]


def test_headline_says_where_lower_is_better():
    found = summary()
    found["primary"]["localization"]["lower_is_better"] = True
    assert "a over b by 0.10 (mean IoU, lower is better: 0.40 to 0.50;" in headline(found)[1]


def compared(p, different, smallest_p=0.001, tested=3):
    """A summary of models of which Friedman's test gives `p`, and `different` of the pairs differ."""
    omnibus = {"test": "friedman", "levels": 3 if tested > 1 else 2, "groups": 30, "dropped": 0, "p": p}
    omnibus |= {"statistic": 7.5, "df1": 2.0, "effect": 0.3}
    top = {"a": "a", "b": "b", "difference": -0.123, "effect": -0.9, "p_corrected": 0.01} if different else None
    pairs = {"tested": tested, "groups": 30, "different": different, "smallest_p": smallest_p, "largest": top} | PAIRS
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
            "As a set the models differ, but no single pair can be told apart",
        ),
        ({"p": 0.2, "different": 0}, SAME),
        ({"p": 0.05, "different": 0}, "As a set the models differ, but no single pair can be told apart"),
        ({"p": 0.2, "different": 0, "smallest_p": 0.1}, "There are too few patients to tell whether the models differ"),
        (
            {"p": 0.01, "different": 0, "smallest_p": 0.1},
            "As a set the models differ, but no single pair can be told apart",
        ),
        ({"p": None, "different": 1, "tested": 1}, "The two models differ: b over a by 0.12"),
        ({"p": None, "different": 0, "tested": 1}, SAME),
    ],
)
def test_headline_and_sentences_share_one_verdict(given, text):
    found = compared(**given)
    assert verdict(found, "localization", "gradcam") == text
    assert family_sentences(found, "localization", "gradcam")["verdict"][1] == f"{text}."
    assert headline(found)[1].startswith(f"{text} (mean IoU")
    texts = rules.tests(found, "localization", "gradcam")
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
    controls = {"random": {"a": BETTER, "b": UNCLEAR}, "center": {"a": BETTER, "b": UNCLEAR}}
    texts = headline(with_controls(controls, ["better", "unclear"]))[0]
    assert "heatmaps of a find the marked region better than a random map and a blob in the centre." in texts
    assert "heatmaps of b find the marked region better than a random map and a blob in the centre could not" in texts


def test_without_controls_nothing_is_claimed():
    found = summary(controls={"localization": {"gradcam": {}}}, verdicts={"localization": {"gradcam": {}}})
    assert headline(found)[0].startswith("There is no control")


@pytest.mark.parametrize(("count", "words"), [(1, "from 1 seed:"), (4, "from 4 seeds"), (5, "variance between seeds")])
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
    assert any("has rank-biserial -0.40" in text for text in rules.tests(found, "localization", "gradcam"))


def test_a_refused_model_has_one_line_and_no_warning():
    found = summary(refused={"gradcam": {"b": "no ReLU"}})
    found["primary"]["localization"]["methods"]["gradcam"]["b"] = None
    del found["verdicts"]["localization"]["gradcam"]["b"]
    found["missing"]["localization"]["gradcam"]["b"] = {"scores": 60, "reasons": {"no_relu": 60}}
    texts = sentences(found)
    assert [row["text"] for row in texts if row["family"] == "methods"] == ["No heatmaps of b: no ReLU."]
    assert not any("% of the heatmaps of b" in row["text"] for row in texts)


def test_a_method_that_refuses_every_model_is_told_once():
    found = summary(refused={"gradcam": {"a": "no ReLU", "b": "no ReLU"}})
    found["primary"]["localization"]["methods"]["gradcam"] = {"a": None, "b": None}
    texts = [row for row in sentences(found) if row["method"] == "gradcam"]
    row = {"family": "methods", "method": "gradcam", "kind": "caution", "evidence": "left-out"}
    assert texts == [row | {"text": "No heatmaps of any model: no ReLU."}]


def test_images_left_out_on_purpose_need_no_warning_and_gaps_do():
    found = summary()
    rows = found["missing"]["localization"]["gradcam"]
    rows["a"] = {"scores": 60, "reasons": {"left_out": 28}}
    assert not any("flatter" in text for text in cautions(found, "localization", "gradcam"))
    rows["a"]["reasons"]["incomplete"] = 8
    (text,) = [text for text in cautions(found, "localization", "gradcam") if "flatter" in text]
    assert text.startswith("25% of the heatmaps of a have no IoU (mostly: its completeness gap is above 1%")


def test_of_checkpoints_that_may_have_seen_the_test_images_nothing_is_claimed_of_unseen_ones():
    setting = {"epochs": {"a": 0, "b": 0}, "unstated": ["a", "b"]}
    found = summary(setting=setting)
    texts = [row["text"] for row in sentences(found)] + headline(found)
    assert sum(text.startswith("Accuracy on unseen images is not known for a and b: ") for text in texts) == 2
    assert not any("As trained here" in text or "was trained from" in text for text in texts)
    assert any(text.startswith("For these checkpoints, the heatmaps of a") for text in texts)
    stated = summary(setting={"epochs": setting["epochs"]})
    assert not any("unseen images" in text for text in headline(stated))


@pytest.mark.parametrize(("count", "said"), [(1, False), (3, True)])
def test_several_methods_are_a_caution(count, said):
    texts = [row["text"] for row in sentences(summary(methods=["gradcam"] * count)) if row["family"] == "general"]
    assert any("explanation methods were tested, each by itself" in text for text in texts) == said


def test_models_that_fall_behind_the_same_controls_share_a_sentence():
    found = with_controls({"random": {"a": WORSE, "b": WORSE}}, ["worse", "worse"])
    assert headline(found)[0] == "As trained here, the heatmaps of a and b do worse than a random map."


def test_a_verdict_carries_its_numbers():
    """As the issue asks: mean and interval of each model, the control beside it."""
    controls = {"random": {"a": BETTER, "b": WORSE}}
    assert against_controls(with_controls(controls, ["better", "worse"]), "localization", "gradcam") == [
        "As trained here, the heatmaps of a find the marked region better than a random map (IoU: a 0.50 [0.45, 0.55]; "
        "a random map 0.10).",
        "As trained here, the heatmaps of b do worse than a random map (IoU: b 0.40 [0.31, 0.49]; a random map 0.10).",
    ]


@pytest.mark.parametrize(("smallest", "said"), [(0.03, True), (0.025, False)])
def test_too_few_is_by_the_share_of_alpha(smallest, said):
    """.03 would do at .05, and half of it is what controls have here."""
    row = UNCLEAR | {"smallest_p": smallest}
    found = with_controls({"random": {"a": row, "b": row}}, ["unclear", "unclear"])
    found["overview"] = overview(found)
    texts = against_controls(found, "localization", "gradcam")
    assert ("There are too few patients for these tests to find anything." in texts) == said
    assert found["overview"]["localization"]["gradcam"]["few"] == said


def test_architectures_are_named_where_seeds_are_enough():
    found = compared(0.01, 2)
    found |= {"population": {"localization": {"gradcam": "architectures"}}, "seeds": {"count": 5}}
    found["omnibus"]["localization"]["gradcam"] |= {"test": "quasi_f", "statistic": 9.1, "df2": 17.25}
    pairs = found["pairs"]["localization"]["gradcam"]
    pairs |= {"p": "p_seeds", "equivalent": [["a", "b"]], "detectable": None}
    pairs["largest"]["p_seeds"] = 0.02
    assert headline(found)[0].startswith("Over 5 training seeds, the heatmaps of a and b find")
    assert headline(found)[1].startswith("The architectures differ: 2 of 3 pairs")
    texts = rules.tests(found, "localization", "gradcam")
    assert texts[0] == (
        "Quasi-F of IoU over 3 models: F 9.1 on 2.0 and 17.2 degrees of freedom, p = 0.010, 30 patients; at most 0.05 "
        "counts here."
    )
    assert texts[1] == "The largest difference has rank-biserial 0.90, p = 0.020, Holm-corrected."
    assert texts[2].endswith("(two one-sided tests, of these checkpoints).") and len(texts) == 3


def test_what_is_small_and_what_is_too_small_to_see():
    found = compared(0.2, 0)
    pairs = found["pairs"]["localization"]["gradcam"]
    pairs |= {"equivalent": [["a", "b"], ["a", "c"]], "within_seeds": [["b", "c"]]}
    assert rules.tests(found, "localization", "gradcam")[1:] == [
        "Smaller than 0.05, the margin below which nobody would care, are the differences between a and b; a and c "
        "(two one-sided tests).",
        "Smaller than between the seeds of either model is the difference between b and c.",
        "With 30 patients a difference of 0.070 would be found 80% of the time; smaller ones may be there unseen.",
    ]


def test_a_metric_that_is_blind_gives_no_verdict():
    found = summary(
        separates={"localization": {"a": True, "b": False}}, verdicts={"localization": {"gradcam": {"a": "better"}}}
    )
    texts = family_sentences(found, "localization", "gradcam")
    assert texts["verdict"][0].startswith("As trained here, the heatmaps of a find")
    blind = "IoU does not tell the true region from a random map on the images of b: no verdict."
    assert texts["verdict"][1] == blind
    found["separates"] = {"localization": {"a": False, "b": False}}
    nothing = "IoU does not tell the true region from a random map on this data: no verdict."
    assert family_sentences(found, "localization", "gradcam") == {"verdict": [nothing]}
    assert headline(found) == [nothing]


def test_verdicts_that_hang_on_missing_scores_are_named():
    rows = [
        {"question": "controls", "subject": name, "main": "better", "worst_rank": "unclear"} for name in ("a", "b", "c")
    ]
    rows.append({"question": "models", "subject": "a - b", "main": "a over b", "worst_rank": "no difference shown"})
    found = summary(sensitivity={"localization": {"gradcam": {"missing": 7, "changed": rows}}})
    assert worst_rank_sentence(found, "localization", "gradcam") == [
        "Counting the 7 scores without a value as the worst changes 4 verdicts: a from better to unclear; b from "
        "better to unclear; c from better to unclear and 1 more."
    ]
    found["sensitivity"]["localization"]["gradcam"] = {"missing": 1, "changed": []}
    same = ["Counting the 1 score without a value as the worst changes no verdict."]
    assert worst_rank_sentence(found, "localization", "gradcam") == same
    assert same[0] in cautions(found, "localization", "gradcam")


def test_methods_beside_the_first():
    rows = [
        {"over": "lrp", "under": "gradcam", "model": "a", "difference": 0.2},
        {"over": "gradcam", "under": "lrp", "model": "b", "difference": 0.1},
        {"over": "lrp", "under": "other", "model": "b", "difference": 0.3},
    ]
    found = summary(methods=["gradcam", "lrp"], methods_apart={"localization": rows})
    assert between_methods(found, "localization", "lrp") == [
        "On the same images, lrp scores better than gradcam for a (by 0.20) and worse than gradcam for b (by 0.10) "
        "in IoU."
    ]
    assert between_methods(found, "localization", "gradcam") == []
    found["methods_apart"]["localization"] = rows[2:]
    assert between_methods(found, "localization", "lrp") == [
        "By IoU, lrp could be told apart from gradcam for no model."
    ]


def test_every_sentence_has_a_kind_and_evidence():
    rows = sentences(summary())
    assert {(row["kind"], row["evidence"]) for row in rows if row["family"] == "general"} == {
        ("caution", "data"),
        ("caution", "method"),
    }
    own = [row for row in rows if row["family"] == "localization"]
    assert {row["evidence"] for row in own} == {"localization-gradcam"}
    assert [row["kind"] for row in own] == sorted(
        [row["kind"] for row in own], key=["verdict", "test", "caution"].index
    )
    assert {row["kind"] for row in own} == {"verdict", "test", "caution"}


def test_to_keep_to_the_lungs_is_not_to_find_what_is_marked():
    expected = {"outside_lungs": "keep to the lungs", "relevance_rank_accuracy": "find the marked region"}
    for metric, said in expected.items():
        assert claim_of({"primary": {"localization": {"metric": metric}}}, "localization") == f"{said} better than"
