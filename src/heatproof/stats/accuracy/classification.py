"""How the models classify: confusion, ROC curves, calibration.

`predictions` is everywhere (model, seed) -> table of test images with columns label, predicted, group and p_0, p_1, ...
(the probability of each class, as `command.read_predictions` gives it); `classes` are the class names in the order of
the labels. Where images have several labels, each is held against its absence, and a case of calibration is an image
and a label: the probability of the label, and whether it is there. Without probabilities there are no curves, and what
rests on them is NaN. Several folds are pooled: their images were tested by different trainings, whose probabilities are
taken to mean the same.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import roc_auc_score, roc_curve

from heatproof.core.draws import generator
from heatproof.stats.results import Confidence
from heatproof.store import artifacts
from heatproof.store.tables import CALIBRATION, CONFUSION, ROC

Predictions = dict[tuple[str, int], pd.DataFrame]
BINS = 10
POINTS = 100  # of one ROC curve
DRAWS = 1000  # of a model whose probabilities are true


def confusion(predictions: Predictions, classes: Sequence[str]) -> pd.DataFrame:
    """Images by true and predicted class, zeros included: columns `CONFUSION`. Classes without an image are no row.

    Where images have several labels, `<label>` and `not <label>` of each.
    """
    rows = []
    for (model, seed), table in predictions.items():
        if artifacts.is_multilabel(table):
            rows += [(model, seed, *row) for row in _of_each_label(table, classes)]
            continue
        counts = np.zeros((len(classes), len(classes)), int)
        np.add.at(counts, (table["label"].to_numpy(int), table["predicted"].to_numpy(int)), 1)
        for label in np.flatnonzero(counts.sum(1)):
            named = zip(classes, counts[label], strict=True)
            rows += [(model, seed, classes[label], predicted, images) for predicted, images in named]
    return pd.DataFrame(rows, columns=list(CONFUSION))


def auroc(predictions: Predictions) -> dict[tuple[str, int], float]:
    """Area under the ROC curve of each class against the others, mean over the classes that have a curve."""
    found = {}
    for key, table in predictions.items():
        areas = [roc_auc_score(truth, probability) for _, truth, probability in _one_vs_rest(table)]
        found[key] = float(np.mean(areas)) if areas else np.nan
    return found


def roc(predictions: Predictions, classes: Sequence[str], points: int = POINTS) -> pd.DataFrame:
    """ROC curves of each class against the others, thinned to `points` each: columns `ROC`.

    `threshold` is the smallest probability that counts as the class; empty at the first point, where none does. A class
    without a test image, or with nothing else, has no curve.
    """
    parts = []
    for (model, seed), table in predictions.items():
        for label, truth, probability in _one_vs_rest(table):
            fpr, tpr, threshold = roc_curve(truth, probability)
            kept = thin(fpr, tpr, points)
            curve = {"threshold": np.where(np.isfinite(threshold), threshold, np.nan), "fpr": fpr, "tpr": tpr}
            part = pd.DataFrame({name: values[kept] for name, values in curve.items()})
            parts.append(part.assign(model=model, seed=seed, label=classes[label]))
    return pd.concat(parts, ignore_index=True)[list(ROC)] if parts else pd.DataFrame(columns=list(ROC))


def thin(fpr: np.ndarray, tpr: np.ndarray, points: int) -> np.ndarray:
    """Which points [at most `points`] of a rising curve to keep: spread evenly along it, both ends among them.

    What is left out lies within 2 / (points - 1) of a kept point, along both axes together, so the area changes by no
    more than that (0.02 for 100), and by less than 0.001 for the curves of test sets.
    """
    if len(fpr) <= points:
        return np.arange(len(fpr))
    way = fpr + tpr  # rises from 0 to 2
    return np.unique(np.searchsorted(way, np.linspace(0, way[-1], points)).clip(max=len(way) - 1))


def bins(confidence: np.ndarray) -> np.ndarray:
    """Bin [images] of each confidence: ten bins of equally many images; equal confidences share one.

    Equal counts, because a competent model is nearly sure of most images: bins of equal width would hold either all of
    them or one or two (Nixon et al. 2019, arXiv:1904.01685).
    """
    rank = stats.rankdata(confidence) - 0.5  # ties get their mean rank
    return np.floor(BINS * rank / len(confidence)).astype(int)


def calibration(predictions: Predictions) -> pd.DataFrame:
    """Mean confidence (the largest probability) and accuracy of each bin that holds images: columns `CALIBRATION`."""
    rows = []
    for (model, seed), table in predictions.items():
        confidence, right = _confidence(table)
        bin_of = bins(confidence) if len(confidence) else np.array([], int)
        for number in np.unique(bin_of):
            chosen = bin_of == number
            mean = confidence[chosen].mean(), right[chosen].mean(), chosen.sum()
            rows.append((model, seed, number, *mean))
    return pd.DataFrame(rows, columns=list(CALIBRATION))


def calibration_error(predictions: Predictions) -> dict[tuple[str, int], float]:
    """Expected calibration error (Guo et al. 2017, arXiv:1706.04599, eq. 3), in bins of equally many images.

    It is the mean gap between confidence and accuracy of a bin, weighted by its images. Chance alone puts it above
    zero: `confidence` tells by how much.
    """
    found = {}
    for key, table in predictions.items():
        confidence, right = _confidence(table)
        found[key] = float(_gap(bins(confidence), confidence - right)) if len(confidence) else np.nan
    return found


def confidence(predictions: Predictions, level: float, study: str, seed: int) -> dict[str, Confidence]:
    """Whether the models are as sure as they are right.

    Args:
        predictions: as everywhere here.
        level: coverage of the interval.
        study: name of the study, and
        seed: of `stats`: what the draws hang on.

    Returns:
        model -> `confidence` and `accuracy`, means over groups (each its mean over images, then over seeds);
        `difference`, the first less the second, with `low` and `high`, a t interval over groups, None from fewer than
        two; `groups`; `error`, the mean over seeds of `calibration_error`; `error_by_chance`, what a model whose
        probabilities are true and independent gets at these confidences, mean over draws. Nothing for models without
        probabilities.
    """
    found: dict = {}
    for model in dict.fromkeys(model for model, _ in predictions):
        tables = {key: table for key, table in predictions.items() if key[0] == model}
        parts, expected = [], []
        for (_, trained), table in tables.items():
            sure, right = _confidence(table)
            if not len(sure):
                break
            known = {"group": np.repeat(table["group"].to_numpy(), len(sure) // len(table)), "seed": trained}
            parts.append(pd.DataFrame(known | {"sure": sure, "right": right}))
            rng = generator(study, model, trained, "calibration", seed)
            expected.append(_chance_gap(sure, rng))
        else:
            by_seed = pd.concat(parts).groupby(["seed", "group"])[["sure", "right"]].mean()
            means = by_seed.groupby("group").mean()
            differences = (means["sure"] - means["right"]).to_numpy()
            low, high = _t_interval(differences, level)
            found[model] = Confidence(
                confidence=float(means["sure"].mean()),
                accuracy=float(means["right"].mean()),
                difference=float(differences.mean()),
                low=low,
                high=high,
                groups=len(differences),
                error=float(np.mean(list(calibration_error(tables).values()))),
                error_by_chance=float(np.mean(expected)),
            )
    return found


def _of_each_label(table: pd.DataFrame, classes: Sequence[str]) -> list[tuple[str, str, int]]:
    truth, said = artifacts.truth(table, len(classes)), artifacts.predicted(table, len(classes))
    rows = []
    for k, name in enumerate(classes):
        words = {True: name, False: f"not {name}"}
        for there in (value for value in words if (truth[:, k] == value).any()):
            of = said[truth[:, k] == there, k]
            rows += [(words[there], words[answer], int((of == answer).sum())) for answer in words]
    return rows


def _one_vs_rest(table: pd.DataFrame) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Label, truth (bool [images]) and probability [images] of each class that has images and is not alone."""
    names = _probabilities(table)
    truth = artifacts.truth(table, len(names)) if names else np.empty((len(table), 0), bool)
    found = [(k, truth[:, k], table[name].to_numpy(float)) for k, name in enumerate(names)]
    return [row for row in found if 0 < row[1].sum() < len(table)]


