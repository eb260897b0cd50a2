"""How well a model tells several labels of an image, with intervals over whole groups (patients)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from heatproof.core.draws import MIN_KEPT, generator
from heatproof.stats import results
from heatproof.stats.verdicts import rules
from heatproof.store import artifacts
from heatproof.store.tables import LABELS, MULTILABEL

DRAWS = 2000
_CELLS = 4_000_000  # numbers of one block of draws: it bounds the memory and changes nothing else


def draw_groups(groups: int, rng: np.random.Generator, draws: int = DRAWS) -> np.ndarray:
    """How often each group is drawn, int [draws, groups], when as many are drawn with replacement as there are."""
    return rng.multinomial(groups, np.full(groups, 1 / groups), size=draws)


def f1(counts: np.ndarray) -> np.ndarray:
    """2 TP / (2 TP + FP + FN) of counts [..., 4] of TP, FP, FN, TN; NaN where nothing is there and nothing is said."""
    hits, claims = 2 * counts[..., 0], 2 * counts[..., 0] + counts[..., 1] + counts[..., 2]
    return _share(hits, claims)


def sensitivity(counts: np.ndarray) -> np.ndarray:
    """TP / (TP + FN) of counts [..., 4]; NaN where no image has the label."""
    return _share(counts[..., 0], counts[..., 0] + counts[..., 2])


def specificity(counts: np.ndarray) -> np.ndarray:
    """TN / (TN + FP) of counts [..., 4]; NaN where every image has the label."""
    return _share(counts[..., 3], counts[..., 3] + counts[..., 1])


def auroc(
    truth: np.ndarray,
    probability: np.ndarray,
    group: np.ndarray,
    weights: np.ndarray,
    stratum: np.ndarray | None = None,
) -> np.ndarray:
    """Area under the ROC curve [draws]: how often a case with the label is given more than one without, ties half.

    Counted in whole numbers, so that it is exact. NaN in draws without a pair to compare.

    Args:
        truth: bool [cases].
        probability: float [cases].
        group: int [cases], the column of `weights` that a case belongs to.
        weights: int [draws, groups], as from `draw_groups`.
        stratum: int [cases]; only cases of one stratum are compared, and each pair of them counts the same (a curve
            adjusted for a covariate, Janes & Pepe 2009, doi 10.1093/biomet/asp002). None: all cases are of one.
    """
    strata = [np.ones(len(truth), bool)] if stratum is None else [stratum == one for one in np.unique(stratum)]
    won, pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for of in strata:
        if truth[of].any() and not truth[of].all():
            more, compared = _won(truth[of], probability[of], group[of], weights)
            won, pairs = won + more, pairs + compared
    return _share(won, 2 * pairs)


def _won(
    truth: np.ndarray, probability: np.ndarray, group: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Twice the pairs [draws] in which the case with the label is given more, ties half; and all pairs."""
    order = np.argsort(probability, kind="stable")
    truth, group = truth[order], group[order]
    starts = np.flatnonzero(np.r_[True, np.diff(probability[order]) > 0])  # of equal probabilities
    block = max(1, _CELLS // len(truth))
    won, pairs = [], []
    for first in range(0, len(weights), block):
        drawn = weights[first : first + block][:, group]
        there = np.add.reduceat(drawn * truth, starts, axis=1)
        absent = np.add.reduceat(drawn * ~truth, starts, axis=1)
        won.append((there * (2 * np.cumsum(absent, axis=1) - absent)).sum(1))
        pairs.append(there.sum(1) * absent.sum(1))
    return np.concatenate(won), np.concatenate(pairs)


def interval(values: np.ndarray, value: float, units: int, level: float) -> tuple[float, float]:
    """Low and high of a measure in [0, 1], from its bootstrap values [draws].

    The percentile interval is too narrow for few groups: its quantiles are moved out as Student's t and the factor
    n / (n - 1) ask for (the expanded percentile interval, Hesterberg 2015, doi 10.1080/00031305.2015.1089789). Where no
    draw errs, or none is right, resampling knows nothing of errors that were not seen: the exact bound of so many
    groups without one stands in (Clopper & Pearson 1934).

    Args:
        values: of draws without a value (NaN) the interval knows nothing; NaN, NaN where they are more than half.
        value: of the images themselves.
        units: independent groups that it rests on; NaN, NaN from fewer than two.
        level: coverage.
    """
    known = values[np.isfinite(values)]
    if units < 2 or not np.isfinite(value) or len(known) < MIN_KEPT * len(values):
        return np.nan, np.nan
    if value in (0, 1) and (known == value).all():
        reach = 1 - ((1 - level) / 2) ** (1 / units)
        return (1 - reach, 1.0) if value == 1 else (0.0, reach)
    tail = stats.norm.cdf(-np.sqrt(units / (units - 1)) * stats.t.ppf((1 + level) / 2, units - 1))
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)


