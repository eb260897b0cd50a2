import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from heatproof.core.messages import InputError
from heatproof.train.layers import find_target_layer
from heatproof.train.model import Classifier, build

sys.path.insert(0, str(Path(__file__).parents[2]))
from bench.sweep import examine


@pytest.mark.parametrize(
    ("name", "size", "min_grid", "layer", "layout", "grid", "prefix"),
    [
        ("resnet50", 64, 7, "layer2", "NCHW", (8, 8), 0),
        ("resnet50", 64, 2, "layer4", "NCHW", (2, 2), 0),
        pytest.param("resnet101", 96, 7, "layer2", "NCHW", (12, 12), 0, marks=pytest.mark.slow),
        ("densenet161", 64, 7, "features.denseblock2", "NCHW", (8, 8), 0),
        ("efficientnet_b0", 96, 6, "blocks.4", "NCHW", (6, 6), 0),
        pytest.param("vit_base_patch16_224", 64, 7, "blocks.11.norm1", "tokens", (4, 4), 1, marks=pytest.mark.slow),
        ("deit_tiny_distilled_patch16_224", 64, 2, "blocks.11.norm1", "tokens", (4, 4), 2),
        pytest.param("swin_tiny_patch4_window7_224", 224, 7, "layers.3", "NHWC", (7, 7), 0, marks=pytest.mark.slow),
        ("mixer_s32_224", 224, 7, "blocks.7", "tokens", (7, 7), 0),
    ],
)
def test_layer_is_learnt_from_the_model(name, size, min_grid, layer, layout, grid, prefix):
    torch.manual_seed(0)
    found = find_target_layer(build(name, 3, size).eval(), size, min_grid)
    assert (found.name, found.layout, found.grid, found.prefix_tokens) == (layer, layout, grid, prefix)


def test_tokens_become_a_grid_row_by_row():
    torch.manual_seed(0)
    layer = find_target_layer(build("test_vit", 3, 64).eval(), 64, 7)
    tokens = torch.arange(1 + 16).float().view(1, 17, 1)
    assert layer.to_grid(tokens)[0, 0].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]]


def test_the_layer_found_gets_a_gradient_at_every_position():
    torch.manual_seed(0)
    model = build("test_vit", 3, 64).eval()
    layer = find_target_layer(model, 64, 7)
    kept = []
    hook = layer.module.register_forward_hook(lambda _, __, output: kept.append(output))
    logits = model(torch.rand(1, 1, 64, 64))
    hook.remove()
    (gradient,) = torch.autograd.grad(logits[0, 0], kept)
    assert (layer.to_grid(gradient).abs().sum(1) > 0).all()


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Hand(nn.Module):
    """Patches of 8 pixels, a block whose output is arranged as asked for, and a mean over positions.

    `arrange` turns [batch, channels, rows, columns] into the block's output, `restore` that into the same again.
    """

    def __init__(self, arrange, restore, channels=6, stages=()):
        super().__init__()
        torch.manual_seed(0)
        self.arrange, self.restore = arrange, restore
        self.feature_info = [{"module": name} for name in stages]
        self.stem = nn.Conv2d(3, channels, 8, 8)
        self.block = Block(arrange)
        self.head = nn.Linear(channels, 2)

    def forward(self, pixels):
        return self.head(self.restore(self.block(self.stem(pixels))).square().mean((2, 3)))


class Block(nn.Module):
    def __init__(self, arrange):
        super().__init__()
        self.arrange, self.act = arrange, nn.Tanh()

    def forward(self, grid):
        return self.arrange(self.act(grid))


def classifier(net):
    return Classifier(net.eval(), torch.zeros(3), torch.ones(3))


def tokens_of(grid, axes, before=0, after=0):
    parts = [grid.new_ones(*grid.shape[:2], before), grid.flatten(2), grid.new_ones(*grid.shape[:2], after)]
    return torch.cat(parts, 2).permute(["BCN".index(axis) for axis in axes])


def grid_of(tokens, axes, before=0):
    return tokens.permute([axes.index(axis) for axis in "BCN"])[:, :, before : before + 64].unflatten(2, (8, 8))


