"""Whether a checkpoint classifies better than chance by a margin, so that its heatmaps count, with intervals that cover
at ten groups and where all are right; and ensembles against the best of their members."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from heatproof.core.draws import balanced_accuracy, confusion_by_group, generator
from heatproof.stats.accuracy import multilabel
from heatproof.stats.accuracy.multilabel import micro_f1_by_group
from heatproof.stats.results import Beside, Ensemble, Model, number
from heatproof.stats.tables.groups import group_means
from heatproof.stats.tests.paired import t_interval
from heatproof.stats.verdicts import rules

# What is assumed before errors are seen: images of one group are right or wrong together, by this correlation; as much
# as so many errors would tell. Without it an interval rests on where two or three errors happen to lie.
PRIOR_CORRELATION, PRIOR_ERRORS = 0.7, 2.0


def accuracy(confusion: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Share of all images that are right, of counts [..., classes, classes]; NaN without an image.

    A class that is not in `present` (bool [classes]) has no image, and so no part in it.
    """
    images = confusion.sum((-1, -2))
    hits = np.trace(confusion, axis1=-2, axis2=-1).astype(float)
    return np.divide(hits, images, out=np.full(hits.shape, np.nan), where=images > 0)


def f1_macro(confusion: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Mean over the classes in `present` of 2 TP / (2 TP + FP + FN), of counts [..., classes, classes]."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)[..., present].astype(float)
    claims = (confusion.sum(-1) + confusion.sum(-2))[..., present]  # 2 TP + FP + FN
    return np.divide(2 * hits, claims, out=np.full(hits.shape, np.nan), where=claims > 0).mean(-1)


def accuracy_slope(total: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Derivative of the accuracy by each count of `total` [..., classes, classes]."""
    share = np.nan_to_num(accuracy(total, present))[..., None, None]
    return (np.eye(len(present)) - share) / np.maximum(total.sum((-1, -2)), 1)[..., None, None]


def balanced_accuracy_slope(total: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Derivative of the balanced accuracy by each count of `total` [..., classes, classes]; 0 for absent classes."""
    images = np.maximum(total.sum(-1), 1)[..., None]
    recall = np.diagonal(total, axis1=-2, axis2=-1)[..., None] / images
    return present[:, None] * (np.eye(len(present)) - recall) / images / present.sum()


def f1_macro_slope(total: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Derivative of the macro F1 by each count of `total` [..., classes, classes]."""
    claims = np.maximum(total.sum(-1) + total.sum(-2), 1)
    by_hit = present * 2 / claims
    by_claim = present * -2 * np.diagonal(total, axis1=-2, axis2=-1) / claims**2
    return (np.eye(len(present)) * by_hit[..., None] + by_claim[..., :, None] + by_claim[..., None, :]) / present.sum()


MEASURES: dict[str, tuple[Callable, Callable]] = {  # the measure and its slope
    "accuracy": (accuracy, accuracy_slope),
    "balanced_accuracy": (balanced_accuracy, balanced_accuracy_slope),
    "f1_macro": (f1_macro, f1_macro_slope),
}


def accuracy_interval(
    counts: np.ndarray, present: np.ndarray, measure: str, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Low and high of the interval over groups of a measure of accuracy, given how many images each class has.

    Args:
        counts: confusion counts [..., groups, classes, classes], true class in rows.
        present: which classes the test split holds, bool [classes].
        measure: one of `MEASURES`.
        level: coverage.

    Returns:
        Both [...], within [0, 1]; NaN where a class in `present` has images of fewer than two groups.
    """
    value, slope = MEASURES[measure]
    total, of_class, size = counts.sum(-3), counts.sum(-1), counts.sum((-1, -2))
    images, share = size.sum(-1), value(total, present)
    of_one = share * (1 - share)  # variance of one image, were the measure a share of images
    seen = _variance(counts, slope(total, present))
    per_image = np.divide(seen, of_one, out=np.zeros(seen.shape), where=of_one > 0)
    per_image = np.maximum(per_image, 1 / images)  # no more is known than so many independent images tell
    effect = 1 + PRIOR_CORRELATION * ((size**2).sum(-1) / images - 1)  # design effect (Kish 1965)
    weight = PRIOR_ERRORS / (PRIOR_ERRORS + images * np.minimum(share, 1 - share))
    mixed = (1 - weight) * per_image + weight * effect / images
    groups = (of_class > 0).sum(-2)[..., present]
    enough = (groups > 1).all(-1)
    # Satterthwaite: only the part that was seen is uncertain itself
    df = _degrees(np.maximum(groups, 2)) * (mixed / np.maximum((1 - weight) * per_image, 1e-12)) ** 2
    low, high = wilson(share, 1 / mixed, stats.t.ppf((1 + level) / 2, np.minimum(df, 1e6)))
    return np.where(enough, low, np.nan), np.where(enough, high, np.nan)


def wilson(share: np.ndarray, number: np.ndarray, quantile: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval (1927) of a share seen in so many independent images, which need not be whole."""
    pull = quantile**2 / number
    middle, half = share + pull / 2, np.sqrt(pull * (share * (1 - share) + pull / 4))
    return np.maximum((middle - half) / (1 + pull), 0), np.minimum((middle + half) / (1 + pull), 1)


def _variance(counts: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Variance [...] between groups of a measure with this `slope`, given the images of each class.

    A group's part is taken from its class's mean, and enlarged by its own share of the class, as that mean follows it
    (the correction CR2 of Bell & McCaffrey 2002).
    """
    part = np.einsum("...gij,...ij->...gi", counts, slope)
    of_class = counts.sum(-1)
    share = of_class / np.maximum(of_class.sum(-2, keepdims=True), 1)
    part = (part - share * part.sum(-2, keepdims=True)) / np.sqrt(np.maximum(1 - share, 1e-9))
    return (part.sum(-1) ** 2).sum(-1)


def _degrees(groups: np.ndarray) -> np.ndarray:
    """Degrees of freedom [...] of a mean over classes that have so many groups [..., classes] (Satterthwaite)."""
    return (1 / groups).sum(-1) ** 2 / (1 / groups**2 / (groups - 1)).sum(-1)


ENDS = {  # measure -> the columns of its interval
    "accuracy": ("accuracy_low", "accuracy_high"),
    "balanced_accuracy": ("low", "high"),
    "f1_macro": ("f1_low", "f1_high"),
}


def judge(
    label: np.ndarray, predicted: np.ndarray, group: np.ndarray, classes: int, *, level: float, margin: float
) -> dict[str, float | bool]:
    """Accuracies and macro F1 of one checkpoint on the test split (arrays [images]), and whether it is competent.

    `low` and `high` are the interval of the balanced accuracy over groups; `ENDS` names those of the others.

    Competent: the low end of the interval of the balanced accuracy exceeds chance + `margin`. Classes without
    a test image are left out of the means and of chance. An interval that cannot be had (a class with images of one
    group alone) is not competent.
    """
    counts = confusion_by_group(label, predicted, group, classes)
    total = counts.sum(0)
    present = total.sum(1) > 0
    found = {}
    for name, ends in ENDS.items():
        found[name] = float(MEASURES[name][0](total, present))
        interval = accuracy_interval(counts, present, name, level)
        found |= {end: float(value) for end, value in zip(ends, interval, strict=True)}
    return found | {"competent": rules.competent(found["low"], 1 / present.sum() + margin)}


Predictions = dict[tuple[str, int], pd.DataFrame]


def model_means(checkpoints: pd.DataFrame, models: Sequence[str]) -> dict[str, Model]:
    """Return model -> means over its checkpoints of the accuracies; competent if every checkpoint is."""
    means = ("accuracy", "balanced_accuracy", "f1_macro")
    means += ("f1_micro", "auroc") if "f1_micro" in checkpoints else ()
    return {
        model: Model(bool(rows["competent"].all()), **{name: number(rows[name].mean()) for name in means})
        for model in models
        for rows in [checkpoints[checkpoints["model"] == model]]
    }


def judge_ensembles(
    ensembles: dict[str, dict],
    judged: dict[str, Model],
    predictions: Predictions,
    per_seed: pd.DataFrame,
    *,
    study: str,
    classes: int,
    design: rules.Design,
) -> dict[str, Ensemble]:
    """Compare ensembles with their best members.

    Args:
        ensembles: name -> combine and models.
        judged: name -> accuracies and competence, as from `model_means`.
        predictions: of models and ensembles.
        per_seed: group means of every seed, as from `groups.seed_group_means`.
    """
    means, found, settings = group_means(per_seed), {}, design.settings
    for name, made in ensembles.items():
        members = made["models"]
        against = [_classified(name, members, predictions, classes, study, settings)]
        for family, metric in design.primary.items():
            rows = means[(means["family"] == family) & (means["metric"] == metric)]
            for method in design.methods:
                of = rows[rows["method"] == method].pivot(index="group", columns="model", values="value")
                row = _scored(name, members, of, design.sign(family, metric), settings["interval"])
                against += [Beside(metric, family=family, method=method, **row)] if row else []
        found[name] = Ensemble(made["combine"], tuple(members), judged[name], tuple(against))
    return found


def _classified(
    name: str, members: Sequence[str], predictions: Predictions, classes: int, study: str, settings: dict
) -> Beside:
    """Micro F1 of an ensemble less that of its best member, means over seeds, on the same draws of groups."""
    counts = {key: micro_f1_by_group(table, classes) for key, table in predictions.items()}
    names = next(iter(counts.values())).index
    stacks = {
        model: np.stack([table.loc[names].to_numpy() for (known, _), table in counts.items() if known == model])
        for model in (name, *members)
    }  # [seeds, groups, 4]
    value = {model: float(multilabel.f1(stack.sum(1)).mean()) for model, stack in stacks.items()}
    best = max(members, key=lambda model: round(value[model], 9))  # of equal ones the first, whatever rounding left
    weights = multilabel.draw_groups(len(names), generator(study, name, "ensemble", settings["seed"]))
    one, other = (
        np.mean([multilabel.f1(weights @ counts_of) for counts_of in stacks[model]], axis=0) for model in (name, best)
    )
    # shifted into [0, 1], where intervals of shares are made
    low, high = multilabel.interval(
        (one - other + 1) / 2, (value[name] - value[best] + 1) / 2, len(names), settings["interval"]
    )
    ends = number(2 * low - 1), number(2 * high - 1)
    return Beside("f1_micro", best, value[name], value[best], value[name] - value[best], len(names), *ends)


def _scored(name: str, members: Sequence[str], wide: pd.DataFrame, sign: int, level: float) -> dict | None:
    """A primary metric of an ensemble less that of its best member, over groups that both have; None without any."""
    known = [model for model in members if model in wide and wide[model].notna().any()]
    if name not in wide or not known:
        return None
    # the best on the groups that the ensemble has, so that no member leads by easier ones
    there = wide[wide[name].notna()]
    best = max(known, key=lambda model: sign * there[model].mean() if there[model].notna().any() else -np.inf)
    both = there[[name, best]].dropna()
    if len(both) < 2:
        return None
    difference = (both[name] - both[best]).to_numpy()
    low, high = (float(end[0]) for end in t_interval(difference[:, None], level))
    row = {"member": best, "ensemble": float(both[name].mean()), "value": float(both[best].mean())}
    row |= {"difference": float(difference.mean()), "low": low, "high": high, "groups": len(both)}
    return row | {"better": sign * float(difference.mean()) > 0}
