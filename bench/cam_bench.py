"""What a whole family of class activation maps costs beside one of them."""

import time
from collections.abc import Callable

import torch

from heatproof.explain import cam
from heatproof.explain.methods import Batch
from heatproof.train.layers import find_target_layer
from heatproof.train.model import build

MODEL, SIZE, IMAGES = "resnet50", 224, 8
FAMILY = ("gradcam", "gradcam_plus_plus", "hirescam", "layercam", "xgradcam", "eigengradcam")
WHAT = {
    "cam_family_over_one": f"six gradient-type CAMs of the same {IMAGES} images together: wall time / Grad-CAM alone",
}


def _wall(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def cam_family_over_one() -> float:
    model = build(MODEL, 3, SIZE).eval().requires_grad_(False)
    layer = find_target_layer(model, SIZE, 7)
    pixels = torch.rand(IMAGES, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    targets = torch.zeros(IMAGES, dtype=torch.long)

    def explain(names: tuple[str, ...]) -> None:
        batch = Batch(model, layer, pixels, targets)  # a new one has asked the model nothing
        for name in names:
            cam.METHODS[name](batch)

    explain(FAMILY[:1])
    together = _wall(lambda: explain(FAMILY))
    return together / _wall(lambda: explain(FAMILY[:1]))
