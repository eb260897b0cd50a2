"""Training in bfloat16: where it is fast, and what it costs where it is not."""

import copy
import time
from pathlib import Path

import torch
from torch import Tensor, nn

UNITS = {"amx_bf16", "avx512_bf16", "bf16"}  # flags of x86 and Arm CPUs


def autocast(recipe: dict, device: torch.device) -> torch.autocast:
    """The context of a forward pass: `train.precision: bfloat16` lowers the precision of matrix products and
    convolutions; weights, their gradients and the optimizer stay in float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=recipe.get("precision") == "bfloat16")


def emulated(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 without units for it."""
    if device.type != "cpu":
        return False
    try:
        words = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
    return UNITS.isdisjoint(words)


def slowdown(model: nn.Module, pixels: Tensor) -> float:
    """Time a forward and backward pass in bfloat16 as a multiple of one in float32; the model stays as it is."""
    model = copy.deepcopy(model).train()

    def seconds(lower: bool) -> float:
        for _ in range(2):  # the first one warms up
            started = time.perf_counter()
            with torch.autocast(pixels.device.type, torch.bfloat16, enabled=lower):
                loss = model(pixels).logsumexp(1).sum()
            loss.backward()
        return time.perf_counter() - started

    return seconds(True) / seconds(False)
