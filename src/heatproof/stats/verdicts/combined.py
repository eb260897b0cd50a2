"""What a model's heatmaps show: localization and faithfulness together, in one sentence where both are decided.

Each of the two is `yes` (significantly better than every control), `no` (any lead over the strongest control is shown
to be smaller than the margin) or `undecided`. Not significant is never `no`.

The decisions of one method are a family of tests at alpha. Each question has half of it, and of that half a false
`yes` may take one part and a false `no` the other: `yes` is the verdict of `compare.against_controls`, whose two-sided
p is false on one side only, and `p_no` is doubled likewise. A single model cannot be both, so that either answer may
take the whole half. All that can be false adds up to alpha at most (Bonferroni between questions, Holm over models).
"""

from dataclasses import asdict, dataclass

from heatproof.catalogue.controls import own_name
from heatproof.catalogue.metrics import needs_lesion
from heatproof.stats.sentences.general import judged
from heatproof.stats.sentences.verdicts import trained, unvalidated, unvalidated_sentence, values
from heatproof.stats.sentences.words import control_name, joined

YES, NO, UNDECIDED = "yes", "no", "undecided"
LOCALIZATION, FAITHFULNESS = QUESTIONS = ("localization", "faithfulness")
DOES = {LOCALIZATION: "mark the lesion", FAITHFULNESS: "show what the model uses"}
MEANINGS = {  # (localization, faithfulness) -> what the heatmaps do, and how that shows; {0} and {1} are controls
    (YES, YES): ("show what the model uses, and that is the marked lesion", ""),
    (NO, YES): (
        "show what the model uses, and that is not the marked lesion",
        ", which they find no better than {0}",
    ),
    (YES, NO): (
        "mark the lesion, but that is not what the prediction depends on",
        ", which they single out no better than {1}",
    ),
    (NO, NO): (
        "neither mark the lesion nor show what the model uses",
        ": they find the lesion no better than {0}, and what the model uses no better than {1}",
    ),
}


@dataclass(frozen=True)
class Decision:
    """One of the two answers, with the control that it depends on and the difference to it (heatmap - control)."""

    verdict: str
    control: str | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_no: float | None = None


def combined(summary: dict) -> list[dict]:
    """Return both decisions of every method and model that has scores of both, the lead method first.

    Returns:
        Rows of method, model, localization and faithfulness (fields of `Decision`), and text, the sentence; None where
        one of them is undecided. No rows where localization is not judged by the true region.
    """
    metric = summary["primary"].get(LOCALIZATION, {}).get("metric")
    if FAITHFULNESS not in summary["primary"] or metric is None or not needs_lesion(metric):
        return []
    rows = []
    for method in sorted(summary["methods"], key=lambda name: name != summary["lead"]):
        scored = [values(summary, family, method) for family in QUESTIONS]
        for model in (name for name in judged(summary) if all(name in found for found in scored)):
            found = {family: decide(summary, family, method, model) for family in QUESTIONS}
            answers = {family: asdict(one) for family, one in found.items()}
            rows.append(
                {"method": method, "model": model} | answers | {"text": _sentence(summary, method, model, found)}
            )
    return rows


def decide(summary: dict, family: str, method: str, model: str) -> Decision:
    """Answer one question for one model."""
    controls = summary["controls"].get(family, {}).get(method, {})
    rows = {name: of[model] for name, of in controls.items() if model in of}
    if not rows:
        return Decision(UNDECIDED)
    sign = -1 if summary["primary"][family]["lower_is_better"] else 1
    verdict, strongest = UNDECIDED, min(rows, key=lambda name: sign * rows[name]["difference"])
    if summary["verdicts"][family][method].get(model) == "better":
        verdict = YES
    elif rows[strongest]["p_no"] <= summary["shares"][family][method]["controls"]:
        strongest = min(rows, key=lambda name: rows[name]["p_below"])
        if family != LOCALIZATION or _room(summary, method, model, strongest, sign):
            verdict = NO
    row = rows[strongest]
    return Decision(verdict, strongest, *(row[key] for key in ("difference", "low", "high", "p_no")))


def _room(summary: dict, method: str, model: str, control: str, sign: int) -> bool:
    """Whether a map of the lesion itself, at the model's grid, would lead the control by more than the margin.

    Where all lesions lie in one place, the mean of the training masks is as good as a heatmap can be.
    """
    primary = summary["primary"][LOCALIZATION]
    means = primary["methods"]
    ceiling = means.get("ceiling", {}).get(model)
    beside = means.get(own_name(control, method), means.get(control, {})).get(model)
    return None in (ceiling, beside) or sign * (ceiling - beside) > primary["margin"]


def _sentence(summary: dict, method: str, model: str, found: dict[str, Decision]) -> str | None:
    answers = tuple(one.verdict for one in found.values())
    if answers not in MEANINGS:
        return None
    names = [control_name(one.control, family) for family, one in found.items()]
    # a sentence on architectures needs both answers to be on them
    fixed = [family for family in QUESTIONS if summary["population"][family][method] != "architectures"]
    who = trained(summary, [*fixed, LOCALIZATION][0], method)
    return f"{who}the heatmaps of {model} {''.join(MEANINGS[answers]).format(*names)}."


def decided_sentences(summary: dict) -> list[str]:
    """Return a line for each model that the lead method decides, with a remark where faithfulness is not validated."""
    texts = []
    for row in summary["combined"]:
        if row["method"] == summary["lead"] and row["text"]:
            doubtful = row["model"] in unvalidated(summary, FAITHFULNESS)
            remark = [unvalidated_sentence(summary, FAITHFULNESS, [row["model"]])] if doubtful else []
            texts.append(" ".join([row["text"], *remark]))
    return texts


def other_sentences(summary: dict) -> list[str]:
    """Return what the heatmaps of the other methods show, a line for each meaning that any of them has."""
    found: dict[str, dict[str, list[str]]] = {}
    for row in summary["combined"]:
        if row["method"] != summary["lead"] and row["text"]:
            meaning, _ = MEANINGS[tuple(row[family]["verdict"] for family in QUESTIONS)]
            found.setdefault(meaning, {}).setdefault(row["method"], []).append(row["model"])
    return [
        f"By other methods, heatmaps {meaning}: {joined([f'{m} ({joined(names)})' for m, names in by_method.items()])}."
        for meaning, by_method in found.items()
    ]


def open_sentence(summary: dict) -> str | None:
    """Return what the lead method leaves open, of which models; None where it decides all."""
    parts: dict[str, list[str]] = {}
    for row in summary["combined"]:
        if row["method"] == summary["lead"] and not row["text"]:
            lacking = [does for family, does in DOES.items() if row[family]["verdict"] == UNDECIDED]
            parts.setdefault(", and whether they ".join(lacking), []).append(row["model"])
    told = [f"whether the heatmaps of {joined(models)} {does}" for does, models in parts.items()]
    return f"Undecided: {'; '.join(told)}." if told else None
