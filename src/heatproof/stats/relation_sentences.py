"""What the scores of heatmaps go with, in sentences: found, not shown and what could have been, not to be had."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from heatproof.stats.lesions import SHAPE
from heatproof.stats.relations import AGAINST, CLASS, LEAST, NOISE
from heatproof.stats.words import counted, joined, span, unit

WHERE = {
    "right": "where the prediction is right",
    "confidence": "where the model is surer of the true class",
    "lesion_area": "where the lesion is larger",
    "lesion_elongation": "where the lesion is longer than wide",
    "lesion_solidity": "where the lesion has fewer dents",
}
NAMES = {
    "right": "whether the prediction is right",
    "confidence": "the model's confidence",
    "lesion_area": "the lesion's size",
    "lesion_elongation": "its elongation",
    "lesion_solidity": "its compactness",
}
SOURCE = (
    "Saporta et al. (2022) found Grad-CAM to fall behind people most where lesions are small or of complex shape, and "
    "to mark the right place better where the model is confident"
)
MULTILABEL = "multilabel"
CASES = {
    "Between classes": "Between labels",
    "the true class": "the label",
    "for the class ": "for the label ",
    "the other images": "the other cases",
}
CASES |= {"with the class ": "with the label ", ", the class ": ", the label ", "and the class ": "and the label "}
# the sign of each relation with localization by that finding
EXPECTED = {"lesion_area": 1, "lesion_elongation": -1, "lesion_solidity": 1, "confidence": 1}


def sentences(table: pd.DataFrame, summary: dict, power: float = 0.8) -> list[dict[str, str]]:
    """Rows of family, method and text, of every family with a primary metric and every method.

    Args:
        table: as from `relations.relations`.
        summary: `alpha`, `methods`, `primary` (family -> called, lower_is_better) and `groups` of the study.
        power: with which a relation is to be found, for the smallest one that could be.
    """
    rows = []
    for family in summary["primary"]:
        for method in summary["methods"]:
            of = table[table["family"] == family]
            texts = _texts(of[of["method"] == method], of[of["method"] == NOISE], summary, family, power)
            rows += [{"family": family, "method": method, "text": _of_cases(text, summary)} for text in texts]
    return rows


def _of_cases(text: str, summary: dict) -> str:
    """Where images have several labels, a heatmap is of a case: an image and one label, there or not."""
    if summary.get("task") == MULTILABEL:
        for said, meant in CASES.items():
            text = text.replace(said, meant)
    return text


def detectable(groups: int, alpha: float, power: float) -> float:
    """The smallest rank correlation that so many groups show with this power, by a two-sided test at `alpha`.

    Fisher's z with the variance 1.06 / (n - 3) of rank correlations (Fieller, Hartley & Pearson 1957).
    """
    reach = stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power)
    return float(np.tanh(reach * np.sqrt(1.06 / (groups - 3))))


def _texts(table: pd.DataFrame, noise: pd.DataFrame, summary: dict, family: str, power: float) -> list[str]:
    tested = table[table["p"].notna()]
    if tested.empty:
        return [_nothing(table, summary, family)]
    by_covariate = dict(list(tested.groupby("covariate", sort=False)))
    ordered = [name for name in dict.fromkeys(table["covariate"]) if name in by_covariate]
    found = {name: _counts(by_covariate[name], summary["alpha"]) for name in ordered}
    told = {} if family != "localization" else EXPECTED
    texts = [_saporta(by_covariate, found, noise, summary)] if told else []
    shown = [name for name, counts in found.items() if any(counts) and name not in told]
    metric = summary["primary"][family]["called"]
    clauses = {name: _clause(by_covariate[name], *found[name], WHERE.get(name)) for name in shown}
    texts += [f"{metric[:1].upper()}{metric[1:]} is {text}." for name, text in clauses.items() if name in WHERE]
    if of_class := [f"for {_name(name)} {text}" for name, text in clauses.items() if name not in WHERE]:
        pairs = any(AGAINST in name for name in clauses)
        head = "Between classes" if pairs else "Compared with the other images"
        texts.append(f"{head}, {metric} is {joined(of_class)}.")
    if silent := [name for name, counts in found.items() if not any(counts)]:
        texts.append(_not_shown(pd.concat([by_covariate[name] for name in silent]), silent, tested, summary, power))
    return texts


def _counts(rows: pd.DataFrame, alpha: float) -> tuple[int, int]:
    """In how many models the score rises with the covariate, and in how many it falls."""
    sure = rows["p_corrected"] <= alpha
    return int((sure & (rows["rho"] > 0)).sum()), int((sure & (rows["rho"] < 0)).sum())


def _clause(rows: pd.DataFrame, up: int, down: int, where: str | None) -> str:
    """`higher in 2 of 5 models where the lesion is larger (rank correlation -0.04 to 0.84)`."""
    ways = joined([f"{way} in {count}" for way, count in (("higher", up), ("lower", down)) if count])
    return f"{ways} of {counted(len(rows), 'model')}{f' {where}' if where else ''} (rank correlation {_span(rows)})"


def _saporta(
    tested: dict[str, pd.DataFrame], found: dict[str, tuple[int, int]], noise: pd.DataFrame, summary: dict
) -> str:
    """Whether localization depends here on what it was found to depend on, model by model.

    Large lesions are easier to hit by any metric of overlap: what random noise does stands beside it.
    """
    worse = -1 if summary["primary"]["localization"]["lower_is_better"] else 1
    parts = []
    for name, sign in EXPECTED.items():
        if name not in tested:
            parts.append(f"{NAMES[name]} cannot be judged")
            continue
        same, other = found[name] if sign * worse > 0 else found[name][::-1]
        ways = [f"{way} in {count}" for way, count in (("as they found", same), ("the other way", other)) if count]
        many = f"{joined(ways) or 'in none'} of {counted(len(tested[name]), 'model')}"
        parts.append(f"{NAMES[name]} counts {many} (rank correlation {_span(tested[name])})")
    text = f"{SOURCE}. Here {joined(parts)}."
    beside = noise[(noise["covariate"] == "lesion_area") & noise["rho"].notna()]
    if len(beside) and "lesion_area" in tested:
        text += f" With random noise in the heatmap's place, the rank correlation with size is {_span(beside)}."
    return text


def _not_shown(rows: pd.DataFrame, names: Sequence[str], tested: pd.DataFrame, summary: dict, power: float) -> str:
    least, most = int(rows["groups"].min()), int(rows["groups"].max())
    smallest = detectable(least, summary["alpha"] / len(tested), power)
    size = f"{least}" if least == most else f"{least} to {most}"
    return (
        f"No relation could be shown in any model with {joined(_names(names))} (rank correlation "
        f"{_span(rows)}), which does not mean that there is none: with {size} {unit(summary)} and Holm over "
        f"{counted(len(tested), 'test')}, only from ±{smallest:.2f} on is one found {power:.0%} of the time."
    )


def _nothing(table: pd.DataFrame, summary: dict, family: str) -> str:
    metric, groups = summary["primary"][family]["called"], int(table["groups"].max()) if len(table) else 0
    why = "nothing varies between them"
    if groups < LEAST:
        why = f"no model has a score on more than {groups} {unit(summary)}, {LEAST} are needed"
        why = why if groups else "there are no scores"
    return f"What {metric} goes with cannot be told: {why}."


def _names(names: Sequence[str]) -> list[str]:
    """Their names in words; `its elongation` is that of the lesion only after another word of it."""
    first = next((name for name in names if name in SHAPE), None)
    return [_name(name).replace("its ", "the lesion's ") if name == first else _name(name) for name in names]


def _name(name: str) -> str:
    return NAMES.get(name) or f"the class {name.removeprefix(CLASS)}"


def _span(rows: pd.DataFrame) -> str:
    return span(rows["rho"].tolist())
