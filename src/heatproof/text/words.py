"""The vocabulary of sentences: numbers, lists, units, metrics, controls and claims."""

from collections.abc import Sequence

from heatproof.catalogue.controls import CONTROLS
from heatproof.catalogue.families import FAMILIES
from heatproof.catalogue.metrics import METRICS
from heatproof.catalogue.reasons import REASONS

# kind of group -> one, several
UNITS = {
    "patient": ("patient", "patients"),
    "lookalike": ("cluster of look-alike images", "clusters of look-alike images"),
    "image": ("image", "images"),
    "group": ("group", "groups"),
}
TESTS = {"friedman": "Friedman's test", "rm_anova": "Repeated-measures ANOVA", "quasi_f": "Quasi-F"}
ZERO = 1e-12  # below it a number is what rounding left of zero


def number(value: float, beside: float = 0.0) -> str:
    """Write a score or difference with two decimals, three below 0.1, three significant digits below 0.01.

    It gets the digits of a larger number that stands `beside` it.
    """
    size = max(abs(value), abs(beside))
    if size < ZERO:
        return "0.00"
    return f"{value:.2f}" if size >= 0.1 else f"{value:.3f}" if size >= 0.01 else f"{value:.3g}"


def interval(mean: float, low: float | None, high: float | None) -> str:
    """Write a number with its interval, or the number alone.

    >>> interval(0.411, 0.35, 0.47), interval(0.411, None, None)
    ('0.41 [0.35, 0.47]', '0.41')
    """
    if low is None or high is None:
        return number(mean)
    size = max(mean, low, high, key=abs)
    return f"{number(mean, size)} [{number(low, size)}, {number(high, size)}]"


def span(values: Sequence[float]) -> str:
    """Write the lowest and the highest of some numbers, one where both look alike.

    >>> span([0.5, 0.41, 0.55])
    '0.41 to 0.55'
    """
    size = max(values, key=abs)
    return " to ".join(dict.fromkeys((number(min(values), size), number(max(values), size))))


def p_equals(p: float) -> str:
    """Write a p value.

    >>> p_equals(0.0321), p_equals(0.00004)
    ('p = 0.032', 'p < 0.001')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def share(value: float) -> str:
    """Write a share as a percentage that is 0% or 100% only where it is exactly that."""
    if 0 < value < 0.005:
        return "under 1%"
    return "over 99%" if 0.995 <= value < 1 else f"{value:.0%}"


def counted(amount: int, one: str, many: str | None = None) -> str:
    """Write a count with its unit.

    >>> counted(1, "pair"), counted(2, "pair"), counted(2, *UNITS["lookalike"])
    ('1 pair', '2 pairs', '2 clusters of look-alike images')
    """
    return f"{amount:.0f} {one if amount == 1 else many or one + 's'}"


def listed(names: Sequence[str], most: int | None = None) -> str:
    """Join names; of more than `most` + 1 the first ones, and how many more there are.

    >>> listed(["a", "b", "c"]), listed(list("abcdef"), 3)
    ('a, b and c', 'a, b, c and 3 more')
    """
    names = list(names)
    if most is not None and len(names) > most + 1:
        names = [*names[:most], f"{len(names) - most} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def metric(name: str) -> str:
    """Name a metric within a sentence."""
    return (name in METRICS and METRICS[name].short) or name.replace("_", " ")


def control(name: str, family: str = "") -> str:
    """Name a control within a sentence; an external one goes by its own name."""
    if name not in CONTROLS:
        return name
    single = family in FAMILIES and not FAMILIES[family].pairs
    return (single and CONTROLS[name].single) or CONTROLS[name].sentence or name


def controls(names: Sequence[str], family: str) -> str:
    """Name the controls of a verdict where they are few."""
    return listed([control(name, family) for name in names]) if len(names) < 3 else "every control"


def claim(family: str, metric: str) -> str:
    """Say what heatmaps do that beat the controls of a family, by its primary metric."""
    named = (metric in METRICS and METRICS[metric].claim) or (family in FAMILIES and FAMILIES[family].claim)
    return named or "score better than"


def cause(reason: str) -> str:
    """Say why a family cannot be judged, given the reason that most of its scores are missing for."""
    return (reason in REASONS and REASONS[reason].sentence) or reason
