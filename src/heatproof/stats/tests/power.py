"""How often the tests find a true difference, from the variances of scores and the size of a study; and the size that
finds it often enough.

A score is the sum of the model's mean, and of random parts of the patient (which all models share, so that it leaves
differences between them), of model x patient, of the training seed, of patient x seed, and of the image. The mean of a
contrast of models with weights w has the variance

    sum w^2 [(model x patient + cell / seeds) / patients + seed / seeds],    cell = patient x seed + image / images

in which the last term is missing below five seeds, where verdicts are about the checkpoints as they are.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, comb, sqrt

import numpy as np
from scipy import integrate, stats
from scipy.optimize import brentq

from heatproof.core.draws import generator
from heatproof.stats.results import Shares
from heatproof.stats.tests.architectures import MIN_SEEDS, satterthwaite
from heatproof.stats.tests.paired import WILCOXON_TO_T, attained_level, two_sided
from heatproof.stats.verdicts import rules

DRAWS = 8000  # simulated studies, where rank tests have too few patients for the efficiency of many
FEW_RANKED, FEW_BLOCKS = 10, 60  # patients, of Wilcoxon's test and of Friedman's
MOST = 10**6  # groups: beyond it a number says no more than that the difference is next to nothing
PAIR, CONTROL, MARGIN, MODELS, CLAIM = QUESTIONS = ("pair", "control", "margin", "models", "claim")


@dataclass(frozen=True)
class Spread:
    """Variances of the scores of one model, as `architectures.mixed_model` estimates them.

    Attributes:
        patient: model x patient; of a comparison with a control, that of the difference.
        seed: between training seeds of a model.
        residual: patient x seed.
        image: between images of a patient.
    """

    patient: float
    seed: float = 0.0
    residual: float = 0.0
    image: float = 0.0

    def cell(self, images: float) -> float:
        """Return the variance of a patient's mean over images, by one seed."""
        return self.residual + self.image / images

    def times(self, factor: float) -> "Spread":
        return Spread(*(factor * value for value in vars(self).values()))


@dataclass(frozen=True)
class Size:
    """Patients, training seeds of each model, and images of each patient."""

    patients: int
    seeds: int = 1
    images: float = 1.0


@dataclass(frozen=True)
class Question:
    """What is to be shown, and by which test.

    Attributes:
        kind: `pair` (two models differ), `control` (heatmaps are better than a control), `claim` (a contrast that a
            claim names), `margin` (two equal models differ by less than `difference`), or `models` (the test over all
            models, of which two differ by `difference` and the others lie in the middle, where they help least).
        difference: the true one, in units of the metric.
        level: of the test: of the first step of Holm's correction, where there are several.
        weights: of the contrast; at most two of them where seeds are tested against.
        ranks: whether the test is Wilcoxon's or Friedman's, where seeds are too few to be tested against.
        models: how many are compared.
    """

    kind: str
    difference: float
    level: float
    weights: tuple[float, ...] = (1.0, -1.0)
    ranks: bool = False
    models: int = 2


def first_level(kind: str, alpha: float, models: int, controls: bool = True) -> float:
    """Return the level of the first step of Holm's correction, as verdicts on so many models use it.

    Args:
        controls: whether heatmaps are compared with controls as well, which takes half of alpha.

    >>> first_level("pair", 0.05, 5), first_level("control", 0.05, 5), first_level("margin", 0.05, 5)
    (0.0025, 0.005, 0.005)
    """
    share = rules.control_level(alpha, models) if controls else alpha
    pairs = max(1, comb(models, 2))
    return {PAIR: share / pairs, CONTROL: share / models, MARGIN: alpha / pairs, MODELS: share}[kind]


def claim_level(check: str, shares: Shares | None, alpha: float, comparisons: int) -> float:
    """Return the level of the first step of Holm's correction of a claim's tests.

    Args:
        shares: of alpha that the questions about controls and about models have; a planned contrast needs none.
        comparisons: models of `beat_controls`, pairs of `differ`, methods and models of `outdo`; 1 of `lower`.
    """
    share = {"beat_controls": "controls", "differ": "models"}.get(check)
    return (getattr(shares, share) if share else alpha) / comparisons


