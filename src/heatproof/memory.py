"""Memory that runs out: which setting to lower."""

import errno
from collections.abc import Callable
from typing import Any, TypeVar

from heatproof.errors import InputError

Value = TypeVar("Value")

# as torch, CUDA's libraries and oneDNN say it where they raise no error of its own kind
WORDS = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "STATUS_ALLOC_FAILED",
    "bad_alloc",
    "could not create a primitive",
    "could not execute a primitive",
)
ELSE = "run fewer jobs at once here, or take smaller images (data.size) or a smaller model"


def ran_out(error: BaseException) -> bool:
    """Return whether memory ran out, the GPU's or the machine's: errors of torch, numpy, Arrow, a mapped file."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    known = isinstance(error, RuntimeError) and any(words in str(error) for words in WORDS)
    return known or isinstance(error, MemoryError)


def fitting(work: Callable[[Any], Value], batch: Any, setting: str, *, least: int = 1, otherwise: str = ELSE) -> Value:
    """Return `work(batch)`; where memory runs out, stop with the setting to lower.

    Another batch gives other bytes, so none is taken by itself.

    Args:
        work: what is done with a batch.
        batch: what is worked on together; has a length.
        setting: key of the configuration that sets that length.
        least: length without which the work cannot be done.
        otherwise: what else helps.

    Raises:
        InputError: memory ran out.
    """
    try:
        return work(batch)
    except (MemoryError, OSError, RuntimeError) as error:
        if not ran_out(error):
            raise
        cause = " ".join(str(error).split())[:100] or type(error).__name__
        half = len(batch) // 2
        smaller = f"set it to {half} in params.yaml or the study's file, or " if half >= least else ""
        raise InputError(f"{setting}: no memory for a batch of {len(batch)} ({cause}): {smaller}{otherwise}") from None
