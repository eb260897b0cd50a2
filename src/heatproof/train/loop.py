"""Training: AdamW, warm-up and cosine, class balance, random changes that keep an image's class, bfloat16, the best
epoch by validation."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from torch import Tensor

from heatproof.core.draws import derive, generator
from heatproof.core.messages import InputError, fitting
from heatproof.train.checkpoint import Resume
from heatproof.train.model import Classifier, ImageSet, predict


def augment(
    pixels: Tensor, draw: torch.Generator, *, flip: bool, rotate: float, scale: float, shift: float, intensity: float
) -> Tensor:
    """Change each image of a batch by its own random affine map and intensity.

    Args:
        pixels: float [batch, channels, height, width] in [0, 1].
        draw: source of the random numbers, on the CPU whatever the device of `pixels`.
        flip: mirror left and right in half of the images.
        rotate: largest angle, in degrees.
        scale: largest relative change of size.
        shift: largest shift, as a share of the side.
        intensity: largest relative change of contrast and absolute change of brightness.

    Returns:
        float of the same shape, in [0, 1]; what comes from outside the image repeats its border.
    """
    count = len(pixels)

    def uniform(limit: float) -> Tensor:
        return (torch.rand(count, generator=draw) * 2 - 1) * limit

    angle = uniform(math.radians(rotate))
    size = 1 + uniform(scale)
    mirror = torch.where(uniform(1) < 0, -1.0, 1.0) if flip else torch.ones(count)
    cos, sin = angle.cos() * size, angle.sin() * size
    theta = torch.stack(
        [
            torch.stack([cos * mirror, -sin, uniform(2 * shift)], 1),
            torch.stack([sin * mirror, cos, uniform(2 * shift)], 1),
        ],
        1,
    )
    contrast, brightness = (1 + uniform(intensity)), uniform(intensity)
    grid = F.affine_grid(theta, list(pixels.shape), align_corners=False).to(pixels.device)
    moved = F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    view = (count, 1, 1, 1)
    return (moved * contrast.view(view).to(pixels) + brightness.view(view).to(pixels)).clamp(0, 1)


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


def shuffled(labels: Tensor, rows: np.ndarray, *key: str | int) -> Tensor:
    """Labels permuted among some images: every class keeps its count there, and no image its own label but by chance.

    Single images, not whole groups, as in the random-label test of Adebayo et al. (2018): look-alikes with labels of
    their own can only be learnt by heart.

    Args:
        labels: int64 [all images]; not changed.
        rows: int [images], which of them are permuted, each at most once.
        key: what the permutation is drawn from, such as study and seed.

    Returns:
        int64 [all images]; outside `rows` as before.
    """
    order = generator("train", "shuffled labels", *key).permutation(len(rows))
    result = labels.clone()
    result[rows] = labels[rows][order]
    return result


RAREST = 20.0  # a label that is rarer than one image in so many weighs no more than one that is


class Objective(Protocol):
    """How logits [images, classes] are held against labels: a loss to train on, and what is told of held-out images."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor: ...

    def evaluate(self, logits: Tensor, labels: Tensor) -> tuple[float, float]: ...


class OneClass:
    """Cross-entropy of the one class of each image, with a weight a class if they are to count the same.

    `labels` are int64 [images].
    """

    def __init__(self, labels: Tensor, classes: int, balance: bool):
        self.weights = class_weights(labels, classes) if balance else None

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        weights = self.weights.to(logits.device) if self.weights is not None else None
        return F.cross_entropy(logits, labels, weight=weights)

    def evaluate(self, logits: Tensor, labels: Tensor) -> tuple[float, float]:
        """Mean cross-entropy and balanced accuracy (mean recall of the classes that are there)."""
        right = (logits.argmax(1) == labels).double()
        recalls = [right[labels == label].mean() for label in labels.unique()]
        return F.cross_entropy(logits, labels).item(), torch.stack(recalls).mean().item()


class Labels:
    """Binary cross-entropy of each label, weighted where it is there if that is to count as much as where it is not.

    `labels` are bool [images, classes].
    """

    def __init__(self, labels: Tensor, balance: bool):
        self.weights = label_weights(labels) if balance else None

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        weights = self.weights.to(logits.device) if self.weights is not None else None
        return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), pos_weight=weights)

    def evaluate(self, logits: Tensor, labels: Tensor) -> tuple[float, float]:
        """Mean loss, weighted as in training, and the mean over labels of the balanced accuracy at a probability of one
        half; a label that all images have, or none, has no part in it."""
        right = ((logits > 0) == labels).double()
        stated = [k for k in range(labels.shape[1]) if 0 < labels[:, k].sum() < len(labels)]
        recalls = [(right[labels[:, k], k].mean() + right[~labels[:, k], k].mean()) / 2 for k in stated]
        return self.loss(logits, labels).item(), torch.stack(recalls).mean().item() if recalls else 0.5


def objective(labels: Tensor, classes: int, balance: bool) -> Objective:
    """What to train for, by the shape of the training images' labels: [images], or [images, classes]."""
    return OneClass(labels, classes, balance) if labels.ndim == 1 else Labels(labels, balance)


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """Weights, float [classes], with which every class counts the same; their mean over the images is 1."""
    counts = torch.bincount(labels, minlength=classes).clamp(min=1)
    return len(labels) / ((counts > 0).sum() * counts.float())


def label_weights(labels: Tensor) -> Tensor:
    """Images without each label over those with it, float [classes], between 1 / `RAREST` and `RAREST`; 1 for a label
    that none has."""
    there = labels.sum(0).float()
    ratio = (len(labels) - there) / there.clamp(min=1)
    return torch.where(there > 0, ratio.clamp(1 / RAREST, RAREST), 1.0)