def _probabilities(table: pd.DataFrame) -> list[str]:
    return sorted((str(c) for c in table if str(c).startswith("p_")), key=lambda name: int(name.removeprefix("p_")))


def _confidence(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The largest probability and whether the prediction is right, [images]; both empty without probabilities.

    Where images have several labels: the probability of each, and whether it is there, [images x labels].
    """
    names = _probabilities(table)
    if not names:
        return np.empty(0), np.empty(0, bool)
    if artifacts.is_multilabel(table):
        return table[names].to_numpy(float).ravel(), artifacts.truth(table, len(names)).ravel()
    return table[names].to_numpy(float).max(1), (table["label"] == table["predicted"]).to_numpy(bool)


def _gap(bin_of: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """Sum over bins of |sum of the differences|, a share of the images; over the last axis of `difference`."""
    members = bin_of[:, None] == np.unique(bin_of)  # [images, bins]
    return np.abs(difference @ members).sum(-1) / len(bin_of)


def _chance_gap(sure: np.ndarray, rng: np.random.Generator) -> float:
    return float(_gap(bins(sure), sure - (rng.random((DRAWS, len(sure))) < sure)).mean())


def _t_interval(values: np.ndarray, level: float) -> tuple[float | None, float | None]:
    if len(values) < 2:
        return None, None
    half = stats.sem(values) * stats.t.ppf((1 + level) / 2, len(values) - 1)
    return float(values.mean() - half), float(values.mean() + half)
