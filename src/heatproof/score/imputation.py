"""Noisy linear imputation of removed pixels (Rong et al. 2022, "A consistent and efficient evaluation
strategy for attribution methods"): each removed pixel is the weighted mean of its neighbours, 1/6 for
those beside it and 1/12 for the diagonal ones, of which those beyond the border are left out.

With W the symmetric matrix of these weights and D its row sums, the removed pixels solve
`A x = (D - W) x = 0` where the kept ones stand. Every removed pixel is joined to a kept one, so A is
positive definite. It is solved by conjugate gradients under a multigrid cycle, `LANES` systems side by
side: they lie innermost in memory (torch's channels_last), so that an operation of any kind is the same
for each lane, whatever its neighbours hold, and a result has the same bytes alone and in a batch.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

LANES = 32  # systems solved together; fixed, as the order of a sum may depend on it
TOLERANCE = 2e-5  # of a channel's standard deviation: the last correction to any pixel
ROUNDS, ATTEMPTS = 40, 6  # 4 to 12 rounds are needed, and 2 attempts, of which the second only checks
WHOLE = 1024  # parts of a standard deviation that are held apart from what is finer
COARSEST = 8  # cells a side of the coarsest grid, which is solved directly
SINK, KEPT = 0.75, 0.9  # how a coarse cell is drawn to the kept pixels in it, and what of it the next level keeps
NEIGHBOURS = ((1 / 12, 1 / 6, 1 / 12), (1 / 6, 0.0, 1 / 6), (1 / 12, 1 / 6, 1 / 12))
BETWEEN = (0.25, 0.75, 0.75, 0.25)  # linear interpolation between the centres of cells of twice the size


def _convolve(x: Tensor, kernel: Tensor, **options) -> Tensor:
    lanes = x.shape[1]
    return F.conv2d(x, kernel.expand(lanes, 1, -1, -1), padding=1, groups=lanes, **options)


def _finer(x: Tensor, kernel: Tensor) -> Tensor:
    lanes = x.shape[1]
    return F.conv_transpose2d(x, kernel.expand(lanes, 1, -1, -1), stride=2, padding=1, groups=lanes)


def _sum4(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 2) * 4


@dataclass(frozen=True)
class _Grid:
    """What a level is for every image of one size: float [1, 1, height, width]."""

    exists: Tensor  # 1 where there is a cell, 0 where the grid is padded so that all levels can be halved
    rows: int  # those that exist
    columns: int

    @cached_property
    def neighbours(self) -> Tensor:
        return self.exists.new_tensor(NEIGHBOURS)[None, None]

    @cached_property
    def between(self) -> Tensor:
        line = self.exists.new_tensor(BETWEEN)
        return (line[:, None] * line)[None, None]

    @cached_property
    def excess(self) -> Tensor:
        """12 times the neighbours less the cell itself: whole numbers, as 1/6 rounded would be a bias that
        a wide hole amplifies ten thousand times."""
        return (12 * self.exists.new_tensor(NEIGHBOURS)).round_()[None, None] - F.pad(
            self.exists.new_full((1, 1, 1, 1), 12), (1, 1, 1, 1)
        )

    @cached_property
    def degree(self) -> Tensor:
        """The diagonal of D: 1, less at the border."""
        return _convolve(self.exists, self.neighbours) * self.exists

    @cached_property
    def coarser(self) -> "_Grid":
        return _Grid(F.max_pool2d(self.exists, 2), -(-self.rows // 2), -(-self.columns // 2))

    @cached_property
    def spread(self) -> Tensor:
        """Makes the weights of the interpolation from the coarser grid sum to 1 at the border too."""
        return self.exists / _finer(self.coarser.exists, self.between).clamp(min=0.1)

    @cached_property
    def border(self) -> list[tuple[tuple, Tensor]]:
        """Slices of the cells whose degree is less than 1, and by how many twelfths."""
        last, right = self.rows - 1, self.columns - 1
        slices = [(slice(row, row + 1), slice(0, right + 1)) for row in sorted({0, last})]
        slices += [(slice(1, last), slice(column, column + 1)) for column in sorted({0, right}) if last > 1]
        return [((..., *part), (12 * (1 - self.degree[..., *part])).round_()) for part in slices]

    def smoothed(self, x: Tensor) -> Tensor:
        """`x - A x`, not yet masked."""
        result = _convolve(x, self.neighbours)
        for part, missing in self.border:
            result[part].addcmul_(x[part], missing, value=1 / 12)
        return result

    def residual(self, x: Tensor) -> Tensor:
        """`-12 A x`, not yet masked."""
        result = _convolve(x, self.excess)
        for part, missing in self.border:
            result[part].addcmul_(x[part], missing)
        return result


def _grids(height: int, width: int, dtype: torch.dtype, device: torch.device) -> list[_Grid]:
    """From the pixels to the coarsest; sides are padded to a multiple of the coarsest cell."""
    cell, levels = 1, 1
    while max(height, width) > COARSEST * cell and 2 * cell <= min(height, width):
        cell, levels = 2 * cell, levels + 1
    exists = torch.ones(1, 1, height, width, dtype=dtype, device=device)
    grids = [_Grid(F.pad(exists, (0, -width % cell, 0, -height % cell)), height, width)]
    while len(grids) < levels:
        grids.append(grids[-1].coarser)
    return grids


@dataclass(frozen=True)
class _Level:
    """A level for the removed pixels of each lane: float [1, LANES, height, width]."""

    grid: _Grid
    free: Tensor  # 1 where the cell holds a removed pixel
    sink: Tensor  # how strongly the cell is held at 0 by the kept pixels in it

    @cached_property
    def diagonal(self) -> Tensor:
        return self.grid.degree + self.sink

    @cached_property
    def step(self) -> Tensor:
        return self.free / self.diagonal.clamp(min=1e-6)

    @cached_property
    def spread(self) -> Tensor:
        return self.free * self.grid.spread

    @cached_property
    def coarser(self) -> "_Level":
        kept = self.grid.exists - self.free
        free = F.max_pool2d(self.free, 2)
        sink = SINK * _sum4(kept) + KEPT * _sum4(self.sink * self.free)
        return _Level(self.grid.coarser, free, sink * free)

    @cached_property
    def inverse(self) -> Tensor:
        """Of the level's matrix [cells, cells, LANES], for the coarsest level."""
        count, lanes = self.grid.exists.numel(), self.free.shape[1]
        units = torch.eye(count, dtype=self.free.dtype, device=self.free.device)
        shape = self.grid.exists.shape[2:]
        weights = _convolve(units.view(1, count, *shape), self.grid.neighbours).view(count, count)
        free, diagonal = (x.permute(1, 0, 2, 3).reshape(lanes, count) for x in (self.free, self.diagonal))
        matrix = torch.diag_embed(torch.where(free > 0, diagonal, 1)) - free[:, :, None] * weights * free[:, None]
        return torch.linalg.inv(matrix.double()).to(self.free.dtype).permute(1, 2, 0).contiguous()

    def residual(self, x: Tensor, right: Tensor) -> Tensor:
        """`right - A x`, not yet masked."""
        return _convolve(x, self.grid.neighbours).add_(right).addcmul_(x, self.diagonal, value=-1)


