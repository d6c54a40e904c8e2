"""Rounding and writing amounts."""

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerwatch.billing.money import cents, dollars, to_cents


@pytest.mark.parametrize(
    ("micro_dollars", "expected"),
    [
        (0, 0),
        (4_999, 0),
        (5_000, 0),
        (5_001, 1),
        (15_000, 2),
        (25_000, 2),
        (25_001, 3),
        (-5_000, 0),
        (-15_000, -2),
    ],
)
def test_halves_go_to_the_even_cent(micro_dollars, expected):
    assert to_cents(micro_dollars) == expected


@given(st.integers(-(10**15), 10**15))
def test_rounding_is_that_of_the_decimal_library(micro_dollars):
    exact = (Decimal(micro_dollars) / 10_000).quantize(Decimal(1), ROUND_HALF_EVEN)
    assert to_cents(micro_dollars) == int(exact)


@pytest.mark.parametrize(
    ("micro_dollars", "text"),
    [(0, "$0.00"), (398_000_250, "$398.00025"), (1_234_500_000, "$1,234.50"), (-400, "-$0.0004")],
)
def test_an_exact_amount(micro_dollars, text):
    assert dollars(micro_dollars) == text


@pytest.mark.parametrize(("amount", "text"), [(5, "$0.05"), (123_456, "$1,234.56"), (-250, "-$2.50")])
def test_an_amount_in_cents(amount, text):
    assert cents(amount) == text
