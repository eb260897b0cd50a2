"""Every kind of statement in words, all in one golden file; numbers and names of a statement are in its sentence."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from heatproof.core.statements import Statement
from heatproof.stats.statements.general import state
from heatproof.text import claims  # noqa: F401  (its templates register as it is imported)
from heatproof.text.sentences import paragraph, paragraphs, sentence
from heatproof.text.words import MARK, TEMPLATES

GOLDEN = Path(__file__).with_name("sentences.txt")
IOU = {"family": "localization", "method": "gradcam", "metric": "iou"}
GAIN = {"family": "faithfulness", "method": "gradcam", "metric": "srg"}
SANITY = {"family": "sanity", "method": "gradcam", "metric": "rank_correlation_cascade"}
HERE = {"scope": "trained", "unit": "patient"}
OVER, TAKEN = HERE | {"scope": "architectures"}, HERE | {"scope": "checkpoints"}
BESIDE = {"control_low": (0.1, 0.12), "control_high": (0.14, 0.12)}
TWO = {"mean": (0.52, 0.437), "low": (0.45, None), "high": (0.551, None), "seeds": 2} | BESIDE
ENDS = {"lowest": 0.41, "highest": 0.5, "control_low": (0.1,), "control_high": (0.1,)}
NEEDED = {"floor": 0.6, "chance": 0.5}
SPLIT = {"random": (0.95, 0.99), "grouped": (0.41, 0.65), "fall": (0.54, 0.34)}
SHARE = {"share": (0.83, -0.1), "low": (0.7, None), "high": (1.02, None), "neighbour": (0.8, 0.5), "base": (0.4, 0.45)}
MEMBER = {"members": 3, "value": 0.9, "best": 0.88, "difference": 0.02, "low": -0.012, "high": 0.05, "groups": 30}
ENSEMBLE = {"ensemble": "both", "combine": "vote", "measure": "accuracy", "member": "net", "unit": "patient"}
TEST = {"df1": 2.0, "effect": 0.31, "p": 0.0123, "groups": 30, "models": 3, "level": 0.025, "statistic": 7.52}
BROUGHT = {"models": ("net", "vit")}
RHO = {"rho": -0.62, "p": 0.041, "models": 6, "needed": 3, "smallest_p": 0.0028, "critical": 0.83, "checkpoints": 12}
FALL = {"marked": 0.97, "unmarked": 0.31, "difference": 0.66, "low": 0.48, "high": 0.71}


def related(*rows, **more):
    """Numbers and covariates of relations: covariate, models, rises, falls, lowest and highest correlation."""
    names = ("covariates", "models", "rises", "falls", "lowest", "highest")
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    return {"covariates": columns.pop("covariates"), "numbers": columns | more}


AREA, LONG = ("lesion_area", 5, 4, 0, 0.31, 0.7), ("lesion_elongation", 5, 1, 2, -0.42, 0.4)
ROUND, SURE = ("lesion_solidity", 0, 0, 0, None, None), ("confidence", 1, 0, 0, 0.12, 0.12)
CASES = {  # heading -> statements
    "setting": [
        state(
            "setting.full",
            numbers={"scratch": (8, 8), "size": 224, "seeds": 2},
            scratch=("net", "vit"),
            text="On 2 GPUs.",
        ),
        state(
            "setting.full",
            numbers={"scratch": (8,), "pretrained": (2, 12), "taken": (0,), "brought": (3,), "size": 64, "seeds": 1},
            **{"scratch": "net", "pretrained": ("vit", "r50"), "taken": "d1", "brought": "d2"},
        ),
        state("setting.short", numbers={"pretrained": (2, 12), "size": 64, "seeds": 5}, pretrained=("net", "vit")),
        state("setting.short", numbers={"taken": (0,), "size": 64, "seeds": 1}, taken="net"),
    ],
    "seeds, groups and methods": [
        state("seeds.checkpoints", numbers={"seeds": 1, "needed": 5}, **HERE),
        state("seeds.checkpoints", numbers={"seeds": 4, "needed": 5}, **TAKEN),
        state("seeds.architectures", numbers={"seeds": 5, "needed": 5}, **HERE),
        state("seeds.uneven", numbers={"seeds": 2, "most": 5}),
        state("groups.patient", numbers={"groups": 30, "folds": 1}, unit="patient"),
        state("groups.patient", numbers={"groups": 1, "folds": 5}, unit="patient", reason="random_split"),
        state("groups.united", numbers={"groups": 30, "folds": 1}, unit="lookalike"),
        state("groups.lookalike", numbers={"groups": 30, "folds": 5}, unit="lookalike"),
        state("groups.image", numbers={"groups": 30, "folds": 1}, unit="image"),
        state("methods.several", numbers={"methods": 3}),
        state("methods.unsupported", reason="no_rule", numbers={"all": 2}, method="lrp", **BROUGHT),
        state("methods.unsupported", reason="no_attention", numbers={"all": 2}, method="rollout", models="net"),
    ],
    "models and labels": [
        state("models.none_competent", numbers=NEEDED, measure="balanced accuracy"),
        state("models.none_competent", numbers={"needed": 5}, reason="no_label_counted", unit="patient"),
        state("models.left_out", numbers=NEEDED, measure="balanced accuracy", models="net"),
        state("models.left_out", numbers=NEEDED, measure="macro AUROC", **BROUGHT),
        state("models.left_out", numbers={"needed": 5}, reason="no_label_counted", unit="patient", models="net"),
        state("models.unstated", models="net"),
        state("models.unstated", **BROUGHT),
        state(
            "labels.not_counted", numbers={"having": (2,), "lacking": (28,), "needed": 5}, labels="rare", unit="patient"
        ),
        state(
            "labels.not_counted",
            numbers={"having": (2, 1), "lacking": (28, 29), "needed": 5},
            **{"labels": ("rare", "viral"), "unit": "image", "reason": "none"},
        ),
        state("cases.compared", numbers={"kept": (), "left_out": ()}),
        state(
            "cases.compared",
            numbers={"kept": (40, 40, 8), "left_out": (2, 2, 1)},
            families=("localization", "faithfulness", "sanity"),
        ),
    ],
    "splits, ensembles and what others report": [
        state("splits.compared", numbers=SPLIT, clear=("net", "vit"), kept="lookalike", **BROUGHT),
        state("splits.compared", numbers=SPLIT, clear="vit", kept="patient", **BROUGHT),
        state("splits.compared", numbers=SPLIT, kept="given", **BROUGHT),
        state(
            "splits.compared", numbers={n: of[:1] for n, of in SPLIT.items()}, models="net", clear="net", kept="patient"
        ),
        state("ensemble.accuracy", numbers=MEMBER, reason="alike", **ENSEMBLE),
        state(
            "ensemble.accuracy",
            numbers=MEMBER | {"difference": -0.02, "low": -0.03, "high": -0.01},
            **ENSEMBLE | {"combine": "mean", "measure": "f1_micro"},
        ),
        state("ensemble.heatmaps", numbers={"tested": 0}, ensemble="both"),
        state("ensemble.heatmaps", numbers={"tested": 1}, ensemble="both"),
        state(
            "ensemble.heatmaps",
            numbers={"tested": 6},
            ensemble="both",
            **{
                "ways": ("better", "better", "worse"),
                "metrics": ("iou", "iou", "srg"),
                "methods": ("gradcam", "lrp", "lrp"),
            },
        ),
        state(
            "published.explained",
            numbers=SHARE | {"lowest": 0.94, "highest": 0.97},
            **{"name": "they", "source": "Them et al.", "measure": "accuracy", "splits": ("random", "patient")},
        ),
        state(
            "published.explained",
            numbers={
                "share": (None, 1.2),
                "low": (None,) * 2,
                "high": (None,) * 2,
                "neighbour": (0.8, 0.7),
                "base": (None, 0.2),
            }
            | {"lowest": 0.9, "highest": 0.9},
            **{"name": "they", "source": "Them", "measure": "f1_micro", "splits": ("given", "lookalike")},
        ),
    ],
    "a table of scores": [
        state("table.groups", numbers={"images": 60, "groups": 30}, unit="group"),
        state("table.independent", numbers={"images": 60, "groups": 60}, unit="image"),
        state("table.opposite", metric="srg", better="lower"),
        state("table.opposite", metric="srg", better="higher"),
        state("table.described", metrics=tuple("abcdefghij")),
        state("table.note", reason="Row 3 has no model."),
        state("table.unknown_models"),
        state("table.metrics", numbers={"metrics": 3}),
    ],
    "against the controls": [
        state(
            "controls.better",
            numbers=TWO,
            models=("net", "vit"),
            controls=("random", "center"),
            beside=("random", "center"),
            **IOU,
            **HERE,
        ),
        state(
            "controls.better",
            numbers={
                "seeds": 5,
                "mean": (-0.0123,),
                "low": (-0.05,),
                "high": (0.026,),
                "control_low": (-0.2,),
                "control_high": (-0.1,),
            },
            **{"models": "net", "controls": ("random", "center", "edges"), "hardest": "edges"},
            **GAIN,
            **OVER,
        ),
        state("controls.better", numbers={"seeds": 2}, models="net", controls="other_image", **SANITY, **TAKEN),
        state(
            "controls.worse", numbers={"seeds": 2}, models="net", controls="random", beaten_by="random", **IOU, **HERE
        ),
        state(
            "controls.worse",
            numbers={"seeds": 2},
            controls="other_image",
            beaten_by="other_image",
            **SANITY,
            **HERE,
            **BROUGHT,
        ),
        state("controls.no_evidence", numbers={"seeds": 2}, controls=("random", "mine"), **IOU, **HERE, **BROUGHT),
        state("controls.none", **IOU),
        state("controls.too_few", **IOU, **HERE),
        state("controls.blind", **IOU),
        state("controls.blind", **IOU, **HERE, **BROUGHT),
        state("controls.unvalidated", models="net", **GAIN),
        state("controls.unvalidated", **GAIN, **BROUGHT),
        state("family.not_judged", reason="not_competent", **IOU),
        state("family.not_judged", reason="no_scores", **IOU),
        state("family.not_judged", reason="no_truth", **IOU),
        state("sanity.open", **SANITY),
    ],
    "between models": [
        *(
            state(f"pairs.{kind}", **IOU, **HERE)
            for kind in ("single", "no_common", "as_a_set", "too_few", "no_evidence")
        ),
        state("pairs.too_few", **IOU, **OVER),
        state("pairs.single", numbers=ENDS, beside="random", better="lower", **IOU, **HERE),
        state(
            "pairs.apart",
            numbers={"apart": 1, "tested": 1, "difference": 0.123, "effect": 0.9},
            over="net",
            under="vit",
            **IOU,
            **HERE,
        ),
        state(
            "pairs.apart",
            numbers={"apart": 2, "tested": 3, "difference": 0.0123, "effect": -0.4} | ENDS,
            over="net",
            under="vit",
            hardest="random",
            **GAIN,
            **OVER,
        ),
        state("test.over_all", numbers=TEST, test="friedman", **IOU, **HERE),
        state("test.over_all", numbers=TEST | {"df2": 17.25, "p": 0.0004}, test="quasi_f", **IOU, **OVER),
        state("test.over_all", numbers=TEST | {"df2": 17.25}, test="rm_anova", **IOU, **HERE),
        state("test.largest", numbers={"effect": -0.4, "p": 0.02, "tested": 3}, **IOU, **HERE),
        state("test.largest", numbers={"effect": 0.9, "p": 0.0002, "tested": 1}, **IOU, **HERE),
        state("test.equivalent", numbers={"margin": 0.05}, a="net", b="vit", **IOU, **HERE),
        state("test.equivalent", numbers={"margin": 0.05}, a=tuple("aaabbc"), b=tuple("bcdcdd"), **IOU, **OVER),
        state("test.within_seeds", a=("net", "net"), b=("vit", "r50"), **IOU, **HERE),
        state("test.too_few", numbers={"groups": 1, "tested": 1, "smallest_p": 1.0}, **IOU, **HERE),
        state("test.too_few", numbers={"groups": 4, "tested": 3, "smallest_p": 0.375}, **IOU, **HERE),
        state("test.detectable", numbers={"groups": 30, "detectable": 0.07, "power": 0.8}, **IOU, **HERE),
        state("test.dropped", numbers={"dropped": 1, "groups": 30}, **IOU, **HERE),
        state("test.dropped", numbers={"dropped": 4, "groups": 30}, **IOU, **HERE),
    ],
    "what a mean hides": [
        state(
            "scores.missing",
            reason="all_zero",
            numbers={"share": 0.25, "mean": 0.4},
            models="net",
            unit="patient",
            **IOU,
        ),
        state("scores.missing", reason="constant", numbers={"share": 0.998}, models="net", unit="patient", **IOU),
        state("scores.worst", numbers={"missing": 1}, **IOU),
        state(
            "scores.worst",
            numbers={"missing": 7},
            of=tuple("abcde"),
            main=("better",) * 5,
            worst=("unclear",) * 5,
            **IOU,
        ),
        state("scores.ceiling", numbers={"mean": (0.6, 0.9)}, **IOU, **BROUGHT),
        state("scores.seed_spread", numbers={"spread": 0.1, "apart": 0.05}, models="net", **IOU),
        state("scores.seed_spread", numbers={"spread": 0.1}, models="net", **IOU),
    ],
    "between methods": [
        state(
            "methods.apart",
            numbers={"better": (0.2,), "worse": (0.1, 0.15)},
            better="net",
            worse=("vit", "r50"),
            lead="lrp",
            **IOU,
        ),
        state("methods.no_evidence", lead="lrp", **IOU),
        state(
            "methods.others",
            numbers={"absent": 1},
            all=tuple("abcdef"),
            some="g",
            none="h",
            few="i",
            controls="random",
            family="localization",
            metric="iou",
        ),
        state("methods.others", none="a", controls=("random", "center", "edges"), family="faithfulness", metric="srg"),
        state("methods.others_fail", methods="lrp"),
        state("methods.others_fail", methods=("lrp", "saliency")),
    ],
    "together": [
        *(
            state(
                "combined.decided",
                numbers={"seeds": 5},
                localization=one,
                faithfulness=other,
                controls=("center", "random"),
                models="net",
                method="gradcam",
                **of,
            )
            for one, other, of in (("yes", "yes", OVER), ("no", "yes", HERE), ("yes", "no", TAKEN), ("no", "no", HERE))
        ),
        state(
            "combined.others",
            localization="no",
            faithfulness="yes",
            methods=("lrp", "lrp", "ig"),
            models=("net", "vit", "net"),
        ),
        state(
            "combined.open",
            **{"method": "gradcam", "models": ("net", "vit", "r50"), "by": "gradcam"},
            localization=("undecided", "undecided", "yes"),
            faithfulness=("undecided", "yes", "undecided"),
        ),
    ],
    "in short": [
        state("short.unknown"),
        *(
            state(f"short.{kind}", numbers={"better": 1, "models": 3}, controls=("random", "center"), **IOU)
            for kind in ("all", "some", "worse")
        ),
        state(
            "short.no_evidence", numbers={"better": 0, "models": 1}, controls=("random", "center", "edges"), **SANITY
        ),
    ],
    "what scores go with": [
        state(
            "relations.as_published",
            **IOU,
            unit="patient",
            **related(AREA, LONG, ROUND, SURE, noise_low=0.3, noise_high=0.61),
        ),
        state("relations.as_published", **IOU, unit="patient", **related(AREA, LONG, ROUND, SURE)),
        *(
            state("relations.found", **GAIN, unit="patient", **related((name, 3, 1, 1, -0.7, 0.6)))
            for name in ("right", "confidence", "lesion_area", "lesion_elongation", "lesion_solidity")
        ),
        state("relations.found", **GAIN, unit="patient", of="label", **related(("confidence", 1, 0, 1, -0.7, -0.7))),
        state(
            "relations.classes",
            **GAIN,
            unit="patient",
            **related(("class:ill", 1, 1, 0, 0.6, 0.6), ("class:cyst <b>", 2, 0, 2, -0.6, -0.5)),
        ),
        state(
            "relations.classes",
            **GAIN,
            unit="patient",
            of="label",
            **related(("class:ill against well", 3, 2, 0, 0.5, 0.6)),
        ),
        state("relations.classes", **GAIN, unit="patient", of="label", **related(("class:ill", 3, 2, 0, 0.5, 0.6))),
        state(
            "relations.no_evidence",
            numbers={
                "lowest": -0.2,
                "highest": 0.31,
                "fewest": 12,
                "most": 34,
                "tests": 9,
                "detectable": 0.612,
                "power": 0.8,
            },
            **GAIN | {"unit": "patient", "covariates": ("right", "lesion_elongation", "lesion_solidity")},
        ),
        state(
            "relations.no_evidence",
            numbers={
                "lowest": 0.1,
                "highest": 0.1,
                "fewest": 34,
                "most": 34,
                "tests": 1,
                "detectable": 0.4612,
                "power": 0.8,
            },
            **GAIN | {"unit": "lookalike", "covariates": "class:ill", "of": "label"},
        ),
        *(
            state("relations.unknown", reason=reason, numbers={"most": 6, "needed": 10}, **GAIN, unit="patient")
            for reason in ("no_scores", "too_few", "no_variation")
        ),
        *(
            state(f"accuracy.{kind}", numbers=RHO, **GAIN)
            for kind in ("too_few", "no_variation", "out_of_reach", "no_evidence")
        ),
        state("accuracy.found", numbers=RHO | {"within": -0.213}, **GAIN),
        state("accuracy.found", numbers=RHO | {"rho": 0.9, "p": 0.0003}, **GAIN),
    ],
    "a planted cue": [
        state("cue.planted", numbers={"rate": 0.9}, label="ill"),
        state("cue.planted", numbers={"rate": 0.996, "test_rate": 0.5}, label="ill"),
        state("cue.planted", numbers={"rate": 0.9, "test_rate": 0.3}, label="ill"),
        state("cue.relies", numbers=FALL, models="net", scope="trained"),
        state("cue.no_evidence", numbers=FALL | {"low": -0.02}, models="net", scope="trained"),
        state("cue.unknown", reason="no_contrast", models="net", scope="trained"),
        state(
            "cue.heatmaps",
            models="net",
            **{
                "methods": ("gradcam", "gradcam", "lrp", "ig", "ig"),
                "verdicts": ("shown", "shown", "faint", "hidden", "unclear"),
            },
            metrics=("inside_cue", "outside_body", "inside_cue", "inside_cue", "outside_body"),
        ),
        state("cue.heatmaps", models="net", methods="ig", verdicts="hidden", metrics="inside_cue", reason="needless"),
        state("cue.compared", numbers={"fewest": 1, "most": 12}, unit="patient"),
        state("cue.compared", numbers={"fewest": 12, "most": 12}, unit="image"),
        state("cue.control", control="edges", metrics=("inside_cue", "inside_cue"), reason="heatmaps_too", **BROUGHT),
        state("cue.control", control="other_image", metrics="outside_body", models="net"),
    ],
}
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


def test_a_metric_that_is_to_be_doubted_has_a_mark():
    (first, *_) = [one for one in EVERY if one.kind == "test.over_all"]
    assert f"of IoU{MARK} over" in sentence(first, {"iou"}) and MARK not in sentence(first, {"srg"})


def test_the_verdicts_of_one_family_are_one_paragraph_and_their_method_is_named_once():
    better, blind = (
        state("controls.better", "x", by="gradcam", numbers={"seeds": 2}, models="a", controls="random", **IOU),
        state("controls.blind", "x", by="gradcam", models="b", **IOU),
    )
    apart = state("pairs.single", "x", by="gradcam", **IOU)
    assert paragraphs([better, blind, apart]) == [[better, blind], [apart]]
    assert paragraph([better, blind]).count("gradcam") == 1
    assert paragraph([better, blind]).startswith(f"{sentence(better)} IoU does not tell")
    other = replace(blind, evidence=("y",))
    assert paragraphs([better, other]) == [[better], [other]]