def _corrected(levels: list[_Level], right: Tensor) -> Tensor:
    """About the solution of `A x = right` on the first level: one multigrid V-cycle, symmetric and
    positive definite, with a step of Jacobi before and after the coarser levels."""
    level, *coarser = levels
    if not coarser:
        flat = (right * level.free).permute(2, 3, 0, 1).reshape(-1, 1, right.shape[1])
        solved = (level.inverse * flat).sum(0)
        return solved.view(*right.shape[2:], 1, -1).permute(2, 3, 0, 1)
    x = right * level.step
    x.addcmul_(level.spread, _from_coarser(levels, level.residual(x, right)))
    return x.addcmul_(level.step, level.residual(x, right))


def _from_coarser(levels: list[_Level], residual: Tensor) -> Tensor:
    level, *coarser = levels
    down = _convolve(residual.mul_(level.spread), level.grid.between, stride=2)
    return _finer(_corrected(coarser, down), level.grid.between)


def _cycle(levels: list[_Level], right: Tensor) -> Tensor:
    """`_corrected` for the pixels: nothing sinks there, and a step of 1 serves (A has no eigenvalue
    above 4/3), which saves a third of the work."""
    pixels = levels[0]
    if len(levels) == 1:
        return _corrected(levels, right)
    grid = pixels.grid
    x = torch.addcmul(right, pixels.spread, _from_coarser(levels, grid.smoothed(right)))
    return torch.addcmul(right, pixels.free, grid.smoothed(x))


