"""What the scores of heatmaps go with, and what a planted cue tells, in sentences."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from heatproof.stats.claims.cue import ACCURACY, FAINT, HIDDEN, RELIES, SHOWN, SIGNS, UNCLEAR
from heatproof.stats.sentences.general import subject
from heatproof.stats.sentences.words import control_name, counted, interval, joined, plain, shown, span, unit, units
from heatproof.stats.tests.relations import AGAINST, CLASS, LEAST, NOISE, SHAPE
from heatproof.stats.verdicts.judge import number
from heatproof.text.numbers import share

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


NUMBERS = ("marked", "unmarked", "difference", "low", "high")
SAID = {
    SHOWN: "it shows in {}",
    FAINT: "it shows by less than would matter in {}",
    HIDDEN: "that it shows by as much as would matter is ruled out for {}",
    UNCLEAR: "whether it shows is open for {}",
}
KNOWS_THE_IMAGE = ("edges",)  # controls that the mark itself may change
KNOWS_THE_MODEL = ("other_image",)  # controls that are heatmaps of the model


def cue_numbers(
    table: pd.DataFrame,
    shortcut: dict,
    classes: Sequence[str],
    methods: Sequence[str],
    settings: dict,
    unit: str,
    setting: dict | None = None,
) -> dict:
    """The part `cue` of the summary.

    Args:
        table: rows of `stats_tables.CUE`.
        shortcut: rate, test_rate (None: as in training) and label (None: the last class), as configured.
        methods: those under study; the other ones of the table are controls.
        unit: what a group is, in the plural.
        setting: what the models were trained from and on, as `general.setting_numbers` takes it.

    Returns:
        rate, test_rate, label; margins: metric -> the difference that would not matter; accuracy: model -> `NUMBERS`;
        relies: model -> whether it surely does, None where that cannot be told; verdicts and controls: model -> method
        -> metric -> verdict; sentences.
    """
    means = table[(table["metric"] == ACCURACY) & table["seed"].isna()].set_index("model")
    heat, models, margin = table[table["method"] != ""], list(means.index), settings["margin"]
    known = {model: pd.notna(means.loc[model, "low"]) for model in models}
    found = {
        "rate": shortcut["rate"],
        "test_rate": shortcut.get("test_rate"),
        "label": shortcut.get("label") or list(classes)[-1],
        "margins": {name: margin.get(name, margin["default"]) for name in SIGNS if name in set(heat["metric"])},
        "accuracy": {model: {key: number(means.loc[model, key]) for key in NUMBERS} for model in models},
        "relies": {m: bool(means.loc[m, "verdict"] == RELIES) if known[m] else None for m in models},
        "verdicts": _nested(heat[heat["method"].isin(methods)]),
        "controls": _nested(heat[~heat["method"].isin(methods)]),
    }
    return found | {"sentences": _sentences(found, means, heat, unit, subject(setting or {}))}


def _nested(rows: pd.DataFrame) -> dict[str, dict[str, dict[str, str]]]:
    found: dict = {}
    for row in rows[rows["groups"] > 0].itertuples():
        found.setdefault(row.model, {}).setdefault(row.method, {})[row.metric] = row.verdict
    return found


def _sentences(found: dict, means: pd.DataFrame, heat: pd.DataFrame, unit: str, who: str) -> list[str]:
    texts = [_planted(found)]
    for model, relies in found["relies"].items():
        texts.append(_reliance(model, relies, means.loc[model], who))
        if model in found["verdicts"]:
            texts.append(_heatmaps(model, relies, found["verdicts"][model]))
    used = heat.loc[heat["groups"] > 0, "groups"]
    if len(used):
        span = dict.fromkeys(units(int(n), unit) for n in (used.min(), used.max()))
        texts.append(
            f"Heatmaps of images with the mark were held against those of images of the same class without it, within "
            f"{' to '.join(span)}, after Holm's correction over the methods and metrics of a model."
        )
    words = {word for of in found["verdicts"].values() for metrics in of.values() for word in metrics.values()}
    return texts + _controls(found["controls"], bool(words & {SHOWN, FAINT}))


def _planted(found: dict) -> str:
    rate, tested = found["rate"], found["test_rate"]
    text = (
        f"A mark that is not disease was planted into {share(rate)} of the images of class {found['label']} and "
        f"into {share(1 - rate)} of all others"
    )
    if tested is None:
        return f"{text}."
    text += f" that models were trained on; in the test images into {share(tested)}"
    return (
        f"{text} of every class, so that it tells nothing there."
        if tested == 0.5
        else (f"{text} of that class and {share(1 - tested)} of the others.")
    )


def _reliance(model: str, relies: bool | None, row: pd.Series, who: str) -> str:
    if relies is None:
        return f"Whether {model} relies on the mark cannot be told: {row['reason']}."
    fall = interval(row["difference"], row["low"], row["high"])
    beside = f"balanced accuracy {shown(row['marked'])} where it agrees with the class, {shown(row['unmarked'])} where"
    beside += f" it conflicts; difference {fall}"
    if relies:
        return f"{who}{model} relies on the mark ({beside})."
    return f"That {model} relies on the mark could not be shown ({beside})."


def _heatmaps(model: str, relies: bool | None, verdicts: dict[str, dict[str, str]]) -> str:
    """Which method shows the cue by which metric, one half-sentence a verdict."""
    parts = []
    for verdict, said in SAID.items():
        named = {m: [plain(name) for name, word in of.items() if word == verdict] for m, of in verdicts.items()}
        of = [f"{method} ({joined(metrics)})" for method, metrics in named.items() if metrics]
        parts += [said.format(joined(of))] if of else []
    need = ", which need not show it" if relies is False else ""
    return f"The mark in the heatmaps of {model}{need}: {'; '.join(parts)}."


def _controls(controls: dict[str, dict[str, dict[str, str]]], heatmaps_too: bool) -> list[str]:
    """Controls that show the cue: what they do to a metric, a heatmap may do as well without any model."""
    seen: dict[str, dict[str, list[str]]] = {}
    for model, of in controls.items():
        for name, metrics in of.items():
            for metric, word in metrics.items():
                if word in (SHOWN, FAINT):
                    seen.setdefault(name, {}).setdefault(plain(metric), []).append(model)
    texts = []
    for name, metrics in seen.items():
        told = joined([f"{metric} ({joined(models)})" for metric, models in metrics.items()])
        why = (
            "the mark itself changes that map"
            if name in KNOWS_THE_IMAGE
            else "there the difference is one of the images, and says nothing of a model"
        )
        texts.append(
            f"A control that knows nothing of the {'image' if name in KNOWS_THE_MODEL else 'model'} shows it"
            f"{' too' if heatmaps_too else ''}, {control_name(name, 'localization')}, by {told}: {why}."
        )
    return texts