def train(
    model: Classifier,
    images: ImageSet,
    validation: ImageSet,
    recipe: dict[str, Any],
    *,
    key: tuple[str | int, ...],
    device: torch.device,
    eval_batch_size: int,
    resume: Resume | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> list[dict[str, float]]:
    """Train in place and leave the model at its best epoch: highest balanced accuracy on the validation
    images (of several labels, their mean), the lower loss where two are equal.

    Every epoch draws from its own seed, so that a training which goes on from a saved epoch gives the
    same bytes as one that was not stopped.

    Args:
        images, validation: what is trained on, and what chooses the epoch.
        recipe: section `train` of the configuration, resolved for this model.
        key: what the seeds are derived from: study, model, seed, and the fold unless it is the first.
        resume: where the state of a stopped training lies.
        tell: is given a line of progress an epoch.

    Returns:
        One dict an epoch: epoch, lr, train_loss, val_loss, val_balanced_accuracy.

    Raises:
        InputError: the loss, the gradient or the validation loss is not finite, or memory runs out.
    """
    model.to(device, memory_format=torch.channels_last)
    if not recipe["epochs"]:  # a checkpoint that is taken as it is, with or without images to train on
        return []
    count = len(images.rows)
    epochs, batch = recipe["epochs"], min(recipe["batch_size"], count)
    steps = count // batch
    optimizer = new_optimizer(model, recipe)
    scheduler = CosineLRScheduler(
        optimizer,
        t_initial=epochs * steps,
        lr_min=recipe["lr"] / 100,
        warmup_t=min(recipe["warmup_epochs"], epochs - 1) * steps,
        warmup_lr_init=recipe["lr"] / 100,
        t_in_epochs=False,
    )
    aim = objective(images.labels, model.net.num_classes, recipe["balance"])
    own = f"train.models.{key[1]}"  # where a user sets it for this model alone
    size_key = f"train.batch_size or {own}.batch_size"
    fix = f"lower train.lr or {own}.lr ({recipe['lr']}) in params.yaml or the study's file"

    def step(draw: torch.Generator, rows: Tensor) -> tuple[float, float]:
        """Loss and norm of the gradient."""
        inputs = augment(images.inputs(rows.numpy(), device), draw, **recipe["augment"])
        with autocast(recipe, device):
            loss = aim.loss(model(inputs), images.labels[rows].to(device))
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), recipe["clip_norm"])
        optimizer.step()
        return loss.item(), norm.item()

    if recipe.get("precision") == "bfloat16" and emulated(device):
        slow = "warning: this CPU has no units for bfloat16 and emulates it, which is slower than float32"
        tell(f"{slow}: set train.precision or {own}.precision to float32")
    history: list[dict[str, float]] = []
    best: dict[str, Tensor] = {}
    saved = resume.load() if resume else None
    if saved is not None:
        history, best = _restore(model, optimizer, *saved)
        tell(f"continues after epoch {len(history)} of {epochs}")
    for epoch in range(len(history), epochs):
        torch.manual_seed(derive(*key, "dropout", epoch))
        draw = torch.Generator().manual_seed(derive(*key, "epoch", epoch))
        order = torch.randperm(count, generator=draw)
        model.train()
        total = 0.0
        for start in range(0, steps * batch, batch):
            rows = order[start : start + batch]
            scheduler.step_update(epoch * steps + start // batch)
            loss, norm = fitting(partial(step, draw), rows, size_key, least=2)
            for what, found in {"loss": loss, "norm of the gradient": norm}.items():
                if not math.isfinite(found):
                    raise InputError(f"the {what} is {found} in epoch {epoch + 1}: {fix}")
            total += loss
        val_loss, accuracy = aim.evaluate(predict(model, validation, eval_batch_size, device), validation.labels)
        if not math.isfinite(val_loss):  # the last step can spoil weights, and no loss after it would say so
            raise InputError(f"the loss on the validation images is {val_loss} after epoch {epoch + 1}: {fix}")
        row = {"epoch": epoch + 1, "lr": optimizer.param_groups[0]["lr"], "train_loss": total / steps}
        history.append(row | {"val_loss": val_loss, "val_balanced_accuracy": accuracy})
        tell(f"epoch {epoch + 1} of {epochs}: loss {total / steps:.3f}, validation accuracy {accuracy:.3f}")
        if best_epoch(history) == epoch + 1:
            best = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
        if resume and epoch + 1 < epochs and resume.due():
            _save(resume, model, optimizer, history, best)
    if best:
        model.load_state_dict(best)
    return history


def new_optimizer(model: Classifier, recipe: dict[str, Any]) -> torch.optim.Optimizer:
    """AdamW, without weight decay for biases and norms."""
    return create_optimizer_v2(model, opt="adamw", lr=recipe["lr"], weight_decay=recipe["weight_decay"])


def best_epoch(history: list[dict[str, float]]) -> int:
    """The epoch to keep, counted from 1; 0 where nothing was trained."""
    if not history:
        return 0
    return max(history, key=lambda row: (row["val_balanced_accuracy"], -row["val_loss"]))["epoch"]


def _save(resume: Resume, model: Classifier, optimizer, history: list, best: dict[str, Tensor]) -> None:
    tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"best/{name}": tensor for name, tensor in best.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": tensor for name, tensor in state.items()}
    resume.save(tensors, {"history": history})


def _restore(model: Classifier, optimizer, tensors: dict[str, Tensor], facts: dict) -> tuple[list, dict[str, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "optimizer": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = tensor
    model.load_state_dict(parts["model"])
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in parts["optimizer"].items():
        index, _, field = name.partition("/")
        state.setdefault(int(index), {})[field] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return facts["history"], parts["best"]
