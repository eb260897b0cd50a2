"""Scores of heatmaps, from Python: a table with a row an image and a column a metric.

>>> from heatproof import score
>>> score.evaluate(maps["gradcam"], masks=masks)  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # importing the package must not import torch or pandas
    import pandas as pd
    from torch import Tensor


def evaluate(
    maps: Tensor,
    *,
    masks: Tensor | None = None,
    model: Callable[[Tensor], Tensor] | None = None,
    images: Tensor | None = None,
    targets: Tensor | None = None,
    steps: int = 20,
    baseline: str = "mean",
    batch_size: int = 64,
) -> pd.DataFrame:
    """Score the heatmaps of one method: complexity always, localization where masks are given, faithfulness where a
    model is.

    Args:
        maps: raw relevance, float [images, height, width].
        masks: where the truth lies, bool of the same shape; an empty one has no score.
        model: pixels [batch, channels, height, width] in [0, 1] to logits, in evaluation mode.
        images: what the model is asked about, float [images, channels, height, width] in [0, 1].
        targets: int64 [images], the class that each map is for.
        steps: parts into which the pixels are divided.
        baseline: what stands where pixels were removed: mean, zero, blur or imputation.
        batch_size: images in a forward pass.

    Returns:
        A row an image; NaN where a map or a mask cannot be scored.

    Raises:
        ValueError: shapes do not fit, images are not pixels in [0, 1], the model is in training mode or came without
            images or targets.
    """
    import pandas as pd

    from heatproof.explain import check_asked
    from heatproof.score import complexity, confidence, faithfulness, localization
    from heatproof.score.scene import Scene

    if maps.ndim != 3 or not len(maps):
        raise ValueError(f"maps {tuple(maps.shape)}: they must be [images, height, width]")
    maps = maps.detach()
    columns = {name: function(maps) for name, function in complexity.METRICS.items()}
    if masks is not None:
        if maps.shape != masks.shape:
            raise ValueError(f"maps {tuple(maps.shape)} and masks {tuple(masks.shape)} differ")
        scene = Scene(maps, masks.bool())
        metrics = {name: metric for name, metric in localization.METRICS.items() if name not in localization.REGIONS}
        columns |= {name: metric(scene) for name, metric in metrics.items()}
    if model is not None:
        if images is None or targets is None:
            raise ValueError("faithfulness asks the model: give images and targets with it")
        if len(maps) != len(images) or len(maps) != len(targets) or maps.shape[1:] != images.shape[2:]:
            raise ValueError(f"maps {tuple(maps.shape)} do not fit images {tuple(images.shape)} and targets")
        check_asked(images, targets)
        if getattr(model, "training", False):
            raise ValueError(
                "the model is in training mode, in which images change each other's scores: call model.eval()"
            )
        cases = ((image, one[None], int(target)) for image, one, target in zip(images, maps, targets, strict=True))
        asked = list(faithfulness.responses(model, cases, steps=steps, baselines=[baseline], batch_size=batch_size))
        for name, metric in confidence.METRICS.items():
            columns[name] = [metric(response).item() for response in asked]
        for name, metric in faithfulness.METRICS.items():
            columns[name] = [metric(response.curves[baseline]).item() for response in asked]
    return pd.DataFrame({name: [float(value) for value in values] for name, values in columns.items()})
