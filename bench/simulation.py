"""Scores of images as studies give them, drawn with known truth: what the statistics are proven on.

A latent score is model + group + group x model + seed (of its model) + group x seed + image noise, all random parts
independent. Groups have 1 to 12 images, most of them few; images are missing, and so are whole cells (a group of one
model and seed). A bounded score is a monotone function of the latent one, right-skewed, with ties at 0, like the share
of relevance in a lesion. Everything downstream starts from the images, through heatproof's own means over groups.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr

from heatproof.stats.tables.groups import group_means, seed_group_means

CHUNK = 1_500_000  # images drawn at once
MOST_SLICES = 12
ZEROS = 0.06  # of a bounded score; what lies below is 0


@dataclass(frozen=True)
class Setting:
    """One kind of study. Effects and standard deviations are latent; `effects` has one value a model."""

    groups: int
    effects: tuple[float, ...] = (0.0,) * 5
    seeds: int = 2
    bounded: bool = False
    group: float = 1.0
    crossed: float = 0.5  # group x model
    seed: float = 0.4  # seed within model
    fixed: bool = False  # seeds whose effects are the same in every model, in another order, so that their mean is 0
    group_seed: float = 0.3
    image: float = 1.0
    missing_images: float = 0.05
    missing_cells: float = 0.005
    controls: tuple[float, ...] = ()  # effects of controls; the first is one map for all models, others one a model
    uneven: float = 1.0  # factor of the first model's group x model and image standard deviations

    @property
    def total(self) -> float:
        """Latent standard deviation of one image's score, and the unit of effects in the tables."""
        parts = (self.group, self.crossed, self.seed, self.group_seed, self.image)
        return float(np.sqrt(np.square(parts).sum()))


@dataclass(frozen=True)
class Draws:
    """Studies of one setting.

    images: float [draws, groups, slices, models, seeds], NaN where missing or no such slice.
    controls: the same, [controls, ...]; the same images are missing as of the model.
    seed: float [draws, models, seeds], the effects of the seeds.
    """

    images: np.ndarray
    controls: np.ndarray
    seed: np.ndarray


def draw(setting: Setting, draws: int, rng: np.random.Generator) -> Draws:
    """So many studies of a setting."""
    models, seeds, groups = len(setting.effects), setting.seeds, setting.groups
    shape = (draws, groups, MOST_SLICES, models, seeds)
    slices = 1 + np.floor(MOST_SLICES * rng.random((draws, groups)) ** 2).astype(int)
    uneven = np.where(np.arange(models) == 0, setting.uneven, 1.0)[:, None]
    of_seed = setting.seed * rng.normal(size=(draws, models, seeds))
    if setting.fixed:  # exchangeable, and without an effect in the mean
        of_seed[:] = rng.permuted(of_seed[:, :1] - of_seed[:, :1].mean(-1, keepdims=True) + 0 * of_seed, axis=-1)
    of_group = setting.group * rng.normal(size=(draws, groups, 1, 1, 1))

    def scores(effects: np.ndarray, shared: bool) -> np.ndarray:
        one = (1, seeds) if shared else (models, seeds)
        spread = 1.0 if shared else uneven
        values = rng.normal(size=(draws, groups, MOST_SLICES, *one)) * (setting.image * spread)
        values += rng.normal(size=(draws, groups, 1, one[0], 1)) * (setting.crossed * spread)
        values += rng.normal(size=(draws, groups, 1, *one)) * setting.group_seed
        return np.broadcast_to(values + of_group + effects, shape)

    gone = np.arange(MOST_SLICES) >= slices[:, :, None]
    gone = gone[:, :, :, None, None] | (rng.random(shape) < setting.missing_images)
    gone |= rng.random((draws, groups, 1, models, seeds)) < setting.missing_cells
    images = scores(np.array(setting.effects)[:, None] + of_seed[:, None, None], shared=False)
    controls = [scores(np.array(effect), shared=not number) for number, effect in enumerate(setting.controls)]
    together = np.where(gone, np.nan, np.stack([images, *controls]))
    if setting.bounded:
        together = bounded(together / setting.total)
    return Draws(together[0], together[1:], of_seed)


