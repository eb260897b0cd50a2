"""What ROAD costs beside the model's forward passes."""

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from heatproof.score.metrics import road
from heatproof.train.model import build

MODEL, SIZE, IMAGES, STEPS = "resnet50", 224, 2, 28
BATCH = 8  # as pytorch-grad-cam is given; larger ones make the allocator return memory and fault it in anew
PERCENTILES = [100 * step / (STEPS + 1) for step in range(1, STEPS + 1)]
SET = f"images of {SIZE} px, half with smooth maps and half with maps of random pixels"
WHAT = {
    "road_over_model": f"ROAD, most and least relevant first at {STEPS} percentiles, {SET}: "
    "wall time / time inside the model",
}


class _Timed(torch.nn.Module):
    """A model that adds up the seconds spent inside it."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model, self.seconds = model, 0.0

    def forward(self, pixels):
        started = time.perf_counter()
        logits = self.model(pixels)
        self.seconds += time.perf_counter() - started
        return logits


def _wall(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _images_and_maps() -> tuple[torch.Tensor, torch.Tensor]:
    """Images with structure, and maps in [0, 1] without ties: a smooth 7 x 7 grid, as Grad-CAM's, or noise."""
    draw = torch.Generator().manual_seed(0)
    noise, other = (torch.rand(IMAGES, 1, SIZE, SIZE, generator=draw) for _ in range(2))
    grids, scene = (torch.rand(IMAGES, 1, side, side, generator=draw) for side in (7, 28))
    smooth, scene = (F.interpolate(x, size=(SIZE, SIZE), mode="bilinear") for x in (grids, scene))
    maps = torch.where(torch.arange(IMAGES).view(-1, 1, 1, 1) % 2 == 0, 0.999 * smooth + 0.001 * noise, noise)
    return 0.8 * scene + 0.2 * other, maps[:, 0]


def _ours(model: torch.nn.Module, pixels: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    cases = ((image, relevance[None], 0) for image, relevance in zip(pixels, maps, strict=True))
    keys = (("bench", number) for number in range(len(pixels)))
    found = road.road_responses(model, cases, percentiles=PERCENTILES, batch_size=BATCH, noise=0.01, keys=keys)
    return torch.cat([road.METRICS["road"](response) for response in found])


def road_over_model() -> float:
    model = _Timed(build(MODEL, 3, SIZE).eval())
    total = _wall(lambda: _ours(model, *_images_and_maps()))
    return total / model.seconds
