"""`layerwatch usage | accounts | pricebook | invoices`: by the operator's price book, and true reports."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from layerwatch.billing import Month
from layerwatch.billing.models import UsageHour
from layerwatch.billing.month import hour_of
from layerwatch.cli import app
from layerwatch.config import load
from layerwatch.identity.models import Account
from layerwatch.storage import Database

GOLD = """
[[standard]]
effective = 2020-01-01
tiers = [{ micro_dollars = 1000 }]

[[gold]]
effective = 2020-01-01
tiers = [{ up_to = 10, micro_dollars = 0 }, { micro_dollars = 7 }]
"""
LAST_MONTH = Month.of(datetime.now(UTC)).previous.previous
"""Closable whatever the hour is."""


@pytest.fixture(params=["settings file", "environment"])
def layerwatch(request, tmp_path, monkeypatch):
    """Run the command where the operator has a price book; gives what it printed, JSON parsed."""
    book = tmp_path / "prices.toml"
    book.write_text(GOLD)
    settings = tmp_path / "layerwatch.toml"
    if request.param == "environment":
        settings.write_text("")
        monkeypatch.setenv("LAYERWATCH_PRICE_BOOK", str(book))
    else:
        settings.write_text(f'price_book = "{book}"\n')
    monkeypatch.setenv("LAYERWATCH_DATA_DIR", str(tmp_path / "data"))

    def run(*arguments, status=0):
        result = CliRunner().invoke(app, [*arguments, "--config", str(settings)])
        assert result.exit_code == status, result.output
        if status:
            return result.stderr
        return json.loads(result.stdout) if "--json" in arguments else result.stdout

    run.database = lambda: Database(load(settings).database_url)
    return run


@pytest.fixture
def acme(layerwatch):
    """An account with a key and 1,000 calls in `LAST_MONTH`."""
    layerwatch("accounts", "create", "Acme", "--json")
    layerwatch("keys", "create", "--name", "farm", "--account", "Acme", "--json")
    database, at = layerwatch.database(), LAST_MONTH.start + timedelta(days=3)
    with database.write() as session:
        session.get(Account, 1).created_at = LAST_MONTH.start
        session.add(
            UsageHour(key_id=1, hour=hour_of(at), slot=0, account_id=1, test=False, calls=1_000, last_at=at)
        )
    database.close()
    return "Acme"


def test_usage_costs_what_the_operators_book_says(layerwatch, acme):
    report = layerwatch("usage", "show", "-a", acme, "--month", str(LAST_MONTH), "--json")
    assert report["micro_dollars"] == 1_000_000


def test_an_account_is_put_on_a_book_that_only_the_operator_has(layerwatch, acme):
    assert layerwatch("accounts", "create", "Rich", "--price-book", "gold", "--json")["price_book"] == "gold"
    assert layerwatch("accounts", "set", acme, "--price-book", "gold", "--json")["price_book"] == "gold"


def test_a_book_of_the_package_that_the_operator_has_not_is_refused(layerwatch):
    assert "'local'" in layerwatch("accounts", "create", "Acme", "--price-book", "local", status=1)


def test_a_quote_is_by_the_operators_book(layerwatch, acme):
    assert layerwatch("pricebook", "quote", "10", "--json")["micro_dollars"] == 10_000
    assert layerwatch("pricebook", "quote", "12", "--book", "gold", "--json")["micro_dollars"] == 14
    assert layerwatch("pricebook", "quote", "10", "-a", acme, "--json")["micro_dollars"] == 10_000


def test_another_file_can_be_priced_by(layerwatch, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text("[[standard]]\neffective = 2020-01-01\ntiers = [{ micro_dollars = 3 }]\n")
    assert layerwatch("pricebook", "quote", "10", "--file", str(other), "--json")["micro_dollars"] == 30


def test_the_operators_books_are_shown(layerwatch):
    assert {row["book"] for row in layerwatch("pricebook", "show", "--json")} == {"standard", "gold"}


def test_preview_and_invoice_are_by_the_operators_book(layerwatch, acme):
    preview = layerwatch("invoices", "preview", "-a", acme, "--month", str(LAST_MONTH), "--json")
    (issued,) = layerwatch("invoices", "close", "--month", str(LAST_MONTH), "--json")
    assert preview["total_cents"] == issued["total_cents"] == 100


@pytest.mark.parametrize("arguments", [("pricebook", "show"), ("usage", "show"), ("accounts", "create", "X")])
@pytest.mark.parametrize("wrong", ["[[standard", "\xff", None])
def test_a_book_that_cannot_be_read_ends_every_command_in_one_line(layerwatch, tmp_path, arguments, wrong):
    book = tmp_path / "prices.toml"
    if wrong is None:
        book.unlink()
    else:
        book.write_bytes(wrong.encode("latin-1"))
    error = layerwatch(*arguments, status=1)
    assert "prices.toml" in error and error.count("\n") == 1


def test_closing_says_and_audits_what_was_closed_and_nothing_when_nothing_was(layerwatch, acme):
    def audited():
        return [
            row["detail"] for row in layerwatch("accounts", "audit", "--json") if "closed" in row["action"]
        ]

    first = layerwatch("invoices", "close", "--month", str(LAST_MONTH))
    assert f"Closed {LAST_MONTH}: 1 accounts, 1 invoices." in first
    assert audited() == [f"{LAST_MONTH}: 1 accounts, 1 invoices"]
    again = layerwatch("invoices", "close", "--month", str(LAST_MONTH))
    assert f"Nothing to close: no open month up to {LAST_MONTH}." in again
    assert len(audited()) == 1


def test_closing_an_installation_without_accounts_closes_nothing(layerwatch):
    assert "Nothing to close" in layerwatch("invoices", "close", "--month", str(LAST_MONTH))
    assert layerwatch("accounts", "audit", "--json") == []


def test_a_month_that_is_not_over_is_not_closed_and_not_audited(layerwatch, acme):
    error = layerwatch("invoices", "close", "--month", str(Month.of(datetime.now(UTC))), status=1)
    assert re.search(r"can be closed from \d{4}-\d\d-01 01:00 UTC", error)
    actions = [row["action"] for row in layerwatch("accounts", "audit", "--json")]
    assert not any("closed" in action for action in actions)


def test_an_account_that_cannot_be_closed_is_named(layerwatch, acme):
    database = layerwatch.database()
    with database.write() as session:
        session.get(Account, 1).price_book = "gone"
    database.close()
    error = layerwatch("invoices", "close", "--month", str(LAST_MONTH), status=1)
    assert "account 1" in error and "'gone'" in error
