import pytest
import torch

from heatproof.core.geometry import draw_move, moved
from heatproof.explain.changes import NOISE, WINDOW, other_targets, perturbed, transformed

KEYS = [("study", f"image{i}") for i in range(6)]
PIXELS = torch.rand(6, 1, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["flip", "shift", "rotate", "scale", "noise", "window"])
def test_an_image_meets_the_same_change_in_any_batch_and_stays_in_range(name):
    changed = transformed(name, PIXELS, KEYS)
    assert changed.shape == PIXELS.shape and changed.dtype == PIXELS.dtype
    assert changed.min() >= 0 and changed.max() <= 1 and not torch.equal(changed, PIXELS)
    assert torch.equal(transformed(name, PIXELS[3:], KEYS[3:]), changed[3:])
    assert torch.equal(transformed(name, PIXELS.expand(-1, 3, -1, -1), KEYS)[:, :1], changed) or name == "noise"


@pytest.mark.parametrize("name", ["flip", "shift", "rotate", "scale"])
def test_images_are_moved_as_their_maps_will_be(name):
    moves = [draw_move(name, (32, 32), key) for key in KEYS]
    assert torch.equal(transformed(name, PIXELS, KEYS), moved(PIXELS, moves))


def test_noise_has_its_standard_deviation():
    grey = torch.full((6, 1, 64, 64), 0.5)
    noise = transformed("noise", grey, KEYS) - grey
    assert noise.std().item() == pytest.approx(NOISE, rel=0.05) and abs(noise.mean()) < NOISE / 20
    assert not torch.equal(noise[0], noise[1])


def test_a_window_is_one_of_two():
    ramp = torch.linspace(0, 1, 11).expand(6, 1, 1, 11)
    low, high = (ramp[0] / WINDOW).clamp(max=1), ((ramp[0] - 1 + WINDOW) / WINDOW).clamp(min=0)
    found = transformed("window", ramp, KEYS)
    kinds = {tuple(torch.isclose(one, kind, atol=1e-6).all().item() for kind in (low, high)) for one in found}
    assert kinds == {(True, False), (False, True)}


def test_neighbours_lie_within_the_radius_and_differ_by_draw():
    near = [perturbed(PIXELS, KEYS, draw, 0.05) for draw in range(2)]
    for one in near:
        assert (one - PIXELS).abs().max() <= 0.05 + 1e-6 and one.min() >= 0 and one.max() <= 1
        assert (one - PIXELS).abs().max() > 0.04
    assert not torch.equal(*near)
    assert torch.equal(perturbed(PIXELS[2:], KEYS[2:], 1, 0.05), near[1][2:])


def test_other_targets_are_other_and_all_of_them_come():
    keys = [("s", str(i)) for i in range(300)]
    targets = torch.arange(300) % 4
    others = other_targets(targets, 4, keys)
    assert (others != targets).all() and others.min() == 0 and others.max() == 3
    counts = torch.bincount((others - targets) % 4, minlength=4)
    assert counts[0] == 0 and counts[1:].min() > 70
    assert other_targets(torch.tensor([0, 1]), 2, keys[:2]).tolist() == [1, 0]
    with pytest.raises(ValueError, match="one class"):
        other_targets(torch.tensor([0]), 1, keys[:1])


def test_a_transformation_that_is_none():
    with pytest.raises(ValueError, match="no transformation 'twirl'"):
        transformed("twirl", PIXELS, KEYS)
