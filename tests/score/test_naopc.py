"""NAOPC: the search against all orders and a plain greedy twin, a model done by hand, counts of forward passes."""

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from score.asked import Counting, batch, by_orders

from heatproof.catalogue.reasons import EQUAL_ORDERS, OUTPUT
from heatproof.score.metrics.naopc import cell_means, naopc, orders


def searched(forward, image, maps, target, *, cells, beam=1, baseline="mean", batch_size=7):
    (found,) = orders(
        forward, [(image, maps, target)], cells=cells, beam=beam, baseline=baseline, batch_size=batch_size
    )
    return found


class Plain:
    """The drop when cells are removed, one forward pass at a time, and what follows from it."""

    def __init__(self, forward, image, target, cells):
        self.forward, self.image, self.target, self.count = forward, image.numpy(), target, cells * cells
        side = self.image.shape[1]
        self.cell = [[y * cells // side * cells + x * cells // side for x in range(side)] for y in range(side)]
        self.whole = self.output(())

    def output(self, removed):
        pixels = self.image.copy()
        for y, row in enumerate(self.cell):
            for x, cell in enumerate(row):
                if cell in removed:
                    pixels[:, y, x] = self.image.mean((1, 2))
        logits = self.forward(torch.from_numpy(pixels)[None])[0].double().numpy()
        return np.exp(logits[self.target]) / np.exp(logits).sum()

    def area(self, order):
        drops = [self.whole - self.output(order[:k]) for k in range(self.count + 1)]
        return sum(drops) / len(drops)

    def greedy(self, sign):
        order = []
        while len(order) < self.count:
            left = [cell for cell in range(self.count) if cell not in order]
            order.append(max(left, key=lambda cell: sign * -self.output([*order, cell])))
        return self.area(order)

    def by_map(self, heat):
        means = [
            np.mean([heat[y, x] for y, row in enumerate(self.cell) for x, c in enumerate(row) if c == cell])
            for cell in range(self.count)
        ]
        return self.area(sorted(range(self.count), key=lambda cell: (-means[cell], cell)))


@pytest.mark.parametrize("side", [6, 7])  # cells of one size, and of several
def test_twin_agrees(side):
    forward = Counting(side=side)
    pixels, maps, targets = batch(images=2, maps=3, side=side)
    for n in range(2):
        found = searched(forward, pixels[n], maps[:, n], targets[n], cells=3)
        twin = Plain(forward, pixels[n], targets[n], 3)
        best, worst = twin.greedy(1), twin.greedy(-1)
        own = [twin.by_map(heat.numpy()) for heat in maps[:, n]]
        assert found.best.item() == pytest.approx(best, abs=1e-6)
        assert found.worst.item() == pytest.approx(worst, abs=1e-6)
        assert found.own.tolist() == pytest.approx(own, abs=1e-6)
        expected = [(area - worst) / (best - worst) for area in own]
        assert naopc(found).tolist() == pytest.approx(expected, abs=1e-4)


def test_a_wide_beam_finds_the_best_and_the_worst_of_all_orders():
    pixels, maps, targets = batch(images=3, side=6)
    for n in range(3):
        twin = Plain(Counting(side=6), pixels[n], targets[n], 2)
        areas = [twin.area(order) for order in permutations(range(4))]
        found = searched(Counting(side=6), pixels[n], maps[:, n], targets[n], cells=2, beam=6)  # all sets of a size
        assert found.best.item() == pytest.approx(max(areas), abs=1e-6)
        assert found.worst.item() == pytest.approx(min(areas), abs=1e-6)
        narrow = searched(Counting(side=6), pixels[n], maps[:, n], targets[n], cells=2, beam=1)
        assert narrow.best <= found.best + 1e-6 and narrow.worst >= found.worst - 1e-6


def test_linear_model_done_by_hand():
    """Logits (w·x, 0), an image of ones, a cell a pixel, a black baseline."""
    weights = torch.tensor([4.0, 2, 1, 0])

    def forward(pixels):
        return torch.stack([pixels.flatten(1) @ weights, torch.zeros(len(pixels))], dim=1)

    def area(*logits):
        outputs = [1 / (1 + math.exp(-logit)) for logit in logits]
        return sum(outputs[0] - output for output in outputs) / len(outputs)

    maps = torch.tensor([[[8.0, 4], [2, 0]], [[0.0, 2], [4, 8]], [[0.0, 8], [2, 4]]])
    found = searched(forward, torch.ones(1, 2, 2), maps, 0, cells=2, baseline="zero")
    best, worst = area(7, 3, 1, 0, 0), area(7, 7, 6, 4, 0)
    between = area(7, 5, 5, 4, 0)  # 2, 0, 1, 4 are removed in this order
    assert [found.best.item(), found.worst.item()] == pytest.approx([best, worst], abs=1e-6)
    assert naopc(found).tolist() == pytest.approx([1, 0, (between - worst) / (best - worst)], abs=1e-5)


def test_a_map_may_beat_the_search_and_is_not_clipped():
    """Either cell of the left is enough for the target, so that removing one of them gains nothing, and the greedy
    search begins with one that gains a little."""

    def forward(pixels):
        top, right, bottom, _ = pixels.flatten(1).T
        both = torch.maximum(top, bottom)
        return torch.stack([4 * both + 0.1 * right, torch.zeros(len(pixels))], dim=1)

    maps = torch.tensor([[[9.0, 2], [8, 1]]])
    found = searched(forward, torch.ones(1, 2, 2), maps, 0, cells=2, baseline="zero")
    assert found.own.item() > found.best.item()
    assert naopc(found).item() > 1
    wide = searched(forward, torch.ones(1, 2, 2), maps, 0, cells=2, beam=3, baseline="zero")
    assert naopc(wide).item() == pytest.approx(1)


def test_cells_tile_the_image_whatever_its_size():
    maps = torch.rand(2, 10, 8, generator=torch.Generator().manual_seed(0))
    means = cell_means(maps, 3)
    for row, (top, bottom) in enumerate([(0, 4), (4, 7), (7, 10)]):
        for column, (left, right) in enumerate([(0, 3), (3, 6), (6, 8)]):
            expected = maps[:, top:bottom, left:right].double().mean((1, 2))
            assert means[:, row, column].tolist() == pytest.approx(expected.tolist())


@pytest.mark.parametrize("beam", [1, 3])
def test_no_set_is_asked_about_twice(beam):
    forward = Counting(side=6)
    pixels, maps, targets = batch(images=2, maps=2, side=6)
    by_orders(forward, pixels, maps[:1], targets, cells=3, beam=beam, batch_size=8)
    assert len(set(forward.asked)) == len(forward.asked)
    by_orders(forward := Counting(side=6), pixels, maps, targets, cells=3, beam=beam, batch_size=8)
    n = 9
    assert len(forward.asked) <= 2 * (2 + beam * (n * n + n - 2) + 2 * (n - 1))
    alone = Counting(side=6)
    by_orders(alone, pixels[:1], maps[:, :1] * 0, targets[:1], cells=3, beam=1, batch_size=8)  # no map is sound
    assert len(alone.asked) <= n * n
    assert max(forward.batches) == 8


def test_a_map_has_the_same_bits_whatever_the_other_maps():
    pixels, maps, targets = batch(images=10, maps=3, side=6)
    maps[1, 4] = 0

    def forward(images):
        return Counting(side=6)(images) + len(images) ** 0.5 * images.mean((1, 2, 3))[:, None] * torch.tensor([1, 2, 3])

    together = by_orders(forward, pixels, maps, targets)["naopc"]
    for place in range(3):
        alone = by_orders(forward, pixels, maps[place : place + 1], targets)["naopc"]
        assert torch.equal(together[place].nan_to_num(9), alone[0].nan_to_num(9))


def test_degenerate_maps_and_equal_orders_have_no_number():
    pixels, maps, targets = batch(images=2, maps=2, side=6)
    maps[0, 0] = 0
    values = by_orders(Counting(side=6), pixels, maps, targets)["naopc"]
    assert values.isnan().tolist() == [[True, False], [False, False]]
    blind = searched(lambda x: torch.zeros(len(x), 3), pixels[0], maps[:, 1], 0, cells=3)
    assert naopc(blind).isnan().all() and blind.undefined == EQUAL_ORDERS.code

    def broken(pixels):
        return Counting(side=6)(pixels) / (pixels[:, 0, 0, 0] == pixels[0, 0, 0, 0])[:, None]

    lost = searched(broken, pixels[0], maps[:, 1], 0, cells=3, batch_size=1000)
    assert naopc(lost).isnan().all() and lost.undefined == OUTPUT.code


def test_options_out_of_range_are_refused():
    pixels, maps, targets = batch(images=1)
    for wrong in ({"cells": 0}, {"beam": 0}, {"batch_size": 0}, {"cells": 5}, {"baseline": "grey"}):
        with pytest.raises(ValueError, match=r"at least 1|has no 5 x 5 cells|zero, mean, blur"):
            by_orders(Counting(), pixels, maps, targets, **wrong)
