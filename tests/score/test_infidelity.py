"""Infidelity against a plain twin, captum on the same squares, and values by hand."""

import numpy as np
import pytest
import torch
from captum.metrics import infidelity as peer
from score.asked import Counting, batch, by_squares

from heatproof.score.metrics.infidelity import Perturbed, infidelity, perturbed, squares

SIDE = 8


def plain(forward, image, heat, target, removed):
    """The same for one image and map, one square and one forward pass at a time."""

    def output(pixels):
        logits = forward(torch.from_numpy(pixels).float()[None])[0].double().numpy()
        return np.exp(logits[target]) / np.exp(logits).sum()

    image, relevance, drops = image.numpy(), [], []
    for square in removed:
        changed = image.copy()
        for y in range(SIDE):
            for x in range(SIDE):
                if square[y, x]:
                    changed[:, y, x] = image.mean((1, 2))
        drops.append(output(image) - output(changed))
        relevance.append(sum(heat[y, x].item() for y in range(SIDE) for x in range(SIDE) if square[y, x]))
    product = sum(r * d for r, d in zip(relevance, drops, strict=True))
    scale = max(0, product / sum(r * r for r in relevance))
    return np.mean([(scale * r - d) ** 2 for r, d in zip(relevance, drops, strict=True)])


@pytest.mark.parametrize("channels", [1, 3])
def test_twin_agrees(channels):
    forward = Counting(channels, side=SIDE)
    pixels, maps, targets = batch(channels=channels, side=SIDE)
    found = by_squares(forward, pixels, maps, targets)["infidelity"]
    for n in range(3):
        removed = squares(("tiny", n), (SIDE, SIDE), 16)
        for m in range(2):
            expected = plain(forward, pixels[n], maps[m, n], targets[n], removed)
            assert found[m, n].item() == pytest.approx(expected, rel=1e-4)


def _captum(forward, image, heat, target, removed):
    def perturb(inputs):
        mean = inputs.mean((2, 3), keepdim=True)
        marks = removed[:, None].expand_as(inputs)
        return marks.to(inputs.dtype), torch.where(marks, mean, inputs)

    return peer(
        lambda x: forward(x.float()).double().softmax(1),
        perturb,
        image[None].double(),
        heat[None, None].double(),
        target=int(target),
        n_perturb_samples=len(removed),
        normalize=True,
    ).item()


def test_captum_agrees_where_the_scale_is_positive():
    forward = Counting(side=SIDE)
    pixels, maps, targets = batch(images=6, maps=4, side=SIDE)
    found = by_squares(forward, pixels, maps, targets)["infidelity"]
    agreed = 0
    for n in range(6):
        removed = squares(("tiny", n), (SIDE, SIDE), 16)
        (answer,) = perturbed(
            forward,
            [(pixels[n], maps[:, n], targets[n])],
            keys=[("tiny", n)],
            samples=16,
            baseline="mean",
            batch_size=64,
        )
        for m in range(4):
            expected = _captum(forward, pixels[n], maps[m, n], targets[n], removed)
            if answer.relevance[m] @ answer.drop > 0:
                assert found[m, n].item() == pytest.approx(expected, abs=1e-8, rel=1e-5)
                agreed += 1
            else:  # captum turns such a map around
                assert found[m, n].item() >= expected
    assert 3 <= agreed < 24


def test_captum_takes_a_map_and_its_opposite_for_equally_good():
    """The peer's scale may be negative; ours is not, and the opposite map foretells nothing."""
    forward = Counting(side=SIDE)
    pixels, _, targets = batch(images=1, side=SIDE)
    heat = (forward.weights[:, targets[0]].view(SIDE, SIDE) * pixels[0, 0])[None]  # about what the target gains
    removed = squares(("tiny", 0), (SIDE, SIDE), 16)
    right, opposite = (
        by_squares(forward, pixels, sign * heat[:, None], targets)["infidelity"].item() for sign in (1, -1)
    )
    of_peer = [_captum(forward, pixels[0], sign * heat[0], targets[0], removed) for sign in (1, -1)]
    assert of_peer[0] == pytest.approx(of_peer[1])
    assert right == pytest.approx(of_peer[0], rel=1e-4)
    assert right < opposite


def test_values_by_hand():
    drop = torch.tensor([0.0, 2, 4], dtype=torch.float64)
    relevance = torch.tensor([[0.0, 1, 2], [0, -1, -2], [1, 1, 1], [0, 0, 0], [2, 1, 0]], dtype=torch.float64)
    # fits with scale 2; the opposite with none; a constant with the mean 2; no relevance in any square; scale 2/5
    expected = [0, 20 / 3, 8 / 3, 20 / 3, ((4 / 5) ** 2 + (8 / 5) ** 2 + 16) / 3]
    assert infidelity(Perturbed(drop, relevance)).tolist() == pytest.approx(expected)


def test_squares_are_random_inside_and_fixed_by_their_key():
    found = squares(("study", "image"), (16, 20), 200)
    assert found.shape == (200, 16, 20) and (found.flatten(1).sum(1) == 4 * 4).all()
    rows, columns = found.any(2), found.any(1)
    assert (rows.sum(1) == 4).all() and (columns.sum(1) == 4).all()
    tops, lefts = rows.int().argmax(1), columns.int().argmax(1)
    assert set(tops.tolist()) == set(range(13)) and set(lefts.tolist()) == set(range(17))
    assert torch.equal(found, squares(("study", "image"), (16, 20), 200))
    assert not torch.equal(found, squares(("study", "other"), (16, 20), 200))


def test_passes_do_not_grow_with_the_maps():
    forward = Counting(side=SIDE)
    pixels, maps, targets = batch(images=3, maps=5, side=SIDE)
    by_squares(forward, pixels, maps, targets, samples=16, batch_size=10)
    assert forward.batches == [10, 10, 10, 10, 10, 1]  # 3 images, 16 squares and the whole


def test_a_map_has_the_same_bits_whatever_the_other_maps():
    pixels, _, targets = batch(images=3, side=32)
    maps = torch.randn(7, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    forward = Counting(side=32)
    together = by_squares(forward, pixels, maps, targets, samples=33)["infidelity"]
    for place in range(7):
        assert torch.equal(
            by_squares(forward, pixels, maps[place : place + 1], targets, samples=33)["infidelity"][0], together[place]
        )


def test_degenerate_maps_and_infinite_outputs_have_no_number():
    pixels, maps, targets = batch(images=2, side=SIDE)
    maps[0, 0], maps[1, 1, 0, 0] = 3, torch.inf
    assert by_squares(Counting(side=SIDE), pixels, maps, targets)["infidelity"].isnan().tolist() == [
        [True, False],
        [False, True],
    ]
    lost = by_squares(lambda x: torch.full((len(x), 3), torch.inf), pixels, maps, targets)
    assert lost["infidelity"].isnan().all()


def test_options_out_of_range_are_refused():
    pixels, maps, targets = batch(images=1)
    for wrong in ({"samples": 0}, {"batch_size": 0}, {"baseline": "grey"}):
        with pytest.raises(ValueError, match=r"at least 1|zero, mean, blur"):
            by_squares(Counting(), pixels, maps, targets, **wrong)
