import captum.attr
import pytest
import torch
import torch.nn.functional as F
from explain.cases import (
    assert_image_by_image,
    assert_leaves_the_model,
    assert_repeats,
    assert_sees_the_class,
    batch_of,
    layouts_batch,
    maps_of,
    part,
)
from torch import nn

from heatproof.core.draws import generator
from heatproof.core.geometry import filled
from heatproof.core.messages import InputError, Unsupported
from heatproof.explain.backward import Rescale
from heatproof.explain.gradients import METHODS, completeness_gap, frozen
from heatproof.explain.methods import Batch
from heatproof.train.layers import TargetLayer

RELU = ("test_resnet",)  # the tiny networks of timm that guided backprop is defined for


def batch_with(forward, *, count=3, side=6, channels=1, **modules):
    """A batch for a network by hand: `forward(modules, pixels)`, whose modules take what they are named."""

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(3)
            self.stem = nn.Conv2d(channels, 4, 3, padding=1)
            self.head = nn.Linear(4, 3)
            for name, module in modules.items():
                setattr(self, name, module)

        def forward(self, pixels):
            return self.head(forward(self, self.stem(pixels)).mean((2, 3)))

    model = Network().eval().requires_grad_(False)
    pixels = torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(4))
    layer = TargetLayer("stem", model.stem, "NCHW", (side, side))
    return Batch(model, layer, pixels, torch.arange(count) % 3, [("image", i) for i in range(count)])


def gradient_at(batch, pixels):
    """The gradient of the target's logit, one image at a time."""
    found = []
    for image, target in zip(pixels, batch.targets, strict=True):
        image = image[None].clone().requires_grad_()
        found.append(torch.autograd.grad(batch.model(image)[0, target], image)[0])
    return torch.cat(found)


@pytest.mark.parametrize("channels", [1, 3])
def test_plain_gradients_equal_autograd(channels):
    batch = batch_with(lambda net, x: x.sigmoid(), channels=channels)
    gradient = gradient_at(batch, batch.pixels)
    torch.testing.assert_close(METHODS["saliency"](batch), gradient.abs().amax(1))
    torch.testing.assert_close(METHODS["input_x_gradient"](batch), (gradient * batch.pixels).sum(1))


def test_smoothgrad_equals_its_definition_and_its_noise_is_the_image_s_own():
    batch = batch_with(lambda net, x: x.sigmoid(), channels=3)
    total = torch.zeros_like(batch.pixels)
    for row, image in enumerate(batch.pixels):
        draw = generator("smoothgrad", "image", row)
        alone = part(batch, [row])
        for _ in range(5):
            noise = torch.from_numpy(draw.standard_normal(image.shape)).float()
            total[row] += gradient_at(alone, (image + 0.2 * (image.max() - image.min()) * noise)[None])[0] / 5
    maps = METHODS["smoothgrad"](batch, samples=5, noise=0.2)
    torch.testing.assert_close(maps, total.abs().amax(1))
    plain = METHODS["smoothgrad"](batch, samples=1, noise=0.0)
    torch.testing.assert_close(plain, METHODS["saliency"](batch))
    keyed = Batch(batch.model, batch.layer, batch.pixels, batch.targets, [("other", i) for i in range(3)])
    assert not torch.allclose(METHODS["smoothgrad"](keyed, samples=5, noise=0.2), maps)


def test_gradient_shap_equals_its_definition_by_the_drawn_points():
    batch = batch_with(lambda net, x: torch.tanh(3 * x))
    maps = METHODS["gradient_shap"](batch, samples=4, noise=0.1)
    draws = [generator("gradient_shap", *key) for key in batch.keys]
    scale = 0.1 * (batch.pixels.amax((1, 2, 3), True) - batch.pixels.amin((1, 2, 3), True))
    total = 0
    for _ in range(4):
        along = torch.tensor([draw.random() for draw in draws], dtype=torch.float32).view(-1, 1, 1, 1)
        noise = torch.stack([torch.from_numpy(draw.standard_normal((1, 6, 6))).float() for draw in draws])
        total = total + gradient_at(batch, along * (batch.pixels + scale * noise))
    torch.testing.assert_close(maps, (total / 4 * batch.pixels).sum(1), rtol=1e-4, atol=1e-6)


