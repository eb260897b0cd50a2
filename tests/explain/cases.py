"""Models and batches that the tests of methods share, and what must hold of every method."""

from contextlib import contextmanager

import pytest
import torch
from torch import nn

from heatproof.explain.methods import Batch
from heatproof.train.layers import TargetLayer, find_target_layer
from heatproof.train.model import build


def batch_of(name, count=3, *, size=64, min_grid=4, seed=0):
    """A batch of noise for a tiny network of timm with random weights, its head large enough for logits to differ."""
    torch.manual_seed(seed)
    model = build(name, 3, size).eval().requires_grad_(False)
    head = model.net.get_classifier()
    head.weight.mul_(100)
    layer = find_target_layer(model, size, min_grid)
    pixels = torch.rand(count, 1, size, size)
    return Batch(model, layer, pixels, torch.arange(count) % 3, [("image", i) for i in range(count)])


class Layouts(nn.Module):
    """A small network of one hidden layer whose output has the layout that is asked for; 4 x 4 places, 6 channels."""

    def __init__(self, layout, positive):
        super().__init__()
        torch.manual_seed(1)
        self.layout = layout
        self.conv = nn.Conv2d(1, 6, 2, 2)
        self.features = nn.ReLU() if positive else nn.Tanh()
        self.mix = nn.Conv2d(6, 5, 3, padding=1)
        self.head = nn.Linear(5, 3)
        self.layer = TargetLayer("features", self.features, layout, (4, 4), 1 if layout == "tokens" else 0)
        self.requires_grad_(False).eval()

    def forward(self, pixels):
        x = self.conv(pixels)
        if self.layout == "NHWC":
            x = self.features(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        elif self.layout == "tokens":
            tokens = x.flatten(2).transpose(1, 2)
            tokens = self.features(torch.cat([tokens.mean(1, keepdim=True), tokens], 1))
            x = (tokens[:, 1:] * (1 + tokens[:, :1])).transpose(1, 2).unflatten(2, (4, 4))
        else:
            x = self.features(x)
        return self.head(torch.tanh(self.mix(x)).mean((2, 3)))


def layouts_batch(layout, *, positive=False, count=3, shift=0.0):
    model = Layouts(layout, positive)
    model.head.bias += shift
    pixels = torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    return Batch(model, model.layer, pixels, torch.arange(count) % 3, [("image", i) for i in range(count)])


def maps_of(explained):
    return explained if isinstance(explained, torch.Tensor) else explained.maps


def part(batch, rows):
    return Batch(batch.model, batch.layer, batch.pixels[rows], batch.targets[rows], [batch.keys[r] for r in rows])


def assert_image_by_image(method, batch, tolerance=1e-5, **options):
    """A map is the same alone, among others and in another order, up to rounding."""
    together = maps_of(method(batch, **options))
    scale = together.abs().amax()
    assert scale > 0
    count = len(batch.pixels)
    for rows in [[i] for i in range(count)] + [list(reversed(range(count)))]:
        few = maps_of(method(part(batch, rows), **options))
        torch.testing.assert_close(few, together[rows], rtol=1e-3, atol=tolerance * float(scale))


def assert_repeats(method, batch, **options):
    """The same bytes for the same batch, whatever the global generator holds."""
    first = maps_of(method(part(batch, range(len(batch.pixels))), **options))
    torch.rand(7)
    assert torch.equal(first, maps_of(method(part(batch, range(len(batch.pixels))), **options)))


def assert_sees_the_class(method, batch, **options):
    other = Batch(batch.model, batch.layer, batch.pixels, (batch.targets + 1) % 3, batch.keys)
    ours, theirs = maps_of(method(batch, **options)), maps_of(method(other, **options))
    for one, another in zip(ours, theirs, strict=True):
        assert (one - another).abs().max() > 1e-2 * one.abs().max()


def state(model):
    """All that a method could leave behind: tensors, flags, hooks, attributes."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    modules = [
        (name, type(module), module.training, sorted(vars(module)), [len(getattr(module, hook)) for hook in hooks])
        for name, module in model.named_modules()
    ]
    tensors = {name: (value.clone(), value.requires_grad) for name, value in model.named_parameters()}
    return modules, tensors, {name: value.clone() for name, value in model.named_buffers()}


def assert_same_state(before, after):
    assert before[0] == after[0]
    for (value, asks), (value_after, asks_after) in zip(before[1].values(), after[1].values(), strict=True):
        assert torch.equal(value, value_after) and asks == asks_after
    assert all(torch.equal(before[2][name], after[2][name]) for name in before[2])


@contextmanager
def breaking(batch, after):
    """The network fails behind its layer in the pass that follows `after` good ones."""
    left = [after]

    def fail(module, inputs, output):
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("broken here")

    hook = batch.model.register_forward_hook(fail)
    try:
        yield
    finally:
        hook.remove()


def assert_leaves_the_model(method, batch, passes=(0, 1), **options):
    """The model is as it was after a good run and after an exception in any of the `passes`; parameters that ask for
    gradients still do."""
    batch.model.requires_grad_(True)
    pixels, flag = batch.pixels.clone(), batch.pixels.requires_grad
    before = state(batch.model)
    method(part(batch, range(len(batch.pixels))), **options)
    assert_same_state(before, state(batch.model))
    for after in passes:
        fresh = part(batch, range(len(batch.pixels)))
        with breaking(batch, after), pytest.raises(RuntimeError, match="broken here"):
            method(fresh, **options)
        assert_same_state(before, state(batch.model))
    assert torch.equal(batch.pixels, pixels) and batch.pixels.requires_grad == flag
