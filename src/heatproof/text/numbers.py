"""Format numbers: scores, intervals, p values, percentages, counts, lists, sizes and durations."""

import math
from collections.abc import Callable, Iterable, Sequence

NONE = "–"  # where there is no number
ZERO = 1e-12  # below it a number is what rounding left of zero
# kind of group -> one, several
UNITS = {
    "patient": ("patient", "patients"),
    "lookalike": ("cluster of look-alike images", "clusters of look-alike images"),
    "image": ("image", "images"),
    "group": ("group", "groups"),
}


def number(value: float | None, *, sign: bool = False, beside: Iterable[float] = ()) -> str:
    """Write a score or difference: two decimals, fewer from 10 on, three below 0.1, three digits below 0.01.

    Args:
        value: None and what is not finite become a dash.
        sign: whether positive numbers get a plus.
        beside: numbers of the same column or interval, whose digits the value shares: the largest decides.

    >>> [number(value) for value in (0.4321, -0.0432, 0.0000619, 43.21, 4321)]
    ['0.43', '−0.043', '0.0000619', '43.2', '4,321']
    >>> number(0.012, beside=[0.4], sign=True)
    '+0.01'
    """
    if not finite(value):
        return NONE
    size = max(abs(each) for each in (value, *filter(finite, beside)))
    decimals = 2
    if size >= 9.995:
        decimals = 1 if size < 99.95 else 0
    elif ZERO <= size < 0.1:
        decimals = 3 if size >= 0.01 else 2 - math.floor(math.log10(size))
    text = f"{value:{'+' if sign else ''},.{decimals}f}"
    return text.replace("-", "−") if text.strip("+-0.,") else f"{0:.{decimals}f}"


def finite(value: float | None) -> bool:
    """Return whether there is a number."""
    return value is not None and math.isfinite(value)


def interval(value: float | None, low: float | None, high: float | None, *, beside: Iterable[float] = ()) -> str:
    """Write a number with its interval, alone where there is none.

    >>> interval(0.431, 0.36, 0.514), interval(0.431, None, None), interval(0.02, 0.002, 0.037, beside=[0.4])
    ('0.43 [0.36, 0.51]', '0.43', '0.02 [0.00, 0.04]')
    """
    beside = [*beside]
    if not (finite(low) and finite(high)):
        return number(value, beside=beside)
    ends = (value, low, high)
    value, low, high = (number(each, beside=[*ends, *beside]) for each in ends)
    return f"{value} [{low}, {high}]"


def span(
    values: Iterable[float | None],
    write: Callable[[float | None], str] | None = None,
    *,
    beside: Iterable[float | None] = (),
) -> str:
    """Write the lowest and the highest of some numbers, one where they look alike.

    >>> span([0.5, 0.41, 0.55]), span([0.411, 0.409]), span([0.1, 0.2], share)
    ('0.41 to 0.55', '0.41', '10% to 20%')
    """
    there = list(filter(finite, values))
    others = [*there, *filter(finite, beside)]
    write = write or (lambda end: number(end, beside=others))
    return " to ".join(dict.fromkeys(write(end) for end in (min(there, default=None), max(there, default=None))))


def p_value(p: float | None) -> str:
    """Write a p value for a table: `0.032` or `< 0.001`."""
    if not finite(p):
        return NONE
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_equals(p: float) -> str:
    """Write a p value for a sentence.

    >>> p_equals(0.0321), p_equals(0.00004)
    ('p = 0.032', 'p < 0.001')
    """
    return f"p {p_value(p)}" if p < 0.001 else f"p = {p_value(p)}"


def share(value: float | None) -> str:
    """Write a share as a percentage that is 0% or 100% only where it is exactly that.

    >>> share(0.431), share(0.001), share(0.999), share(-0.44)
    ('43%', 'under 1%', 'over 99%', '−44%')
    """
    if not finite(value):
        return NONE
    if 0 < value <= 0.005:
        return "under 1%"
    return "over 99%" if 0.995 <= value < 1 else f"{round(value * 100) or 0}%".replace("-", "−")


def counted(amount: int, one: str, many: str | None = None) -> str:
    """Write a count with its unit.

    >>> counted(1, "pair"), counted(1200, "pair"), counted(2, *UNITS["lookalike"])
    ('1 pair', '1,200 pairs', '2 clusters of look-alike images')
    """
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


def rounded(count: int) -> int:
    """Round a count up to two digits, as an estimate deserves.

    >>> rounded(34), rounded(366)
    (34, 370)
    """
    step = 10 ** max(0, len(str(count)) - 2)
    return -(-count // step) * step


def listed(names: Sequence[str], most: int | None = None) -> str:
    """Join names; of more than `most` + 1 the first ones, and how many more there are.

    >>> listed(["a"]), listed(["a", "b", "c"]), listed(list("abcdef"), 3)
    ('a', 'a, b and c', 'a, b, c and 3 more')
    """
    if most is not None and len(names) > most + 1:
        names = [*names[:most], f"{len(names) - most} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def data_size(amount: float) -> str:
    """Write a number of bytes.

    >>> data_size(512), data_size(12_345_678), data_size(2.5e9)
    ('512 bytes', '12.3 MB', '2.5 GB')
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount} {unit}" if unit == "bytes" else f"{amount:,.1f} {unit}"


def duration(seconds: float) -> str:
    """Write seconds.

    >>> duration(7.25), duration(252), duration(11_100)
    ('7.2 s', '4 min 12 s', '3 h 05 min')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
