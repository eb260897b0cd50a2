"""Training: AdamW, warm-up and cosine, class balance, the best epoch by validation."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from torch import Tensor

from heatproof.errors import InputError
from heatproof.memory import fitting
from heatproof.seeds import derive
from heatproof.train.augment import augment
from heatproof.train.model import Classifier, ImageSet, predict
from heatproof.train.objective import objective
from heatproof.train.precision import autocast, emulated, slowdown
from heatproof.train.resume import Resume


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
    mend = f"lower train.lr or {own}.lr ({recipe['lr']}) in params.yaml or the study's file"

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
        times = slowdown(model, images.inputs(slice(0, batch), device))
        tell(
            f"warning: this CPU has no units for bfloat16 and emulates it: a step takes {times:.1f} times as long as in"
            f" float32; set train.precision or {own}.precision to float32"
        )
    history: list[dict[str, float]] = []
    best: dict[str, Tensor] = {}
    saved = resume.load() if resume else None
    if saved is not None:
        history, best = _restore(model, optimizer, *saved)
        tell(f"goes on after epoch {len(history)} of {epochs}")
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
                    raise InputError(f"the {what} is {found} in epoch {epoch + 1}: {mend}")
            total += loss
        val_loss, accuracy = aim.evaluate(predict(model, validation, eval_batch_size, device), validation.labels)
        if not math.isfinite(val_loss):  # the last step can spoil weights, and no loss after it would say so
            raise InputError(f"the loss on the validation images is {val_loss} after epoch {epoch + 1}: {mend}")
        lr = optimizer.param_groups[0]["lr"]
        history.append(
            {
                "epoch": epoch + 1,
                "lr": lr,
                "train_loss": total / steps,
                "val_loss": val_loss,
                "val_balanced_accuracy": accuracy,
            }
        )
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
