"""How good is a map's order between the worst and the best order that this model has for this image?

The area over a perturbation curve depends on how fast a model gives up, so raw areas do not compare models. Edin et
al. 2024 (Normalized AOPC, arXiv 2408.08137) divide by what the model itself allows. Here an image is cut into cells,
cells are removed one by one, and a beam search looks for the orders of largest and of smallest area.

The search is not exhaustive: a map's order may beat the best one found, or fall below the worst. Its value is then
above 1 or below 0, and is stored as it is.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from heatproof.catalogue.reasons import EQUAL_ORDERS, OUTPUT
from heatproof.catalogue.registry import metrics_in
from heatproof.score.order import ranks, scorable
from heatproof.score.queries import Case, Forward, Probability, grouped, of_class, on, outputs, remover

METRICS, metric = metrics_in(__name__)
RESOLUTION = 1e-6  # of a probability in float32: a best and a worst order that differ by less are equal
TOGETHER = 8  # images searched at a time: their questions fill the batches

Cells = int  # a set of removed cells, one bit each


@dataclass(frozen=True)
class Orders:
    """Areas over the perturbation curve of one image's cells, float64 on the CPU.

    An area is the mean drop of the target's probability over 0 to all cells removed (`faithfulness.aopc_morf` with a
    step a cell).

    Attributes:
        own: [maps], by each map's order; NaN for degenerate maps.
        best: [], the largest area that the search found.
        worst: [], the smallest.
    """

    own: Tensor
    best: Tensor
    worst: Tensor

    @property
    def undefined(self) -> str:
        """Why a sound map has no value."""
        return (EQUAL_ORDERS if self.best - self.worst < RESOLUTION else OUTPUT).code


@metric("naopc")
def naopc(orders: Orders) -> Tensor:
    """`(AOPC - worst) / (best - worst)` (Edin et al. 2024), 1 for the best order found; larger is better.

    Not clipped (see above). NaN where best and worst differ by less than `RESOLUTION`.
    """
    span = orders.best - orders.worst
    return (orders.own - orders.worst) / span.masked_fill(span < RESOLUTION, torch.nan)


def cell_means(maps: Tensor, cells: int) -> Tensor:
    """Mean relevance of each cell, float64 [maps, cells, cells], of maps [maps, height, width].

    Cells tile the map without overlap: row y belongs to the cell row `y * cells // height`.
    """
    owner = _owners(maps.shape[1:], cells).to(maps.device).flatten()
    sums = torch.zeros(len(maps), cells * cells, dtype=torch.float64, device=maps.device)
    sums.index_add_(1, owner, maps.flatten(1).double())
    return (sums / owner.bincount(minlength=cells * cells)).view(-1, cells, cells)


def _owners(size: torch.Size, cells: int) -> Tensor:
    """The cell of each pixel, int64 [height, width]."""
    height, width = size
    rows, columns = torch.arange(height) * cells // height, torch.arange(width) * cells // width
    return rows[:, None] * cells + columns


@dataclass
class _Search:
    """One image, and what the model has answered for each set of its removed cells."""

    remove: Callable[[Tensor], Tensor]
    owners: Tensor
    target: int
    count: int
    orders: list[list[int] | None]  # of each map: cells, most relevant first; None of a degenerate one
    answers: dict[Cells, float] = field(default_factory=dict)

    def variants(self, requested: list[Cells], batch_size: int) -> Iterator[Tensor]:
        for some in grouped(requested, batch_size):
            kept = torch.from_numpy(_bits(some, self.count) == 0)
            yield self.remove(on(self.owners.device, kept)[:, self.owners])

    def drop(self, removed: Cells) -> float:
        return self.answers[0] - self.answers[removed]

    def area(self, place: int) -> float:
        """Return the area by one map's order."""
        return sum(map(self.drop, _prefixes(self.orders[place]))) / (self.count + 1)