def test_gradient_shap_is_exact_for_a_linear_model_and_near_integrated_gradients():
    linear = batch_with(lambda net, x: x)
    exact = METHODS["gradient_shap"](linear, samples=1)
    torch.testing.assert_close(exact, METHODS["input_x_gradient"](linear), rtol=1e-4, atol=1e-6)
    curved = batch_with(lambda net, x: torch.tanh(3 * x))
    sampled = METHODS["gradient_shap"](curved, samples=600, noise=0.0)
    whole = METHODS["integrated_gradients"](curved, steps=32).maps
    assert (sampled - whole).abs().max() < 0.1 * whole.abs().max()


def test_integrated_gradients_equal_a_fine_sum_and_store_their_gap():
    batch = batch_with(lambda net, x: torch.tanh(3 * x))
    explained = METHODS["integrated_gradients"](batch, steps=32)
    points = (torch.arange(400) + 0.5) / 400
    expected = sum(gradient_at(batch, batch.pixels * point) for point in points) / 400 * batch.pixels
    torch.testing.assert_close(explained.maps, expected.sum(1), rtol=1e-3, atol=1e-5)
    assert (explained.gap < 1e-4).all() and explained.reasons is None
    coarse = METHODS["integrated_gradients"](batch, steps=1)
    assert (coarse.gap > explained.gap).all() and coarse.gap.max() > 1e-3


@pytest.mark.parametrize("baseline", ["mean", "blur"])
def test_integrated_gradients_start_from_their_baseline(baseline):
    batch = batch_with(lambda net, x: torch.tanh(3 * x))
    explained = METHODS["integrated_gradients"](batch, steps=32, baseline=baseline)
    start = batch.pixels.mean((2, 3), keepdim=True).expand_as(batch.pixels)
    if baseline == "blur":
        start = torch.stack([filled(one, "blur") for one in batch.pixels])
    points = (torch.arange(400) + 0.5) / 400
    way = batch.pixels - start
    expected = sum(gradient_at(batch, start + way * point) for point in points) / 400 * way
    torch.testing.assert_close(explained.maps, expected.sum(1), rtol=1e-3, atol=1e-5)
    assert (explained.gap < (2e-3 if baseline == "blur" else 1e-4)).all()  # a share of how far the logit moves
    with pytest.raises(InputError, match=r"integrated_gradients.baseline: 'grey' is not zero, mean or blur"):
        METHODS["integrated_gradients"](batch, baseline="grey")


def test_the_gap_by_hand():
    batch = batch_with(lambda net, x: x)
    black = batch.model(torch.zeros(1, 1, 6, 6))[0]
    start = torch.zeros(1, 1, 6, 6)
    differences = torch.stack([batch.logits[i, i] - black[i] for i in range(3)])
    maps = torch.zeros(3, 6, 6)
    maps[:, 2, 3] = differences * torch.tensor([1.0, 0.75, -1.0])
    torch.testing.assert_close(
        completeness_gap(batch, maps, start), torch.tensor([0, 0.25, 2.0], dtype=torch.float64), rtol=1e-4, atol=1e-6
    )
    nothing = Batch(batch.model, batch.layer, torch.zeros(1, 1, 6, 6), torch.tensor([0]))
    assert completeness_gap(nothing, torch.zeros(1, 6, 6), start).tolist() == [0.0]
    assert completeness_gap(nothing, torch.ones(1, 6, 6), start).tolist() == [torch.inf]


# ---- guided backprop


def guided_by_hand(model, pixels, target):
    """stem, ReLU, mean, head: the gradient of the ReLU's output, positive part, where its input is positive."""
    pixels = pixels.clone().requires_grad_()
    hidden = model.stem(pixels)
    logits = model.head(hidden.clamp(min=0).mean((2, 3)))
    weights = model.head.weight[target][None, :, None, None].expand_as(hidden) / hidden[0, 0].numel()
    assert logits.shape[1] == 3
    return torch.autograd.grad(hidden, pixels, (weights * (hidden > 0)).clamp(min=0))[0].sum(1)[0]


@pytest.mark.parametrize(
    "relu",
    [
        lambda net, x: net.act(x),
        lambda net, x: F.relu(x),
        lambda net, x: torch.relu(x),
        lambda net, x: x.relu(),
        lambda net, x: F.relu(x, inplace=True),
        lambda net, x: F.relu(x, True),
        lambda net, x: x.relu_(),
        lambda net, x: net.in_place(x),
        lambda net, x: net.act(net.act(x)),
        lambda net, x: x.clamp(min=0),
        lambda net, x: x.clamp_(0),
        lambda net, x: torch.clamp_min(x, 0.0),
        lambda net, x: F.threshold(x, 0, 0),
        lambda net, x: net.capped(x / 100) * 100,
    ],
)
def test_guided_backprop_by_hand_however_the_relu_is_called(relu):
    batch = batch_with(relu, act=nn.ReLU(), in_place=nn.ReLU(inplace=True), capped=nn.ReLU6())
    expected = torch.stack([guided_by_hand(batch.model, batch.pixels[i : i + 1], i) for i in range(3)])
    torch.testing.assert_close(METHODS["guided_backprop"](batch), expected)
    plain = METHODS["input_x_gradient"](batch)
    assert not torch.allclose(plain, expected * batch.pixels[:, 0], atol=1e-4), "else this shows nothing"


