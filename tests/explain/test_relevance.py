import pytest
import timm
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from heatproof.core.messages import Unsupported
from heatproof.explain.methods import Batch
from heatproof.explain.relevance import Rules, attnlrp

SIZE = 64


def network(name, **options):
    torch.manual_seed(0)
    net = timm.create_model(name, num_classes=3, **{"img_size": SIZE, **options}).eval().requires_grad_(False)
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.1)
            if module.bias is not None:
                nn.init.normal_(module.bias, std=0.1)
    return net


def images(count=2):
    return torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def explain(net, pixels, targets, **options):
    return attnlrp(Batch(net, None, pixels, torch.as_tensor(targets)), **options)


class Slow:
    """AttnLRP for one image through timm's `VisionTransformer`: every rule on relevances themselves, as the paper
    writes it, one layer after the other, and what each rule keeps from the patches booked in `elsewhere`."""

    def __init__(self, net, gamma):
        self.net, self.gamma, self.elsewhere = net, gamma, 0.0

    def linear(self, relevance, x, layer):
        """One output at a time. Gamma 0: R_j = sum_i x_j w_ij / z_i R_i, biases having their share."""
        bias = torch.zeros(len(layer.weight)).double() if layer.bias is None else layer.bias
        given = torch.zeros_like(x)
        for i, row in enumerate(layer.weight):
            parts = torch.cat([x * row, bias[i].expand(len(x), 1)], 1)
            same = (parts > 0) == (parts.sum(1, keepdim=True) > 0)
            parts = parts * (1 + self.gamma * same)
            shares = parts / parts.sum(1, keepdim=True) * relevance[:, i : i + 1]
            given += shares[:, :-1]
            self.elsewhere += shares[:, -1].sum()
        return given

    def layer_norm(self, relevance, x, norm):
        """The deviation is a constant: what remains is linear in x, with the mean taken off and a bias."""
        deviation = (x.var(1, unbiased=False, keepdim=True) + norm.eps).sqrt()
        out = (x - x.mean(1, keepdim=True)) / deviation * norm.weight + norm.bias
        rate = relevance / out
        self.elsewhere += (rate * norm.bias).sum()
        weighted = rate * norm.weight / deviation
        return x * (weighted - weighted.mean(1, keepdim=True))

    def attention(self, relevance, x, layer):
        qkv = x @ layer.qkv.weight.T + layer.qkv.bias
        query, key, value = qkv.view(len(x), 3, layer.num_heads, layer.head_dim).permute(1, 2, 0, 3)
        scores = query @ key.transpose(1, 2) * layer.scale
        weights = scores.softmax(-1)
        mixed = (weights @ value).permute(1, 0, 2).flatten(1)
        to_mixed = self.linear(relevance, mixed, layer.proj).view(len(x), layer.num_heads, -1)
        given = torch.zeros(3, *value.shape).double()
        for head in range(layer.num_heads):
            parts = weights[head][:, :, None] * value[head][None]  # [queries, tokens, channels]
            shares = parts / parts.sum(1, keepdim=True) * to_mixed[:, head][:, None]
            to_weights = shares.sum(2) / 2
            given[2, head] = shares.sum(0) / 2
            for i in range(len(x)):  # Proposition 3.1: R_j = s_j (R_j - a_j sum R)
                row = scores[head, i] * (to_weights[i] - weights[head, i] * to_weights[i].sum())
                self.elsewhere += to_weights[i].sum() - row.sum()
                products = query[head, i][None] * key[head]  # [tokens, channels]
                halves = products / products.sum(1, keepdim=True) * row[:, None] / 2
                given[0, head, i] += halves.sum(0)
                given[1, head] += halves
        return self.linear(given.permute(2, 0, 1, 3).flatten(1), x, layer.qkv)

    def __call__(self, pixels, target):
        net = self.net
        patches = net.patch_embed(pixels)
        residual = [net._pos_embed(patches)[0]]
        patches = patches.flatten(0, 2)
        for block in net.blocks:
            middle = residual[-1] + block.attn(block.norm1(residual[-1])[None])[0]
            residual += [middle, middle + block.mlp(block.norm2(middle))]
        pooled = net.norm(residual[-1])[:1]
        logits = net.head(pooled)
        relevance = torch.zeros_like(logits)
        relevance[0, target] = logits[0, target]
        at_norm = torch.zeros_like(residual[-1])
        at_norm[:1] = self.linear(relevance, pooled, net.head)
        relevance = self.layer_norm(at_norm, residual[-1], net.norm)
        for block, (before, middle, after) in reversed(
            [(block, residual[2 * i : 2 * i + 3]) for i, block in enumerate(net.blocks)]
        ):
            normed, branch = block.norm2(middle), (after - middle)
            hidden = block.mlp.fc1(normed)
            through = self.linear(relevance * branch / after, F.gelu(hidden), block.mlp.fc2)
            through = self.linear(through, normed, block.mlp.fc1)  # the activation passes all of it on
            relevance = relevance * middle / after + self.layer_norm(through, middle, block.norm2)
            through = self.attention(relevance * (middle - before) / middle, block.norm1(before), block.attn)
            relevance = relevance * before / middle + self.layer_norm(through, before, block.norm1)
        shares = relevance[1:] * patches / residual[0][1:]
        self.elsewhere += relevance.sum() - shares.sum()  # class token and positions
        return shares.sum(1).view(4, 4), logits[0, target]


