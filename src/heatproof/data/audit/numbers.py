"""Numbers of an audit as words."""

from collections.abc import Sequence

from heatproof.data.audit.trivial import LEVEL


def share(value: float) -> str:
    """A share as a percentage that is 0% or 100% only where it is exactly that."""
    if 0 < value < 0.005:
        return "under 1%"
    return "over 99%" if 0.995 <= value < 1 else f"{value:.0%}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 pair`, `2 pairs`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def scored(row: dict) -> str:
    """`0.53 [0.46 to 0.60]`, without brackets where there is no interval."""
    if row["low"] is None:
        return f"{row['balanced_accuracy']:.2f} (no interval: {row['reason']})"
    return f"{row['balanced_accuracy']:.2f} [{row['low']:.2f} to {row['high']:.2f}]"


def significant(row: dict) -> bool:
    """Whether the permutation test of a probe finds more than chance; never of fewer than `null.LEAST` groups."""
    return row["p"] is not None and row["p"] <= LEVEL


def tested(row: dict) -> str:
    """`chance 0.50, p = 0.01`."""
    return f"chance {row['chance']:.2f}" + ("" if row["p"] is None else f", p = {row['p']:.2g}")


def such_as(names: Sequence[str]) -> str:
    """` Look at a and b.`, nothing without a name."""
    return f" Look at {listed(names)}." if names else ""


def named(rows: Sequence[dict], *kinds: str) -> str:
    """` Look at a and b.`, the first pair of these kinds, or of any."""
    pair = next(([row["a"], row["b"]] for row in rows if not kinds or row["kind"] in kinds), [])
    return such_as(pair)


def surely_below(row: dict) -> bool:
    """Whether the whole interval lies below chance."""
    return row["high"] is not None and row["high"] < row["chance"]


def find(audit: dict, probe: str, stage: str, split: str = "grouped") -> dict | None:
    """A probe that has a number, or None."""
    rows = (r for r in audit["probes"] if (r["probe"], r["stage"], r["split"]) == (probe, stage, split))
    return next((row for row in rows if row["balanced_accuracy"] is not None), None)
