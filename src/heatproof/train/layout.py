"""Where a layer's output keeps channels, rows and columns: told by its shape, and by where it answers a change."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Layout = Literal["NCHW", "NHWC", "tokens"]
PROBES = 3
MOST_PREFIX_TOKENS = 16
# Over all families of timm, positions in the image's order agree at .6 to 1 where they differ by half their mean or
# more, and those in another order (Hiera's inner blocks) at .1 or less; by chance 16 positions agree at 0 ± .25.
AGREES, DISAGREES, DIFFER, ENOUGH = 0.6, 0.3, 0.5, 16


@dataclass(frozen=True)
class Reading:
    """One way to read an output as a grid.

    Attributes:
        layout: what kind of output it is.
        grid: rows and columns.
        prefix_tokens: tokens before the first position (class and register tokens).
        axes: the order of batch (B), positions (N) and channels (C) where `layout` is tokens.
    """

    layout: Layout
    grid: tuple[int, int]
    prefix_tokens: int = 0
    axes: str = "BNC"

    def to_grid(self, output: Tensor) -> Tensor:
        """The output, or its gradient, as [batch, channels, rows, columns]; what is no position is left out."""
        if self.layout == "NCHW":
            return output
        if self.layout == "NHWC":
            return output.permute(0, 3, 1, 2)
        tokens = output.permute([self.axes.index(axis) for axis in "BCN"])
        positions = tokens[:, :, self.prefix_tokens : self.prefix_tokens + math.prod(self.grid)]
        return positions.unflatten(2, self.grid)


def probes(height: int, width: int | None = None) -> Tensor:
    """Return noise, the same with its left half drawn anew, and with its top half drawn anew: [3, 1, height, width]."""
    width = width or height
    noise, other = torch.rand(2, 1, height, width, generator=torch.Generator().manual_seed(0))
    left, top = noise.clone(), noise.clone()
    left[..., : width // 2] = other[..., : width // 2]
    top[..., : height // 2, :] = other[..., : height // 2, :]
    return torch.stack([noise, left, top])


def agreement(grid: Tensor) -> tuple[float, float]:
    """How well a grid's positions answer where the probes differ, and by how much they differ in their answers.

    The answer of a position is its mean absolute change over channels, relative to the mean over positions. Left
    change minus top change must be positive at the bottom left, negative at the top right and 0 elsewhere.

    Args:
        grid: what `probes` gave, float [3, channels, rows, columns].

    Returns:
        The cosine with that pattern: 1 where positions see what lies under them, around 0 where the axes are no rows
        and columns or the positions are in another order than the image's. And the root mean square of the
        difference: near 0 where all positions see the whole image, so that the cosine says nothing.
    """
    rows, columns = grid.shape[2:]
    change = (grid[1:] - grid[:1]).double().abs().mean(1)
    left, top = change / change.mean((1, 2), keepdim=True).clamp(min=1e-30)
    difference = left - top
    below = torch.linspace(-1, 1, rows, dtype=torch.float64, device=grid.device).sign()[:, None]
    right = torch.linspace(-1, 1, columns, dtype=torch.float64, device=grid.device).sign()
    expected = (below - right) / 2
    cosine = (difference * expected).sum() / (difference.norm() * expected.norm()).clamp(min=1e-30)
    return float(cosine), float(difference.square().mean().sqrt())


def read(
    output: Tensor, prefix_tokens: int, patches: tuple[int, int] | None, sure: bool = False, aspect: float = 1.0
) -> Reading | None:
    """Find how the output of `probes` is to be read, or None where it is no grid or its positions are not in order.

    The plainest reading that the shape allows is taken unless another one is told by its positions' answers: that
    of a network with few positions, or whose positions all see the whole image, cannot be told.

    Args:
        output: of a layer, for the three probes.
        prefix_tokens: how many the network says that it has.
        patches: the grid of the network's patches, where it has one.
        sure: take none that its positions' answers do not confirm. A square number of hidden states is no grid.
        aspect: height of the images over their width.
    """
    readings = list(dict.fromkeys(_readings(output.shape, prefix_tokens, patches, aspect)))
    answers = {one: agreement(one.to_grid(output)) for one in readings if math.prod(one.grid) >= ENOUGH}
    plain = next((one for one in readings if _is_plain(one, output.shape, prefix_tokens)), None)
    agrees, differs = answers.get(plain, (0.0, 0.0))
    best = max(answers, key=lambda one: answers[one][0], default=None)
    if best is not None and answers[best][0] >= AGREES and answers[best][1] >= DIFFER:
        # tokens moved by one place agree nearly as well as those that were not
        return best if answers[best][0] > agrees + 0.02 else plain
    if sure and plain is not None and (plain in answers or plain.layout == "tokens"):
        by_chance = 4 / math.sqrt(math.prod(plain.grid))
        return plain if agrees >= min(AGREES, max(DISAGREES, by_chance)) else None
    return None if agrees < DISAGREES and differs >= DIFFER else plain


def _is_plain(reading: Reading, shape: torch.Size, prefix_tokens: int) -> bool:
    """Whether no answers are needed to believe it: tokens are [batch, tokens, channels], and before the positions
    stand as many others as the network says, or none, or, where there are positions enough, one."""
    places = math.prod(reading.grid)
    usual = {0, prefix_tokens, 1 if places >= ENOUGH else 0}
    return reading.layout != "tokens" or (
        reading.axes == "BNC" and reading.prefix_tokens == shape[1] - places and reading.prefix_tokens in usual
    )


def _readings(
    shape: torch.Size, prefix_tokens: int, patches: tuple[int, int] | None, aspect: float
) -> Iterator[Reading]:
    """Yield all readings that a shape allows, the plainest first. Grids are of the images' aspect, or the patches'."""

    def is_grid(rows: int, columns: int) -> bool:
        return (rows, columns) == patches or _has_aspect(rows, columns, aspect)

    if len(shape) == 4 and shape[0] == PROBES:
        if is_grid(shape[2], shape[3]):
            yield Reading("NCHW", (shape[2], shape[3]))
        if is_grid(shape[1], shape[2]):
            yield Reading("NHWC", (shape[1], shape[2]))
    elif len(shape) == 3:
        for axes in ("BNC", "BCN", "NBC"):
            if shape[axes.index("B")] == PROBES:
                for prefix, grid in _token_grids(shape[axes.index("N")], prefix_tokens, patches, aspect):
                    yield Reading("tokens", grid, prefix, axes)


def _has_aspect(rows: int, columns: int, aspect: float) -> bool:
    """Whether a grid is of the images' aspect, to one row or column, by which strides may round."""
    return rows == columns if aspect == 1 else min(abs(rows - columns * aspect), abs(columns - rows / aspect)) <= 1


def _token_grids(
    count: int, prefix_tokens: int, patches: tuple[int, int] | None, aspect: float
) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield prefix tokens and grid of so many tokens. Tokens without a position may stand before or after them."""
    for extra in dict.fromkeys([prefix_tokens, *range(MOST_PREFIX_TOKENS + 1)]):
        places = count - extra
        rows = round(math.sqrt(max(places, 0) * aspect))
        if patches is not None and math.prod(patches) == places:
            grid = tuple(patches)
        elif rows > 0 and places % rows == 0 and _has_aspect(rows, places // rows, aspect):
            grid = (rows, places // rows)
        else:
            continue
        yield extra, grid
        if extra != prefix_tokens:
            yield 0, grid