def _bits(sets: list[Cells], count: int) -> np.ndarray:
    """Whether a cell is in a set, uint8 [sets, count]."""
    width = -(-count // 8)
    packed = np.frombuffer(b"".join(removed.to_bytes(width, "little") for removed in sets), np.uint8)
    return np.unpackbits(packed.reshape(-1, width), axis=1, count=count, bitorder="little")


def _prefixes(order: Iterable[int]) -> list[Cells]:
    """The sets that an order removes one after the other, the empty one left out."""
    removed, sets = 0, []
    for cell in order:
        removed |= 1 << cell
        sets.append(removed)
    return sets


def _children(beam: dict[Cells, float], count: int) -> dict[Cells, list[Cells]]:
    """The sets with one cell more, each with the sets that it comes from."""
    children: dict[Cells, list[Cells]] = {}
    for removed in beam:
        for cell in range(count):
            if not removed >> cell & 1:
                children.setdefault(removed | 1 << cell, []).append(removed)
    return children


def _grown(search: _Search, beam: dict[Cells, float], sign: int, width: int) -> dict[Cells, float]:
    """The best sets of one cell more, each with `sign` times the sum of drops on the best way to it."""
    reached = {
        child: max(beam[parent] for parent in parents) + sign * search.drop(child)
        for child, parents in _children(beam, search.count).items()
    }
    return dict(sorted(reached.items(), key=lambda item: (-item[1], item[0]))[:width])


def _ask(
    forward: Forward,
    questions: list[tuple[_Search, Iterable[Cells]]],
    batch_size: int,
    probability: Probability,
) -> None:
    """Ask what has not been asked yet."""
    new = [(search, [*dict.fromkeys(s for s in sets if s not in search.answers)]) for search, sets in questions]
    new = [(search, sets) for search, sets in new if sets]
    answers = outputs(forward, (search.variants(sets, batch_size) for search, sets in new), batch_size)
    for (search, sets), logits in zip(new, answers, strict=True):
        logits = logits.masked_fill(~logits.isfinite(), torch.nan)
        search.answers |= zip(sets, probability(logits, search.target).tolist(), strict=True)


def orders(
    forward: Forward,
    cases: Iterable[Case],
    *,
    cells: int,
    beam: int,
    baseline: str,
    batch_size: int,
    probability: Probability = of_class,
) -> Iterator[Orders]:
    """Areas of each map's order of the cells, and of the best and the worst order that a beam search finds.

    A map orders the cells by their mean relevance, ties in raster order. The search keeps, cell after cell, the
    `beam` sets of removed cells with the largest (smallest) sum of drops so far; a set that several ways lead to is
    asked about once. Maps come after it, one by one, and are asked about the sets that it has not met.

    Args:
        forward, cases, probability: as for `faithfulness.responses`; `TOGETHER` images are held at a time.
        cells: of a side of the image.
        beam: width of the search, 1 for greedy.
        baseline: what removed cells become, see `queries.remover`.
        batch_size: images in a forward pass, filled across images and directions of the search; each map's apart.

    Yields:
        One answer an image, in order. Forward passes, in images: at most `2 + beam (n² + n - 2) + (n - 1) maps`
        for n = cells²; greedy, of 49 cells, at most 2,401 and 48 a map.

    Raises:
        ValueError: an option is out of range, or the image is smaller than the grid.
    """
    if min(cells, beam, batch_size) < 1:
        raise ValueError(f"cells ({cells}), beam ({beam}) and batch_size ({batch_size}) must be at least 1")
    for some in grouped(cases, TOGETHER):
        searches = [_search(*case, cells, baseline) for case in some]
        count = cells * cells
        everything = (1 << count) - 1
        _ask(forward, [(search, [0, everything]) for search in searches], batch_size, probability)
        beams = {(i, sign): {0: 0.0} for i in range(len(searches)) for sign in (1, -1)}
        for _ in range(count):
            grow = [(searches[i], _children(sets, count)) for (i, _), sets in beams.items()]
            together: dict[int, tuple[_Search, dict]] = {}
            for search, children in grow:
                together.setdefault(id(search), (search, {}))[1].update(children)
            _ask(forward, list(together.values()), batch_size, probability)
            beams = {(i, sign): _grown(searches[i], sets, sign, beam) for (i, sign), sets in beams.items()}
        own = _own(forward, searches, batch_size, probability)
        for i, search in enumerate(searches):
            finite = all(map(_finite, search.answers.values()))
            best, worst = (
                sign * max(beams[i, sign].values()) / (count + 1) if finite else torch.nan for sign in (1, -1)
            )
            yield Orders(own[i], *(torch.tensor(area, dtype=torch.float64) for area in (best, worst)))


def _own(forward: Forward, searches: list[_Search], batch_size: int, probability: Probability) -> Tensor:
    """Areas by each map's order, float64 [images, maps]; what one map was asked about no other one knows of."""
    areas = torch.full((len(searches), len(searches[0].orders)), torch.nan, dtype=torch.float64)
    for place in range(areas.shape[1]):
        alone = {i: replace(s, answers=dict(s.answers)) for i, s in enumerate(searches) if s.orders[place] is not None}
        _ask(forward, [(s, _prefixes(s.orders[place])) for s in alone.values()], batch_size, probability)
        for i, search in alone.items():
            areas[i, place] = search.area(place)
    return areas


def _finite(answer: float) -> bool:
    return answer == answer


def _search(pixels: Tensor, maps: Tensor, target: int, cells: int, baseline: str) -> _Search:
    if min(pixels.shape[1:]) < cells:
        raise ValueError(f"an image of {pixels.shape[1]} x {pixels.shape[2]} pixels has no {cells} x {cells} cells")
    orders = ranks(cell_means(maps.cpu(), cells)).flatten(1).argsort(dim=1).tolist()
    return _Search(
        remove=remover(pixels, baseline),
        owners=on(pixels.device, _owners(pixels.shape[1:], cells)),
        target=target,
        count=cells * cells,
        orders=[order if sound else None for order, sound in zip(orders, scorable(maps).tolist(), strict=True)],
    )