@pytest.mark.parametrize("name", RELU)
def test_guided_backprop_equals_captum_where_all_relus_are_modules(name):
    batch = batch_of(name)
    theirs = captum.attr.GuidedBackprop(batch.model).attribute(batch.pixels.clone().requires_grad_(), batch.targets)
    ours = METHODS["guided_backprop"](batch)
    torch.testing.assert_close(ours, theirs.sum(1), rtol=1e-5, atol=1e-5 * float(ours.abs().max()))
    assert not torch.allclose(ours, gradient_at(batch, batch.pixels).sum(1), atol=1e-2 * float(ours.abs().max()))


def test_captum_misses_functional_relus():
    """Why its hooks are not used: without a module it returns the plain gradient and says nothing."""
    batch = batch_with(lambda net, x: F.relu(x))
    theirs = captum.attr.GuidedBackprop(batch.model).attribute(batch.pixels.clone().requires_grad_(), batch.targets)
    torch.testing.assert_close(theirs, gradient_at(batch, batch.pixels))
    assert not torch.allclose(METHODS["guided_backprop"](batch), theirs.sum(1), atol=1e-4)


@torch.jit.script
def scripted_relu(x):
    return torch.relu(x)


@pytest.mark.parametrize(
    ("forward", "modules", "message"),
    [
        (
            lambda net, x: F.gelu(x),
            {},
            "guided backprop needs ReLUs and Network has none: there it is the plain gradient",
        ),
        (lambda net, x: x.sigmoid(), {}, "has none"),
        (lambda net, x: x, {"unused": nn.ReLU()}, "has none"),
        (lambda net, x: F.relu(x) + F.silu(x), {}, "and Network has silu too: there it is in part the plain gradient"),
        (lambda net, x: net.act(F.relu(x)), {"act": nn.PReLU()}, "has prelu too"),
        (lambda net, x: net.act(F.relu(x)), {"act": nn.Hardswish(inplace=True)}, "has hardswish too"),
        (lambda net, x: scripted_relu(x), {}, "cannot reach 1 ReLUs of Network, which are not called in Python"),
        (lambda net, x: x.clamp(-1, 1), {}, "has none"),
        (lambda net, x: x.clamp(min=0.1), {}, "has none"),
    ],
)
def test_guided_backprop_is_refused_in_one_line(forward, modules, message):
    with pytest.raises(Unsupported, match=message) as error:
        METHODS["guided_backprop"](batch_with(forward, **modules))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["test_vit", "test_efficientnet", "test_convnext", "test_nfnet", "test_mambaout"])
def test_guided_backprop_is_refused_for_networks_of_timm_without_relu(name):
    with pytest.raises(Unsupported, match="guided backprop needs ReLUs"):
        METHODS["guided_backprop"](batch_of(name))


# ---- DeepLIFT


def slow_rescale(batch):
    """DeepLIFT of stem, activation, mean, head, from the definition of the Rescale rule, one image at a time."""
    model, maps = batch.model, []
    for image, target in zip(batch.pixels, batch.targets, strict=True):
        hidden, black = model.stem(image[None]), model.stem(torch.zeros_like(image)[None])
        multipliers = (model.act(hidden) - model.act(black)) / (hidden - black)
        weights = model.head.weight[target][None, :, None, None] / hidden[0, 0].numel()
        leaf = image[None].clone().requires_grad_()
        (multiplier,) = torch.autograd.grad(model.stem(leaf), leaf, multipliers * weights)
        maps.append((multiplier[0] * image).sum(0))
    return torch.stack(maps)


@pytest.mark.parametrize("act", [nn.ReLU(), nn.ReLU(inplace=True), nn.GELU(), nn.Hardswish(inplace=True), nn.ELU()])
def test_deeplift_equals_its_definition(act):
    batch = batch_with(lambda net, x: net.act(x), act=act)
    expected = slow_rescale(part(batch, [0, 1, 2])) if not getattr(act, "inplace", False) else None
    explained = METHODS["deeplift"](batch)
    if expected is not None:
        torch.testing.assert_close(explained.maps, expected, rtol=1e-4, atol=1e-6)
    assert (explained.gap < 1e-5).all() and explained.reasons == ["", "", ""]