@pytest.mark.parametrize("stages", [(), ("block",), ("stem", "gone")], ids=["no stages", "stages", "wrong stages"])
@pytest.mark.parametrize(
    ("arrange", "restore", "expected"),
    [
        (lambda g: g, lambda g: g, ("NCHW", 0, "BNC", 1)),
        (lambda g: g.permute(0, 2, 3, 1), lambda g: g.permute(0, 3, 1, 2), ("NHWC", 0, "BNC", 3)),
        (lambda g: tokens_of(g, "BNC", 2), lambda t: grid_of(t, "BNC", 2), ("tokens", 2, "BNC", 2)),
        (lambda g: tokens_of(g, "BNC", 0, 1), lambda t: grid_of(t, "BNC"), ("tokens", 0, "BNC", 2)),
        (lambda g: tokens_of(g, "BCN", 1), lambda t: grid_of(t, "BCN", 1), ("tokens", 1, "BCN", 1)),
        (lambda g: tokens_of(g, "NBC"), lambda t: grid_of(t, "NBC"), ("tokens", 0, "NBC", 2)),
    ],
    ids=["NCHW", "NHWC", "two tokens before", "one token after", "BCN", "NBC"],
)
@pytest.mark.parametrize("channels", [6, 8, 16])
def test_layout_is_learnt_where_no_one_tells_it(arrange, restore, expected, stages, channels):
    """As many channels as rows, or a square number, too."""
    model = classifier(Hand(arrange, restore, channels, stages))
    layer = find_target_layer(model, 64, 7)
    assert layer.name == "block" and layer.grid == (8, 8)
    assert (layer.layout, layer.prefix_tokens, layer.axes, layer.channel_axis) == expected
    kept = []
    hook = layer.module.register_forward_hook(lambda _, __, output: kept.append(output))
    model(torch.rand(3, 1, 64, 64))
    hook.remove()
    assert torch.equal(layer.to_grid(kept[0]), restore(kept[0]))
    assert kept[0].shape[layer.channel_axis] == channels


@pytest.mark.parametrize("stages", [(), ("block",)])
@pytest.mark.parametrize(
    ("arrange", "restore"),
    [
        (lambda g: (g, (8, 8)), lambda pair: pair[0]),
        (lambda g: [g[:, :3], g[:, 3:]], lambda halves: torch.cat(halves, 1)),
        (lambda g: {"x": g}, lambda named: named["x"]),
        (lambda g: g[:, :, None], lambda g: g[:, :, 0]),
        (lambda g: g.flatten(1), lambda flat: flat.unflatten(1, (6, 8, 8))),
        (lambda g: g.flatten(2)[:, :, ORDER], lambda t: t[:, :, ORDER.argsort()].unflatten(2, (8, 8))),
    ],
    ids=["tuple", "list", "dict", "5-d", "flat", "another order"],
)
def test_a_block_that_gives_no_grid_is_entered(arrange, restore, stages):
    layer = find_target_layer(classifier(Hand(arrange, restore, stages=stages)), 64, 7)
    assert (layer.name, layer.layout, layer.grid) == ("block.act", "NCHW", (8, 8))


ORDER = torch.randperm(64, generator=torch.Generator().manual_seed(0))


def test_a_module_that_runs_twice_is_passed_over():
    class Twice(Hand):
        def forward(self, pixels):
            return self.head(self.block(self.block(self.stem(pixels))).mean((2, 3)))

    assert find_target_layer(classifier(Twice(lambda g: g, None)), 64, 7).name == "stem"


def test_a_square_number_of_hidden_states_is_no_grid():
    """As in EfficientViM, where the last normalization sees 49 states of the whole image."""

    class States(Hand):
        def __init__(self):
            super().__init__(lambda g: g, None)
            self.mix, self.norm = nn.Linear(64, 49), nn.LayerNorm(49)

        def forward(self, pixels):
            return self.head(self.norm(self.mix(self.block(self.stem(pixels)).flatten(2))).square().mean(2))

    assert find_target_layer(classifier(States()), 64, 7).name == "block"


def test_the_deepest_with_a_grid_large_enough_is_taken_without_stages_too():
    torch.manual_seed(0)
    body = [nn.Sequential(nn.Conv2d(3 if i == 0 else 8, 8, 3, 2, 1), nn.ReLU()) for i in range(5)]
    net = nn.Sequential(nn.Sequential(*body), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    found = [find_target_layer(classifier(net), 64, min_grid) for min_grid in (33, 9, 7, 3, 2)]
    assert [layer.grid[0] for layer in found] == [2, 16, 8, 4, 2]
    assert [layer.name for layer in found] == ["0", "0.1", "0.2", "0.3", "0"]


def test_a_part_that_is_larger_by_padding_alone_is_not_taken():
    """SAM's attention pads its windows: 14 x 14 where the image has 4 x 4 places."""

    class Padded(Hand):
        def forward(self, pixels):
            grid = self.stem(pixels)
            return self.head(self.outer(grid).square().mean((2, 3)))

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.pad = nn.ZeroPad2d((0, 6, 0, 6))

        def forward(self, grid):
            return torch.tanh(self.pad(grid)[:, :, :8, :8])

    net = Padded(lambda g: g, None, stages=("outer",))
    net.outer = Outer()
    assert find_target_layer(classifier(net), 64, 9).name == "outer"


def test_a_single_place_is_taken_only_where_there_is_no_other():
    torch.manual_seed(0)
    net = build("shvit_s1", 3, 64).eval()
    assert find_target_layer(net, 64, 7).grid == (2, 2)
    assert find_target_layer(net, 64, 1).grid == (1, 1)


def test_a_network_without_a_grid_is_refused():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2))
    with pytest.raises(InputError, match="Sequential has no layer with a grid that its classes depend on"):
        find_target_layer(classifier(net), 32, 7)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (nn.Identity(), r"gives no logits \[images, 2\] but \[3, 6\]: it is no classifier"),
        (nn.Unflatten(1, (6, 1, 1)), r"gives no logits \[images, 2\] but \[3, 6, 1, 1\]: it is no classifier"),
    ],
)
def test_a_network_without_logits_is_refused(head, message):
    net = Hand(lambda g: g, lambda g: g)
    net.num_classes, net.head = 2, head
    with pytest.raises(InputError, match=f"^Hand {message}$"):
        find_target_layer(classifier(net), 64, 7)


