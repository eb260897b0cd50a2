"""The setting of a study in words."""

import pytest

from heatproof.stats.sentences.general import setting_numbers, subject, unstated_sentence


def told(weights, epochs, text="", seeds=(0, 1, 2)):
    names = "abc"[: len(weights)]
    by_model = {"weights": dict(zip(names, weights, strict=True)), "epochs": dict(zip(names, epochs, strict=True))}
    return setting_numbers(by_model | {"size": 64, "seeds": list(seeds), "text": text})


@pytest.mark.parametrize(
    ("weights", "epochs", "sentence"),
    [
        (
            ["scratch"] * 3,
            [2, 12, 8],
            "Trained from scratch, without pretrained weights, on 64 x 64 pixels for 2 to 12 epochs, from 3 seeds.",
        ),
        (["pretrained"], [50], "Trained from pretrained weights on 64 x 64 pixels for 50 epochs, from 3 seeds."),
        (["brought"], [1], "Trained from weights that were brought, on 64 x 64 pixels for 1 epoch, from 3 seeds."),
        (
            ["brought"] * 2,
            [0, 0],
            "Checkpoints that were brought, on 64 x 64 pixels, from 3 seeds.",
        ),
        (
            ["scratch", "pretrained", "scratch"],
            [5, 3, 7],
            "By model: a and c trained from scratch, without pretrained weights, for 5 to 7 epochs; b trained from "
            "pretrained weights for 3 epochs; all on 64 x 64 pixels, from 3 seeds.",
        ),
        (
            ["brought", "brought"],
            [0, 2],
            "By model: a checkpoints that were brought; b trained from weights that were brought, for 2 epochs; all on "
            "64 x 64 pixels, from 3 seeds.",
        ),
    ],
)
def test_sentences(weights, epochs, sentence):
    found = told(weights, epochs)
    assert found["sentence"] == sentence
    assert found["short"].startswith("In the setting of this study: ") and "64 x 64 pixels" in found["short"]


def test_the_studys_own_words_follow_the_sentence_and_not_the_short_form():
    found = told(["scratch"], [8], "Reduced for two cores.", seeds=[0])
    assert found["sentence"].endswith("on 64 x 64 pixels for 8 epochs, from 1 seed. Reduced for two cores.")
    assert found["short"] == (
        "In the setting of this study: trained from scratch without pretrained weights, 64 x 64 pixels, 8 epochs, "
        "1 seed."
    )
    assert (found["size"], found["seeds"], found["weights"], found["epochs"]) == (64, [0], {"a": "scratch"}, {"a": 8})


def test_checkpoints_that_are_taken_are_not_said_to_be_trained_here():
    assert subject(told(["scratch", "brought"], [5, 2])) == "As trained here, "
    assert subject(told(["scratch", "brought"], [5, 0])) == "For these checkpoints, "


def test_why_nothing_is_known_of_unseen_images():
    assert unstated_sentence(told(["brought"], [0])) is None
    text = unstated_sentence(told(["brought"] * 2, [0, 0]) | {"unstated": ["a", "b"]})
    assert text == (
        "Accuracy on unseen images is not known for a and b: which images the checkpoints were trained on is not "
        "stated, so test images may be among them, and accuracies here may be too high. State the split "
        "(data.split.by: column or folder), or, if none of these images was used for training, "
        "data.split: {test: all, unseen: true}."
    )
