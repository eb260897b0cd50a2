"""Rules that work out, from the scores and tables behind a statement, what it must hold.

Each kind has one rule; a kind without any fails. The whole statement is compared, so that no number and no name of it
goes unchecked.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy import stats

from heatproof.core.statements import Statement

FALSE = (AssertionError, AttributeError, KeyError, IndexError, StopIteration, ValueError, TypeError, ZeroDivisionError)


class Rules(dict[str, Callable]):
    """Kind -> function of a study and a statement, which asserts or returns what the statement must hold: a dictionary
    of `numbers`, `reason` and subjects."""

    def __call__(self, *kinds: str) -> Callable:
        def keep(function):
            self.update(dict.fromkeys(kinds, function))
            return function

        return keep

    def check(self, study, one: Statement) -> None:
        """Assert that a statement is true, and holds nothing that its rule does not know."""
        assert one.one("method") in ("", *study.methods), one
        expected = self[one.kind](study, one)
        named = {role: (names,) if isinstance(names, str) else tuple(names) for role, names in expected.items()
                 if role not in ("numbers", "reason") and names is not None}  # fmt: skip
        assert one.subjects == {role: names for role, names in named.items() if names}, one
        assert one.reason == expected.get("reason"), one
        numbers = {name: value for name, value in expected.get("numbers", {}).items() if value is not None}
        assert one.numbers.keys() == numbers.keys(), one
        for name, value in numbers.items():
            given, wanted = ([*each] if isinstance(each, Iterable) else [each] for each in (one.numbers[name], value))
            assert len(given) == len(wanted), (name, one)
            for a, b in zip(given, wanted, strict=True):
                missing = b is None or np.isnan(b)
                assert a is None if missing else a == pytest.approx(b, abs=1e-9), (name, wanted, one)

    def check_spoiled(self, study, one: Statement, names: Iterable[str], true: Iterable[Statement]) -> int:
        """Assert that a statement is false with any of its numbers, names, its reason or its kind replaced by another.

        Args:
            names: what a name is replaced by, where it is one of them.
            true: what is stated elsewhere, and true.

        Returns:
            How many replacements were tried.
        """
        others = [*spoiled(one, list(names))]
        others += [replace(one, kind=kind) for kind in self if kind != one.kind and kind.split(".")[0] == one.area]
        for other in [other for other in others if other not in true]:
            with pytest.raises(FALSE):
                self.check(study, other)
                print(f"still true: {other}\n instead of: {one}")
        return len(others)


def spoiled(one: Statement, names: list[str]) -> Iterator[Statement]:
    for name, value in one.numbers.items():
        for place, number in enumerate(several := value if isinstance(value, tuple) else (value,)):
            other = 1 if number is None else number + 1 if isinstance(number, int) else number + 0.0173
            changed = (*several[:place], other, *several[place + 1 :])
            yield replace(one, numbers={**one.numbers, name: changed if isinstance(value, tuple) else other})
    for role, old in one.subjects.items():
        yield replace(one, subjects={**one.subjects, role: old[:-1]})
        for place, name in enumerate(old):
            for other in ["zed", *(new for new in names if name in names and new not in old)]:
                yield replace(one, subjects={**one.subjects, role: (*old[:place], other, *old[place + 1 :])})
    yield replace(one, reason="zed")


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


def ends(differences: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Student's interval of the mean."""
    if len(differences) < 2:
        return np.nan, np.nan
    half = stats.sem(differences) * stats.t.ppf((1 + level) / 2, len(differences) - 1)
    return differences.mean() - half, differences.mean() + half


def number_of(text: str) -> float:
    """The first number of a cell of a table."""
    return float(text.partition(" ")[0].replace("−", "-").replace(",", ""))