Predictions = dict[tuple[str, int], pd.DataFrame]
CHANCE = 0.5  # AUROC, and mean of sensitivity and specificity, of guessing
# column of a checkpoint -> the measure that it shows, and the columns of its interval
SHOWN = {
    "accuracy": ("subset_accuracy", "accuracy_low", "accuracy_high"),
    "balanced_accuracy": ("balanced_accuracy", "low", "high"),
    "f1_macro": ("f1_macro", "f1_low", "f1_high"),
    "f1_micro": ("f1_micro", "f1_micro_low", "f1_micro_high"),
    "auroc": ("auroc_macro", "auroc_low", "auroc_high"),
}


@dataclass(frozen=True)
class Labels:
    """The labels of a study, and which of them test images suffice to judge by."""

    names: Sequence[str]
    counted: np.ndarray  # bool [labels]
    having: np.ndarray  # int [labels]: test groups with an image that has it
    lacking: np.ndarray  # int [labels]: test groups with an image that has not
    least: int  # groups with and without a label that is counted

    def stated(self) -> results.Labels:
        """Return what the results state of it."""
        ways = zip(self.names, self.counted, self.having, self.lacking, strict=True)
        left = {name: (int(having), int(lacking)) for name, counted, having, lacking in ways if not counted}
        return results.Labels(tuple(name for name in self.names if name not in left), left, self.least)


def known_labels(table: pd.DataFrame, names: Sequence[str], least: int, within: pd.Series | None = None) -> Labels:
    """Which labels are counted: at least `least` test groups have an image with it, and as many one without.

    Args:
        within: image_id -> the value within which images are compared; a value whose images all have a label, or all
            lack it, says nothing of that label.
    """
    truth, (code, groups) = artifacts.truth(table, len(names)), _groups(table)
    compared, stratum = np.ones(truth.shape, bool), strata(table, within)
    for one in np.unique(stratum) if stratum is not None else ():
        of = stratum == one
        compared[of] = truth[of].any(0) & ~truth[of].all(0)
    having, lacking = (_groups_with(cases & compared, code, groups).sum(0) for cases in (truth, ~truth))
    return Labels(names, (having >= least) & (lacking >= least), having, lacking, least)


def strata(table: pd.DataFrame, within: pd.Series | None) -> np.ndarray | None:
    """Return the place of each image's value of `within` (image_id -> value) among its sorted values."""
    return None if within is None else np.unique(table["image_id"].map(within).to_numpy(str), return_inverse=True)[1]


