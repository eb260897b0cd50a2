"""Grad-CAM over the families of timm: whose maps are finite, not constant, and differ between classes.

`python -m bench.sweep` explains each architecture of `architectures.json`, with random weights, and writes
`docs/architectures.md`. `python -m bench.sweep --choose` chooses them anew, from the timm that is installed.
"""

import argparse
import fnmatch
import json
import sys
import time
from pathlib import Path
from typing import NamedTuple

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from heatproof.core.geometry import degeneracy, upsample
from heatproof.core.messages import InputError, line
from heatproof.explain.cam import gradcam
from heatproof.explain.methods import Batch
from heatproof.train.layers import DIFFER, TargetLayer, agreement, find_target_layer, probes
from heatproof.train.model import Classifier, build, prepare

HERE = Path(__file__).parent
CHOSEN, DOCUMENT = HERE / "architectures.json", HERE.parent / "docs" / "architectures.md"
CLASSES, MIN_GRID, DEFAULT_SIZE, BEYOND_ROUNDING = 16, 7, 224, 1e-2
# asked for by name; a module of timm may hold several kinds of network
NAMED = (
    *("deit*distilled*", "mobilenetv3*", "mobilenetv4*", "maxvit*", "coatnet*", "mixer*", "resmlp*", "dm_nfnet*"),
    *("regnety*", "levit_conv*", "mvitv2*cls", "swin_tiny*", "convnext_*", "pvt*", "efficientvit_[bm]*", "beit3*"),
    *("resnext*", "repvgg*", "eva02*", "crossvit*dagger*", "swinv2_cr*ns*", "vit_*dinov3*", "vit_*clip*", "vit_*gap*"),
)


class Row(NamedTuple):
    """What came of one architecture."""

    architecture: str
    family: str
    size: int
    layer: TargetLayer | None
    places: float  # how well the grid's places answer where an image changes; NaN where all see the whole image
    differ: float  # largest difference between two classes' maps, each scaled to a maximum of 1; NaN where none
    result: str  # "works", or why not, in one line
    drawn: bool  # whether parameters that start constant were drawn at random
    seconds: float


def choose() -> list[dict]:
    """The architecture with the fewest parameters that is a classifier, of each module of timm and each of `NAMED`.

    timm's `test_` networks are left out. The size is the architecture's own where it takes no other, or takes no
    images of 224 pixels; else 224.
    """
    groups = {module: timm.list_models(module=module) for module in timm.list_modules()}
    groups |= {pattern: fnmatch.filter(timm.list_models(), pattern) for pattern in NAMED}
    chosen: dict[str, dict] = {}
    for group, names in sorted(groups.items()):
        sized = sorted((_parameters(name), name) for name in names if not name.startswith("test_"))
        found = next((one for _, name in sized if (one := _fit(name))), None)
        line(f"{group}: {found or 'no classifier'}")
        if found:
            chosen[found["architecture"]] = found
    return sorted(chosen.values(), key=lambda one: (one["family"], one["architecture"]))


def _parameters(name: str) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in timm.create_model(name, num_classes=CLASSES).parameters())


def _fit(name: str) -> dict | None:
    """The architecture with a size that it takes, or None where it gives no logits at any."""
    config = timm.get_pretrained_cfg(name)
    own = config.input_size[-1]
    for size in dict.fromkeys([own if config.fixed_input_size else DEFAULT_SIZE, own]):
        try:
            model = build(name, CLASSES, size).eval()
            with torch.inference_mode():
                logits = model(torch.zeros(1, 1, size, size))
        except (InputError, RuntimeError, AssertionError, ValueError, TypeError):
            continue
        if isinstance(logits, Tensor) and logits.shape == (1, CLASSES):
            return {"architecture": name, "family": _family(name), "size": size}
    return None


def _family(name: str) -> str:
    """timm's module."""
    return timm.model_entrypoint(name).__module__.rpartition(".")[2]


def examine(architecture: str, family: str, size: int) -> Row:
    """Explain two images of one architecture. Where its start makes maps alike (norms, layer scales and heads at
    zero), again with what starts constant drawn at random."""
    started = time.perf_counter()
    for drawn in (False, True):
        torch.manual_seed(0)
        layer, places, differ, result = None, float("nan"), float("nan"), ""
        try:
            model = build(architecture, CLASSES, size).eval().requires_grad_(False)
            if drawn:
                draw_constants(model)
            layer = find_target_layer(model, size, MIN_GRID)
            places = _places(model, layer, size)
            differ, result = _judge(model, layer, size)
        except InputError as error:
            result = str(error)
        if result == "works":
            break
    return Row(architecture, family, size, layer, places, differ, result, drawn, time.perf_counter() - started)