def _first_guess(level: _Level, values: Tensor, known: Tensor, depth: int) -> Tensor:
    """Removed cells from the coarser grid, and there from the cells that hold kept pixels."""
    if depth == 0:
        return values / known.clamp(min=1e-6)
    grid = level.grid
    coarse_values, coarse_known = (_convolve(x, grid.between, stride=2) for x in (values, known))
    full = coarse_known.clamp(min=1)
    guess = _first_guess(level.coarser, coarse_values.div_(full), coarse_known.div_(full), depth - 1)
    return torch.addcmul(values, (1 - known).mul_(grid.spread), _finer(guess, grid.between))


def _over_lanes(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).sum((0, 2, 3), keepdim=True)


def _levels(grids: list[_Grid], removed: Tensor) -> list[_Level]:
    free = _field(grids[0], removed)
    levels = [_Level(grids[0], free, torch.zeros_like(free[..., :1, :1]).expand_as(free))]
    while len(levels) < len(grids):
        levels.append(levels[-1].coarser)
    return levels


def _field(grid: _Grid, planes: Tensor) -> Tensor:
    """[LANES, height, width] as [1, LANES, height, width] of the grid, lanes innermost in memory."""
    field = torch.zeros_like(grid.exists.expand(1, LANES, -1, -1), memory_format=torch.channels_last)
    field[0, :, : grid.rows, : grid.columns] = planes
    return field


def _solve(grids: list[_Grid], values: Tensor, removed: Tensor) -> tuple[Tensor, Tensor]:
    """Fill the removed pixels of each lane.

    Args:
        values: float [LANES, height, width], of mean 0 and standard deviation 1; removed ones are not read.
        removed: bool of the same shape.

    Returns:
        float [1, LANES, height, width] of the first grid, and bool [LANES], True where the tolerance was reached.
    """
    grid = grids[0]
    levels = _levels(grids, removed)
    twelfth, kept = levels[0].free / 12, grid.exists - levels[0].free
    known = _field(grid, values).mul_(kept)
    guess = _first_guess(levels[0], known, kept, len(levels) - 1)
    change = guess.sub_(known).mul_(levels[0].free)
    field, direction, residual = known, torch.zeros_like(change), torch.empty_like(change)
    done = torch.zeros(1, LANES, 1, 1, dtype=torch.bool, device=change.device)
    for _ in range(ATTEMPTS):
        # what has few bits has an exact residual; that of the small rest has the rounding of the rest alone
        whole = (change * WHOLE).round_().mul_(~done).div_(WHOLE)
        field.add_(whole)
        change.sub_(whole)
        torch.add(grid.residual(field), grid.residual(change), out=residual).mul_(twelfth)
        open_, before = ~done, change.new_zeros(1, LANES, 1, 1)
        for number in range(ROUNDS):  # conjugate gradients
            correction = _cycle(levels, residual)
            product = _over_lanes(residual, correction)
            ratio = torch.where(open_ & (before > 0), product / before, 0)
            torch.addcmul(correction, direction, ratio, out=direction)
            bent = grid.residual(direction).mul_(twelfth)
            curvature = -_over_lanes(bent, direction)
            length = torch.where(open_ & (curvature > 0), product / curvature, 0)
            change.addcmul_(direction, length)
            residual.addcmul_(bent, length)
            before = product
            small = correction.abs_().amax((0, 2, 3), keepdim=True) <= TOLERANCE
            if number == 0:  # by a residual taken from the field itself
                done |= small
            open_ &= ~small
            if not open_.any():
                break
        if done.all():
            break
    return field.add_(change), done.flatten()


