"""Messages to the user: errors with their fix, the setting to lower when memory runs out, and progress (a bar on a
terminal, plain lines in a log)."""

import errno
import os
import re
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Timer
from types import MappingProxyType
from typing import Any, TypeVar

from heatproof.catalogue.reasons import NOT_SUPPORTED, Reason


class InputError(ValueError):
    """Bad input, with a message of one line: the file or key, and the fix. The command line shows it without a
    traceback; any other exception is a bug of heatproof and keeps its traceback."""

    code = 1  # exit code of the command


class Unsupported(InputError):
    """A method does not support an architecture: its maps are missing for `reason`, and the others are computed."""

    def __init__(self, message: str, reason: Reason = NOT_SUPPORTED):
        super().__init__(message)
        self.reason = reason


_options: ContextVar[Mapping[str, str]] = ContextVar("options", default=MappingProxyType({}))


@contextmanager
def using_options(names: Mapping[str, str]) -> Iterator[None]:
    """Let errors name options of a command in place of keys of a study: key -> option, "" of an argument."""
    token = _options.set(names)
    try:
        yield
    finally:
        _options.reset(token)


def setting(key: str, value: str = "") -> str:
    """Name a setting as the user writes it, or say what to set it to.

    >>> setting("data.window"), setting("data.source", "a folder")
    ('data.window', 'set data.source to a folder')
    >>> with using_options({"data.window": "--window", "data.source": ""}):
    ...     setting("data.window"), setting("data.source", "a folder")
    ('--window', 'give a folder')
    """
    name = _options.get().get(key, key)
    if not value:
        return name
    return f"set {name} to {value}" if name else f"give {value}"


def pairs(key: str, values: Mapping[str, object]) -> str:
    """Write a setting of several pairs as the user would.

    >>> pairs("classes", {"a": 0, "b": "cat"})
    "classes: {a: 0, b: 'cat'}"
    >>> with using_options({"classes": "--classes"}):
    ...     pairs("classes", {"a": 0, "b": "cat"})
    '--classes a=0 b=cat'
    """
    if option := _options.get().get(key):
        return " ".join([option, *(f"{name}={value}" for name, value in values.items())])
    return f"{key}: {{{', '.join(f'{name}: {value!r}' for name, value in values.items())}}}"


def unknown(kind: str, name: object, known: Iterable[str]) -> InputError:
    """Return the error of a name that does not exist, with the nearest ones that do.

    >>> str(unknown("method", "gradcan", ["gradcam", "saliency"]))
    "no method 'gradcan'; did you mean gradcam?"
    """
    from difflib import get_close_matches

    known = sorted(known)
    near = get_close_matches(str(name).lower().replace("-", "_").replace(" ", "_"), known, n=3, cutoff=0.5)
    fix = f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(known)}"
    return InputError(f"no {kind} {name!r}; {fix if known else 'none exist'}")


def check_names(given: object, name: str) -> list[str]:
    """Return names as a list.

    Raises:
        InputError: it is a text, or holds none.
    """
    names = list(given) if isinstance(given, Iterable) and not isinstance(given, (str, bytes)) else []
    if not names or not all(isinstance(each, str) for each in names):
        raise InputError(f"{name}: {given!r}; give a list of names")
    return list(dict.fromkeys(names))


def steps(items: Iterable, total: int, what: str) -> Iterator:
    """Yield `items` and report progress on standard error: a bar on a terminal, else a line every tenth of the way,
    at most one in two seconds."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, total=total, desc=what, leave=False)
        return
    last, next_share = 0.0, 0.1
    for done, item in enumerate(items, 1):
        yield item
        if total and done / total >= next_share and (done == total or time.monotonic() - last > 2):
            line(f"{what}: {done} of {total}")
            last, next_share = time.monotonic(), done / total + 0.1


def line(text: str) -> None:
    """Print one plain line on standard error."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def deadline(seconds: float, text: str) -> Iterator[Callable[[], None]]:
    """End this process with a line where work takes too long, even within compiled code, which no signal interrupts.

    Args:
        seconds: that the work, or what is left of it after a call of the function that is yielded, may take.
        text: what is said before the process ends with exit code 1.

    >>> with deadline(60, "slow: took longer than 60 s") as again:
    ...     again()  # a step is done, and the next one has its own time
    """

    def end() -> None:
        line(text)
        os._exit(1)

    timers: list[Timer] = []

    def again() -> None:
        for timer in timers:
            timer.cancel()
        timers[:] = [Timer(seconds, end)]
        timers[0].daemon = True
        timers[0].start()

    again()
    try:
        yield again
    finally:
        timers[0].cancel()


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
ELSE = "run fewer jobs in parallel, or use smaller images (data.size) or a smaller model"


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
        raise InputError(
            f"{setting}: out of memory with a batch of {len(batch)} ({cause}): {smaller}{otherwise}"
        ) from None


class NamedError(InputError):
    """An error that repeats what a file or its name says; `discreet` is the same without, for names of patients."""

    def __init__(self, message: str, discreet: str):
        super().__init__(message)
        self.discreet = discreet


def list_error(what: str, names: Iterable[str], fix: str) -> NamedError:
    """`what: a, b and 7 more; fix`, or discreetly `what (9); fix`."""
    names = list(names)
    return NamedError(f"{what}: {listed(names)}; {fix}", f"{what} ({len(names)}); {fix}")


def listed(names: Iterable[str], most: int = 3) -> str:
    """The first few of many names: `a, b, c and 7 more`."""
    names = [clean(name) if len(name) < 200 else f"{clean(name[:200])}..." for name in names]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def reason(error: BaseException) -> str:
    """What an exception says, in one short line."""
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    text = getattr(error, "strerror", None) or str(error)  # of the system's errors without the path
    return clean(" ".join(text.split())[:160]) or type(error).__name__


def clean(name: str) -> str:
    """A name as heatproof shows and compares it: composed (NFC; macOS decomposes), and on one line.

    Bytes that are not UTF-8, and control characters, become escapes such as `\\xe9`.
    """
    if name.isascii() and name.isprintable():
        return name
    shown = "".join(_escaped(c) if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in name)
    return unicodedata.normalize("NFC", shown)


def bare(name: str) -> str:
    """Reduce a name to lower-case letters and digits, so that spellings of one name are equal.

    >>> bare("Image ID") == bare("image_id"), bare("Max-Sensitivity") == bare("max_sensitivity")
    (True, True)
    """
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name)).casefold()


def _escaped(character: str) -> str:
    code = ord(character)
    code -= 0xDC00 if 0xDC80 <= code <= 0xDCFF else 0  # how Python carries a byte that is not UTF-8
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
