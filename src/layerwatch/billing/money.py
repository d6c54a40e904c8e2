"""Money is a whole number of micro-dollars. It is rounded once: an invoice's total, to cents."""

from __future__ import annotations

MICRO_PER_CENT = 10_000
MICRO_PER_DOLLAR = 1_000_000


def to_cents(micro_dollars: int) -> int:
    """Whole cents, halves to the even cent (so that many roundings do not drift one way)."""
    cents, rest = divmod(micro_dollars, MICRO_PER_CENT)
    half = MICRO_PER_CENT // 2
    return cents + (rest > half or (rest == half and cents % 2 == 1))


def dollars(micro_dollars: int) -> str:
    """Exact: `$1,234.5604`, with two to six decimals."""
    sign = "-" if micro_dollars < 0 else ""
    whole, rest = divmod(abs(micro_dollars), MICRO_PER_DOLLAR)
    decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}${whole:,}.{decimals}"


def cents(amount: int) -> str:
    """An amount in cents: `$1,234.56`."""
    sign = "-" if amount < 0 else ""
    whole, rest = divmod(abs(amount), 100)
    return f"{sign}${whole:,}.{rest:02d}"
