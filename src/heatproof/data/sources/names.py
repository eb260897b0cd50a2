"""Names of files and columns: how heatproof shows and compares them, and how it speaks of several."""

import re
import unicodedata
from collections.abc import Iterable

from heatproof.core.messages import InputError

_JUNK = {"thumbs.db", "desktop.ini"}


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


def is_junk(name: str) -> bool:
    """Whether a file is hidden, or one that macOS or Windows leaves beside others."""
    parts = name.split("/")
    return parts[-1].lower() in _JUNK or any(part.startswith(".") or part == "__MACOSX" for part in parts)