def _scales(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (1 where it is 0) of each channel, [images, channels], plane by plane: the order
    of a sum must not depend on how many there are."""
    planes = pixels.flatten(0, 1)
    mean = torch.stack([plane.mean() for plane in planes])
    deviation = torch.stack([plane.std(correction=0) for plane in planes])
    deviation = torch.where(deviation > 0, deviation, 1)
    return mean.view(pixels.shape[:2]), deviation.view(pixels.shape[:2])


def _fill(pixels: Tensor, removed: Tensor) -> Tensor:
    """`impute` without noise, for float32 or float64."""
    images, channels, height, width = pixels.shape
    result = torch.empty(pixels.shape, dtype=pixels.dtype, device=pixels.device)
    if not images:
        return result
    grids = _grids(height, width, pixels.dtype, pixels.device)
    distinct = pixels[:1] if pixels.stride(0) == 0 else pixels  # one image expanded
    mean, scale = (x.expand(images, channels) for x in _scales(distinct))
    count = removed.flatten(1).sum(1)
    system = count.argsort(stable=True).repeat_interleave(channels)  # alike ones take as many rounds
    channel = torch.arange(channels, device=system.device).repeat(images)
    for first in range(0, len(system), LANES):
        take = torch.arange(first, first + LANES, device=system.device).clamp(max=len(system) - 1)
        image, which = system[take], channel[take]
        center, unit = (x[image, which][:, None, None] for x in (mean, scale))
        plane, gone = pixels[image, which], removed[image]
        nothing_left = (count[image] == height * width)[:, None, None]
        lanes, done = _solve(grids, (plane - center) / unit, gone & ~nothing_left)
        if not done.all():
            raise ArithmeticError("the imputation does not converge: are all pixels finite?")
        filled = torch.addcmul(center, _planes(lanes, height, width), unit)
        filled = torch.where(nothing_left, center, filled)
        used = min(LANES, len(system) - first)
        # torch.where is slow; this is exact at 0 and 1
        result[image[:used], which[:used]] = torch.lerp(plane, filled, gone.to(plane.dtype))[:used]
    return result


def _planes(lanes: Tensor, height: int, width: int) -> Tensor:
    """The inverse of `_field`."""
    flat = lanes[0].permute(1, 2, 0)[:height, :width].reshape(-1, LANES)  # a copy of two dimensions is a fast one
    return torch.empty_like(flat.t(), memory_format=torch.contiguous_format).copy_(flat.t()).view(LANES, height, width)


def impute(pixels: Tensor, removed: Tensor, *, noise: Tensor | None = None) -> Tensor:
    """Fill removed pixels from those around them, by noisy linear imputation (Rong et al. 2022).

    The solution is iterated until the last correction to any pixel is at most `TOLERANCE` of its channel's
    standard deviation; the error then is of that size, and a solution that does not get there is an error.

    Args:
        pixels: float [images, channels, height, width].
        removed: bool [images, height, width]. Where all pixels are removed nothing determines them: each
            is its channel's mean.
        noise: what is added to removed pixels, of a shape that broadcasts to that of `pixels`.

    Returns:
        float of the shape of `pixels`, kept pixels untouched. The bytes of an image do not depend on the
        others in the batch.

    Raises:
        ValueError: the shapes do not fit.
        ArithmeticError: the solution was not reached, as where a pixel is not finite.
    """
    if removed.shape != (len(pixels), *pixels.shape[2:]) or removed.dtype != torch.bool:
        raise ValueError(f"removed ({removed.dtype} {tuple(removed.shape)}) does not fit pixels {tuple(pixels.shape)}")
    precise = pixels if pixels.dtype == torch.float64 else pixels.float()
    first = precise[:1] if precise.stride(0) == 0 else precise
    grey = torch.equal(first, first[:, :1].expand_as(first))  # one solution serves all channels
    filled = _fill(precise[:, :1] if grey else precise, removed).to(pixels.dtype).expand_as(pixels)
    return filled if noise is None else torch.where(removed[:, None], filled + noise, filled)
