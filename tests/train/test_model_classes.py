"""Model classes of five libraries with random weights: each is opened from its weights alone, and its Grad-CAM equals
that of pytorch-grad-cam, or of captum where the layer has channels first."""

import importlib.util

import pytest
import torch
from captum.attr import LayerGradCam
from explain.test_cam import raw
from pytorch_grad_cam import GradCAM
from torch import nn

from heatproof.explain.cam import gradcam
from heatproof.explain.methods import Batch
from heatproof.train.libraries import MAKERS, Options
from heatproof.train.sources import load
from heatproof.train.specs import EXTRAS, Spec

CLASSES = ["air", "fluid", "mass"]
TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "image_size": 64}
STAGES = {"hidden_sizes": [16, 24, 32, 40], "depths": [1, 1, 1, 1], "embedding_size": 16}
# Hugging Face: type of model -> what makes its configuration small
HF = {
    "vit": TINY | {"patch_size": 8},
    "deit": TINY | {"patch_size": 8},
    "beit": TINY | {"patch_size": 8, "vocab_size": 10},
    "dinov2": TINY | {"patch_size": 8},
    "dinov2_with_registers": TINY | {"patch_size": 8},
    "ijepa": TINY | {"patch_size": 8},
    "resnet": STAGES | {"layer_type": "basic"},
    "convnext": {"hidden_sizes": [16, 24, 32, 40], "depths": [1, 1, 1, 1]},
    "convnextv2": {"hidden_sizes": [16, 24, 32, 40], "depths": [1, 1, 1, 1]},
    "regnet": STAGES | {"groups_width": 8},
    "swin": {"embed_dim": 12, "depths": [1, 1, 2], "num_heads": [1, 2, 4], "window_size": 4, "image_size": 64},
    "swinv2": {"embed_dim": 12, "depths": [1, 1, 2], "num_heads": [1, 2, 4], "window_size": 4, "image_size": 64},
    "mobilenet_v2": {"depth_multiplier": 0.35, "image_size": 64},
    "bit": {"hidden_sizes": [16, 24, 32, 64], "depths": [1, 1, 1, 1], "embedding_size": 16, "num_groups": 4},
    "focalnet": {"embed_dim": 12, "depths": [1, 1, 2], "hidden_sizes": [12, 24, 48], "image_size": 64},
    "pvt_v2": {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 1, 2, 2]},
    "poolformer": {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]},
    "segformer": {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 1, 2, 2]},
}
FAST = [
    "timm:test_resnet", "timm:test_vit", "timm:test_efficientnet", "timm:test_convnext", "timm:test_nfnet",
    "torchvision:resnet18", "torchvision:mobilenet_v3_small", "torchvision:squeezenet1_1",
    "torchvision:shufflenet_v2_x0_5", "torchvision:mnasnet0_5",
    *(f"hf:{kind}" for kind in HF),
    "monai:resnet10", "monai:SEResNet50",
]  # fmt: skip
SLOW = [
    "torchvision:densenet121", "torchvision:efficientnet_b0", "torchvision:regnet_y_400mf", "torchvision:convnext_tiny",
    "torchvision:swin_t", "torchvision:swin_v2_t", "torchvision:vit_b_16", "torchvision:maxvit_t",
    "torchvision:googlenet", "torchvision:vgg11_bn", "torchvision:mobilenet_v2", "torchvision:inception_v3",
    "monai:DenseNet121", "monai:EfficientNetBN", "monai:ViT", "monai:SENet154", "monai:TorchVisionFCModel",
    "xrv:densenet121-res224-all", "xrv:resnet50-res512-all",
]  # fmt: skip
ARGUMENTS = {
    "monai:EfficientNetBN": {"model_name": "efficientnet-b0"},
    "monai:ViT": {
        "patch_size": 8,
        "hidden_size": 32,
        "mlp_dim": 64,
        "num_layers": 2,
        "num_heads": 2,
        "img_size": [64, 64],
    },
    "monai:TorchVisionFCModel": {"model_name": "resnet18"},
}
SIDES = {"torchvision:inception_v3": 128, "monai:ViT": 64, "torchvision:maxvit_t": 224, "monai:TorchVisionFCModel": 224}


