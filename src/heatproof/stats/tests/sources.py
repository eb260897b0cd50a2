"""Whether a classifier is accurate within each view, scanner or hospital, and whether its heatmaps differ between them.

A model that tells classes apart by their source loses its accuracy where all images are of one source.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from heatproof.catalogue.metrics import find_metric
from heatproof.catalogue.reasons import FEW_GROUPS, ONE_CLASS
from heatproof.core.draws import balanced_accuracy, confusion_by_group, generator, percentile_interval
from heatproof.core.statements import Statement
from heatproof.data.audit.probes import BLANK, VALUES, measure, one_by_one
from heatproof.data.audit.trivial import LEAST, p_value
from heatproof.stats.results import Blanked, Difference, Sources, Within
from heatproof.stats.tests.paired import holm
from heatproof.store import artifacts

BOOTSTRAP, LEVEL = 1000, 0.95
DRAWS, ENOUGH = 999, 20  # of a permutation test, and draws as high that end it


def compare_sources(
    about: pd.DataFrame,
    predictions: Mapping[tuple[str, int], pd.DataFrame],
    scores: pd.DataFrame,
    primary: Mapping[str, str],
    classes: Sequence[str],
    blanked: Mapping[tuple[str, int], pd.DataFrame] = {},
    *,
    alpha: float,
    key: tuple[str | int, ...],
) -> Sources:
    """Measure accuracy within each value of the columns, and compare the scores of heatmaps between values.

    Columns of more than `VALUES` values are left out.

    Args:
        about: columns of the source's table, one row an image, indexed by `image_id`.
        predictions: (model, seed) to the predictions on test images, with `group`.
        scores: as `groups.read_scores` gives them.
        primary: family to the metric that is tested; metrics of regions are tested too.
        classes: names of the labels.
        blanked: (model, seed) to predictions on images of which the part `region` is blanked.
        key: what random numbers are keyed by.

    Returns:
        p values are Holm-corrected over all differences.
    """
    about = about.map(lambda cell: str(cell).strip() or BLANK)
    about = about[[name for name in about if 1 < about[name].nunique() <= VALUES]]
    within = tuple(_within(about, predictions, classes, key))
    differences = list(_differences(about, predictions, scores, primary, key))
    tested = [place for place, row in enumerate(differences) if row.p is not None]
    corrected = holm([differences[place].p for place in tested]) if tested else []
    for place, p in zip(tested, corrected, strict=True):
        differences[place] = replace(differences[place], p_corrected=float(p))
    parts = tuple(_blanked(predictions, blanked, classes, key))
    found = Sources(within, tuple(differences), parts, ())
    return replace(found, statements=tuple(_statements(found, alpha)))


def _within(
    about: pd.DataFrame, predictions: Mapping[tuple[str, int], pd.DataFrame], classes: Sequence[str], key: tuple
) -> Iterator[Within]:
    for model in dict.fromkeys(name for name, _ in predictions):
        table = pd.concat([rows for (name, _), rows in predictions.items() if name == model], ignore_index=True)
        for column in about:
            values = table["image_id"].map(about[column])
            for value in ("", *sorted(values.dropna().unique())):
                rows = table[values == value] if value else table
                yield _accuracy(
                    Within(column, value, model, rows["image_id"].nunique(), rows["group"].nunique()),
                    rows,
                    classes,
                    key,
                )


def _accuracy(row: Within, rows: pd.DataFrame, classes: Sequence[str], key: tuple) -> Within:
    """The row with its accuracy, or why there is none."""
    groups = rows["group"].to_numpy(object)
    if artifacts.is_multilabel(rows):
        held, said = artifacts.truth(rows, len(classes)), artifacts.predicted(rows, len(classes))
        both = held.any(0) & ~held.all(0)  # labels that some have and some lack
        labels, predicted, stated = held[:, both], said[:, both], both.any()
    else:
        labels, predicted = rows["label"].to_numpy(int), rows["predicted"].to_numpy(int)
        present = np.unique(labels)
        stated = len(present) > 1
        other = np.where(labels == present[0], present[-1], present[0])
        predicted = np.where(np.isin(predicted, present), predicted, other)  # a class that is not there is wrong
    if not stated:
        return replace(row, reason=ONE_CLASS.code)
    rng = generator("sources", *key, row.column, row.value, row.model)
    found = measure(labels, predicted, groups, BOOTSTRAP, rng)
    return replace(row, **{name: found[name] for name in ("balanced_accuracy", "low", "high", "chance", "reason")})


def _blanked(
    predictions: Mapping[tuple[str, int], pd.DataFrame],
    blanked: Mapping[tuple[str, int], pd.DataFrame],
    classes: Sequence[str],
    key: tuple,
) -> Iterator[Blanked]:
    for model in dict.fromkeys(name for name, _ in blanked):
        seeds = [seed for name, seed in blanked if name == model]
        for region in dict.fromkeys(region for seed in seeds for region in blanked[model, seed]["region"]):
            pairs = []
            for seed in seeds:
                every = blanked[model, seed]
                after = every[every["region"] == region].set_index("image_id")
                before = predictions[model, seed].set_index("image_id").loc[after.index]
                pairs.append((before, after))
            before, after = (pd.concat(tables) for tables in zip(*pairs, strict=True))
            row = _drop(before, after, classes, generator("blanked", *key, region, model))
            if row is not None:
                yield Blanked(region, model, before.index.nunique(), before["group"].nunique(), **row)


def _drop(before: pd.DataFrame, after: pd.DataFrame, classes: Sequence[str], rng: np.random.Generator) -> dict | None:
    """Accuracies and what lies between them; None where all images are of one class."""
    groups = before["group"].to_numpy(object)
    if artifacts.is_multilabel(before):
        held = artifacts.truth(before, len(classes))
        both = held.any(0) & ~held.all(0)
        said = [artifacts.predicted(rows, len(classes))[:, both] for rows in (before, after)]
        labels, *said, groups = one_by_one(held[:, both], *said, groups=groups)
        count, chance = 2 * int(both.sum()), 0.5
    else:
        labels, *said = (rows.to_numpy(int) for rows in (before["label"], before["predicted"], after["predicted"]))
        count, chance = len(classes), 1 / max(1, len(np.unique(labels)))
    present = np.isin(np.arange(count), labels)
    if present.sum() < 2:
        return None
    counts = np.stack([confusion_by_group(labels, predicted, groups, count) for predicted in said], 1)
    whole, left = balanced_accuracy(counts.sum(0), present)
    draws = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), BOOTSTRAP)
    drawn = balanced_accuracy(np.tensordot(draws, counts, 1), present)
    drops = (drawn[:, 0] - drawn[:, 1])[~np.isnan(drawn).any(1)]
    low, high = percentile_interval(drops, LEVEL) if len(counts) >= LEAST and len(drops) else (None, None)
    found = {"whole": float(whole), "blanked": float(left), "drop": float(whole - left), "chance": chance}
    return found | {"drop_low": low, "drop_high": high}


def _differences(
    about: pd.DataFrame,
    predictions: Mapping[tuple[str, int], pd.DataFrame],
    scores: pd.DataFrame,
    primary: Mapping[str, str],
    key: tuple,
) -> Iterator[Difference]:
    first = next(iter(predictions.values()))
    label = None if artifacts.is_multilabel(first) else first.set_index("image_id")["label"]
    for (family, metric), rows in scores.dropna(subset="value").groupby(["family", "metric"], sort=False):
        if metric != primary.get(family) and not find_metric(metric, family).region:
            continue
        for (method, model), of in rows.groupby(["method", "model"], sort=False):
            kind = of["label"] if "label" in of else of["image_id"].map(label)
            cases = (
                of.assign(kind=kind).groupby(["image_id", "kind", "group"], sort=False)["value"].mean().reset_index()
            )
            for column in about:
                yield _difference(
                    cases, about[column], Difference(column, family, metric, method, model, 0, {}, None), key
                )


def _difference(cases: pd.DataFrame, values: pd.Series, row: Difference, key: tuple) -> Difference:
    cases = cases.assign(at=cases["image_id"].map(values)).dropna(subset="at")
    codes, names = pd.factorize(cases["at"], sort=True)
    centred = (cases["value"] - cases.groupby("kind")["value"].transform("mean")).to_numpy()

    def spread(drawn: np.ndarray) -> np.ndarray:
        has = drawn[:, None] == np.arange(len(names))[:, None]  # [draws, values, cases]
        return ((has @ centred) ** 2 / np.maximum(has.sum(2), 1)).sum(1, keepdims=True)

    means = {str(name): float(cases["value"][codes == code].mean()) for code, name in enumerate(names)}
    groups = cases["group"].to_numpy(object)
    p = None
    if len(names) > 1:
        rng = generator("sources", *key, row.column, row.family, row.metric, row.method, row.model)
        p = p_value(spread, codes, groups, None, rng, DRAWS, ENOUGH)
    return replace(row, groups=len(pd.unique(groups)), means=means, p=p)


def _statements(found: Sources, alpha: float) -> Iterator[Statement]:
    yield from map(_of_blanked, found.blanked)
    for (column, model), rows in _by(found.within, "column", "model").items():
        subjects = {"column": (column,), "model": (model,)}
        measured = [row for row in rows if row.value and row.low is not None and row.groups >= LEAST]
        if len(measured) < 2:
            yield Statement("source.untested", subjects, {"least": LEAST}, FEW_GROUPS.code, ("sources",))
            continue
        lowest = min(measured, key=lambda row: row.balanced_accuracy - row.chance)
        numbers = {
            f"{name}{end}": getattr(row, of)
            for name, row in (("lowest", lowest), ("every", rows[0]))
            for end, of in (("", "balanced_accuracy"), ("_low", "low"), ("_high", "high"), ("_chance", "chance"))
        }
        lost = [row.value for row in measured if row.low <= row.chance]
        named = subjects | {"value": (lowest.value,)} | ({"values": tuple(lost)} if lost else {})
        numbers |= {"lowest_p": None, "every_p": None, "values_tested": len(measured)}
        yield Statement("source.lost" if lost else "source.kept", named, numbers, None, ("sources",))
    for (column,), rows in _by(found.differences, "column").items():
        tested = [row for row in rows if row.p_corrected is not None]
        if not tested:
            yield Statement(
                "source.heatmaps_untested", {"column": (column,)}, {"least": LEAST}, FEW_GROUPS.code, ("sources",)
            )
            continue
        apart = [row for row in tested if row.p_corrected <= alpha]
        most = min(tested, key=lambda row: row.p_corrected)
        low, high = (pick(most.means, key=most.means.get) for pick in (min, max))
        subjects = {"column": (column,), "metric": (most.metric,), "method": (most.method,), "model": (most.model,)}
        numbers = {
            "tests": len(tested),
            "apart": len(apart),
            "p": most.p_corrected,
            "lower": most.means[low],
            "higher": most.means[high],
        }
        kind = "source.heatmaps_differ" if apart else "source.heatmaps_alike"
        yield Statement(kind, subjects | {"lower_value": (low,), "higher_value": (high,)}, numbers, None, ("sources",))


def _of_blanked(row: Blanked) -> Statement:
    subjects = {"region": (row.region,), "model": (row.model,)}
    numbers = {name: getattr(row, name) for name in ("whole", "blanked", "chance", "drop", "drop_low", "drop_high")}
    if row.drop_low is None:
        return Statement("blanked.untested", subjects, numbers | {"least": LEAST}, FEW_GROUPS.code, ("sources",))
    return Statement("blanked.falls" if row.drop_low > 0 else "blanked.kept", subjects, numbers, None, ("sources",))


def _by(rows: Sequence, *names: str) -> dict[tuple, list]:
    found: dict[tuple, list] = {}
    for row in rows:
        found.setdefault(tuple(getattr(row, name) for name in names), []).append(row)
    return found
