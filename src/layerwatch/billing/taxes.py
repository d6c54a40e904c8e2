"""Taxes as data: which rate a buyer pays, from a file of rules that the operator keeps.

No rates ship: they change by law, and which of them a seller has to charge is the seller's to know.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Self

from layerwatch.billing.month import Month

_KEYS = {"countries", "name", "percent", "with_tax_id", "from", "note"}


class TaxError(ValueError):
    """A file of tax rules that cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Tax:
    """A tax on an invoice. percent: as written, `19` or `8.1`.  cents: its amount.  note: printed below."""

    name: str
    percent: str
    cents: int
    note: str = ""

    def to_json(self) -> str:
        """For the invoice's row."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class TaxRule:
    """One rule. countries: where the buyer is, two letters each; none: anywhere.

    with_tax_id: for buyers with a tax id only (True), without one only (False), or all (None).
    since: the first month (UTC) that it holds for; None: always.
    """

    name: str
    percent: Decimal
    countries: frozenset[str]
    with_tax_id: bool | None
    since: Month | None
    note: str

    def fits(self, country: str, has_tax_id: bool, month: Month) -> bool:
        """Whether a buyer pays by this rule in a month."""
        return (
            (not self.countries or country in self.countries)
            and (self.with_tax_id is None or self.with_tax_id is has_tax_id)
            and (self.since is None or month >= self.since)
        )


@dataclass(frozen=True, slots=True)
class TaxRules:
    """Rules in order; the first one that fits counts."""

    rules: tuple[TaxRule, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file of rules. Raises TaxError."""
        try:
            raw = tomllib.loads(path.read_text("utf-8"))
        except OSError as wrong:
            raise TaxError(f"cannot read the tax rules {path}: {wrong.strerror}") from wrong
        except ValueError as wrong:
            raise TaxError(f"{path.name}: {wrong}") from wrong
        tables = raw.pop("tax", [])
        if raw or not isinstance(tables, list):
            raise TaxError(f"{path.name}: write each rule as [[tax]]")
        try:
            return cls(tuple(_rule(number, table) for number, table in enumerate(tables, 1)))
        except TaxError as wrong:
            raise TaxError(f"{path.name}, {wrong}") from wrong

    def tax_on(self, net_cents: int, country: str, tax_id: str, month: Month) -> Tax | None:
        """The tax on an amount; None where no rule fits. Rounded once, halves to the even cent."""
        for rule in self.rules:
            if rule.fits(country, bool(tax_id), month):
                exact = net_cents * rule.percent / 100
                cents = int(exact.quantize(Decimal(1), ROUND_HALF_EVEN))
                return Tax(rule.name, f"{rule.percent.normalize():f}", cents, rule.note)
        return None


def _rule(number: int, table: Mapping[str, Any]) -> TaxRule:
    if unknown := sorted(set(table) - _KEYS):
        raise TaxError(f"rule {number}: unknown key {unknown[0]!r}")
    try:
        percent = Decimal(str(table["percent"]))
        name = str(table["name"]).strip()
        since = Month.parse(table["from"]) if "from" in table else None
    except KeyError as missing:
        raise TaxError(f"rule {number}: {missing.args[0]} is missing") from missing
    except (InvalidOperation, ValueError, TypeError) as wrong:
        raise TaxError(f"rule {number}: {wrong}") from wrong
    countries = table.get("countries", [])
    if not isinstance(countries, list) or not all(is_country(one) for one in countries):
        raise TaxError(f"rule {number}: countries are two capital letters each, as in ['DE', 'AT']")
    if not percent.is_finite() or not 0 <= percent < 100 or not name:
        raise TaxError(f"rule {number}: it needs a name, and a percent of 0 to 99")
    with_tax_id = table.get("with_tax_id")
    if with_tax_id is not None and not isinstance(with_tax_id, bool):
        raise TaxError(f"rule {number}: with_tax_id is true or false")
    return TaxRule(name, percent, frozenset(countries), with_tax_id, since, str(table.get("note", "")))


def is_country(text: object) -> bool:
    """Whether this has the form of a country's code."""
    return isinstance(text, str) and len(text) == 2 and text.isascii() and text.isalpha() and text.isupper()
