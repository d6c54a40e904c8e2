"""The price book: what a month of inspections costs.

A book is a list of additive tiers, read from a data file (`pricebook.toml` in this package, or the
installation's own) or from an account's contract. All amounts are whole micro-dollars.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self

from layerwatch.billing.month import Month
from layerwatch.core.errors import UserError

PACKAGED = Path(__file__).with_name("pricebook.toml")
"""The price book of an installation that names none (`billing_terms.Terms.of`)."""


class PriceBookError(UserError, ValueError):
    """A price book that cannot be taken; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Tier:
    """Calls after the first `above` up to and with `up_to` (None: without end), and the price of each."""

    above: int
    up_to: int | None
    micro_dollars: int

    def calls(self, total: int) -> int:
        """How many of `total` calls fall in this tier."""
        return max(0, (total if self.up_to is None else min(total, self.up_to)) - self.above)


@dataclass(frozen=True, slots=True)
class QuotedTier:
    """One line of a quote: the tier, the calls in it and what they cost together."""

    tier: Tier
    calls: int
    micro_dollars: int

    def as_json(self) -> dict[str, int | None]:
        """The line as it is printed and stored."""
        return {
            "above": self.tier.above,
            "up_to": self.tier.up_to,
            "micro_dollars_per_call": self.tier.micro_dollars,
            "calls": self.calls,
            "micro_dollars": self.micro_dollars,
        }


@dataclass(frozen=True, slots=True)
class Quote:
    """What a month of `calls` costs, tier by tier."""

    calls: int
    micro_dollars: int
    tiers: tuple[QuotedTier, ...]

    def as_json(self) -> dict[str, Any]:
        """The quote as `layerwatch pricebook quote --json` prints it."""
        return {
            "calls": self.calls,
            "micro_dollars": self.micro_dollars,
            "tiers": [line.as_json() for line in self.tiers],
        }


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Tiers in order, without gaps, the last one without end."""

    tiers: tuple[Tier, ...]

    @classmethod
    def parse(cls, tiers: Sequence[Mapping[str, Any]]) -> Self:
        """From a list of `{up_to, micro_dollars}`. Raises PriceBookError."""
        if not tiers:
            raise PriceBookError("a price book needs at least one tier")
        parsed: list[Tier] = []
        above = 0
        for number, raw in enumerate(tiers, 1):
            last = number == len(tiers)
            unknown = set(raw) - {"up_to", "micro_dollars"}
            if unknown:
                raise PriceBookError(f"tier {number}: unknown {', '.join(sorted(unknown))}")
            price, up_to = raw.get("micro_dollars"), raw.get("up_to")
            if type(price) is not int or price < 0:
                raise PriceBookError(f"tier {number}: micro_dollars is a whole number, 0 or more")
            if last and up_to is not None:
                raise PriceBookError("the last tier has no up_to: every call needs a price")
            if not last and (type(up_to) is not int or up_to <= above):
                raise PriceBookError(f"tier {number}: up_to is a whole number above {above}")
            parsed.append(Tier(above, up_to, price))
            above = up_to or above
        return cls(tuple(parsed))

    def quote(self, calls: int) -> Quote:
        """What `calls` calls in one month cost. Raises ValueError for a negative number."""
        if calls < 0:
            raise ValueError("the number of calls cannot be negative")
        lines = []
        for tier in self.tiers:
            inside = tier.calls(calls)
            lines.append(QuotedTier(tier, inside, inside * tier.micro_dollars))
        return Quote(calls, sum(line.micro_dollars for line in lines), tuple(lines))

    def cost(self, calls: int) -> int:
        """The same in one number: micro-dollars."""
        return self.quote(calls).micro_dollars

    def tier_of(self, call: int) -> tuple[int, Tier]:
        """The tier of a month's call number `call` (from 1): its own number, from 1, and the tier."""
        for number, tier in enumerate(self.tiers, 1):
            if tier.up_to is None or call <= tier.up_to:
                return number, tier
        raise AssertionError("the last tier has no end")

    @property
    def free_calls(self) -> int | None:
        """How many calls of a month cost nothing; None: however many."""
        for tier in self.tiers:
            if tier.micro_dollars:
                return tier.above
        return None

    def calls_within(self, micro_dollars: int) -> int | None:
        """The most calls of a month that cost no more than an amount; None: however many."""
        left = micro_dollars
        for tier in self.tiers:
            if not tier.micro_dollars:
                continue
            if tier.up_to is None or left < (tier.up_to - tier.above) * tier.micro_dollars:
                return tier.above + left // tier.micro_dollars
            left -= (tier.up_to - tier.above) * tier.micro_dollars
        return None

    def as_json(self) -> list[dict[str, int]]:
        """The tiers as `parse` takes them."""
        return [
            {"micro_dollars": tier.micro_dollars} | ({} if tier.up_to is None else {"up_to": tier.up_to})
            for tier in self.tiers
        ]


@dataclass(frozen=True, slots=True)
class PriceBooks:
    """Every book of a price-book file, with its versions in order of their months."""

    versions: Mapping[str, tuple[tuple[Month, PriceBook], ...]]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a price-book file. Raises PriceBookError."""
        try:
            raw = tomllib.loads(path.read_text("utf-8"))
        except OSError as wrong:
            raise PriceBookError(f"cannot read the price book {path}: {wrong.strerror}") from wrong
        except ValueError as wrong:  # not TOML, or not UTF-8
            raise PriceBookError(f"{path.name}: {wrong}") from wrong
        books = {}
        for name, versions in raw.items():
            if not isinstance(versions, list):
                raise PriceBookError(f"{path.name}: write a book's versions as [[{name}]]")
            try:
                parsed = [_version(version) for version in versions]
            except PriceBookError as wrong:
                raise PriceBookError(f"{path.name}, book {name!r}: {wrong}") from wrong
            months = [month for month, _ in parsed]
            if months != sorted(set(months)):
                raise PriceBookError(f"{path.name}, book {name!r}: versions go in order, one a month")
            books[name] = tuple(parsed)
        return cls(books)

    def book(self, name: str, month: Month) -> PriceBook:
        """The version of a book that is valid in `month`. Raises PriceBookError if there is none."""
        if name not in self.versions:
            raise PriceBookError(f"there is no price book {name!r}; there are: {', '.join(self.versions)}")
        valid = [book for begins, book in self.versions[name] if begins <= month]
        if not valid:
            raise PriceBookError(f"the price book {name!r} has no version for {month}")
        return valid[-1]


def month_of_effect(value: Any) -> Month:
    """The month from which a version holds. Raises PriceBookError unless it is a month's first day."""
    if not isinstance(value, date) or value.day != 1:
        raise PriceBookError("effective is the first day of a month, as in 2026-11-01")
    return Month(value.year, value.month)


def _version(raw: Mapping[str, Any]) -> tuple[Month, PriceBook]:
    unknown = set(raw) - {"effective", "tiers"}
    if unknown:
        raise PriceBookError(f"unknown {', '.join(sorted(unknown))}")
    return month_of_effect(raw.get("effective")), PriceBook.parse(raw.get("tiers") or [])
