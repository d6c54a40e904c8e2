"""`layerwatch keys | accounts | usage | pricebook`, as a script uses them."""

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from layerwatch.billing.models import UsageHour
from layerwatch.billing.month import hour_of
from layerwatch.cli import app
from layerwatch.config import load
from layerwatch.identity import repository
from layerwatch.identity.models import Account
from layerwatch.keys import KeyAuthenticator, KeyDisabled
from layerwatch.storage import Database


@pytest.fixture
def layerwatch(tmp_path, monkeypatch):
    """Run the command on a data folder of its own; gives what it printed, JSON parsed."""
    monkeypatch.delenv("LAYERWATCH_CONFIG", raising=False)

    def run(*arguments, status=0):
        needs_folder = arguments[:2] not in (("pricebook", "show"),)
        folder = ["--data-dir", str(tmp_path / "data")] if needs_folder else []
        result = CliRunner().invoke(app, [*arguments, *folder])
        assert result.exit_code == status, result.output
        if status:
            return result.stderr
        return json.loads(result.stdout) if "--json" in arguments else result.stdout

    return run


def authenticate(tmp_path, key):
    settings = load(data_dir=tmp_path / "data")
    database = Database(settings.database_url)
    try:
        return KeyAuthenticator(database, settings.secrets().api_keys).authenticate(key, datetime.now(UTC))
    finally:
        database.close()


def test_a_key_that_is_made_works_on_the_free_local_account(layerwatch, tmp_path):
    key = layerwatch("keys", "create", "--name", "garage", "--json")["key"]
    assert key.startswith("prod_")
    caller = authenticate(tmp_path, key)
    assert caller.price_book == "local" and not caller.free_only


def test_a_key_is_shown_once(layerwatch):
    key = layerwatch("keys", "create", "--name", "garage", "--json")["key"]
    assert key not in layerwatch("keys", "list")
    assert key not in json.dumps(layerwatch("keys", "list", "--json"))


def test_a_disabled_key_is_refused(layerwatch, tmp_path):
    key = layerwatch("keys", "create", "--name", "garage", "--json")["key"]
    layerwatch("keys", "disable", "garage", "--json")
    with pytest.raises(KeyDisabled):
        authenticate(tmp_path, key)


def test_a_test_key_in_the_second_dialect_bound_to_an_address(layerwatch, tmp_path):
    row = layerwatch(
        "keys", "create", "--name", "ci", "--test", "--dialect", "2", "--allow-from", "192.0.2.0/24", "--json"
    )
    assert row["key"].startswith("test_")
    assert (row["dialect"], row["allow_from"]) == (2, ["192.0.2.0/24"])


def test_a_wrong_address_is_reported_in_one_line(layerwatch):
    error = layerwatch("keys", "create", "--name", "x", "--allow-from", "nowhere", status=1)
    assert "nowhere" in error and "Traceback" not in error


def test_an_unknown_account_is_reported_in_one_line(layerwatch):
    assert "nobody" in layerwatch("keys", "list", "--account", "nobody", status=1)


def test_a_quote(layerwatch):
    quote = layerwatch("pricebook", "quote", "1000001", "--json")
    assert (quote["calls"], quote["micro_dollars"], len(quote["tiers"])) == (1_000_001, 398_000_250, 4)


def test_a_contract_changes_what_one_account_pays_from_its_month_on(layerwatch):
    layerwatch("accounts", "create", "Acme", "--json")
    layerwatch(
        "pricebook", "contract", "Acme", "--tier", "100:7", "--tier", "3", "--month", "2027-01", "--json"
    )

    def quoted(*more):
        return layerwatch("pricebook", "quote", "200", "-a", "Acme", "--json", *more)["micro_dollars"]

    assert quoted("--month", "2026-12") == 0
    assert quoted("--month", "2027-01") == 100 * 7 + 100 * 3


def test_an_account_is_made_listed_and_changed(layerwatch):
    made = layerwatch("accounts", "create", "Acme", "--free-only", "--json")
    assert made["free_only"] is True
    assert layerwatch("accounts", "set", "Acme", "--paid", "--json")["free_only"] is False
    assert [row["name"] for row in layerwatch("accounts", "list", "--json")] == ["Acme"]