def test_a_head_that_gives_a_pair_is_refused():
    net = build("deit_tiny_distilled_patch16_224", 3, 32).net
    net.set_distilled_training(True)
    model = classifier(net)
    assert find_target_layer(model, 32, 2).grid == (2, 2)
    model.eval().net.train()  # auxiliary outputs are for training alone
    with pytest.raises(InputError, match=r"gives no logits .* but tuple"):
        find_target_layer(model, 32, 2)


def test_weights_that_are_not_finite_are_refused():
    net = Hand(lambda g: g, lambda g: g)
    nn.init.constant_(net.head.bias, float("nan"))
    with pytest.raises(InputError, match="Hand gives logits that are not finite: its weights cannot be used"):
        find_target_layer(classifier(net), 64, 7)


def test_images_of_another_size_are_refused_with_the_size_to_set():
    model = build("swin_tiny_patch4_window7_224", 3, 64).eval()
    with pytest.raises(InputError, match=r"^SwinTransformer takes no images of 48 pixels \(.+\): set data.size to 224"):
        find_target_layer(model, 48, 7)
    assert not any(module._forward_hooks for module in model.modules())


PAPERS = {  # what stood before layouts were learnt from probes
    "resnet18": ("layer2", "layer4"),
    "resnet34": ("layer2", "layer4"),
    "resnet50": ("layer2", "layer4"),
    "resnet101": ("layer2", "layer4"),
    "densenet161": ("features.denseblock2", "features.norm5"),
    "efficientnet_b0": ("blocks.2", "blocks.6"),
    "vit_base_patch16_224": ("blocks.11.norm1", "blocks.11.norm1"),
    "inception_v3": (None, "Mixed_6e"),
    "inception_resnet_v2": (None, "repeat_1"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPERS)
def test_the_layers_of_the_papers_architectures(name):
    for size, expected in zip((64, 224), PAPERS[name], strict=True):
        torch.manual_seed(0)
        model = build(name, 3, size).eval()
        if expected is None:
            with pytest.raises(InputError, match=rf"takes no images of {size} pixels .*: set data.size to 299"):
                find_target_layer(model, size, 7)
            continue
        layer = find_target_layer(model, size, 7)
        side = 14 if size == 224 else 4
        tokens = name.startswith("vit")
        grid = side if tokens else (12 if name.startswith("inception") else 7) if size == 224 else 8
        assert (layer.name, layer.layout, layer.grid) == (expected, "tokens" if tokens else "NCHW", (grid, grid))
        assert layer.prefix_tokens == int(tokens)


TINY = ("test_resnet", "test_efficientnet", "test_vit", "test_convnext", "test_mambaout", "test_byobnet", "test_nfnet")
FAMILIES = (
    *("convnext_atto", "swin_tiny_patch4_window7_224", "mobilenetv4_conv_small_035", "regnetx_002", "pvt_v2_b0"),
    *("efficientvit_b0", "efficientvit_m0", "levit_128s", "coat_tiny", "crossvit_tiny_240", "hrnet_w18_small"),
    *("pit_ti_224", "cait_xxs24_224", "efficientvim_m1", "twins_svt_small", "mvitv2_small_cls", "hiera_tiny_224"),
)


@pytest.mark.parametrize("name", [*TINY, *(pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES)])
def test_grad_cam_of_other_families_depends_on_the_class(name):
    """A handful of `bench/sweep.py`, whose table is `docs/architectures.md`."""
    size = 240 if name.endswith("240") else 224 if name in FAMILIES else 128
    row = examine(name, "", size)
    assert row.result == "works", row


def test_a_network_whose_classes_ignore_its_grid_is_refused():
    class Blind(nn.Module):
        feature_info = [{"module": "stem"}]  # noqa: RUF012

        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 3, stride=2)
            self.head = nn.Linear(1, 2)

        def forward(self, pixels):
            self.stem(pixels)
            return self.head(pixels.mean((1, 2, 3), keepdim=True).flatten(1))

    model = Classifier(Blind(), torch.zeros(3), torch.ones(3)).eval()
    with pytest.raises(InputError, match="Blind has no layer with a grid that its classes depend on"):
        find_target_layer(model, 32, 7)
