"""Progress: a bar on a terminal, plain lines in a log."""

import sys
import time
from collections.abc import Iterable, Iterator


def steps(items: Iterable, total: int, what: str) -> Iterator:
    """Pass `items` on and tell on standard error how far it is: a bar on a terminal, else a line a tenth
    of the way, at most one in two seconds."""
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
    """One plain line on standard error."""
    print(text, file=sys.stderr, flush=True)
