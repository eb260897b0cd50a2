"""How often a gate errs, over many candidates with known truth: scores of six criteria that share patients."""

from unittest.mock import patch

import numpy as np
from scipy.special import ndtr

from bench.simulation import bounded
from heatproof.stats.gate import CRITERIA, DEGENERATE, judge
from heatproof.stats.tests.paired import DECIMALS
from heatproof.stats.verdicts import rules

ALPHA = 0.05
SPANS = {name: 2.0 if name in ("faithfulness", "sanity") else 1.0 for name in CRITERIA}
MARGINS = dict.fromkeys(CRITERIA, 0.05)
WEIGHTS = 500  # of `rare_p`, fewer than in use: that is noise in each p, and none in the rates
MOST_IMAGES = 4  # of a patient
WITHIN, NOISE = 0.6, 0.15  # latent standard deviation within a patient; of a score whose map has not failed
EQUAL, AT, BETTER, DOUBLE = "equal", "at its margin", "better", "twice its margin"
FACTORS = {EQUAL: 0.0, AT: 1.0, BETTER: -1.5, DOUBLE: 2.0}  # mean worsening, in margins
FIXED = 0.02  # share of maps that are degenerate in the baseline alone, unless the candidate is better
GRID = np.linspace(-8, 8, 4001)


def _mean(shift: float) -> float:
    """Mean of a bounded score with a standard normal latent one and a shift."""
    weights = np.gradient(ndtr(GRID))
    return float((bounded(GRID + shift) * weights).sum() / weights.sum())


def _shift(difference: float) -> float:
    """The latent shift at which a bounded score's mean falls by so much."""
    shifts = np.linspace(-3, 3, 601)
    means = np.array([_mean(shift) for shift in shifts])
    return float(np.interp(_mean(0.0) - difference, means, shifts))


BOUNDED = {state: _shift(factor * 0.05) for state, factor in FACTORS.items()}


def draw(scores: str, states: dict[str, str], patients: int, draws: int, rng: np.random.Generator):
    """Yield the worsening [patients] of every criterion, draw by draw.

    Args:
        scores: `normal`; `bounded`, right-skewed with ties at 0; `failing`: the candidate's map is as good as the
            baseline's, or scores 0, so that few patients make all of the difference.
        states: criterion -> a key of `FACTORS`.
    """
    for _ in range(draws):
        counts = rng.integers(1, MOST_IMAGES + 1, patients)
        of = np.repeat(np.arange(patients), counts)
        shared = rng.normal(size=patients)
        found = []
        for name in CRITERIA:
            factor = FACTORS[states[name]]
            if name == DEGENERATE:
                worsening = _degenerate(factor * MARGINS[name], len(of), rng)
            else:
                latent = 0.8 * (0.7 * shared + np.sqrt(0.51) * rng.normal(size=patients))[of]
                ends = [latent + WITHIN * rng.normal(size=len(of)) for _ in range(2)]
                worsening = _worsening(scores, factor * MARGINS[name], states[name], ends, rng)
            found.append((np.bincount(of, worsening, patients) / counts).round(DECIMALS))
        yield found


def _degenerate(difference: float, images: int, rng: np.random.Generator) -> np.ndarray:
    """Maps that are degenerate in the candidate alone (1), or in the baseline alone (-1)."""
    fixed, new = (-difference, 0.0) if difference < 0 else (FIXED, FIXED + difference)
    drawn = rng.random(images)
    return np.where(drawn < fixed, -1.0, np.where(drawn < fixed + new, 1.0, 0.0))


def _worsening(scores: str, difference: float, state: str, ends: list[np.ndarray], rng) -> np.ndarray:
    if scores == "normal":
        return difference + NOISE * (ends[0] - ends[1])
    if scores == "bounded" or difference <= 0:
        return bounded(ends[0]) - bounded(ends[1] + BOUNDED[state])
    before = bounded(ends[0])
    fails = rng.random(len(before)) < difference / _mean(0.0)
    return np.where(fails, before, 0.1 * NOISE * rng.normal(size=len(before)))


def rates(scores: str, states: dict[str, str], patients: int, draws: int, rng: np.random.Generator) -> dict[str, float]:
    """Share of gates by verdict."""
    margins, spans = list(MARGINS.values()), list(SPANS.values())
    found = []
    with patch("heatproof.stats.gate.DRAWS", WEIGHTS):
        for worsenings in draw(scores, states, patients, draws, rng):
            found.append(rules.gate([verdict for verdict, *_ in judge(worsenings, margins, spans, ALPHA)]))
    return {verdict: found.count(verdict) / draws for verdict in (rules.WORSE, rules.NON_INFERIOR, rules.UNDECIDED)}


def states(others: str, **named: str) -> dict[str, str]:
    """Return criterion -> state."""
    return dict.fromkeys(CRITERIA, others) | named


SCORES = ("normal", "bounded", "failing")
SCENES = {  # states, a verdict, and whether it is false
    "worse": (states(AT), rules.WORSE, True),
    **{name: (states(BETTER, **{name: AT}), rules.NON_INFERIOR, True) for name in ("localization", DEGENERATE)},
    "equal": (states(EQUAL), rules.NON_INFERIOR, False),
    "double": (states(EQUAL, localization=DOUBLE), rules.WORSE, False),
}
