import pytest
import torch
from torch import nn

from heatproof.explain.changes import depths, replaced, units, untrained
from heatproof.train.model import build

NAMES = {
    "test_resnet": ["fc", "layer4", "layer3", "layer2", "layer1", "conv1.6", "conv1.3", "conv1.0"],
    "test_vit": ["head", *(f"blocks.{i}" for i in range(5, -1, -1)), "patch_embed"],
    "test_efficientnet": ["classifier", "conv_head", *(f"blocks.{i}" for i in range(4, -1, -1)), "conv_stem"],
}
PIXELS = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))


def trained(name):
    """Weights, biases and running statistics that no new network has."""
    torch.manual_seed(0)
    model = build(name, 3, 64).eval()
    for tensor in model.net.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(0.1 * torch.rand_like(tensor))
    return model


def copied(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("name", NAMES)
def test_layers_are_named_from_the_head_down_and_every_tensor_lies_in_one(name):
    model = trained(name)
    before = copied(model)
    found = units(model, PIXELS)
    assert [unit.name for unit in found] == NAMES[name]
    assert sorted(tensor for unit in found for tensor in unit.tensors) == sorted(model.net.state_dict())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_norms_go_with_the_layer_before_and_tokens_with_the_first():
    vit = {unit.name: unit.tensors for unit in units(trained("test_vit"), PIXELS)}
    assert {"norm.weight", "norm.bias"} <= set(vit["blocks.5"])
    assert {"cls_token", "pos_embed", "patch_embed.proj.weight"} <= set(vit["patch_embed"])
    resnet = {unit.name: unit.tensors for unit in units(trained("test_resnet"), PIXELS)}
    assert {"bn1.weight", "bn1.running_mean"} <= set(resnet["conv1.6"])


class Order(nn.Module):
    """Defined the other way round than called; one layer that is read without a call, and one never used."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(4, 2)
        self.read = nn.Linear(4, 4)
        self.first = nn.Linear(9, 4)

    def forward(self, pixels):
        return self.last(nn.functional.linear(self.first(pixels.flatten(1)), self.read.weight))


def test_order_is_that_of_the_forward_pass():
    found = units(Order(), torch.rand(1, 1, 3, 3))
    assert [unit.name for unit in found] == ["last", "first"]
    assert found[0].tensors == ("last.weight", "last.bias", "read.weight", "read.bias")


@pytest.mark.parametrize(
    ("count", "wanted", "expected"), [(8, 4, [0, 2, 5, 7]), (3, 9, [0, 1, 2]), (8, 1, [7]), (8, 2, [0, 7]), (1, 1, [0])]
)
def test_depths(count, wanted, expected):
    assert depths(count, wanted) == expected


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_cascade_is_a_new_network_and_nothing_is_left_of_it(name):
    model, fresh = trained(name), untrained(name, 3, 64, "study", 0)
    before, expected = copied(model), fresh(PIXELS)
    logits = model(PIXELS)
    everything = [tensor for unit in units(model, PIXELS) for tensor in unit.tensors]
    with replaced(model, fresh, everything):
        torch.testing.assert_close(model(PIXELS), expected)
        assert not torch.allclose(model(PIXELS), logits, atol=1e-4)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(model(PIXELS), logits)


def test_one_layer_changes_alone_statistics_and_all():
    model, fresh = trained("test_resnet"), untrained("test_resnet", 3, 64, "study", 0)
    before = copied(model)
    layer = next(unit for unit in units(model, PIXELS) if unit.name == "layer3")
    with replaced(model, fresh, layer.tensors):
        now, new = model.state_dict(), fresh.state_dict()
        for tensor in now:
            inside = tensor.removeprefix("net.") in layer.tensors
            assert torch.equal(now[tensor], (new if inside else before)[tensor])
        means = [now[f"net.{tensor}"] for tensor in layer.tensors if tensor.endswith("running_mean")]
        assert means and all((mean == 0).all() for mean in means)


def test_an_error_inside_leaves_the_model_as_it_was():
    model, fresh = trained("test_vit"), untrained("test_vit", 3, 64, "study", 0)
    before = copied(model)
    with pytest.raises(RuntimeError, match="inside"), replaced(model, fresh, list(model.net.state_dict())):
        raise RuntimeError("inside")
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not model.training and not any(module.training for module in model.modules())


@pytest.mark.slow
def test_what_a_network_keeps_of_its_weights_is_forgotten():
    """LeViT keeps its attention biases from one forward pass to the next; maps of it would mix old and new."""
    torch.manual_seed(0)
    model, fresh = build("levit_128s", 3, 64).eval(), untrained("levit_128s", 3, 64, "study", 0)
    for name, tensor in model.state_dict().items():
        if "attention_biases" in name:
            tensor.normal_()
    logits, expected = model(PIXELS), fresh(PIXELS)
    assert logits.isfinite().all()
    with replaced(model, fresh, list(model.net.state_dict())):
        torch.testing.assert_close(model(PIXELS), expected)
    assert torch.equal(model(PIXELS), logits)


def test_a_draw_is_that_of_its_key_and_leaves_the_stream_alone():
    torch.manual_seed(5)
    one, same, other = (untrained("test_resnet", 3, 64, "study", key) for key in (0, 0, 1))
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), drawn)
    weights = [model.net.layer4[0].conv1.weight for model in (one, same, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


@pytest.mark.slow
def test_two_heads_are_one_layer():
    model = build("deit_tiny_distilled_patch16_224", 3, 64).eval()
    found = units(model, PIXELS)
    assert {"head.weight", "head_dist.weight"} <= set(found[0].tensors)
    assert found[1].name == "blocks.11"