def judge_checkpoints(
    predictions: Predictions, known: Labels, settings: dict, study: str, within: pd.Series | None = None
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Every (model, seed) on the test images.

    Intervals are from `resampled.DRAWS` draws of whole groups, the same for every measure of a checkpoint. A measure of
    a label is taken from the draws that have images with it and without it, a mean over labels from those that have
    this of each counted label: intervals are given that one sees them.

    Competent: the low end of the interval of the macro AUROC exceeds .5 + `competence_margin`; never where no label is
    counted. With `within` (image_id -> value), every AUROC compares images of the same value alone.

    Returns:
        Checkpoints (the columns of `SHOWN`, `competent`, images and groups, and `f1:<label>` with its ends), and rows
        of `stats_tables.LABELS` and `stats_tables.MULTILABEL`.
    """
    checkpoints, by_label, measures = [], [], []
    for (model, seed), table in predictions.items():
        of_labels, of_all = judge(
            table, known, settings["interval"], _draws(study, model, seed, settings), strata(table, within)
        )
        size = {"images": len(table), "groups": int(table["group"].nunique())}
        named = {"model": model, "seed": seed}
        by_label += [named | row for row in of_labels]
        measures += [named | {"measure": measure} | row | size for measure, row in of_all.items()]
        row = {}
        for column, (measure, low, high) in SHOWN.items():
            row |= {column: of_all[measure]["value"], low: of_all[measure]["low"], high: of_all[measure]["high"]}
        for label in of_labels:
            column = f"f1:{label['label']}"
            row |= {column: label["f1"], f"{column}_low": label["f1_low"], f"{column}_high": label["f1_high"]}
        competent = rules.competent(row["auroc_low"], CHANCE + settings["competence_margin"])
        checkpoints.append(named | row | {"competent": competent} | size)
    return (
        pd.DataFrame(checkpoints),
        pd.DataFrame(by_label, columns=list(LABELS)),
        pd.DataFrame(measures, columns=list(MULTILABEL)),
    )


def fall_within(
    predictions: Predictions, known: Labels, within: pd.Series, settings: dict, study: str
) -> dict[str, float] | None:
    """By how much macro AUROC is lower among images of one value than among all, the mean over checkpoints.

    Tested on groups: the standard error is that of `DRAWS` bootstrap draws of groups, the same for every checkpoint,
    enlarged as for few groups, beside Student's t.

    Args:
        within: image_id -> the value, such as the hospital.

    Returns:
        difference, low, high, groups, p (that there is no difference) and p_same (that it exceeds the margin); None
        without probabilities, or where no label is counted.
    """
    first = next(iter(predictions.values()))
    names = np.unique(first["group"].to_numpy(str))
    weights = draw_groups(len(names), generator(study, "within", settings["seed"]))
    weights = np.concatenate([np.ones((1, len(names)), int), weights])  # the first: the images as they are
    places = np.flatnonzero(known.counted)
    found = []
    for table in predictions.values():
        truth, (code, _), stratum = artifacts.truth(table, len(known.names)), _groups(table), strata(table, within)
        for k in places if "p_0" in table else ():
            p = table[f"p_{k}"].to_numpy(float)
            every, own = (auroc(truth[:, k], p, code, weights, of) for of in (None, stratum))
            found.append(every - own)
    if not found:
        return None
    values = np.mean(found, axis=0)
    effect, drawn, groups = float(values[0]), values[1:][np.isfinite(values[1:])], len(names)
    if not np.isfinite(effect) or groups < 2 or len(drawn) < MIN_KEPT * (len(values) - 1):
        return None
    error, df, margin = drawn.std() * np.sqrt(groups / (groups - 1)), groups - 1, settings["margin"]["default"]
    half = stats.t.ppf((1 + settings["interval"]) / 2, df) * error
    error = max(error, np.finfo(float).tiny)
    tests = {"p": 2 * stats.t.sf(abs(effect) / error, df), "p_same": stats.t.sf((margin - abs(effect)) / error, df)}
    ends = {"low": effect - half, "high": effect + half}
    return {"difference": effect, "groups": groups} | {key: float(value) for key, value in (ends | tests).items()}


def judge(
    table: pd.DataFrame,
    known: Labels,
    level: float,
    rng: np.random.Generator,
    stratum: np.ndarray | None = None,
) -> tuple[list[dict], dict[str, dict[str, float]]]:
    """One table of predictions: a row a label, and measure -> value, low, high of all labels together.

    Args:
        stratum: int [images], as from `strata`: AUROC compares images of one stratum.
    """
    count, (code, groups) = len(known.names), _groups(table)
    truth, said = artifacts.truth(table, count), artifacts.predicted(table, count)
    columns = [f"p_{k}" for k in range(count)]
    probability = table[columns].to_numpy(float) if set(columns) <= set(table) else None

    def areas(weights: np.ndarray, label: int) -> np.ndarray:
        if probability is None:
            return np.full(len(weights), np.nan)
        return auroc(truth[:, label], probability[:, label], code, weights, stratum)

    def together(weights: np.ndarray) -> np.ndarray:
        if probability is None:
            return np.full(len(weights), np.nan)
        of_each = None if stratum is None else np.repeat(stratum, count)
        return auroc(truth.ravel(), probability.ravel(), np.repeat(code, count), weights, of_each)

    def macro(values: np.ndarray) -> np.ndarray:
        chosen = values[:, known.counted]
        return chosen.mean(1) if chosen.shape[1] else np.full(len(values), np.nan)

    def measured(weights: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
        """Measures of each label [draws, labels], of all together [draws]; which labels some images have and some not
        [draws, labels]."""
        counts = np.tensordot(weights, counts_by_group(truth, said, code, groups), 1)
        there = (counts[..., 0] + counts[..., 2] > 0) & (counts[..., 1] + counts[..., 3] > 0)
        own = {
            "f1": np.where(counts[..., 0] + counts[..., 2] > 0, f1(counts), np.nan),
            "auroc": np.column_stack([areas(weights, label) for label in range(count)]),
            "sensitivity": sensitivity(counts),
            "specificity": specificity(counts),
        }
        all_there = there[:, known.counted].all(1)
        balanced = (own["sensitivity"] + own["specificity"]) / 2
        right = weights @ np.bincount(code, (truth == said).all(1), groups)
        whole = {
            "f1_micro": f1(counts.sum(1)),
            "f1_macro": np.where(all_there, macro(own["f1"]), np.nan),
            "subset_accuracy": right / (weights @ np.bincount(code, minlength=groups)),
            "balanced_accuracy": np.where(all_there, macro(balanced), np.nan),
            "auroc_micro": together(weights),
            "auroc_macro": np.where(all_there, macro(own["auroc"]), np.nan),
        }
        return own, whole, there

    own, whole, _ = measured(np.ones((1, groups), int))
    own_drawn, whole_drawn, there = measured(draw_groups(groups, rng))
    rows = []
    for label, name in enumerate(known.names):
        least = int(min(known.having[label], known.lacking[label]))
        row = {"label": name, "images": int(truth[:, label].sum()), "groups": int(known.having[label])}
        row["counted"] = bool(known.counted[label])
        for measure in ("f1", "auroc"):
            value = float(own[measure][0, label])
            values = np.where(there[:, label], own_drawn[measure][:, label], np.nan)
            low, high = interval(values, value, least, level)
            row |= {measure: value, f"{measure}_low": low, f"{measure}_high": high}
        row |= {measure: float(own[measure][0, label]) for measure in ("sensitivity", "specificity")}
        rows.append(row)
    found = {}
    for measure, values in whole_drawn.items():
        value = float(whole[measure][0])
        low, high = interval(values, value, groups, level)
        found[measure] = {"value": value, "low": low, "high": high}
    return rows, found


def counts_by_group(truth: np.ndarray, said: np.ndarray, code: np.ndarray, groups: int) -> np.ndarray:
    """TP, FP, FN, TN of each label, int [groups, labels, 4], of bool [images, labels] and int [images]."""
    cells = np.stack([truth & said, ~truth & said, truth & ~said, ~truth & ~said], axis=-1)
    counts = np.zeros((groups, *cells.shape[1:]), np.int64)
    np.add.at(counts, code, cells)
    return counts


def micro_f1_by_group(table: pd.DataFrame, classes: int) -> pd.DataFrame:
    """TP, FP, FN summed over labels, of every group: what a micro F1 is made of, by the name of the group."""
    code, groups = _groups(table)
    counts = counts_by_group(artifacts.truth(table, classes), artifacts.predicted(table, classes), code, groups).sum(1)
    return pd.DataFrame(counts, index=np.unique(table["group"].to_numpy(str)), columns=["tp", "fp", "fn", "tn"])


def _draws(study: str, model: str, seed: int, settings: dict) -> np.random.Generator:
    return generator(study, model, seed, "multilabel", settings["seed"])


def _groups(table: pd.DataFrame) -> tuple[np.ndarray, int]:
    """The place of each image's group in their sorted names, so that no draw hangs on the order of the rows."""
    names, code = np.unique(table["group"].to_numpy(str), return_inverse=True)
    return code, len(names)


def _groups_with(cases: np.ndarray, code: np.ndarray, groups: int) -> np.ndarray:
    found = np.zeros((groups, cases.shape[1]), bool)
    np.logical_or.at(found, code, cases)
    return found
