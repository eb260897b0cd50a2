"""Memory that runs out: which setting to change, and the largest value that fits here."""

import ctypes
import errno
import gc
import resource
import traceback
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from heatproof.errors import InputError

Found = TypeVar("Found")

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
    """Whether an error says that memory ran out, the GPU's or the machine's: of torch, numpy, Arrow, a mapped file."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    said = isinstance(error, RuntimeError) and any(words in str(error) for words in WORDS)
    return said or isinstance(error, MemoryError)


def fitting(work: Callable[[Any], Found], batch: Any, setting: str, *, least: int = 1, otherwise: str = ELSE) -> Found:
    """`work(batch)`; where memory runs out in it, stop with the largest batch that fits here.

    Another batch gives other bytes, so none is taken by itself: it is for the user to set.

    Args:
        work: is tried again on the first few of the batch, and must let go of the larger one when it fails.
        batch: what is worked on together; has a length and slices.
        setting: key of the configuration that sets that length.
        least: length without which the work cannot be done.
        otherwise: what else helps.

    Raises:
        InputError: memory ran out; says what to set.
    """
    _early()
    try:
        return work(batch)
    except (MemoryError, OSError, RuntimeError) as error:
        if not ran_out(error):
            raise
        said = " ".join(str(error).split())[:100] or type(error).__name__
        _let_go(error)
    best = largest(lambda size: work(batch[:size]), len(batch), least)
    if not best:
        raise InputError(f"{setting}: no memory here for a batch of {len(batch)}, nor of {least} ({said}): {otherwise}")
    raise InputError(
        f"{setting}: no memory here for a batch of {len(batch)}; the largest that fits is {best}: set it in params.yaml"
        f" or the study's file, or {otherwise}. Another batch gives other bytes, so none was taken for you"
    )


def largest(work: Callable[[int], object], size: int, least: int = 1) -> int:
    """The largest number below `size` for which `work` does not run out of memory; 0 where not even `least` fits."""
    fits = least - 1
    while size - fits > 1:
        middle = (fits + size) // 2
        fits, size = (middle, size) if _fits(work, middle) else (fits, middle)
    while fits >= least and not _fits(work, fits):  # again: since the first that fitted an optimizer's state is there
        fits -= 1 + fits // 16
    return fits if fits >= least else 0


def _fits(work: Callable[[int], object], size: int) -> bool:
    try:
        work(size)
    except (MemoryError, OSError, RuntimeError) as error:
        if not ran_out(error):
            raise
        _let_go(error)
        return False
    return True


def _let_go(error: BaseException) -> None:
    """Free what failed work held: the error's traceback keeps local variables, torch's cache keeps blocks of a GPU."""
    import torch

    traceback.clear_frames(error.__traceback__)
    error.__traceback__ = error.__context__ = None
    gc.collect()
    torch.autograd.grad(*_early(), retain_graph=True)
    torch.cuda.empty_cache()


@cache
def _early():
    """A sum and its term, from before any work: a backward pass that fails leaves its graph in a queue of torch's,
    later work first, and a pass through this one drops what stands there before it."""
    import torch  # not at the top: a command that needs no torch may ask whether memory ran out

    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY and hasattr(ctypes.CDLL(None), "mallopt"):
        ctypes.CDLL(None).mallopt(-3, 2**20)  # M_MMAP_THRESHOLD: glibc keeps freed pieces of up to 32 MiB otherwise
    with torch.inference_mode(False), torch.enable_grad():
        term = torch.zeros((), requires_grad=True)
        return term + 0, term