def library(source: str) -> str | None:
    """The package that a test needs, where it is not installed."""
    package = EXTRAS.get(source.partition(":")[0])
    return package if package and importlib.util.find_spec(package) is None else None


def made(source, folder):
    """Write a model of random weights, its head large enough for logits to differ, and say how it is opened again."""
    torch.manual_seed(0)
    spec = Spec.parse(source)
    options = {"arguments": ARGUMENTS.get(source, {})}
    if spec.kind == "hf":
        from transformers import CONFIG_MAPPING, AutoModelForImageClassification

        config = CONFIG_MAPPING[spec.name](**HF[spec.name], num_labels=3, id2label=dict(enumerate(CLASSES)))
        config.architectures = ["DeiTForImageClassification"] if spec.name == "deit" else None
        net = AutoModelForImageClassification.from_config(config)
    else:
        net = MAKERS[spec.kind](spec.name, Options.of(options), own=False, outputs=3).net
    with torch.no_grad():
        last = [module for module in net.modules() if isinstance(module, (nn.Linear, nn.Conv2d))]
        head = next(one for one in reversed(last) if one.weight.shape[0] == 3)
        head.weight.normal_()
        head.weight -= head.weight.mean(0)  # what speaks against one class speaks for another
    net.eval()
    if spec.kind == "hf":
        net.save_pretrained(folder / spec.name)
        return f"hf:{folder / spec.name}", {"mean": [0.5] * 3, "std": [0.25] * 3}
    torch.save(net.state_dict(), folder / "weights.pt")
    options |= {"weights": str(folder / "weights.pt")}
    return source, options | ({"mean": [0.5], "std": [0.25]} if spec.kind == "monai" else {})


@pytest.mark.parametrize("source", [*FAST, *(pytest.param(one, marks=pytest.mark.slow) for one in SLOW)])
def test_gradcam_of_a_library_equals_another_implementation(source, tmp_path, monkeypatch):
    # xrv changes the features in place after their hooks have kept them: they would explain another tensor
    monkeypatch.setattr(nn.functional, "relu", lambda x, inplace=False: torch.relu(x))
    if lacking := library(source):
        pytest.skip(f"{lacking} is not installed: pip install 'heatproof[{source.partition(':')[0]}]'")
    where, options = made(source, tmp_path)
    found = load(where, options, classes=CLASSES)
    side = SIDES.get(source, 64)
    size = found.size or (side, side)
    assert found.check(size).shape == (3, 3) and found.net.num_classes == 3
    layer = found.layer_at(size)
    pixels = torch.rand(1, found.channels, *size).expand(3, -1, -1, -1)
    batch = Batch(found.net, layer, pixels, torch.arange(3))  # each class of one image
    maps = gradcam(batch)
    assert maps.shape == (3, *layer.grid) and min(layer.grid) > 1 and maps.isfinite().all()
    scale = float(maps.max())
    assert scale > 0
    for a, b in ((0, 1), (1, 2), (2, 0)):  # two classes may both have nothing that speaks for them
        assert (maps[a] - maps[b]).abs().max() > 1e-2 * scale or not maps[[a, b]].any()
    theirs = raw(GradCAM, batch).clamp(min=0)
    torch.testing.assert_close(maps, theirs, rtol=1e-5, atol=1e-5 * scale)
    if layer.layout == "NCHW":
        captum = LayerGradCam(found.net, layer.module).attribute(pixels, batch.targets, relu_attributions=True)
        torch.testing.assert_close(maps, captum[:, 0], rtol=1e-4, atol=1e-5 * scale)
