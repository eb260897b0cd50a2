import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import nn

from heatproof.core.messages import Unsupported
from heatproof.explain.attention import METHODS
from heatproof.explain.attention_path import attention_path, capturing, unfused
from heatproof.explain.methods import Batch

SIZE = 64


class Fixed(nn.Module):
    """Attention with weights set by hand, values as they are."""

    def __init__(self, weights):
        super().__init__()
        self.attn_drop = nn.Dropout(0.5)
        self.num_heads = 1
        self.register_buffer("weights", torch.tensor(weights))

    def forward(self, x):
        return self.attn_drop(self.weights.expand(len(x), 1, -1, -1))[:, 0] @ x


class ByHand(nn.Module):
    """Four patches of one pixel and a class token of 0, each a number; two attentions with residual connections;
    class 0 is the class token, class 1 its opposite."""

    def __init__(self, first, second):
        super().__init__()
        self.num_prefix_tokens = 1
        self.first, self.second = Fixed(first), Fixed(second)

    def forward(self, pixels):
        patches = pixels.flatten(2).transpose(1, 2)
        tokens = nn.functional.pad(patches, (0, 0, 1, 0))
        tokens = tokens + self.first(tokens)
        asked = self.second(tokens)  # of all tokens, or of the class token alone
        tokens = torch.cat([tokens[:, : asked.shape[1]] + asked, tokens[:, asked.shape[1] :]], 1)
        return torch.cat([tokens[:, 0], -tokens[:, 0]], 1)


KEEP = np.eye(5, dtype="float32").tolist()
FIRST = [KEEP[0], [0, 0, 0, 0, 1.0], *KEEP[2:]]  # patch 0 looks at patch 3 alone, the others at themselves
SECOND = [[0, 0.75, 0.25, 0, 0], *KEEP[1:]]  # the class token looks at patches 0 and 1
PIXELS = torch.tensor([[[[0.1, 0.2], [0.3, 0.4]]]])


def explain(model, pixels, targets, name="generic_attention"):
    return METHODS[name](Batch(model, None, pixels, torch.as_tensor(targets)))


def network(name, **options):
    torch.manual_seed(0)
    net = timm.create_model(name, num_classes=3, img_size=SIZE, **options).eval().requires_grad_(False)
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.1)  # timm starts heads at nothing, and then all maps are alike
    return net


def images(count=2):
    return torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("second", [SECOND, SECOND[:1]], ids=["self", "class"])
def test_rollout_by_hand(second):
    # the class token's row of (SECOND + I)/2 is [1/2, 3/8, 1/8, 0, 0]; patch 0's of (FIRST + I)/2 is half itself,
    # half patch 3; the others keep what they have
    maps = explain(ByHand(FIRST, second).eval(), PIXELS, [0], "attention_rollout")
    torch.testing.assert_close(maps, torch.tensor([[[3 / 16, 1 / 8], [0, 3 / 16]]]))


def test_rollout_is_one_map_for_all_classes_and_adds_up_to_what_the_class_token_does_not_keep():
    net, pixels = network("test_vit"), images()
    maps = explain(net, pixels, [0, 1], "attention_rollout")
    assert torch.equal(maps, explain(net, pixels, [2, 2], "attention_rollout"))
    assert (maps > 0).all() and (maps.sum((1, 2)) < 1).all()
    averaged = explain(network("test_vit_relpos"), pixels, [0, 1], "attention_rollout")
    torch.testing.assert_close(averaged.sum((1, 2)), torch.ones(2))  # no prefix tokens: patches have all of it


@pytest.mark.parametrize("second", [SECOND, SECOND[:1]], ids=["self", "class"])
def test_generic_attention_by_hand(second):
    # x0 = [0, .1, .2, .3, .4]; x1 = x0 + FIRST x0 = [0, .5, .4, .6, .8]; y = x1_0 + SECOND_0 . x1
    # dy/dSECOND_0j = x1_j: weighted row 0 [0, .375, .1, 0, 0]
    # dy/dFIRST_ij = SECOND_0i x0_j: weighted (1,4) .75 * .4 = .3, (2,2) .25 * .2 = .05
    # R = I + F, then (I + S)(I + F), row 0: S + S F: [., .375, .1 + .1 * .05, 0, .375 * .3]
    maps = explain(ByHand(FIRST, second).eval(), PIXELS, [0])
    torch.testing.assert_close(maps, torch.tensor([[[0.375, 0.105], [0.0, 0.1125]]]))
    # every gradient of the opposite class is negative, so nothing is left
    assert explain(ByHand(FIRST, second).eval(), PIXELS, [1]).abs().max() == 0