def compared_with_captum(forward, act, pool):
    """Our maps and Captum's, and the gaps of both; a ramp makes the black image's hidden values differ by place."""
    modules = {"act": act, "pool": pool, "one": nn.Conv2d(4, 4, 1), "two": nn.Conv2d(4, 4, 1)}
    ramp = nn.Parameter(torch.linspace(-1, 1, 36).view(6, 6).roll(5))
    batch = batch_with(lambda net, x: forward(net, x + net.ramp), ramp=ramp, **modules)
    theirs = captum.attr.DeepLift(batch.model).attribute(batch.pixels.clone().requires_grad_(), 0.0, batch.targets)
    ours = METHODS["deeplift"](batch)
    assert (ours.gap < 1e-3).all()  # float32: it differs from CPU to CPU
    theirs = theirs.detach().sum(1)
    return ours.maps, theirs, completeness_gap(batch, theirs, torch.zeros_like(batch.pixels[:1]))


@pytest.mark.parametrize("act", [nn.ReLU, nn.Sigmoid, nn.ELU, nn.Softplus, nn.Tanh, nn.LeakyReLU])
def test_deeplift_equals_captum_where_captum_is_complete(act):
    ours, theirs, gap = compared_with_captum(
        lambda net, x: net.two(net.pool(net.one(net.act(x)))), act(), nn.MaxPool2d(2)
    )
    assert (gap < 1e-3).all()
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5 * float(ours.abs().max()))


@pytest.mark.parametrize(
    ("forward", "pool"),
    [
        # its unpooling overwrites where windows overlap
        (lambda net, x: net.two(net.pool(net.one(net.act(x)))), nn.MaxPool2d(3, 1, 1)),
        # its hooks on the tensor between two modules run in an order that leaves one of the two rules out
        (lambda net, x: net.pool(net.act(x)), nn.MaxPool2d(2)),
        (lambda net, x: net.act(net.pool(net.one(x))), nn.MaxPool2d(2)),
    ],
)
def test_captum_is_not_complete_at_max_pools_of_resnets(forward, pool):
    _, _, gap = compared_with_captum(forward, nn.ReLU(), pool)
    assert gap.max() > 0.1


def test_max_pool_by_hand():
    """Image (3, 1), black reference (0, 2): the maximum goes from 2 to 3. What the image's adds over the reference's
    maximum, 3 - 2, goes to its place; the reference's place gets the rest of the way from 2 up to that, 0."""
    values = torch.tensor([3.0, 1.0, 0.0, 2.0]).view(2, 1, 1, 2).requires_grad_()
    with Rescale(1):
        (multipliers,) = torch.autograd.grad(F.max_pool2d(values, (1, 2)).sum(), values)
    assert multipliers.view(2, 2)[0].tolist() == [pytest.approx(1 / 3), 0.0]


def test_product_by_hand():
    """From (1, 2) to (3, 5): 15 - 2 = 13 = 2 * mean(2, 5) + 3 * mean(1, 3)."""
    left, right = torch.tensor([3.0, 1.0]).requires_grad_(), torch.tensor([5.0, 2.0]).requires_grad_()
    for call in (lambda: left * right, lambda: torch.mul(left, right), lambda: left.clone().mul_(right)):
        with Rescale(1):
            found = torch.autograd.grad(call().sum(), (left, right))
        assert found[0][0] == 3.5 and found[1][0] == 2.0
    with Rescale(1):
        quotient = torch.autograd.grad((left / right).sum(), (left, right))
    assert float(2 * quotient[0][0] + 3 * quotient[1][0]) == pytest.approx(3 / 5 - 1 / 2)