def bounded(latent: np.ndarray) -> np.ndarray:
    """A score in [0, 1] that rises with a standard normal one: Kumaraswamy's distribution (1, 3), ties at 0."""
    share = 1 - np.cbrt(ndtr(-latent))
    return np.maximum(share - ZEROS, 0) / (1 - ZEROS)


def expected(setting: Setting, shift: np.ndarray, *, over_seeds: bool = False) -> np.ndarray:
    """Mean score of a model by quadrature, over groups and images, and over seeds where asked.

    Args:
        shift: the model's effect, with that of the seed unless the mean is over seeds.
    """
    if not setting.bounded:
        return np.asarray(shift, float)
    spread = np.sqrt(setting.total**2 - (0 if over_seeds else setting.seed**2))
    nodes = np.linspace(-6, 6, 1201)
    weights = np.exp(-(nodes**2) / 2) / np.exp(-(nodes**2) / 2).sum()
    grid = np.linspace(-6, 6, 601)
    means = bounded((grid[:, None] + spread * nodes) / setting.total) @ weights
    return np.interp(shift, grid, means)


def chunks(setting: Setting, draws: int, rng: np.random.Generator) -> Iterator[Draws]:
    """The same number of studies in parts that fit into memory."""
    each = setting.groups * MOST_SLICES * len(setting.effects) * setting.seeds * (1 + len(setting.controls))
    size = max(1, min(draws, CHUNK // each))
    for start in range(0, draws, size):
        yield draw(setting, min(size, draws - start), rng)


def frame(images: np.ndarray) -> pd.DataFrame:
    """The long table of images [draws, groups, slices, models, seeds] as heatproof reads it; each draw is a metric."""
    codes = np.nonzero(np.isfinite(images))
    table = {"value": images[codes]}
    for name, at, size in zip(
        ("metric", "group", "model", "seed"), (0, 1, 3, 4), np.take(images.shape, (0, 1, 3, 4)), strict=True
    ):
        table[name] = pd.Categorical.from_codes(codes[at], categories=range(size))
    table["seed"] = codes[4]
    for name in ("family", "method"):
        table[name] = pd.Categorical.from_codes(np.zeros(len(codes[0]), int), categories=["simulated"])
    return pd.DataFrame(table)


def cells(images: np.ndarray) -> np.ndarray:
    """Means of each group, model and seed, [draws, groups, models, seeds], by `groups.seed_group_means`."""
    draws, groups, _, models, seeds = images.shape
    found = seed_group_means(frame(images))
    values = np.full((draws, groups, models, seeds), np.nan)
    at = tuple(found[name].cat.codes.to_numpy() for name in ("metric", "group", "model"))
    values[(*at, found["seed"].to_numpy())] = found["value"]
    return values


def wide(images: np.ndarray) -> np.ndarray:
    """Means over seeds of the means of each group, [draws, groups, models], by `groups.group_means`; NaN as there."""
    draws, groups, _, models, _ = images.shape
    found = group_means(seed_group_means(frame(images)))
    values = np.full((draws, groups, models), np.nan)
    values[tuple(found[name].cat.codes.to_numpy() for name in ("metric", "group", "model"))] = found["value"]
    return values


def complete(tables: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Tables [draws, groups, ...] by how many of their groups have every value: (which draws, [some, kept, ...])."""
    kept = np.isfinite(tables).all(tuple(range(2, tables.ndim)))
    counts = kept.sum(1)
    for count in np.unique(counts):
        which = np.flatnonzero(counts == count)
        yield which, tables[which][kept[which]].reshape(len(which), count, *tables.shape[2:])
