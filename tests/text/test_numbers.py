"""How numbers are written."""

import doctest
import math

import pytest

from heatproof.text import numbers


@pytest.mark.parametrize(
    ("value", "sign", "text"),
    [
        (0.123, False, "0.12"),
        (-0.123, True, "−0.12"),
        (0.5, True, "+0.50"),
        (0.0123, False, "0.012"),
        (-0.001234, True, "−0.00123"),
        (0.0000619, False, "0.0000619"),
        (9.996, False, "10.0"),
        (12.34, False, "12.3"),
        (1234.5, False, "1,234"),
        (0, True, "0.00"),
        (-1e-17, True, "0.00"),
        (math.nan, False, "–"),
        (None, False, "–"),
    ],
)
def test_number(value, sign, text):
    assert numbers.number(value, sign=sign) == text


def test_interval_has_the_digits_of_its_largest_number():
    assert numbers.interval(0.001, -0.2, 0.4) == "0.00 [−0.20, 0.40]"
    assert numbers.interval(0.0012, 0.0, 0.0024) == "0.00120 [0.00000, 0.00240]"
    assert numbers.interval(0.03, 0.012, 0.048) == "0.030 [0.012, 0.048]"
    assert numbers.interval(0.0, 0.0, 0.0) == "0.00 [0.00, 0.00]"


def test_what_is_not_there_is_a_dash():
    nothing = math.nan
    found = [numbers.interval(nothing, nothing, nothing), numbers.span([]), numbers.p_value(nothing)]
    assert {*found, numbers.share(None)} == {"–"}
    assert numbers.interval(0.5, nothing, nothing) == "0.50"


def test_p_values():
    assert [numbers.p_value(p) for p in (0.0001, 0.0123, 1.0)] == ["< 0.001", "0.012", "1.000"]


def test_lists():
    assert [numbers.listed(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


def test_durations():
    written = [numbers.duration(seconds) for seconds in (7.26, 59.96, 252, 3599.4, 3599.6, 11100)]
    assert written == ["7.3 s", "1 min 00 s", "4 min 12 s", "59 min 59 s", "1 h 00 min", "3 h 05 min"]


def test_examples():
    assert doctest.testmod(numbers).failed == 0


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2 * 10**6, "2.0 MB"), (3 * 10**12, "3,000.0 GB")],
)
def test_sizes(amount, text):
    assert numbers.data_size(amount) == text