def draw_constants(model: nn.Module) -> None:
    """Draw anew what initialization leaves constant: weights as Kaiming does, tables (of attention's biases, without
    which LeViT cannot tell places apart) with variance 1, gains around 1, offsets around 0."""
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.numel() < 2 or parameter.min() < parameter.max():
                continue
            if parameter.ndim > 1 and min(parameter.shape) > 1:
                if isinstance(module, (nn.Linear, nn.Conv2d)):
                    nn.init.kaiming_normal_(parameter, nonlinearity="linear")
                else:
                    nn.init.normal_(parameter)
            elif name == "bias":
                nn.init.normal_(parameter, std=0.1)
            else:
                nn.init.uniform_(parameter, 0.5, 1.5)


def images(count: int, size: int) -> Tensor:
    """Soft blobs with fine noise, so that places differ: float [count, 1, size, size] in [0, 1]."""
    draw = torch.Generator().manual_seed(0)
    soft = F.interpolate(torch.rand(count, 1, 5, 5, generator=draw), size=(size, size), mode="bicubic")
    return (0.8 * soft + 0.2 * torch.rand(count, 1, size, size, generator=draw)).clamp(0, 1)


def _places(model: Classifier, layer: TargetLayer, size: int) -> float:
    """Whether the map would lie where it belongs, whatever the layout was taken for."""
    kept: list[Tensor] = []
    hook = layer.module.register_forward_hook(lambda module, inputs, output: kept.append(output))
    with torch.inference_mode():
        model(probes(size))
    hook.remove()
    agrees, differs = agreement(layer.to_grid(kept[-1]))
    return agrees if differs >= DIFFER else float("nan")


def _judge(model: Classifier, layer: TargetLayer, size: int) -> tuple[float, str]:
    """How much the maps of two classes differ, and whether that will do.

    With random weights a layer speaks against half of the classes, and Grad-CAM's map of those is zero all over. So
    classes are asked one by one until two of them have maps, for each image.
    """
    pixels = images(2, size)
    kept: list[list[Tensor]] = [[] for _ in pixels]
    reasons: set[str] = set()
    for target in range(CLASSES):
        maps = upsample(gradcam(Batch(model, layer, pixels, torch.full((len(pixels),), target))), (size, size))
        if maps.shape != (len(pixels), size, size):
            return float("nan"), f"maps of {list(maps.shape[1:])} instead of the input's size"
        for one, why, place in zip(maps, degeneracy(maps), kept, strict=True):
            flat = one.max() - one.min() <= BEYOND_ROUNDING * one.max()
            if why or flat:
                reasons.add(why or "constant")
            else:
                place.append(one / one.max())
        if "not finite" in reasons:
            return float("nan"), "maps are not finite"
        if min(map(len, kept)) > 1:
            break
    else:
        return float("nan"), f"maps are {' or '.join(sorted(reasons))}"
    differ = min(float((first - second).abs().max()) for first, second, *_ in kept)
    return differ, "works" if differ > BEYOND_ROUNDING else "maps do not depend on the class"


def page(rows: list[Row]) -> str:
    """The document."""
    working = [row for row in rows if row.result == "works"]
    families = len({row.family for row in rows})
    text = (HERE / "architectures.in.md").read_text()
    return text.format(
        share=f"{len(working)} of {len(rows)} architectures from {families} families of timm {timm.__version__}",
        percent=f"{100 * len(working) / len(rows):.1f}",
        classes=CLASSES,
        min_grid=MIN_GRID,
        table="\n".join(map(_line, rows)),
    )


def _line(row: Row) -> str:
    cells = [f"`{row.architecture}`", row.family, str(row.size)]
    if row.layer is None:
        cells += ["", "", ""]
    else:
        prefix = f", {row.layer.prefix_tokens} before" if row.layer.prefix_tokens else ""
        cells += [f"`{row.layer.name}`", row.layer.layout + prefix, "{}x{}".format(*row.layer.grid)]
    cells += [f"{value:.2f}" if value == value else "" for value in (row.places, row.differ)]
    cells += [row.result + (" (drawn)" if row.drawn and row.result == "works" else "")]
    return f"| {' | '.join(cells)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--choose", action="store_true", help="choose the architectures anew")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="*", help="architectures that match; prints, and writes no document")
    args = parser.parse_args()
    prepare(args.threads)
    if args.choose:
        text = ",\n".join(f"  {json.dumps(one)}" for one in choose())
        CHOSEN.write_text(f"[\n{text}\n]\n")
    rows = []
    for one in json.loads(CHOSEN.read_text()):
        if fnmatch.fnmatch(one["architecture"], args.only):
            rows.append(examine(**one))
            line(f"{_line(rows[-1])} {rows[-1].seconds:.1f} s")
    if args.only == "*":
        DOCUMENT.write_text(page(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