@pytest.mark.parametrize("gamma", [0.0, 0.05, 2.0])
def test_equals_the_rules_of_the_paper_on_relevances(gamma):
    net, pixels = network("test_vit", depth=2).double(), images().double()
    maps = explain(net, pixels, [2, 1], gamma=gamma)
    for i, target in enumerate([2, 1]):
        slow = Slow(net, gamma)
        expected, logit = slow(pixels[i : i + 1], target)
        torch.testing.assert_close(maps[i], expected, rtol=1e-5, atol=1e-6 * expected.abs().max().item())
        # nothing is lost: what is not on a patch is at a bias, the class token, positions, or the softmax
        torch.testing.assert_close(maps[i].sum() + slow.elsewhere, logit, rtol=1e-6, atol=1e-9)


class Linears(nn.Module):
    """Patches to numbers, normalized, through two layers, averaged: no biases, no attention."""

    def __init__(self):
        super().__init__()
        self.patch_embed = nn.Conv2d(3, 8, 16, 16)
        self.norm = nn.LayerNorm(8, bias=False)
        self.up, self.down = nn.Linear(8, 16, bias=False), nn.Linear(16, 3, bias=False)

    def forward(self, pixels):
        tokens = self.patch_embed(pixels).flatten(2).transpose(1, 2)
        return self.down(F.gelu(self.up(self.norm(tokens)))).mean(1)


@given(st.integers(0, 1000), st.floats(0, 10))
@settings(max_examples=30, deadline=None)
def test_without_biases_and_softmax_relevance_adds_up_to_the_logit(seed, gamma):
    torch.manual_seed(seed)
    net, pixels = Linears().double().eval(), torch.rand(2, 3, 32, 48).double()
    maps = explain(net, pixels, [0, 2], gamma=gamma)
    assert maps.shape == (2, 2, 3)
    logits = net(pixels).detach()
    torch.testing.assert_close(maps.sum((1, 2)), torch.stack([logits[0, 0], logits[1, 2]]), rtol=1e-8, atol=1e-10)


def test_value_by_hand():
    # y = 3 a - 1 b at a = 2, b = 1: 6 - 1 = 5. Epsilon: 6 and -1. Gamma 1: 12 / 11 and -1 / 11 of 5
    weight, x = torch.tensor([[3.0, -1.0]]), torch.tensor([[2.0, 1.0]], requires_grad=True)
    for gamma, expected in ((0.0, [6.0, -1.0]), (1.0, [60 / 11, -5 / 11])):
        with Rules(gamma):
            out = F.linear(x, weight)
        (gradient,) = torch.autograd.grad(out, x)
        torch.testing.assert_close((gradient * x).detach(), torch.tensor([expected]))


CARRIED = ["test_vit", "test_vit2", "test_vit3", "test_vit4", "test_vit_relpos"]
SLOW_CARRIED = ["deit_tiny_distilled_patch16_224", "eva02_tiny_patch14_224", "swin_tiny_patch4_window7_224"]
SLOW_CARRIED += ["vit_small_patch16_dinov3", "vit_pe_core_tiny_patch16_384", "vit_tiny_r_s16_p8_224", "cait_xxs24_224"]


@pytest.mark.parametrize("name", [*CARRIED, *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW_CARRIED)])
@pytest.mark.slow
def test_transformers_of_timm(name):
    net, pixels = network(name).requires_grad_(True), images(3)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    logits = net(pixels)
    ruled = []
    hook = net.register_forward_hook(lambda _, __, output: ruled.append(output.detach()))
    maps = explain(net, pixels, [0, 1, 2])
    hook.remove()
    torch.testing.assert_close(ruled, [logits.detach()], rtol=1e-4, atol=1e-5)
    assert maps.ndim == 3 and maps.isfinite().all() and maps.std((1, 2)).min() > 0
    assert torch.equal(maps, explain(net, pixels, [0, 1, 2]))
    assert not torch.allclose(maps, explain(net, pixels, [1, 2, 0]), rtol=1e-2)
    for i in range(3):
        alone = explain(net, pixels[i : i + 1], [i])
        torch.testing.assert_close(alone[0], maps[i], rtol=1e-3, atol=1e-3 * maps[i].abs().max().item())
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("test_resnet", "no patch embedding"),
        ("convit_tiny", "no rule for the function div_"),
        pytest.param("swinv2_tiny_window8_256", "no rule for the function normalize", marks=pytest.mark.slow),
        pytest.param("vit_base_patch16_clip_quickgelu_224", "function sigmoid", marks=pytest.mark.slow),
    ],
)
def test_networks_without_a_rule_are_refused_in_a_line_and_left_as_they_were(name, why):
    net = timm.create_model(name, num_classes=3, **({} if name == "test_resnet" else {"img_size": SIZE})).eval()
    with pytest.raises(Unsupported, match=why) as refusal:
        explain(net, images(1), [0])
    assert "\n" not in str(refusal.value)
    assert not any(module._forward_hooks for module in net.modules())
    assert all(p.requires_grad for p in net.parameters())


class OwnBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 2


def test_a_hidden_backward_pass_is_seen():
    net = Linears().eval()
    net.up.register_forward_hook(lambda _, __, output: OwnBackward.apply(output))
    with pytest.raises(Unsupported, match="OwnBackward"):
        explain(net, images(1), [0])
