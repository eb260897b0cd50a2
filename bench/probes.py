"""How often the audit's tests raise an alarm: over images without any cue, and over images with one.

`python -m bench.probes` simulates, writes tables of `docs/simulations.md`, prints that of power; 500 makes it shorter.
"""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from bench.processes import on_every_core
from heatproof.core.draws import generator
from heatproof.core.messages import steps
from heatproof.data.audit import trivial
from heatproof.data.audit.assemble import uneven_p
from heatproof.data.audit.probes import LINEAR, View, deal_both, folds_or_why, memory_p, neighbour_labels, probe_linear
from heatproof.data.synthetic.seams import forward_p

DOCS = Path(__file__).parents[1] / "docs" / "simulations.md"
DRAWS, POWER_DRAWS = 2000, 300
FOLDS, BOOTSTRAP = 5, 200


@dataclass(frozen=True)
class Images:
    """What a simulated set of images is like.

    groups: of 1 to `largest` images each; shares: of the classes among groups; mixed: share of groups whose images
    are of any class; cue: grey levels by which the left edge is brighter for the last class; shared: share of the
    variance that the images of a group have in common. Images have a standard deviation of 40 grey levels.
    """

    groups: int
    largest: int = 1
    shares: tuple[float, ...] = (0.5, 0.5)
    mixed: float = 0.0
    cue: float = 0.0
    shared: float = 0.5


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
        return np.sqrt(images.shared) * shared + np.sqrt(1 - images.shared) * own

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
    return {probe: [row["p"] <= trivial.LEVEL, row["low"] > row["chance"]] for probe, row in rows.items()}


def memory(images: Images, number: int) -> float:
    """p value of the nearest neighbour's gain from a random split, where images of a group have nothing in common."""
    rng = generator("memory bench", repr(images), number)
    view, labels, groups = draw(images, rng)
    dealt = deal_both(labels, groups, [*map(str, images.shares)], FOLDS, "memory bench", number)
    random, grouped = neighbour_labels(view.thumbnails, labels, [dealt["random"], dealt["grouped"]])
    return memory_p(labels, random, grouped, groups, rng)


def uneven(images: Images, number: int) -> float:
    """p value of shares of images that are not square, a third of all, where no class has more of them."""
    rng = generator("uneven bench", repr(images), number)
    _, labels, groups = draw(images, rng)
    odd = rng.random(images.groups)[groups] < 1 / 3
    return uneven_p(odd, labels, np.eye(len(images.shares), dtype=bool)[labels], groups, rng)


def seams(images: Images, number: int) -> float:
    """p value of random forests on 30 features that have nothing to do with what was planted.

    Small forests, since what predicts does not matter here.
    """
    rng = generator("seam bench", repr(images), number)
    _, labels, groups = draw(images, rng)
    folds = folds_or_why(labels, groups, ("normal", "planted"), FOLDS, "seam bench", number)
    features = rng.normal(size=(images.groups, 30))[groups] + rng.normal(size=(len(groups), 30))
    return forward_p(features, labels, groups, folds, ("seam bench", number), trees=20)


OTHERS = [
    ("nearest neighbour, random against grouped split", memory, Images(20, 6, shared=0.0)),
    ("images that are not square, by class", uneven, Images(20, 6)),
    *(("seams of planted lesions, random forest", seams, Images(groups, 2)) for groups in (20, 50)),
]


def false_alarms(draws: int) -> str:
    """Return the table of alarms without a cue, in brackets what the interval alone would raise."""
    rows = []
    for name, every in NOISE.items():
        for images in every:
            rates = _rates(partial(one, images, tuple(LINEAR)), draws, name)
            rows.append([name, images.groups, draws, *(f"{alarm:.3f} ({interval:.3f})" for alarm, interval in rates)])
    return _table(["images", "groups", "simulations", *LINEAR], rows)


def other_alarms(draws: int) -> str:
    """Return the table of alarms of the tests that are no linear probes, where there is nothing to find."""
    rows = []
    for name, test, images in OTHERS:
        found = np.array(_every(partial(test, images), draws, name))
        rows.append([name, images.groups, draws, f"{(found <= trivial.LEVEL).mean():.3f}"])
    return _table(["test", "groups", "simulations", "alarms"], rows)


def power(draws: int) -> str:
    """Return the table of alarms of the border probe by groups and by how much brighter an edge is."""
    found = {images: _rates(partial(one, images, ("border",)), draws, "power")[0][0] for images in CUES}
    cues = sorted({images.cue for images in CUES})
    groups = sorted({images.groups for images in CUES})
    rows = [[each, *(f"{found[Images(each, 3, cue=cue)]:.2f}" for cue in cues)] for each in groups]
    return _table(["groups", *(f"{cue:g} grey levels" for cue in cues)], rows)


def _rates(simulate: Callable[[int], dict[str, list[bool]]], draws: int, label: str) -> list[list[float]]:
    """Shares of simulated sets, by probe, as `one` has them."""
    found = _every(simulate, draws, label)
    return [np.mean([each[probe] for each in found], 0).tolist() for probe in found[0]]


def _every(simulate: Callable[[int], object], draws: int, label: str) -> list:
    """Return what each number simulates, in order."""
    return list(steps(on_every_core(simulate, range(draws), chunksize=20), draws, label))


def _table(head: Sequence, rows: Sequence[Sequence]) -> str:
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in [head, ["---"] * len(head), *rows])


def main(draws: int = DRAWS) -> None:
    """Simulate, write each table into the docs as soon as it is there, and print that of power."""
    for name, table in (("false_alarms", false_alarms), ("other_alarms", other_alarms)):
        block = f"<!-- {name} -->\n{table(draws)}\n<!-- end -->"
        text = re.sub(rf"<!-- {name} -->.*?<!-- end -->", lambda _, block=block: block, DOCS.read_text(), flags=re.S)
        DOCS.write_text(text)
    print(power(min(draws, POWER_DRAWS)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
