"""The setting of a study, as a statement and in words."""

from pathlib import Path

import pytest

from heatproof.stats.results import Setting
from heatproof.stats.statements.general import setting, state
from heatproof.text.sentences import sentence

GOLDEN = Path(__file__).parent / "golden/setting.txt"
CASES = {  # weights and epochs of models a, b and c, and what else
    "all from scratch": (["scratch"] * 3, [2, 12, 8], {}),
    "pretrained": (["pretrained"], [50], {}),
    "weights that were brought": (["brought"], [1], {}),
    "checkpoints that were brought": (["brought"] * 2, [0, 0], {}),
    "from several starts": (["scratch", "pretrained", "scratch"], [5, 3, 7], {}),
    "brought and trained on": (["brought", "brought"], [0, 2], {}),
    "the study's own words": (["scratch"], [8], {"text": "Reduced for two cores.", "seeds": (0,)}),
}


def given(weights, epochs, **more):
    by_model = {"weights": dict(zip("abc", weights, strict=False)), "epochs": dict(zip("abc", epochs, strict=False))}
    return Setting(**by_model | {"size": 64, "seeds": (0, 1, 2)} | more)


def test_models_stand_by_where_they_start():
    found = setting(given(*CASES["from several starts"][:2]))
    assert found.subjects == {"scratch": ("a", "c"), "pretrained": ("b",)}
    assert found.numbers == {"scratch": (5, 7), "pretrained": (3,), "size": 64, "seeds": 3}
    taken = setting(given(["brought", "brought"], [0, 2]))
    assert taken.subjects == {"taken": ("a",), "brought": ("b",)}


def test_the_studys_own_words_stand_in_the_full_form_alone():
    weights, epochs, more = CASES["the study's own words"]
    full, short = (setting(given(weights, epochs, **more), f"setting.{kind}") for kind in ("full", "short"))
    assert full.one("text") == "Reduced for two cores." and "text" not in short.subjects


@pytest.mark.parametrize(("epochs", "here"), [([5, 2], True), ([5, 0], False)])
def test_checkpoints_that_are_taken_are_not_said_to_be_trained_here(epochs, here):
    assert given(["scratch", "brought"], epochs).trained_here is here


def test_the_sentences():
    """To renew the file after an edit of `text/context.py`, write `text` to it and read the difference."""
    lines = []
    for case, (weights, epochs, more) in CASES.items():
        of = given(weights, epochs, **more)
        lines += [f"# {case}", *(sentence(setting(of, kind)) for kind in ("setting.full", "setting.short")), ""]
    for models in (["a"], ["a", "b"]):
        lines += [f"# unseen images of {len(models)}", sentence(state("models.unstated", models=models)), ""]
    text = "\n".join(lines)
    assert text == GOLDEN.read_text(encoding="utf-8")
