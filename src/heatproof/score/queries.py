"""Asking a model about many changed images, in batches of one size, filled across images, in order; and what stands
where pixels were removed."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from heatproof.core.geometry import FILLS, filled
from heatproof.score.imputation import impute

BASELINES = (*FILLS, "imputation")
EMPTIED = {"imputation": "mean"}  # what an image becomes where no pixel is left to fill in from


def remover(pixels: Tensor, baseline: str) -> Callable[[Tensor], Tensor]:
    """A function that removes pixels from one image.

    Args:
        pixels: float [channels, height, width] in [0, 1].
        baseline: one of `BASELINES`. `imputation` fills in from the pixels that are left (noise-free linear
            imputation, Rong et al. 2022); where none is left it is each channel's mean.

    Returns:
        Takes keep, bool [variants, height, width], to float [variants, channels, height, width].

    Raises:
        ValueError: the baseline has another name.
    """
    if baseline not in BASELINES:
        raise ValueError(f"a baseline is {', '.join(BASELINES[:-1])} or {BASELINES[-1]}, not {baseline!r}")
    if baseline == "imputation":
        return lambda keep: impute(pixels.expand(len(keep), *pixels.shape), ~keep)
    removed = filled(pixels, baseline)
    return lambda keep: torch.where(keep[:, None], pixels, removed)


Forward = Callable[[Tensor], Tensor]  # pixels [batch, channels, height, width] in [0, 1] to logits [batch, classes]
Item = TypeVar("Item")
Stack = Iterable[Tensor]  # blocks of changed images [any number, channels, height, width]
Case = tuple[Tensor, Tensor, int]  # pixels [channels, height, width], maps [maps, height, width], target
Probability = Callable[[Tensor, int], Tensor]  # logits [images, classes] and one of them to its probability [images]

TOGETHER = 16  # images whose questions fill batches together
AHEAD = 2  # batches that a GPU has before it while the CPU makes the next: it need not wait, and memory stays bounded


def of_class(logits: Tensor, target: int) -> Tensor:
    """Probability of one class where an image has one of them."""
    return logits.softmax(1)[:, target]


def of_label(logits: Tensor, target: int) -> Tensor:
    """Probability of one label where an image has any number of them."""
    return logits[:, target].sigmoid()


class Asked(Protocol):
    """One image, and which of its maps the model is asked about."""

    usable: Tensor  # bool [maps], on the CPU


One = TypeVar("One", bound=Asked)


def by_map(
    forward: Forward,
    images: Iterable[One],
    batch_size: int,
    whole: Callable[[One], Stack],
    of_map: Callable[[Sequence[One], int], Iterable[Stack]],
) -> Iterator[tuple[One, Tensor]]:
    """Ask about images as such, then about their maps, one after the other.

    Args:
        forward, batch_size: as for `outputs`.
        images: all with as many maps; `TOGETHER` of them are held at a time.
        whole: what is asked about an image whatever its maps.
        of_map: what is asked about one map, by its place, of each of some images.

    Yields:
        Each image with its logits, float64 on the CPU: of what is asked about the image, then of each usable map.
    """
    plan: deque[tuple[list[One], list[list[One]]]] = deque()

    def stacks() -> Iterator[Stack | None]:
        for some in grouped(images, TOGETHER):
            sound = [[image for image in some if image.usable[place]] for place in range(len(some[0].usable))]
            plan.append((some, sound))
            yield from map(whole, some)
            for place, usable in enumerate(sound):
                if usable:
                    yield None
                    yield from of_map(usable, place)
            yield None

    answers = outputs(forward, stacks(), batch_size)
    for first in answers:
        some, sound = plan.popleft()
        logits = {
            id(image): [answer] for image, answer in zip(some, (first, *islice(answers, len(some) - 1)), strict=True)
        }
        for usable in sound:
            for image in usable:
                logits[id(image)].append(next(answers))
        yield from ((image, torch.cat(logits[id(image)])) for image in some)


def outputs(forward: Forward, stacks: Iterable[Stack | None], batch_size: int) -> Iterator[Tensor]:
    """Logits of each stack of images.

    Args:
        forward: the model.
        stacks: each the changed images of one case, at least one, in blocks [any number, channels, height, width]
            that are made when the model gets to them. None ends a batch.
        batch_size: images in a forward pass. Batches are cut across blocks and stacks; only the last one, and those
            before a None, are smaller.

    Yields:
        For each stack, in order, logits [images, classes], float64 on the CPU.
    """
    sizes: deque[int] = deque()
    waiting: list[Tensor] = []
    requested: deque[tuple[Tensor, torch.cuda.Event | None]] = deque()
    done: list[Tensor] = []

    def ask() -> None:
        with torch.inference_mode():
            answer = forward(torch.stack(waiting[:batch_size])).double()
        del waiting[:batch_size]
        requested.append(_on_its_way(answer))
        land(AHEAD if answer.is_cuda else 0)

    def land(left: int) -> None:
        while len(requested) > left:
            answer, event = requested.popleft()
            if event is not None:
                event.synchronize()
            done.extend(answer)

    def finished() -> Iterator[Tensor]:
        while sizes and len(done) >= sizes[0]:
            size = sizes.popleft()
            yield torch.stack(done[:size])
            del done[:size]

    for stack in stacks:
        count = 0
        for block in stack or ():
            count += len(block)
            waiting.extend(block)
            while len(waiting) >= batch_size:
                ask()
        if stack is not None:
            sizes.append(count)
        elif waiting:
            ask()
        yield from finished()
    while waiting:
        ask()
    land(0)
    yield from finished()


def _on_its_way(answer: Tensor) -> tuple[Tensor, "torch.cuda.Event | None"]:
    """The answer on the CPU, and what says when it has arrived."""
    if not answer.is_cuda:
        return answer.cpu(), None
    copy, event = answer.to("cpu", non_blocking=True), torch.cuda.Event()
    event.record()
    return copy, event


def on(device: torch.device, tensor: Tensor) -> Tensor:
    """A tensor of the CPU on a device, without waiting for what a GPU has before it."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def grouped(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """A few items at a time, read when they are wanted."""
    left = iter(items)
    while some := list(islice(left, size)):
        yield some
