"""Every kind of statement in words, all in one golden file; numbers and names of a statement are in its sentence."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from heatproof.core.statements import Statement
from heatproof.text.sentences import paragraph, paragraphs, sentence, summary
from heatproof.text.words import MARK, TEMPLATES

HERE = Path(__file__).parent
GOLDEN = HERE / "sentences.txt"


def read_cases() -> dict[str, list[Statement]]:
    """Heading -> statements: of every kind those that its template words in another way."""
    found: dict[str, list[Statement]] = {}
    for line in (HERE / "statements.jsonl").read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            found[line[2:]] = of = []
        else:
            of.append(Statement.of(json.loads(line)))
    return found


CASES = read_cases()
EVERY = [one for of in CASES.values() for one in of]


def test_the_sentences_of_all_kinds():
    """To rewrite the file after an edit of `heatproof.text`: write `text` to it, and read the difference."""
    assert {one.kind for one in EVERY} == {kind for kind in TEMPLATES if kind.split(".")[0] not in ("claim", "change")}
    text = "\n".join(f"# {heading}\n" + "".join(f"{sentence(one)}\n" for one in of) for heading, of in CASES.items())
    assert text == GOLDEN.read_text(encoding="utf-8")


# names that only choose words, or stand in the heading of a page's part
UNNAMED = {"family", "scope", "unit", "of", "name", "method", "evidence", "metric"}


def changed(one: Statement):
    """Every statement with another number or another name, and what was changed."""
    for name, value in one.numbers.items():
        for place, number in enumerate(many := value if isinstance(value, tuple) else (value,)):
            if number is not None and (number or name not in COUNTS):
                other = (*many[:place], number * 2 + (3 if isinstance(number, int) else 0.13), *many[place + 1 :])
                yield replace(one, numbers={**one.numbers, name: other if isinstance(value, tuple) else other[0]}), name
    for role in one.subjects.keys() - UNNAMED:
        for place in range(len(one.subjects[role])):
            names = list(one.subjects[role])
            names[place] = {"yes": "no", "no": "yes"}.get(names[place], "zed")
            yield replace(one, subjects={**one.subjects, role: tuple(names)}), role


COUNTS = ("rises", "falls", "low", "high")  # of which nothing may be there to be named
SILENT = {  # what only some forms of a sentence name, or what decides between them
    "setting": {"scratch", "pretrained", "taken"},
    "seeds": {"needed"},
    "splits": {"fall", "models"},
    "table": {"groups", "metrics"},
    "controls": {"controls", "seeds"},
    "pairs": {"apart", "effect"},
    "test": {"effect", "tested", "a", "b"},
    "scores": {"mean", "main", "worst"},
    "methods": {"all", "models", "absent", "controls"},
    "combined": {"controls", "seeds", "localization", "faithfulness"},
    "short": {"better", "controls"},
    "relations.unknown": {"most", "needed"},
    "readers.agreement": {"groups", "patients_known"},
    "gate": {"p_worse", "p_non_inferior"},
    "power.goal": {"level", "compared", "pilot_models"},
    "power.needed": {"compared", "study", "test"},
    "power.few_seeds": {"difference", "power", "level", "compared", "pilot_patients", "pilot_seeds", "pilot_models"}
    | {"study", "question", "test"},
    "accuracy": {"rho", "p", "checkpoints", "critical", "needed", "smallest_p"},
}


@pytest.mark.parametrize("one", EVERY, ids=[f"{number}-{one.kind}" for number, one in enumerate(EVERY)])
def test_every_number_and_name_is_in_the_sentence(one):
    """Another number or name makes another sentence, or none."""
    same = set()
    for other, name in changed(one):
        try:
            if sentence(other) == sentence(one):
                same.add(name)
        except (KeyError, ValueError, StopIteration):  # not one of the names there are
            continue
    assert same <= SILENT.get(one.kind, SILENT.get(one.kind.split(".")[0], set())), one


def test_numbers_are_written_in_one_way():
    """One minus sign, and at most three significant digits."""
    text = "\n".join(map(sentence, EVERY))
    assert not re.search(r"(?<![\w-])-\d", text)
    assert all(len(digits.replace(".", "").lstrip("0")) <= 3 for digits in re.findall(r"\d+\.\d+", text))


def test_what_verdicts_apply_to_is_stated_once_in_a_paragraph():
    shared = {"controls": ["random"], "family": ["localization"], "metric": ["iou"], "scope": ["trained"]}
    first, second = (
        Statement.of({"kind": "controls.better", "subjects": shared | {"models": [model]}}) for model in ("a", "b")
    )
    text = paragraph([first, second])
    assert text.count("In these training runs, the heatmaps") == 1 and "The heatmaps of b locate" in text


def test_a_metric_that_is_to_be_doubted_has_a_mark():
    (first, *_) = [one for one in EVERY if one.kind == "test.over_all"]
    assert f"of IoU{MARK} across" in sentence(first, {"iou"}) and MARK not in sentence(first, {"srg"})


def test_the_verdicts_of_one_family_are_one_paragraph_and_their_method_is_named_once():
    kinds = {"controls.better": {"numbers": {"seeds": 2}}, "controls.blind": {}, "pairs.single": {}}
    subjects = {
        "models": ["a"],
        "controls": ["random"],
        "by": ["gradcam"],
        "family": ["localization"],
        "metric": ["iou"],
    }
    shared = {"subjects": subjects, "evidence": ["x"]}
    better, blind, apart = (Statement.of({"kind": kind} | shared | more) for kind, more in kinds.items())
    assert paragraphs([better, blind, apart]) == [[better, blind], [apart]]
    assert paragraph([better, blind]).count("Grad-CAM") == 1
    assert paragraph([better, blind]).startswith(f"{sentence(better)} No verdict: on the images of a, IoU")
    other = replace(blind, evidence=("y",))
    assert paragraphs([better, other]) == [[better], [other]]


@pytest.mark.parametrize(
    ("kind", "short", "stated"),
    [
        ("short.all", "Grad-CAM: yes, by this test. In these training runs, the heatmaps of a and b locate", True),
        ("short.no_evidence", "Grad-CAM: no evidence that the heatmaps of a and b locate", True),
        ("short.some", "Only in part: the Grad-CAM heatmaps of 2 of 2 models locate", False),
    ],
)
def test_the_short_answer_is_not_repeated(kind, short, stated):
    subjects = {"family": ["localization"], "method": ["gradcam"], "metric": ["iou"], "controls": ["random"]}
    of = {"short.no_evidence": "controls.no_evidence"}.get(kind, "controls.better")
    first = Statement.of({"kind": kind, "subjects": subjects, "numbers": {"better": 2, "models": 2}})
    named = subjects | {"models": ["a", "b"], "scope": ["trained"], "by": ["gradcam"]}
    rows = [Statement.of({"kind": one, "subjects": named, "numbers": {"seeds": 2}}) for one in (of, "pairs.single")]
    text, rest = summary(first, rows)
    assert text.startswith(short) and rest == rows[stated:]
    few = replace(rows[0], subjects=rows[0].subjects | {"models": ("a",)})
    assert summary(first, [few, rows[1]]) == (sentence(first), [few, rows[1]])  # of one model alone: stated twice


def test_pairs_that_depend_on_missing_scores_go_by_their_usual_names():
    of = {"of": ["resnet50 - densenet121", "vit_base_patch16_224"], "main": ["densenet121 over resnet50", "better"]}
    one = Statement.of({"kind": "scores.worst", "subjects": of | {"worst": ["no", "worse"]}, "numbers": {"missing": 2}})
    assert sentence(one) == (
        "Counting the 2 missing scores as the worst changes 2 verdicts: ResNet-50 − DenseNet-121 from DenseNet-121 "
        "over ResNet-50 to no; ViT-Base/16 from better to worse."
    )
