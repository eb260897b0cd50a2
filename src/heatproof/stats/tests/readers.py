"""A second reader as the yardstick: how far readers agree, and which share of that heatmaps reach."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass, replace

import numpy as np
import pandas as pd

from heatproof.catalogue.metrics import METRICS, better
from heatproof.catalogue.reasons import NOTHING_DRAWN
from heatproof.core.draws import generator, percentile_interval
from heatproof.core.statements import Statement
from heatproof.stats.results import Estimate, ReaderAgreement, ReaderComparison, SecondReader, number
from heatproof.stats.tests.paired import equivalent_p, holm, paired_t, t_interval

READER = "second_reader"  # the yardstick of `catalogue.families`
DRAWS = 1000  # of the bootstrap, as many as Saporta et al. 2022 take
LEAST = 5  # groups below which there is no interval
CASE = ["image_id", "label", "group"]


def second_reader(
    study: str,
    scores: pd.DataFrame,
    classes: Sequence[str],
    methods: Sequence[str],
    models: Sequence[str],
    settings: Mapping,
    stated: str = "",
) -> SecondReader | None:
    """Compare heatmaps with second readers, by each metric of localization; None where a study has none.

    Scores are means over seeds, of cases that have one in every seed; groups have the mean of their cases, so that a
    patient with many images counts once.

    Args:
        study: its name, which the bootstrap is drawn from.
        scores: of images, or cases with a column `label`, as in `artifacts.SCORES` and family.
        settings: section `stats`: alpha, interval, margin, seed, group_kind, patients_known.
        stated: the metric that statements are on.
    """
    own = scores[(scores["family"] == "localization") & scores["method"].isin([READER, *methods])]
    own = own[own["model"].isin(models)]
    if not (own["method"] == READER).any():
        return None
    own = own.assign(label=own.get("label", 0))
    agreement, rows, blank = [], [], _blank(own)
    for metric in dict.fromkeys(own.loc[own["method"] == READER, "metric"]):
        table = own[own["metric"] == metric]
        of_reader = table[table["method"] == READER]
        reader = of_reader.dropna(subset="value").drop_duplicates(CASE).set_index(CASE)["value"]
        for label in [None, *_labels(classes, of_reader)]:
            part = reader if label is None else reader[reader.index.get_level_values("label") == label]
            lost = blank if label is None else blank[blank.get_level_values("label") == label]
            if len(part) or len(lost):
                agreement.append(_agreement(metric, _name(classes, label), part, len(lost), settings["interval"]))
        for model in models:
            for method in methods:
                both = _paired(table[(table["model"] == model) & (table["method"] == method)], reader)
                for label in [None, *_labels(classes, both)]:
                    part = both if label is None else both[both["label"] == label]
                    if len(part):
                        draw = generator(study, "readers", metric, model, method, str(label), settings["seed"])
                        names = (metric, _name(classes, label), model, method)
                        rows.append(_comparison(names, part, blank, settings, draw))
    found = SecondReader(
        over=settings["group_kind"],
        patients_known=bool(settings.get("patients_known", settings["group_kind"] == "patient")),
        level=settings["interval"],
        alpha=settings["alpha"],
        agreement=tuple(map(_plain, agreement)),
        comparisons=tuple(map(_plain, _tested(rows, settings["alpha"]))),
    )
    return replace(found, statements=tuple(_statements(found, stated)))


def _plain(found):
    """What JSON can hold: None for NaN."""
    given = {field.name: getattr(found, field.name) for field in fields(found)}
    changed = {name: _plain(value) for name, value in given.items() if is_dataclass(value)}
    return replace(found, **changed | {name: number(of) for name, of in given.items() if isinstance(of, float)})


def _statements(found: SecondReader, metric: str) -> Iterator[Statement]:
    """What is stated on one metric, all labels together."""
    over = {"metric": (metric,), "unit": (found.over,)}
    for row in found.agreement:
        if (row.metric, row.label) == (metric, None):
            numbers = asdict(row.score) | {"groups": row.groups, "cases": row.cases, "missed": row.missed}
            numbers |= {"patients_known": int(found.patients_known)}
            yield Statement("readers.agreement", over, numbers, evidence=("readers",))
    for row in found.comparisons:
        if (row.metric, row.label) == (metric, None):
            numbers = asdict(row.share) | {"share": row.share.value, "heatmap": row.heatmap, "reader": row.reader}
            numbers |= {"groups": row.groups} | ({"margin": row.margin} if row.outcome == "as_good" else {})
            del numbers["value"]
            subjects = over | {"model": (row.model,), "method": (row.method,)}
            yield Statement(f"readers.{row.outcome}", subjects, numbers, evidence=("readers",))


def _labels(classes: Sequence[str], rows: pd.DataFrame) -> list[int]:
    """Labels to be described one by one: none where images have one class, or one label alone has truth."""
    there = sorted(int(label) for label in rows["label"].unique())
    return there if len(there) > 1 else []


def _name(classes: Sequence[str], label: int | None) -> str | None:
    return None if label is None else classes[label]


def _blank(own: pd.DataFrame) -> pd.MultiIndex:
    """Cases in which the second reader drew nothing."""
    rows = own[(own["method"] == READER) & (own["reason"] == NOTHING_DRAWN.code)]
    return pd.MultiIndex.from_frame(rows[CASE].drop_duplicates())


def _paired(rows: pd.DataFrame, reader: pd.Series) -> pd.DataFrame:
    """Columns `CASE`, heatmap and reader, of cases with a score of both and in every seed."""
    seeds = rows["seed"].nunique(dropna=False)
    means = rows.groupby(CASE, sort=True)["value"].agg(["mean", "count"])
    heatmap = means.loc[means["count"] == seeds, "mean"].rename("heatmap")
    return pd.concat([heatmap, reader.rename("reader")], axis=1, join="inner").reset_index()


def _agreement(metric: str, label: str | None, scores: pd.Series, missed: int, level: float) -> ReaderAgreement:
    means = scores.groupby(level="group").mean().to_numpy()
    low, high = t_interval(means[:, None], level) if len(means) >= LEAST else ([np.nan], [np.nan])
    mean = float(means.mean()) if len(means) else np.nan
    return ReaderAgreement(
        metric, label, Estimate(mean, float(low[0]), float(high[0])), len(means), len(scores), missed
    )


def _comparison(
    names: tuple[str, str | None, str, str],
    cases: pd.DataFrame,
    blank: pd.MultiIndex,
    settings: Mapping,
    draw: np.random.Generator,
) -> ReaderComparison:
    metric, level = names[0], settings["interval"]
    means = cases.groupby("group", sort=True)[["heatmap", "reader"]].mean()
    margin = settings["margin"].get(metric, settings["margin"]["default"])
    differences = (means["heatmap"] - means["reader"]).to_numpy()[:, None]
    groups = len(means)
    enough = groups >= LEAST
    low, high = t_interval(differences, level) if enough else ([np.nan], [np.nan])
    weights = draw.multinomial(groups, np.full(groups, 1 / groups), size=DRAWS if enough else 0)
    drew = cases[~pd.MultiIndex.from_frame(cases[CASE]).isin(blank)]
    higher = better("localization", metric) == "higher"
    described = names[1] is not None
    return ReaderComparison(
        *names,
        heatmap=float(means["heatmap"].mean()),
        reader=float(means["reader"].mean()),
        share=_share(means.to_numpy(), weights, level) if higher else _NONE,
        decrease=_decrease(drew, means.index, weights, level) if higher and not described else _NONE,
        difference=Estimate(float(differences.mean()), float(low[0]), float(high[0])),
        margin=margin,
        equivalent=float(equivalent_p(differences, margin)[0]) if enough and not described else np.nan,
        different=float(paired_t(differences)[0]) if enough and not described else np.nan,
        outcome="untested",
        groups=groups,
        cases=len(cases),
    )


_NONE = Estimate(np.nan, np.nan, np.nan)


def _share(means: np.ndarray, weights: np.ndarray, level: float) -> Estimate:
    """Ratio of the means [groups, heatmap and reader], with a percentile interval over draws of groups."""
    if not means[:, 1].any():
        return _NONE  # a share of nothing
    drawn = weights @ means
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = drawn[:, 0] / drawn[:, 1]
    return Estimate(float(means[:, 0].mean() / means[:, 1].mean()), *_interval(ratios, level))


def _interval(values: np.ndarray, level: float) -> tuple[float, float]:
    """Percentile interval; none where a draw has no value."""
    return percentile_interval(values if np.isfinite(values).all() else values[:0], level)


def _decrease(cases: pd.DataFrame, groups: pd.Index, weights: np.ndarray, level: float) -> Estimate:
    """Percentage decrease from the second reader to the heatmap, as Saporta et al. 2022 have it.

    Each label has the mean over its cases, and the labels' means are averaged before they are compared.
    """
    if cases.empty:
        return _NONE
    of, labels = cases.groupby(["group", "label"])[["heatmap", "reader"]], np.sort(cases["label"].unique())
    index = pd.MultiIndex.from_product([groups, labels])
    sums, counts = of.sum().reindex(index, fill_value=0), of.size().reindex(index, fill_value=0)
    sums = sums.to_numpy().reshape(len(groups), len(labels), 2)
    counts = counts.to_numpy().reshape(len(groups), len(labels), 1)

    def decrease(taken: np.ndarray) -> np.ndarray:
        totals, cases = (np.tensordot(taken, part, 1) for part in (sums, counts))
        with np.errstate(divide="ignore", invalid="ignore"):
            present = cases > 0  # a label that no group of a draw has is left out of its mean
            means = np.where(present, totals / np.maximum(cases, 1), 0).sum(1) / present.sum(1)
            return 100 * (means[:, 1] - means[:, 0]) / means[:, 1]

    value = decrease(np.ones((1, len(groups))))[0]
    return Estimate(float(value), *_interval(decrease(weights), level)) if np.isfinite(value) else _NONE


def _tested(rows: Sequence[ReaderComparison], alpha: float) -> Iterator[ReaderComparison]:
    """Yield comparisons with corrected p values and what they come to, metric by metric."""
    for metric in dict.fromkeys(row.metric for row in rows):
        of = [row for row in rows if row.metric == metric]
        tested = [row for row in of if np.isfinite(row.equivalent)]
        corrected = {}
        if tested:
            p = (holm([getattr(row, key) for row in tested]) for key in ("equivalent", "different"))
            corrected = {id(row): pair for row, pair in zip(tested, zip(*p, strict=True), strict=True)}
        for row in of:
            if id(row) not in corrected:
                yield row
                continue
            equivalent, different = map(float, corrected[id(row)])
            sign = -1 if METRICS[metric].better == "lower" else 1
            outcome = "as_good" if equivalent <= alpha else "open"
            if outcome == "open" and different <= alpha:
                outcome = "better" if sign * row.difference.value > 0 else "worse"
            yield replace(row, equivalent=equivalent, different=different, outcome=outcome)
