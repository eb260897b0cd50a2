"""Rules that read sentences and work out from the numbers behind them whether they are true.

A sentence is read by the one rule whose pattern its words match. A sentence that no rule reads fails as well: new words
need a rule.
"""

import re
from collections.abc import Callable, Container, Iterable
from itertools import product

import numpy as np
import pytest
from scipy import stats

NAMES = r"\w+(?:, \w+)*(?: and \w+)?"
NUMBER = r"-?\d[\d.]*(?:e-\d+)?"
SPAN = rf"{NUMBER}(?: to {NUMBER})?"
FALSE = (AssertionError, AttributeError, KeyError, IndexError, ZeroDivisionError, ValueError)


class Rules(dict[str, Callable]):
    """Pattern -> function of what the sentence speaks of and the match; it asserts that the sentence is true."""

    def __call__(self, pattern: str) -> Callable:
        def keep(function):
            self[pattern] = function
            return function

        return keep

    def check(self, told, text: str, where: str = "") -> None:
        """Assert that one rule reads a sentence and finds it true."""
        matching = [(pattern, found) for pattern in self if (found := re.fullmatch(pattern, text, re.IGNORECASE))]
        assert len(matching) == 1, f"{len(matching)} rules read: {text}"
        pattern, found = matching[0]
        try:
            self[pattern](told, found)
        except AssertionError as error:
            raise AssertionError(f"{where}: {text}\n{error}") from error

    def check_spoiled(self, told, text: str, names: Iterable[str] = (), true: Container[str] = ()) -> int:
        """Assert that a sentence is false with any of its numbers, or any of these names, replaced by another.

        Args:
            true: what is said elsewhere, and true.

        Returns:
            How many replacements were tried.
        """
        spoiled = [spoil(text, found) for found in re.finditer(r"(?<![\w.])(?<!\w-)\d[\d,]*(?:\.\d+)?", text)]
        for name in (names := list(names)):
            found = re.search(rf"(?<![\w:]){re.escape(name)}(?!\w)", text)
            others = [other for other in names if other != name]
            if found and others:
                spoiled.append(text[: found.start()] + others[0] + text[found.end() :])
        for one in (one for one in spoiled if one not in true):
            with pytest.raises(FALSE):
                self.check(told, one)
                print(f"still true: {one}\n  instead of: {text}")
        return len(spoiled)


def spoil(text: str, found: re.Match) -> str:
    """The text with another last digit in the number that was found."""
    last = found.end() - 1
    return f"{text[:last]}{(int(text[last]) + 5) % 10}{text[last + 1 :]}"


def named(text: str) -> list[str]:
    return re.split(", | and ", text)


def near(text: str, value: float) -> bool:
    """Whether a number is what is written, to the digits that are."""
    digits = len(text.partition(".")[2].partition("e")[0])
    scale = 10.0**-digits * 10.0 ** int(text.partition("e")[2] or 0)
    return abs(float(text) - value) <= 0.5 * scale * 1.0001


def spans(text: str, values) -> bool:
    ends = text.split(" to ")
    return near(ends[0], min(values)) and near(ends[-1], max(values))


def is_p(text: str, p: float) -> bool:
    return p < 0.001 if "<" in text else near(text.split()[-1], p)


def holm(p: dict) -> dict:
    """Holm's correction of p values by name."""
    found, most = {}, 0.0
    for i, name in enumerate(sorted(p, key=p.__getitem__)):
        most = max(most, min(1.0, (len(p) - i) * p[name]))
        found[name] = most
    return found


def flipped(differences: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test, by all flips of the signs of at most 14 differences."""
    moved = differences[differences != 0]
    assert len(moved) <= 14
    ranks = stats.rankdata(np.abs(moved))
    sums = np.array(list(product((-1, 1), repeat=len(moved)))) @ ranks
    return float((np.abs(sums) >= abs(np.sign(moved) @ ranks) - 1e-9).mean()) if len(moved) else 1.0


def below(differences: np.ndarray, margin: float) -> float:
    """One-sided p that the mean difference is at least the margin; without spread, that of flipped signs."""
    if len(differences) < 2:
        return 1.0
    if np.ptp(differences) < 1e-11:
        return 0.5 ** len(differences) if differences[0] < margin else 1.0
    return float(stats.ttest_1samp(differences, margin, alternative="less").pvalue)


def every(text: str) -> list[str]:
    """The sentences of a text."""
    return re.split(r"(?<=\.) (?=[A-Z])(?!Either)", text)
