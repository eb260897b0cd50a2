"""How often the audit's linear probes raise an alarm: over images without any cue, and over images with one.

`python -m bench.probes` simulates, writes the table of `docs/data.md` and prints that of power; with 500 it is shorter.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from heatproof.data.audit import null
from heatproof.data.audit.probes import LINEAR, View, folds_or_why, probe_linear
from heatproof.progress import steps
from heatproof.seeds import generator

DOCS = Path(__file__).parents[1] / "docs" / "data.md"
DRAWS, POWER_DRAWS = 2000, 500
FOLDS, BOOTSTRAP = 5, 200


@dataclass(frozen=True)
class Images:
    """What a simulated set of images is like.

    groups: of 1 to `largest` images each; shares: of the classes among groups; mixed: share of groups whose images
    are of any class; cue: grey levels by which the left edge is brighter for the last class. Images have a standard
    deviation of 40 grey levels, half of its variance shared by the images of a group.
    """

    groups: int
    largest: int = 1
    shares: tuple[float, ...] = (0.5, 0.5)
    mixed: float = 0.0
    cue: float = 0.0


NOISE = {
    "one image a group": [Images(groups) for groups in (20, 50)],
    "1 to 6 images a group, classes 70 : 30": [Images(20, 6, (0.7, 0.3))],
    "1 to 6 images a group, three classes": [Images(34, 6, (0.4, 0.3, 0.3))],
    "1 to 6 images a group, half of the groups of both classes": [Images(20, 6, mixed=0.5)],
}
CUES = [Images(groups, 3, cue=cue) for groups in (20, 34, 50, 100) for cue in (20.0, 40.0, 80.0)]


def draw(images: Images, rng: np.random.Generator) -> tuple[View, np.ndarray, np.ndarray]:
    """Draw images, their labels and their groups; without a cue, labels have nothing to do with the images."""
    groups = np.repeat(np.arange(images.groups), rng.integers(1, images.largest + 1, images.groups))
    counts = np.rint(np.cumsum(images.shares) * images.groups).astype(int)
    labels = rng.permutation(np.searchsorted(counts, np.arange(images.groups), side="right"))[groups]
    mixed = (rng.random(images.groups) < images.mixed)[groups]
    labels = np.where(mixed, rng.integers(0, len(images.shares), len(groups)), labels)
    count = len(groups)

    def mixed_of(*shape):
        shared, own = rng.normal(size=(images.groups, *shape))[groups], rng.normal(size=(count, *shape))
        return (shared + own) / np.sqrt(2)

    fields = ndimage.gaussian_filter(mixed_of(32, 32), (0, 3, 3), mode="wrap")
    thumbnails = 128 + 40 * fields / fields.std()
    thumbnails[:, :, 0] += images.cue * (labels == labels.max())[:, None]
    sizes = np.rint(500 + 50 * mixed_of(2)).astype(int)
    facts = pd.DataFrame({"width": sizes[:, 0], "height": sizes[:, 1], "mode": "L", "format": "JPEG"})
    facts = facts.assign(quality=90.0, bytes=np.rint(30000 * np.exp(0.2 * mixed_of())))
    margins = np.maximum(0, np.rint(3 * mixed_of(4))).astype(int)
    return View(np.clip(thumbnails, 0, 255).astype(np.uint8), margins, facts), labels, groups


def one(images: Images, probes: Sequence[str], number: int) -> dict[str, list[bool]]:
    """Of one simulated set, whether each probe raises an alarm, and whether its interval lies above chance."""
    rng = generator("probe bench", repr(images), number)
    view, labels, groups = draw(images, rng)
    folds = folds_or_why(labels, groups, [*map(str, images.shares)], FOLDS, "probe bench", number)
    rows = {probe: probe_linear(LINEAR[probe](view), labels, groups, folds, True, BOOTSTRAP, rng) for probe in probes}
    return {probe: [row["p"] <= null.LEVEL, row["low"] > row["chance"]] for probe, row in rows.items()}


def rates(found: Sequence[dict[str, list[bool]]]) -> dict[str, list[float]]:
    """Shares of simulated sets, as `one` has them."""
    return {probe: np.mean([each[probe] for each in found], 0).tolist() for probe in found[0]}


def false_alarms(draws: int) -> str:
    """Return the table of alarms without a cue, in brackets what the interval alone would raise."""
    rows = [
        [name, images.groups, draws, *(f"{alarm:.3f} ({interval:.3f})" for alarm, interval in _rates(images, draws))]
        for name, every in NOISE.items()
        for images in every
    ]
    return _table(["images", "groups", "simulations", *LINEAR], rows)


def power(draws: int) -> str:
    """Return the table of alarms of the border probe by groups and by how much brighter an edge is."""
    rates_ = {images: _rates(images, draws, ("border",))[0][0] for images in CUES}
    cues = sorted({images.cue for images in CUES})
    groups = sorted({images.groups for images in CUES})
    rows = [[each, *(f"{rates_[Images(each, 3, cue=cue)]:.2f}" for cue in cues)] for each in groups]
    return _table(["groups", *(f"{cue:g} grey levels" for cue in cues)], rows)


def _rates(images: Images, draws: int, probes: Sequence[str] = tuple(LINEAR)) -> list[list[float]]:
    found = [one(images, probes, number) for number in steps(range(draws), draws, repr(images))]
    return list(rates(found).values())


def _table(head: Sequence, rows: Sequence[Sequence]) -> str:
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in [head, ["---"] * len(head), *rows])


def main(draws: int = DRAWS) -> None:
    block = f"<!-- false_alarms -->\n{false_alarms(draws)}\n<!-- end -->"
    text = re.sub(r"<!-- false_alarms -->.*?<!-- end -->", lambda _: block, DOCS.read_text(), flags=re.S)
    DOCS.write_text(text)
    print(power(min(draws, POWER_DRAWS)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
