"""How often intervals hold the truth, and how often tests find a difference, over many studies with known truth."""

from dataclasses import replace
from functools import cache

import numpy as np

from bench import many
from bench.simulation import Setting, cells, chunks, complete, expected, wide
from heatproof.core.draws import balanced_accuracy, generator, percentile_interval, resample
from heatproof.stats.accuracy.competence import MEASURES, accuracy_interval
from heatproof.stats.tests.architectures import quasi_f, seed_pairs
from heatproof.stats.tests.paired import t_interval

LEVEL, ALPHA = 0.95, 0.05
APART = 0.5  # latent effect of the last model where intervals of differences are looked at
CLASSES, MOST_IMAGES = 3, 6
NAMES = list("abcdefgh")


def means_and_pairs(setting: Setting, draws: int, rng: np.random.Generator) -> tuple[float, float]:
    """Coverage of Student's t interval of a model's mean, and of the difference between two, of checkpoints."""
    setting = replace(setting, effects=(0.0, 0.0, 0.0, 0.0, APART))
    held = [], []
    for part in chunks(setting, draws, rng):
        truth = expected(setting, np.array(setting.effects)[:, None] + part.seed).mean(2)
        for which, tables in complete(wide(part.images)):
            first, last = tables[:, :, 0].T, tables[:, :, -1].T  # [groups, draws]
            for values, true, found in zip(
                (first, first - last), (truth[which, 0], truth[which, 0] - truth[which, -1]), held, strict=True
            ):
                low, high = t_interval(values, LEVEL)
                found += list((low <= true) & (true <= high))
    return float(np.mean(held[0])), float(np.mean(held[1]))


def pairs_over_seeds(setting: Setting, draws: int, rng: np.random.Generator) -> tuple[float, float]:
    """Coverage of the difference between two architectures: by `seed_pairs`, and by the interval over groups alone."""
    setting = replace(setting, effects=(0.0, APART))
    first, last = expected(setting, np.array(setting.effects), over_seeds=True)
    held = [], []
    for part in chunks(setting, draws, rng):
        for _, tables in complete(cells(part.images)):
            found = [seed_pairs(table, NAMES[:2], LEVEL).iloc[0] for table in tables]
            held[0].extend(row["low"] <= first - last <= row["high"] for row in found)
            low, high = t_interval((tables[:, :, 0] - tables[:, :, 1]).mean(2).T, LEVEL)
            held[1].extend((low <= first - last) & (first - last <= high))
    return float(np.mean(held[0])), float(np.mean(held[1]))


def predictions(
    groups: int, accuracy: float, correlation: float, draws: int, rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, float]]:
    """Confusion counts [draws, groups, classes, classes] of one class a group, and the true measures.

    Groups have 1 to 6 images; how they are predicted is Dirichlet-multinomial, so that images of a group are right or
    wrong together. Recalls differ by .03 from class to class.
    """
    label, recall = np.arange(groups) % CLASSES, accuracy + 0.03 * np.array([1, 0, -1])
    shares = np.zeros((CLASSES, CLASSES))
    for k in range(CLASSES):
        shares[k, [k, (k + 1) % CLASSES, (k + 2) % CLASSES]] = recall[k], 0.6 * (1 - recall[k]), 0.4 * (1 - recall[k])
    images = rng.integers(1, MOST_IMAGES + 1, (draws, groups))
    weights = rng.standard_gamma(np.broadcast_to(shares[label] * (1 / correlation - 1), (draws, groups, CLASSES)))
    weights = np.maximum(weights, 1e-300)
    counts = np.zeros((draws, groups, CLASSES, CLASSES), int)
    counts[:, np.arange(groups), label] = rng.multinomial(images, weights / weights.sum(2, keepdims=True))
    expected_counts = shares * np.bincount(label, minlength=CLASSES)[:, None]
    every = np.ones(CLASSES, bool)
    return counts, {name: float(value(expected_counts, every)) for name, (value, _) in MEASURES.items()}


def accuracies(groups: int, accuracy: float, correlation: float, draws: int, rng: np.random.Generator) -> dict:
    """Compute the coverage of `accuracy_interval` for each measure, and of balanced accuracy's percentile bootstrap."""
    counts, truth = predictions(groups, accuracy, correlation, draws, rng)
    every = np.ones(CLASSES, bool)
    found = {}
    for name, true in truth.items():
        low, high = accuracy_interval(counts, every, name, LEVEL)
        found["plain_accuracy" if name == "accuracy" else name] = float(np.mean((low <= true) & (true <= high)))
    held, true = [], truth["balanced_accuracy"]
    for study in counts[: draws // 4]:
        low, high = percentile_interval(balanced_accuracy(resample(study, every, 500, rng), every), LEVEL)
        held.append(low <= true <= high)
    return found | {"percentile": float(np.mean(held))}


@cache
def unit(setting: Setting) -> float:
    """Standard deviation over groups of the difference between two models: what effects are counted in."""
    part = next(chunks(replace(setting, groups=100), 400, generator("unit", repr(setting))))
    return float(np.nanstd((wide(part.images)[:, :, 0] - wide(part.images)[:, :, 1]).ravel()))


def power(setting: Setting, effect: float, draws: int, rng: np.random.Generator) -> dict[str, float]:
    """How often a model `effect` units apart from four equal ones is found, by the tests over all models and by pairs.

    Pairs: the share of its four pairs that are told apart after Holm's correction over ten.
    """
    apart = effect * unit(replace(setting, groups=100))
    setting = replace(setting, effects=(0.0, 0.0, 0.0, 0.0, apart))
    last = np.triu_indices(5, 1)[1] == 4
    found: dict[str, list] = {}
    for part in chunks(setting, draws, rng):
        every = cells(part.images)
        for _, tables in complete(every):
            if setting.seeds >= 5:
                p = np.stack([seed_pairs(table, NAMES[:5], LEVEL)["p"] for table in tables])
                found.setdefault("quasi_f", []).extend(quasi_f(table)["p"] <= ALPHA for table in tables)
                found.setdefault("seed_pairs", []).extend((many.holm_rows(p)[:, last] <= ALPHA).mean(1))
                continue
            heat = tables.mean(3)
            for name, test in many.OMNIBUS.items():
                found.setdefault(name, []).extend(test(heat) <= ALPHA)
                corrected = many.holm_rows(many.PAIRED[name](many.pairs(heat)))
                found.setdefault(f"{name}_pairs", []).extend((corrected[:, last] <= ALPHA).mean(1))
    return {name: float(np.mean(values)) for name, values in found.items()}