def test_an_account_cannot_be_put_on_a_price_book_that_is_not_there(layerwatch):
    assert "gold" in layerwatch("accounts", "create", "Acme", "--price-book", "gold", status=1)


def test_usage_of_an_idle_month(layerwatch):
    report = layerwatch("usage", "show", "--month", "2026-02", "--json")
    assert (report["calls"], report["micro_dollars"], len(report["days"])) == (0, 0, 28)
    assert layerwatch("usage", "export").startswith("hour,key_id,")


def test_an_invalid_month_is_reported(layerwatch):
    assert "2026-13" in layerwatch("usage", "show", "--month", "2026-13", status=1)


def test_a_month_from_usage_to_a_paid_invoice(layerwatch, tmp_path):
    """The path of a bill as an operator goes it, on the command line alone."""
    layerwatch("accounts", "create", "Acme", "--json")
    layerwatch("keys", "create", "--name", "farm", "--account", "Acme", "--json")
    settings = load(data_dir=tmp_path / "data")
    database = Database(settings.database_url)
    made = datetime(2026, 10, 31, 23, tzinfo=UTC)
    with database.write() as session:
        session.execute(Account.__table__.update().values(created_at=made))
        session.add(
            UsageHour(
                key_id=1, hour=hour_of(made), slot=0, account_id=1, test=False, calls=1_000_001, last_at=made
            )
        )
    database.close()
    preview = layerwatch("invoices", "preview", "-a", "Acme", "--month", "2026-10", "--json")
    assert (preview["status"], preview["micro_dollars"], preview["total_cents"]) == (
        "preview",
        398_000_250,
        39_800,
    )
    (issued,) = layerwatch("invoices", "close", "--month", "2026-10", "--json")
    assert (issued["number"], issued["balance_cents"]) == ("INV-000001", 39_800)
    assert layerwatch("invoices", "close", "--month", "2026-10", "--json") == [issued]
    pdf = tmp_path / "invoice.pdf"
    layerwatch("invoices", "show", "INV-000001", "--pdf", str(pdf))
    assert pdf.read_bytes().startswith(b"%PDF-")
    layerwatch("invoices", "credit", "INV-000001", "--amount", "98.00", "--reason", "outage", "--json")
    paid = layerwatch("invoices", "pay", "INV-000001", "--reference", "bank 1", "--json")
    assert (paid["status"], paid["paid_cents"], paid["balance_cents"]) == ("paid", 30_000, 0)
    assert "INV-000001" in layerwatch("invoices", "list")


@pytest.mark.parametrize("amount", ["1.234", "-1", "x", "1e3", ""])
def test_an_amount_that_is_none_is_refused(layerwatch, amount):
    error = layerwatch("invoices", "pay", "INV-9", "--reference", "r", "--amount", amount, status=1)
    assert "is not an amount" in error


def with_codes(tmp_path, email):
    """A user with one-time codes on, in the commands' data folder."""
    database = Database(load(data_dir=tmp_path / "data").database_url)
    with database.write() as session:
        user = repository.new_user(session, email, datetime.now(UTC), password=None)
        user.totp_nonce, user.totp_since = b"n" * 16, datetime.now(UTC)
    database.close()


def test_lost_one_time_codes_are_switched_off_and_it_is_audited(layerwatch, tmp_path):
    layerwatch("accounts", "list")
    with_codes(tmp_path, "ann@example.org")
    assert [row["one_time_codes"] for row in layerwatch("users", "list", "--json")] == [True]
    assert layerwatch("users", "reset-codes", "Ann@example.org", "--json")["email"] == "ann@example.org"
    assert [row["one_time_codes"] for row in layerwatch("users", "list", "--search", "ann", "--json")] == [
        False
    ]
    (entry,) = layerwatch("accounts", "audit", "--json")
    assert (entry["action"], entry["who"], entry["detail"]) == (
        "one-time codes reset",
        "command line",
        "ann@example.org",
    )
    assert "no one-time codes" in layerwatch("users", "reset-codes", "ann@example.org", "--yes", status=1)
    assert "bob@example.org" in layerwatch("users", "reset-codes", "bob@example.org", "--yes", status=1)
