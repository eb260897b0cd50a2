"""How often noise maps beat a random map, over many studies in which both have options to choose from.

Heatmaps are noise, with as many options as the control. In some states options differ: a smoothed map scores better
than a raw one, whether a method or a control made it.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from bench.many import rank_sum, wilcoxon
from heatproof.stats.external import Candidates, optimism_of

ALPHA, LEVEL = 0.05, 0.95
SHARED = 0.5  # share of a score's variance that all maps of a patient have in common
STATES = {  # effects of the options, in standard deviations of a score, of heatmaps and of the control alike
    "4 equal options": (0.0,) * 4,
    "8 equal options": (0.0,) * 8,
    "one of 4 better": (0.0, 0.0, 0.0, 0.3),
    "4 that rise": (0.0, 0.1, 0.2, 0.3),
}
SIZES = ((40, 40), (20, 100))  # validation and test patients
AHEAD = 0.7  # lead of heatmaps that are better than the control at its best option


def draw(
    effects: tuple[float, ...], sizes: tuple[int, int], draws: int, rng: np.random.Generator, ahead: float = 0.0
) -> Iterator[np.ndarray]:
    """Yield the scores of validation, then of test patients, [draws, patients, 2, options]: heatmaps, then control.

    Args:
        sizes: validation and test patients.
        ahead: lead of every option of the heatmaps.
    """
    for patients in sizes:
        scores = np.sqrt(SHARED) * rng.normal(size=(draws, patients, 1, 1))
        scores = scores + np.sqrt(1 - SHARED) * rng.normal(size=(draws, patients, 2, len(effects)))
        yield scores + np.array(effects) + np.array([[ahead], [0.0]])


def better(heat: np.ndarray, control: np.ndarray) -> np.ndarray:
    """Whether heatmaps [draws, patients] beat each of some controls [draws, patients, controls], bool [draws]."""
    apart = heat[..., None] - control
    return ((wilcoxon(apart) <= ALPHA) & (apart.mean(1) > 0) & (rank_sum(apart) > 0)).all(-1)


def of_options(scores: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The scores [draws, patients] of one option [draws] of scores [draws, patients, options]."""
    return np.take_along_axis(scores, chosen[:, None, None], 2)[..., 0]


def verdicts(validation: np.ndarray, test: np.ndarray) -> dict[str, np.ndarray]:
    """Whether heatmaps count as better, bool [draws], by the way in which options are chosen.

    `better`: chosen on validation patients, and ahead of the control at each option, as heatproof has it;
    `alike`: the control's option is chosen like the heatmap's;
    `untuned`: against the control's first option alone;
    `naive`: chosen on the test patients, against the control's first option.
    """
    heat, control = test[:, :, 0], test[:, :, 1]
    chosen, of_control = validation.mean(1).argmax(-1).T
    picked = of_options(heat, chosen)
    return {
        "better": better(picked, control),
        "alike": better(picked, of_options(control, of_control)[..., None]),
        "untuned": better(picked, control[..., :1]),
        "naive": better(of_options(heat, heat.mean(1).argmax(-1)), control[..., :1]),
    }


def rates(effects: tuple[float, ...], sizes: tuple[int, int], draws: int, rng: np.random.Generator) -> dict[str, float]:
    """Share of studies with a false verdict, by the way of choosing; and `true`, of those with a right one."""
    found = verdicts(*draw(effects, sizes, draws, rng))
    right = verdicts(*draw(effects, sizes, draws, rng, AHEAD))["better"]
    return {name: float(of.mean()) for name, of in found.items()} | {"true": float(right.mean())}


def coverage(effects: tuple[float, ...], sizes: tuple[int, int], draws: int, rng: np.random.Generator) -> float:
    """Share of intervals that hold the mean optimism."""
    validation, test = draw(effects, sizes, draws, rng)
    found = [
        optimism_of([Candidates(0, "", _frame("v", one[:, 0]), _frame("t", other[:, 0]))], 1, LEVEL)
        for one, other in zip(validation, test, strict=True)
    ]
    mean = np.mean([one["optimism"] for one in found])
    return float(np.mean([one["low"] <= mean <= one["high"] for one in found]))


def _frame(part: str, scores: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(scores, index=[f"{part}{patient:03}" for patient in range(len(scores))])