def chance(question: Question, spread: Spread, size: Size) -> float:
    """Return the power: how often studies of this size show what is true."""
    if size.patients < 2:
        return 0.0
    over_seeds, cell = size.seeds >= MIN_SEEDS, spread.cell(size.images)
    crossed, effect = spread.patient + cell / size.seeds, abs(question.difference)
    if question.kind == MODELS:
        return _over_models(question, spread, size)
    squares = np.square(question.weights)
    of_patients = squares.sum() * crossed / size.patients
    if question.kind == MARGIN:  # equivalence holds the checkpoints fixed
        return _within_margin(effect / sqrt(of_patients), question.level, size.patients - 1) if of_patients else 1.0
    if over_seeds:
        of_seeds = squares * (spread.seed + cell / size.patients) / size.seeds
        return _found_over_seeds(
            effect, of_patients, of_seeds, squares * cell / size.patients / size.seeds, size, question
        )
    level = attained_level(size.patients, question.level) if question.ranks else question.level
    if not of_patients or not level:
        return float(level > 0)
    if question.ranks and size.patients <= FEW_RANKED:
        return _simulated_ranks(effect / sqrt(of_patients * size.patients), size.patients, level)
    return _found(effect / sqrt(of_patients / (WILCOXON_TO_T if question.ranks else 1)), size.patients - 1, level)


def _found(effect: float, df: float, level: float) -> float:
    """Power of a two-sided t test on the true side, of an effect in standard errors."""
    critical = stats.t.ppf(1 - level / 2, df)
    # scipy's noncentral t fails far out, where it equals the normal approximation of Johnson and Welch 1940
    if effect > 35:
        return float(stats.norm.sf((critical - effect) / sqrt(1 + critical**2 / (2 * df))))
    return float(stats.nct.sf(critical, df, effect))


@lru_cache(maxsize=1024)
def _simulated_ranks(effect: float, patients: int, level: float) -> float:
    """Power of Wilcoxon's test on the true side, of an effect in standard deviations of normal differences."""
    drawn = generator("power", "wilcoxon", patients).standard_normal((DRAWS, patients)) + effect
    negative = (stats.rankdata(np.abs(drawn), axis=1) * (drawn < 0)).sum(1)
    sums, counts = np.unique(negative, return_counts=True)
    ranks = np.arange(1.0, patients + 1)
    small = [two_sided(ranks, total) <= level and total < ranks.sum() / 2 for total in sums]
    return float(counts[small].sum() / DRAWS)


@lru_cache(maxsize=1024)
def _simulated_friedman(difference: float, models: int, patients: int, level: float) -> float:
    """Power of Friedman's test, of two models that differ, in standard deviations, the others halfway between."""
    drawn = generator("power", "friedman", models, patients).standard_normal((DRAWS, patients, models))
    drawn[..., 0] += difference / 2
    drawn[..., 1] -= difference / 2
    sums = (drawn.argsort(-1).argsort(-1) + 1).sum(1)
    statistic = 12 / (patients * models * (models + 1)) * (sums**2).sum(-1) - 3 * patients * (models + 1)
    return float((stats.chi2.sf(statistic, models - 1) <= level).mean())


def _found_over_seeds(
    effect: float, of_patients: float, of_seeds: np.ndarray, twice: np.ndarray, size: Size, question: Question
) -> float:
    """Power of the t test over patients and seeds, whose error and degrees of freedom are estimated part by part.

    The mean over what its estimates may be: the parts of patients and of each model's seeds vary as chi-squares do,
    each at quantiles of equal probability; what the seeds' part holds of the residual, `twice`, is taken as known.
    """
    free = (size.patients - 1) * (size.seeds - 1)
    parts = [of_patients * _quantiles(7, size.patients - 1)]
    parts += [of_seeds[place] * _quantiles(20, size.seeds - 1) for place in range(len(of_seeds))]
    patients, *seeds = np.meshgrid(*parts, indexing="ij")
    variance, below = patients.copy(), patients**2 / (size.patients - 1)
    for part, rest in zip(seeds, twice, strict=True):
        variance += np.where(part > rest, part - rest, 0)
        below += np.where(part > rest, part**2 / (size.seeds - 1) + rest**2 / free, 0)
    true = of_patients + of_seeds.sum() - twice.sum()
    if not true:
        return 1.0
    critical = stats.t.isf(question.level / 2, variance**2 / below) * np.sqrt(variance / true)
    return float(stats.norm.sf(critical - effect / sqrt(true)).mean())


