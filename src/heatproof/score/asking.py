"""A model is asked about many changed images: in batches of one size, filled across images, in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor

Forward = Callable[[Tensor], Tensor]  # pixels [batch, channels, height, width] in [0, 1] to logits [batch, classes]
Item = TypeVar("Item")
Case = tuple[Tensor, Tensor, int]  # pixels [channels, height, width], maps [maps, height, width], target
Probability = Callable[[Tensor, int], Tensor]  # logits [images, classes] and one of them to its probability [images]

AHEAD = 2  # batches that a GPU has before it while the CPU makes the next: it need not wait, and memory stays bounded


def of_class(logits: Tensor, target: int) -> Tensor:
    """Probability of one class where an image has one of them."""
    return logits.softmax(1)[:, target]


def of_label(logits: Tensor, target: int) -> Tensor:
    """Probability of one label where an image has any number of them."""
    return logits[:, target].sigmoid()


def outputs(forward: Forward, stacks: Iterable[Iterable[Tensor]], batch_size: int) -> Iterator[Tensor]:
    """Logits of each stack of images.

    Args:
        forward: the model.
        stacks: each the changed images of one case, at least one, in blocks [any number, channels, height, width]
            that are made when the model gets to them.
        batch_size: images in a forward pass. Batches are cut across blocks and stacks; only the last is smaller.

    Yields:
        For each stack, in order, logits [images, classes], float64 on the CPU.
    """
    sizes: deque[int] = deque()
    waiting: list[Tensor] = []
    asked: deque[tuple[Tensor, torch.cuda.Event | None]] = deque()
    done: list[Tensor] = []

    def ask() -> None:
        with torch.inference_mode():
            answer = forward(torch.stack(waiting[:batch_size])).double()
        del waiting[:batch_size]
        asked.append(_on_its_way(answer))
        land(AHEAD if answer.is_cuda else 0)

    def land(left: int) -> None:
        while len(asked) > left:
            answer, event = asked.popleft()
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
        for block in stack:
            count += len(block)
            waiting.extend(block)
            while len(waiting) >= batch_size:
                ask()
        sizes.append(count)
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