def plain_forward(net, pixels):
    """timm's `VisionTransformer` written out, with the weights of each layer and head [tokens, tokens] on the way."""
    tokens = net.norm_pre(net.patch_drop(net._pos_embed(net.patch_embed(pixels))))
    layers = []
    for block in net.blocks:
        attention, normed = block.attn, block.norm1(tokens)
        qkv = normed @ attention.qkv.weight.T + attention.qkv.bias
        width = attention.head_dim
        heads, mixed = [], []
        for head in range(attention.num_heads):
            query, key, value = (
                qkv[0, :, (part * attention.num_heads + head) * width :][:, :width] for part in range(3)
            )
            query, key = attention.q_norm(query), attention.k_norm(key)
            weights = torch.softmax(query @ key.T / width**0.5, 1).requires_grad_()
            heads.append(weights)
            mixed.append(weights @ value)
        layers.append(heads)
        tokens = tokens + block.ls1(attention.proj(attention.norm(torch.cat(mixed, 1)))[None])
        tokens = tokens + block.ls2(block.mlp(block.norm2(tokens)))
    return net.forward_head(net.norm(tokens)), layers


def slow(net, pixels, target, rows):
    """Both methods for one image by their definitions: whole matrices, loops over layers, heads and tokens."""
    logits, layers = plain_forward(net, pixels)
    flat = [weights for heads in layers for weights in heads]
    gradients = iter(torch.autograd.grad(logits[0, target], flat))
    count = len(flat[0])
    relevance, rolled = torch.eye(count, dtype=pixels.dtype), torch.eye(count, dtype=pixels.dtype)
    for heads in layers:
        weighted, mean = torch.zeros_like(relevance), torch.zeros_like(relevance)
        for weights in heads:
            gradient = next(gradients)
            for i in range(count):
                for j in range(count):
                    weighted[i, j] += max(0.0, (gradient[i, j] * weights[i, j]).item()) / len(heads)
                    mean[i, j] += weights[i, j].item() / len(heads)
        relevance = relevance + weighted @ relevance
        rolled = (mean + torch.eye(count, dtype=pixels.dtype)) / 2 @ rolled
    relevance = relevance - torch.eye(count, dtype=pixels.dtype)
    side = SIZE // 16
    return [matrix[rows].mean(0)[-side * side :].view(side, side) for matrix in (relevance, rolled)]


@pytest.mark.parametrize(
    ("name", "options", "rows"),
    [
        ("test_vit", {}, [0]),
        ("test_vit", {"reg_tokens": 3}, [0]),
        ("test_vit", {"global_pool": "avg"}, range(1, 17)),
        ("test_vit", {"class_token": False, "global_pool": "avg"}, range(16)),
        ("test_vit2", {}, range(1, 17)),
        ("deit_tiny_distilled_patch16_224", {"depth": 3}, [0, 1]),
    ],
)
def test_equals_a_slow_twin(name, options, rows):
    net, pixels = network(name, **options).double(), images().double()
    relevance, rolled = explain(net, pixels, [2, 1]), explain(net, pixels, [2, 1], "attention_rollout")
    for i, target in enumerate([2, 1]):
        expected, expected_rolled = slow(net, pixels[i : i + 1], target, list(rows))
        torch.testing.assert_close(relevance[i], expected, rtol=1e-9, atol=1e-18)
        torch.testing.assert_close(rolled[i], expected_rolled, rtol=1e-9, atol=1e-15)