@lru_cache(maxsize=256)
def _quantiles(count: int, df: int) -> np.ndarray:
    return stats.chi2.ppf((np.arange(count) + 0.5) / count, df) / df


def _within_margin(margin: float, level: float, df: float) -> float:
    """Power of two one-sided t tests of a true difference of 0, with the margin in standard errors (Phillips 1990)."""
    critical = stats.t.ppf(1 - level, df)
    most = margin / critical  # of the estimated standard error, in true ones

    def at(ratio: float) -> float:
        density = stats.chi2.pdf(df * ratio**2, df) * 2 * df * ratio
        return (2 * stats.norm.cdf(margin - critical * ratio) - 1) * density

    spread = 8 / sqrt(2 * df)
    low, high = max(0.0, 1 - spread), min(most, 1 + spread)
    return float(integrate.quad(at, low, high)[0]) if high > low else 0.0


def _over_models(question: Question, spread: Spread, size: Size) -> float:
    """Power of the test over all models: quasi-F over seeds, Friedman's, or repeated-measures ANOVA."""
    models, patients, seeds = question.models, size.patients, size.seeds
    cell, df1 = spread.cell(size.images), question.models - 1
    crossed, effect = spread.patient + cell / seeds, question.difference**2 / 2
    df2, below, level = float(df1 * (patients - 1)), crossed, question.level
    if seeds >= MIN_SEEDS:  # mean squares of quasi-F, over the number of seeds
        parts = [(crossed, df2), ((patients * spread.seed + cell) / seeds, models * (seeds - 1))]
        parts += [(-cell / seeds, (patients - 1) * models * (seeds - 1))]
        below, df2 = sum(part for part, _ in parts), satterthwaite(parts) if crossed else df2
        critical = stats.f.isf(level, df1, df2)
    elif question.ranks and patients <= FEW_BLOCKS and crossed:
        return _simulated_friedman(abs(question.difference) / sqrt(crossed), models, patients, level)
    elif question.ranks:
        chi_square = stats.chi2.isf(level, df1)  # as F of the ranks: Iman and Davenport 1980
        if chi_square >= patients * df1:
            return 0.0
        critical = (patients - 1) * chi_square / (patients * df1 - chi_square)
        effect *= WILCOXON_TO_T * models / (models + 1)  # efficiency on normal scores (van Elteren and Noether 1959)
    else:  # Greenhouse and Geisser's epsilon where that of Huynh and Feldt is 1: what it is on average
        epsilon = min(1.0, (df2 + 2) / (df1 * (patients + df1)))
        critical = stats.f.isf(level, epsilon * df1, epsilon * df2)
    return float(stats.ncf.sf(critical, df1, df2, patients * effect / below)) if below else 1.0


