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
    task: str | None = None,
    output: str | None = None,
    mask_threshold: float | None = None,
) -> pd.DataFrame:
    """Score the heatmaps of one method: complexity always, localization where masks are given, faithfulness where a
    model is.

    Args:
        maps: raw relevance, float [images, height, width] or [images, 1, height, width], a tensor or an array.
        masks: where the truth lies, of the same shape: bool, {0, 1} or {0, 255}. A mask that is empty, or covers the
            whole image, gives no score.
        model: pixels [batch, channels, height, width] in [0, 1] to logits, in evaluation mode.
        images: what the model is given, float [images, channels, height, width] in [0, 1].
        targets: integers [images], the class that each map is for. Of a model with one score, 1 is the class that it is
            for and 0 the other one.
        steps: parts into which the pixels are divided.
        baseline: what stands where pixels were removed: mean, zero, blur or imputation.
        batch_size: images in a forward pass.
        task: `multiclass`, an image has one class (the default), or `multilabel`, any number of labels; a model of
            `explain.classifier` brings its own.
        output: what the model returns, `logits`, or probabilities of a `softmax` or of `sigmoid`s; recognized by
            default, with a warning where it is not logits.
        mask_threshold: for masks of other values: a pixel belongs to the mask where it is at least this.

    Returns:
        A row an image; NaN where a map or a mask cannot be scored. `attrs["output"]` and `attrs["activation"]` say what
        the model returned and how probabilities were made of it.

    Raises:
        ValueError: shapes do not fit, images are not pixels in [0, 1], masks hold other values and no threshold is
            given, or the model has a module in training mode or came without images or targets.

    >>> import torch
    >>> maps = torch.arange(16.0).view(1, 4, 4)
    >>> evaluate(maps, masks=maps > 11)[["relevance_rank_accuracy", "pointing_game"]].values.tolist()
    [[1.0, 1.0]]
    """
    import pandas as pd
    import torch

    from heatproof.catalogue.metrics import METRICS
    from heatproof.explain import as_it_is, check_images, unwrapped
    from heatproof.score.metrics import complexity, confidence, faithfulness, localization
    from heatproof.score.queries import of_class, of_label
    from heatproof.score.scene import Scene
    from heatproof.train.adapter import Adapter, recognize

    maps = _stack("maps", maps)
    columns = {name: function(maps) for name, function in complexity.METRICS.items()}
    attributes = {}
    if masks is not None:
        masks = _binary(_stack("masks", masks), mask_threshold)
        if maps.shape != masks.shape:
            raise ValueError(f"maps {tuple(maps.shape)} and masks {tuple(masks.shape)} differ")
        scene = Scene(maps, masks)
        metrics = {name: metric for name, metric in localization.METRICS.items() if not METRICS[name].region}
        columns |= {name: metric(scene) for name, metric in metrics.items()}
    if model is not None:
        if images is None or targets is None:
            raise ValueError("faithfulness asks the model: give images and targets with it")
        with torch.inference_mode(False), as_it_is():
            images, targets = check_images(images, targets)
            if len(maps) != len(images) or len(maps) != len(targets) or maps.shape[1:] != images.shape[2:]:
                raise ValueError(f"maps {tuple(maps.shape)} do not fit images {tuple(images.shape)} and targets")
            if isinstance(model, torch.nn.Module) and any(module.training for module in model.modules()):
                raise ValueError(
                    "the model, or a module in it, is in training mode, in which images change each other's scores: "
                    "call model.eval()"
                )
            if isinstance(inner := unwrapped(model), Adapter):
                outputs = inner.outputs_for(images)
                for name, given, own in [("task", task, outputs.task), ("output", output, outputs.kind)]:
                    if given not in (None, own):
                        raise ValueError(f"{name}: {given!r}, but explain.classifier made the model for {own!r}")
                forward = model
            else:
                outputs = recognize(model, images, task or "multiclass", output)

                def forward(pixels: Tensor) -> Tensor:
                    return outputs.logits(model(pixels), len(pixels))

            with torch.inference_mode():
                classes = forward(images[:1]).shape[1]
            if targets.max() >= classes:
                raise ValueError(f"targets: class {int(targets.max())} of a model of {classes} classes, from 0")
            answers = list(
                faithfulness.responses(
                    forward,
                    ((image, one[None], int(target)) for image, one, target in zip(images, maps, targets, strict=True)),
                    steps=steps,
                    baselines=[baseline],
                    batch_size=batch_size,
                    probability=of_label if outputs.activation == "sigmoid" else of_class,
                )
            )
        attributes = {"output": outputs.kind, "activation": outputs.activation}
        for name, metric in confidence.METRICS.items():
            columns[name] = [metric(answer).item() for answer in answers]
        for name, metric in faithfulness.METRICS.items():
            columns[name] = [metric(answer.curves[baseline]).item() for answer in answers]
    table = pd.DataFrame({name: [float(value) for value in values] for name, values in columns.items()})
    table.attrs |= attributes
    return table


def _stack(name: str, given: object) -> Tensor:
    """Return maps or masks as a tensor [images, height, width], in a precision that can be sorted."""
    import torch

    stack = torch.as_tensor(given).detach()
    if stack.ndim == 4 and stack.shape[1] == 1:
        stack = stack[:, 0]
    if stack.ndim != 3 or not len(stack):
        raise ValueError(f"{name} {tuple(stack.shape)}: they must be [images, height, width]")
    keep = stack.dtype in (torch.bool, torch.float32, torch.float64)
    return stack if keep or name == "masks" else stack.float()


def _binary(masks: Tensor, threshold: float | None) -> Tensor:
    """Return bool masks, of values that can only be meant in one way or by a threshold."""
    if threshold is not None:
        return masks >= threshold
    values = set(masks.unique()[:3].tolist())
    if not (values <= {0, 1} or values <= {0, 255}):
        low, high = masks.min().item(), masks.max().item()
        raise ValueError(
            f"masks: values from {low:g} to {high:g} that are neither {{0, 1}} nor {{0, 255}}: "
            f"give mask_threshold, from which on a pixel belongs to the mask"
        )
    return masks.bool()
