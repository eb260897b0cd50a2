"""What the planted cue tells, in numbers for the summary and in sentences."""

from collections.abc import Sequence

import pandas as pd

from heatproof.data.audit.numbers import share
from heatproof.stats.cue import ACCURACY, FAINT, HIDDEN, RELIES, SHOWN, SIGNS, UNCLEAR
from heatproof.stats.setting import subject
from heatproof.stats.summary import number
from heatproof.stats.words import control_name, interval, joined, plain, shown, units

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
        setting: what the models were trained from and on, as `setting.setting_numbers` takes it.

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