def patients_for(chance_of: Callable[[int], float], power: float) -> int | None:
    """Return the smallest number of patients with so much power; None where more than `MOST` would not do.

    >>> t = Question("pair", 0.5, 0.05, weights=(1,))  # 34 by any table of power
    >>> patients_for(lambda patients: chance(t, Spread(1.0), Size(patients)), 0.8)
    34
    """
    high = 2
    while chance_of(high) < power:
        if high >= MOST:
            return None
        high = min(2 * high, MOST)
    low = max(1, high // 2)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if chance_of(middle) >= power else (middle, high)
    return high


def groups_for(difference: float, spread: float, level: float, power: float, ranks: bool = False) -> int | None:
    """Return how many groups find a true difference in a paired test.

    Args:
        spread: standard deviation of the differences over groups.
        level: of the test.
        ranks: whether it is Wilcoxon's.

    >>> groups_for(0.5, 1.0, 0.05, 0.8), groups_for(0.5, 1.0, 0.05, 0.8, ranks=True)
    (34, 35)
    """
    question = Question(PAIR, difference, level, weights=(1.0,), ranks=ranks)
    return patients_for(lambda groups: chance(question, Spread(spread**2), Size(groups)), power)


def groups_beyond(
    detectable: float, difference: float, groups: int, level: float, power: float, ranks: bool
) -> int | None:
    """Return how many groups find a difference, from the one that so many groups would find (`omnibus.compare_pairs`).

    >>> groups_beyond(0.5, 0.25, 34, 0.05, 0.8, ranks=False)  # about four times as many
    129
    """
    spread = detectable / detectable_effect(groups, level, power) * (sqrt(WILCOXON_TO_T) if ranks else 1.0)
    return groups_for(difference, spread, level, power, ranks)


def groups_for_interval(groups: int, value: float, low: float, floor: float) -> int:
    """Return how many groups would lift the low end of an interval to a floor below its value.

    The width shrinks with the root of the number of groups: a rough guide, as the value is taken to stay.

    >>> groups_for_interval(25, value=0.7, low=0.5, floor=0.6)
    100
    """
    return ceil(groups * ((value - low) / (value - floor)) ** 2)


def spread_of(ends: tuple[float, float], groups: int, coverage: float) -> float:
    """Return the standard deviation over groups that a Student t interval of their mean shows.

    >>> round(spread_of((-0.4223, 0.4223), 24, 0.95), 3)
    1.0
    """
    return float((ends[1] - ends[0]) / 2 / stats.t.ppf((1 + coverage) / 2, groups - 1) * sqrt(groups))


@lru_cache(maxsize=1024)
def detectable_effect(groups: int, alpha: float, power: float) -> float:
    """Return the true mean difference, in standard deviations of the differences, that a two-sided paired t test finds.

    Args:
        groups: at least two.
        alpha: the level of the test.
        power: how often it is to be found, at least .5: then what is found on the wrong side does not count.
    """
    root = sqrt(groups)
    upper = 1.0
    while _found(upper * root, groups - 1, alpha) < power:
        upper *= 2
    return float(brentq(lambda effect: _found(effect * root, groups - 1, alpha) - power, 0, upper))


@dataclass(frozen=True)
class Pilot:
    """Variances that a study of a given size has estimated, and how many models it has.

    Attributes:
        free: degrees of freedom of the mean square of model x patient: (patients - 1) (models - 1), or patients - 1 of
            a single comparison.
    """

    spread: Spread
    size: Size
    models: int
    free: float

    def band(self, question: Question, size: Size, coverage: float = 0.95) -> tuple[float, float]:
        """Return the factors between which the true variance of a planned contrast lies, of the one estimated here.

        That variance is a sum of the pilot's mean squares, and so has Satterthwaite's degrees of freedom.
        """
        spread, own = self.spread, self.size
        seeds, patients, cell = own.seeds, own.patients, self.spread.cell(own.images)
        over_seeds = size.seeds >= MIN_SEEDS and question.kind != MARGIN
        free = (patients - 1) * self.models * (seeds - 1)
        parts = [((spread.patient + cell / seeds) / size.patients, self.free)]
        parts += [(cell * ((1 / size.seeds - 1 / seeds) / size.patients - over_seeds / (patients * size.seeds)), free)]
        images = spread.image * (1 / size.images - 1 / own.images) / size.seeds / size.patients
        parts += [(images, patients * self.models * seeds * (own.images - 1))]
        parts += [(over_seeds * (spread.seed + cell / patients) / size.seeds, self.models * (seeds - 1))]
        parts = [(part, free) for part, free in parts if part and free > 0]
        df = max(1.0, satterthwaite(parts)) if parts else self.free
        low, high = stats.chi2.ppf([(1 + coverage) / 2, (1 - coverage) / 2], df)
        return float(df / low), float(df / high)

    def chances(self, question: Question, size: Size, coverage: float = 0.95) -> tuple[float, float, float]:
        """Return the power by the estimated variances, and the ends of its band."""
        small, large = self.band(question, size, coverage)
        found = (chance(question, self.spread.times(factor), size) for factor in (1.0, large, small))
        return tuple(found)

    def needed(self, question: Question, size: Size, power: float) -> tuple[int | None, int | None, int | None]:
        """Return the number of patients by the estimated variances, and the ends of its band; `size.patients` is not
        used. None: no number is enough."""

        def by(factor: Callable[[Size], float]) -> int | None:
            def at(patients: int) -> float:
                planned = replace(size, patients=patients)
                return chance(question, self.spread.times(factor(planned)), planned)

            return patients_for(at, power)

        ends = (lambda planned: self.band(question, planned)[0]), (lambda planned: self.band(question, planned)[1])
        return by(lambda _: 1.0), by(ends[0]), by(ends[1])
