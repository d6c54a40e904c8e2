"""What inspections cost."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerwatch.billing.month import Month
from layerwatch.billing.pricebook import PACKAGED, PriceBook, PriceBookError, PriceBooks

STANDARD = PriceBooks.load(PACKAGED).book("standard", Month(2026, 11))
CALLS = st.integers(min_value=0, max_value=2_000_000_000)


def independent_formula(n: int) -> Decimal:
    """The published prices once more, in dollars, as differences between slopes."""
    over = [max(0, n - edge) for edge in (5_000, 1_000_000, 20_000_000)]
    return over[0] * Decimal("0.0004") - over[1] * Decimal("0.00015") - over[2] * Decimal("0.0001")


@pytest.mark.parametrize(
    ("calls", "dollars"),
    [
        (0, "0"),
        (1, "0"),
        (4_999, "0"),
        (5_000, "0"),
        (5_001, "0.0004"),
        (999_999, "397.9996"),
        (1_000_000, "398"),
        (1_000_001, "398.00025"),
        (19_999_999, "5147.99975"),
        (20_000_000, "5148"),
        (20_000_001, "5148.00015"),
        (1_000_000_000, "152148"),
    ],
)
def test_golden_prices_on_both_sides_of_every_edge(calls, dollars):
    micro_dollars = STANDARD.cost(calls)
    assert type(micro_dollars) is int
    assert Decimal(micro_dollars) / 1_000_000 == Decimal(dollars) == independent_formula(calls)


@given(CALLS)
def test_the_book_agrees_with_the_formula_everywhere(calls):
    assert Decimal(STANDARD.cost(calls)) / 1_000_000 == independent_formula(calls)


@given(CALLS)
def test_one_more_call_costs_one_tiers_price(calls):
    """Monotone and continuous: no step at an edge, only a change of slope."""
    assert STANDARD.cost(calls + 1) - STANDARD.cost(calls) in (0, 400, 250, 150)


@given(st.lists(st.integers(0, 30_000_000), max_size=31))
def test_a_months_cost_is_the_sum_over_any_split_of_it(days):
    """What each day adds to the bill, added up, is the bill."""
    total = added = 0
    for calls in days:
        added += STANDARD.cost(total + calls) - STANDARD.cost(total)
        total += calls
    assert added == STANDARD.cost(sum(days))


@given(CALLS)
def test_a_quotes_lines_add_up(calls):
    quote = STANDARD.quote(calls)
    assert sum(line.calls for line in quote.tiers) == calls
    assert sum(line.micro_dollars for line in quote.tiers) == quote.micro_dollars


def test_a_quote_as_json():
    assert STANDARD.quote(1_000_001).as_json() == {
        "calls": 1_000_001,
        "micro_dollars": 398_000_250,
        "tiers": [
            {"above": 0, "up_to": 5_000, "micro_dollars_per_call": 0, "calls": 5_000, "micro_dollars": 0},
            {
                "above": 5_000,
                "up_to": 1_000_000,
                "micro_dollars_per_call": 400,
                "calls": 995_000,
                "micro_dollars": 398_000_000,
            },
            {
                "above": 1_000_000,
                "up_to": 20_000_000,
                "micro_dollars_per_call": 250,
                "calls": 1,
                "micro_dollars": 250,
            },
            {
                "above": 20_000_000,
                "up_to": None,
                "micro_dollars_per_call": 150,
                "calls": 0,
                "micro_dollars": 0,
            },
        ],
    }


def test_the_free_calls_of_a_month():
    assert STANDARD.free_calls == 5_000
    assert PriceBooks.load(PACKAGED).book("local", Month(2026, 11)).free_calls is None


def test_the_local_book_costs_nothing_however_much():
    assert PriceBooks.load(PACKAGED).book("local", Month(2026, 11)).cost(10**12) == 0


def test_fewer_than_no_calls_is_refused():
    with pytest.raises(ValueError, match="negative"):
        STANDARD.quote(-1)


def test_a_book_survives_being_stored():
    assert PriceBook.parse(STANDARD.as_json()) == STANDARD


def test_a_new_version_holds_from_its_month_on(tmp_path):
    path = tmp_path / "book.toml"
    path.write_text(
        "[[standard]]\neffective = 2026-01-01\ntiers = [{ micro_dollars = 10 }]\n"
        "[[standard]]\neffective = 2026-12-01\ntiers = [{ micro_dollars = 20 }]\n"
    )
    books = PriceBooks.load(path)
    assert [books.book("standard", Month(2026, month)).cost(1) for month in (1, 11, 12)] == [10, 10, 20]
    assert books.book("standard", Month(2030, 6)).cost(1) == 20
    with pytest.raises(PriceBookError, match="2025-12"):
        books.book("standard", Month(2025, 12))


@pytest.mark.parametrize(
    "tiers",
    [
        [],
        [{"micro_dollars": -1}],
        [{"micro_dollars": 1.5}],
        [{"micro_dollars": True}],
        [{"micro_dollars": 1, "up_to": 10}],
        [{"micro_dollars": 1}, {"micro_dollars": 2}],
        [{"micro_dollars": 1, "up_to": 10}, {"micro_dollars": 1, "up_to": 10}, {"micro_dollars": 2}],
        [{"micro_dollars": 1, "price": 3}],
        [{}],
    ],
)
def test_a_book_that_leaves_a_call_without_a_clear_price_is_refused(tiers):
    with pytest.raises(PriceBookError):
        PriceBook.parse(tiers)


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "standard = 1",
        "[[standard]]\ntiers = [{ micro_dollars = 1 }]",
        "[[standard]]\neffective = 2026-01-15\ntiers = [{ micro_dollars = 1 }]",
        "[[standard]]\neffective = 2026-01-01\nowner = 'x'\ntiers = [{ micro_dollars = 1 }]",
        "[[standard]]\neffective = 2026-02-01\ntiers = [{ micro_dollars = 1 }]\n"
        "[[standard]]\neffective = 2026-01-01\ntiers = [{ micro_dollars = 1 }]",
    ],
)
def test_a_file_that_is_no_price_book_is_refused(tmp_path, text):
    path = tmp_path / "book.toml"
    path.write_text(text)
    with pytest.raises(PriceBookError):
        PriceBooks.load(path)


def test_an_unknown_book_is_named_with_those_there_are():
    with pytest.raises(PriceBookError, match=r"'gold'.*standard"):
        PriceBooks.load(PACKAGED).book("gold", Month(2026, 11))


def test_months_follow_each_other():
    assert Month(2026, 12).next == Month(2027, 1)
    assert Month(2026, 1).previous == Month(2025, 12)
    assert Month.parse("2026-11") == Month(2026, 11) and str(Month(2026, 11)) == "2026-11"
    assert Month(2026, 2).end.date() == date(2026, 3, 1)
    assert Month(2026, 2).hours[1] - Month(2026, 2).hours[0] == 28 * 24


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-00", "26-11", "2026-11-01", "0000-01"])
def test_what_is_no_month_is_refused(text):
    with pytest.raises(ValueError, match="no month"):
        Month.parse(text)