def test_pool_with_a_latent_query_reads_by_its_weights():
    net, pixels = network("test_vit3").double(), images(1).double()
    pool = net.attn_pool
    tokens = net.forward_features(pixels)
    key = pool.k_norm(pool.kv(tokens).view(1, -1, 2, pool.num_heads, pool.head_dim)[:, :, 0].transpose(1, 2))
    query = pool.q_norm(pool.q(pool.latent).view(1, 1, pool.num_heads, pool.head_dim).transpose(1, 2))
    weights = (query @ key.transpose(2, 3) * pool.scale).softmax(-1).mean(1)[0]
    rolled = torch.eye(17, dtype=torch.float64)
    for heads in plain_forward(net, pixels)[1]:
        rolled = (sum(heads).detach() / len(heads) + torch.eye(17)) / 2 @ rolled
    expected = (weights @ rolled)[0, 1:].view(4, 4)
    torch.testing.assert_close(explain(net, pixels, [0], "attention_rollout")[0], expected, rtol=1e-9, atol=0)


def test_class_attention_on_talking_heads_is_an_attention_whose_other_rows_are_empty():
    """CaiT: the last attentions ask for the class token alone. R, whole, on 17 tokens, by loops."""
    net, pixels = network("cait_xxs24_224", depth=3).double(), images(1).double()
    seen = []

    def keep(_, weights):
        seen.append(weights.requires_grad_())

    with capturing(net, keep):
        net(pixels)[0, 1].backward(inputs=seen)
    relevance = torch.eye(17, dtype=torch.float64)
    for weights in seen:
        weighted = (weights.grad * weights.detach()).clamp(min=0).mean(1)[0]
        whole = torch.zeros(17, 17, dtype=torch.float64)
        if len(weighted) == 1:
            whole[0] = weighted[0]
        else:
            whole[1:, 1:] = weighted
        relevance = relevance + whole @ relevance
    torch.testing.assert_close(explain(net, pixels, [1])[0], relevance[0, 1:].view(4, 4), rtol=1e-9, atol=0)
    with pytest.raises(Unsupported, match="distributions"):
        explain(net, pixels, [1], "attention_rollout")


TRANSFORMERS = ["test_vit", "test_vit2", "test_vit3", "test_vit4", "test_vit_relpos", "convit_tiny"]
SLOW_TRANSFORMERS = ["deit_tiny_distilled_patch16_224", "eva02_tiny_patch14_224", "vit_small_patch16_dinov3"]
SLOW_TRANSFORMERS += [
    "vit_small_patch16_rope_mixed_224",
    "vit_pe_core_tiny_patch16_384",
    "vit_wee_patch16_reg1_gap_256",
]
SLOW_TRANSFORMERS += ["vit_tiny_r_s16_p8_224", "beit_base_patch16_224", "vit_base_patch16_siglip_224"]