CALLS = {
    "softmax": lambda net, x: 5 * x.softmax(1),
    "softmax over places": lambda net, x: x.flatten(2).softmax(dim=-1).view_as(x) * x,
    "layer norm": lambda net, x: net.layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
    "group norm": lambda net, x: net.group(x),
    "gate": lambda net, x: x * x.mean((2, 3), keepdim=True).sigmoid(),
    "in-place gate": lambda net, x: x.clone().mul_(x.sigmoid()),
    "quotient": lambda net, x: x / (1 + x.abs()),
    "one over": lambda net, x: 1 / (1 + x**2),
    "unit length": lambda net, x: F.normalize(x, dim=1),
    "attention": lambda net, x: F.scaled_dot_product_attention(x.flatten(2).mT, 2 * x.flatten(2).mT, x.flatten(2).mT)
    .mT.unflatten(2, x.shape[2:]),
    "biased attention": lambda net, x: F.scaled_dot_product_attention(
        x.flatten(2).mT, x.flatten(2).mT, x.flatten(2).mT, attn_mask=net.bias, scale=0.3
    ).mT.unflatten(2, x.shape[2:]),
    "matrix product": lambda net, x: x @ x.mT,
    "used twice": lambda net, x: net.act(1 - net.act(x)),
    "padded max-pool": lambda net, x: F.max_pool2d(F.pad(x, (1, 1, 1, 1), value=-torch.inf), 3, 2),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_deeplift_is_complete_over_every_call_that_has_a_rule(name):
    modules = {"layer": nn.LayerNorm(4), "group": nn.GroupNorm(2, 4), "act": nn.ReLU()}
    modules["bias"] = nn.Parameter(torch.linspace(-1, 1, 36 * 36).view(36, 36))
    batch = batch_with(CALLS[name], **modules)
    with torch.no_grad():
        for module in (batch.model.layer, batch.model.group):
            module.weight.copy_(torch.tensor([1.0, -2.0, 0.5, 3.0]))
            module.bias.copy_(torch.tensor([0.1, 0.2, -1.0, 0.0]))
    batch.model.head.weight *= 10
    explained = METHODS["deeplift"](batch)
    assert (explained.gap < 1e-3).all(), explained.gap
    assert_image_by_image(METHODS["deeplift"], batch, 1e-4)
    with Rescale(3):  # the rules change no value
        doubled = batch.model(torch.cat([batch.pixels, torch.zeros_like(batch.pixels)]).requires_grad_())
    torch.testing.assert_close(doubled[:3].detach(), batch.logits, rtol=1e-5, atol=1e-5)


def test_a_map_that_is_not_complete_gets_a_reason():
    batch = batch_with(lambda net, x: x.amax(1, keepdim=True).expand_as(x) * x)
    batch.pixels[1] = 0
    explained = METHODS["deeplift"](batch)
    assert explained.gap[0] > 0.01 and explained.gap[1] == 0
    assert explained.reasons[0] == "incomplete"
    assert explained.reasons[1] == ""


@pytest.mark.parametrize(
    "name",
    ["test_resnet", "test_vit", "test_efficientnet", "test_convnext", "test_nfnet", "test_coatnet", "test_maxvit"],
)
def test_deeplift_is_complete_on_tiny_networks_of_timm(name):
    explained = METHODS["deeplift"](batch_of(name, 2))
    assert (explained.gap < 1e-3).all() and explained.reasons == ["", ""]


# ---- all


CASES = [
    (name, network)
    for name in METHODS
    for network in ("test_resnet", "test_vit")
    if name != "guided_backprop" or network in RELU  # refused elsewhere
]


@pytest.mark.parametrize(("name", "network"), CASES)
def test_an_image_s_map_does_not_depend_on_the_batch(name, network):
    batch = batch_of(network)
    options = {"smoothgrad": {"samples": 3}, "integrated_gradients": {"steps": 4}}.get(name, {})
    assert_image_by_image(METHODS[name], batch, 1e-4, **options)
    assert_repeats(METHODS[name], batch, **options)
    assert_sees_the_class(METHODS[name], batch, **options)
    maps = maps_of(METHODS[name](batch, **options))
    assert maps.shape == (3, 64, 64) and maps.dtype == torch.float32 and not maps.requires_grad


@pytest.mark.parametrize("name", METHODS)
def test_the_model_is_left_as_it_was(name):
    batch = batch_with(lambda net, x: net.act(net.first(x)), first=nn.ReLU(inplace=True), act=nn.ReLU())
    assert_leaves_the_model(METHODS[name], batch, (0,) if name in ("saliency", "input_x_gradient") else (0, 1))
    if name != "guided_backprop":
        assert_leaves_the_model(METHODS[name], layouts_batch("NHWC"), (0,))


def test_frozen_keeps_the_flags_of_each_parameter():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].weight.requires_grad_(False)
    with pytest.raises(KeyError), frozen(model):
        assert not any(parameter.requires_grad for parameter in model.parameters())
        raise KeyError
    assert [parameter.requires_grad for parameter in model.parameters()] == [False, True, True, True]