@pytest.mark.parametrize("name", [*TRANSFORMERS, *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW_TRANSFORMERS)])
@pytest.mark.slow
def test_transformers_of_timm(name):
    net, pixels = network(name), images(3)
    grid = attention_path(net, pixels).grid
    before = {key: value.clone() for key, value in net.state_dict().items()}
    logits = net(pixels)
    for method in METHODS:
        maps = explain(net, pixels, [0, 1, 2], method)
        assert maps.shape == (3, *grid) and maps.isfinite().all() and (maps >= 0).all()
        assert (maps.amax((1, 2)) > maps.amin((1, 2))).all()
        assert not maps.requires_grad
        assert torch.equal(maps, explain(net, pixels, [0, 1, 2], method))
        for i in range(3):
            alone = explain(net, pixels[i : i + 1], [i], method)
            torch.testing.assert_close(alone[0], maps[i], rtol=1e-4, atol=1e-5 * maps[i].max().item())
    assert not torch.allclose(explain(net, pixels, [0, 1, 2]), explain(net, pixels, [1, 2, 0]), rtol=1e-2, atol=0)
    assert torch.equal(logits, net(pixels))
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    with unfused(net):
        torch.testing.assert_close(net(pixels), logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("test_resnet", "no attention"),
        ("test_maxvit", "grid of features"),
        ("swin_tiny_patch4_window7_224", "windows"),
        ("pvt_v2_b0", "reduced grid"),
        ("xcit_nano_12_p16_224", "channels"),
        pytest.param("pit_ti_224", "merges its tokens", marks=pytest.mark.slow),
        pytest.param("tnt_s_legacy_patch16_224", "windows or groups", marks=pytest.mark.slow),
        pytest.param("vit_small_patch16_18x2_224", "side by side", marks=pytest.mark.slow),
        pytest.param("vit_dwee_patch16_reg1_gap_256", "subtracts attentions", marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_networks_for_which_attention_is_not_defined_are_refused_in_a_line(name, why):
    sized = {} if name in ("test_resnet", "pvt_v2_b0") else {"img_size": SIZE}
    net = timm.create_model(name, num_classes=3, **sized).eval()
    for method in METHODS:
        with pytest.raises(Unsupported, match=why) as refusal:
            explain(net, images(1), [0], method)
        assert "\n" not in str(refusal.value)


class Channels(nn.Module):
    """Attention over channels whose weights have, by chance, the shape of attention over tokens."""

    def __init__(self):
        super().__init__()
        self.num_heads, self.attn_drop = 1, nn.Dropout(0)

    def forward(self, x):
        weights = self.attn_drop((x.transpose(1, 2) @ x)[:, None].softmax(-1))
        return x @ weights[:, 0]


class Blurring(nn.Module):
    """Mixes its tokens between its attentions, too, where `blurs`; reads the mean of patches."""

    def __init__(self, attention, blurs=False):
        super().__init__()
        self.patch_embed = nn.Conv2d(3, 16, 16, 16)
        self.first, self.second = attention(), attention()
        self.blurs, self.head = blurs, nn.Linear(16, 2)

    def forward(self, pixels):
        tokens = self.patch_embed(pixels).flatten(2).transpose(1, 2)
        tokens = tokens + self.first(tokens)
        if self.blurs:
            tokens = tokens + tokens.roll(1, 1)
        tokens = tokens + self.second(tokens)
        return self.head(tokens.mean(1))


def test_mixing_other_than_by_attention_over_tokens_is_seen():
    attention = lambda: timm.layers.Attention(16, 2)  # noqa: E731
    explain(Blurring(attention).eval(), images(1), [0])
    with pytest.raises(Unsupported, match="other than by attention"):
        explain(Blurring(attention, blurs=True).eval(), images(1), [0])
    with pytest.raises(Unsupported, match="channels"):
        explain(Blurring(Channels).eval(), images(1), [0])


def test_oblong_images_and_one_channel():
    net = timm.create_model("test_vit", num_classes=3, img_size=(32, 96), in_chans=1).eval()
    pixels = torch.rand(1, 1, 32, 96)
    for method in METHODS:
        assert explain(net, pixels, [0], method).shape == (1, 2, 6)


def test_a_patch_that_alone_is_not_blank_is_where_the_relevance_differs():
    """The map's places are the image's: attention to blank patches is one value for all of them."""
    net = network("test_vit")
    nn.init.zeros_(net.pos_embed)
    pixels = torch.zeros(1, 3, SIZE, SIZE)
    pixels[:, :, 16:32, 48:64] = images(1)[:, :, 16:32, 48:64]
    for method in METHODS:
        maps = explain(net, pixels, [0], method)[0]
        blank = torch.cat([maps.flatten()[:7], maps.flatten()[8:]])
        torch.testing.assert_close(blank, blank[:1].expand(15), rtol=1e-4, atol=1e-7)
        assert (maps[1, 3] - blank[0]).abs() > 0.01 * blank[0]


def small(kind):
    """A transformer of another library, of 16 patches and two blocks."""
    torch.manual_seed(0)
    if kind == "torchvision":
        net = torchvision.models.VisionTransformer(SIZE, 16, 2, 2, 32, 64, num_classes=3)
    else:
        transformers = pytest.importorskip("transformers")
        name, options = {"vit eager": ("ViT", {"attn_implementation": "eager"})}.get(kind, (kind, {}))
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": SIZE}
        options |= sizes | {"patch_size": 16, "num_labels": 3}
        options |= {"mlp_ratio": 2} if name == "Dinov2" else {"intermediate_size": 64}
        net = getattr(transformers, f"{name}ForImageClassification")(getattr(transformers, f"{name}Config")(**options))
        net = Logits(net)
    for parameter in net.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.2)
    return net.eval().requires_grad_(False)


class Logits(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, pixels):
        return self.net(pixels).logits


@pytest.mark.parametrize("kind", ["torchvision", "ViT", "vit eager", "DeiT", "Dinov2", "Beit"])
def test_transformers_of_other_libraries(kind):
    net, pixels = small(kind), images(3)
    logits, seen = net(pixels), []
    with capturing(net, lambda _, weights: seen.append(weights)):
        torch.testing.assert_close(net(pixels), logits, rtol=1e-4, atol=1e-5)  # as the fused kernel gives
    assert len(seen) == 2 and all(weights.shape[:2] == (3, 2) for weights in seen)
    torch.testing.assert_close(seen[0].sum(-1), torch.ones_like(seen[0].sum(-1)))
    for method in METHODS:
        maps = explain(net, pixels, [0, 1, 2], method)
        assert maps.shape == (3, 4, 4) and maps.isfinite().all() and (maps >= 0).all() and maps.max() > 0
        torch.testing.assert_close(explain(net, pixels[1:2], [1], method)[0], maps[1], rtol=1e-3, atol=1e-5)
        if method != "attention_rollout":
            assert not torch.allclose(maps, explain(net, pixels, [1, 2, 0], method), rtol=1e-2, atol=0)
    assert torch.equal(net(pixels), logits)


def test_captured_weights_are_those_that_pytorch_returns():
    torch.manual_seed(0)
    module, tokens = nn.MultiheadAttention(8, 2, batch_first=True).eval(), torch.rand(1, 5, 8)
    expected = module(tokens, tokens, tokens, average_attn_weights=False)
    seen = []
    with capturing(module, lambda _, weights: seen.append(weights)):
        read, _ = module(tokens, tokens, tokens, need_weights=False)
    torch.testing.assert_close(seen[0], expected[1])
    torch.testing.assert_close(read, expected[0])


def test_legrad_reads_the_class_after_every_block():
    """Against blocks that are run one by one, and the gradient of what the head makes of each."""
    net, pixels = network("test_vit"), images(2)
    tokens, found = net.norm_pre(net.patch_drop(net._pos_embed(net.patch_embed(pixels)))), []
    for block in net.blocks:
        seen = []
        with torch.enable_grad(), capturing(net, lambda _, weights, seen=seen: seen.append(weights.requires_grad_())):
            tokens = block(tokens.detach())
            logits = net.forward_head(net.norm(tokens))
            gradient = torch.autograd.grad(logits[0, 2] + logits[1, 1], seen[0])[0]
        found.append(gradient.clamp(min=0).mean((1, 2))[:, net.num_prefix_tokens :])
    expected = torch.stack(found).mean(0).unflatten(1, (4, 4))
    torch.testing.assert_close(explain(net, pixels, [2, 1], "legrad"), expected, rtol=1e-4, atol=1e-7)


def test_legrad_needs_blocks():
    with pytest.raises(Unsupported, match="needs blocks with one attention each"):
        explain(ByHand(FIRST, SECOND), PIXELS, [0], "legrad")


def test_the_model_is_left_as_it_was_even_after_an_error():
    net = network("test_vit").requires_grad_(True)
    explain(net, images(1), [0])
    explain(net, images(1), [0], "attention_rollout")
    flags = [module.fused_attn for module in net.modules() if hasattr(module, "fused_attn")]

    def fails(*_):
        raise RuntimeError("no")

    hook = net.head.register_forward_hook(fails)
    for method in METHODS:
        with pytest.raises(RuntimeError):
            explain(net, images(1), [0], method)
    hook.remove()
    assert flags == [module.fused_attn for module in net.modules() if hasattr(module, "fused_attn")]
    assert all(flags) and flags
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert "forward_features" not in vars(net)


def test_weights_and_gradients_are_those_of_the_fused_network():
    """The target's gradient with respect to the pixels is the same through captured weights and fused ones."""
    net, pixels = network("test_vit").double(), images().double().requires_grad_()
    (fused,) = torch.autograd.grad(net(pixels)[:, 1].sum(), pixels)
    with capturing(net, lambda *_: None):
        (plain,) = torch.autograd.grad(net(pixels)[:, 1].sum(), pixels)
    torch.testing.assert_close(plain, fused)
