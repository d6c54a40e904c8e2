"""An invoice from the buyer's address to the printed page, in a real browser."""

from datetime import timedelta

import pytest
from sqlalchemy import insert

from layerwatch.billing import Month
from layerwatch.billing.closing import close
from layerwatch.billing.invoices import credit, find_invoice
from layerwatch.billing.models import UsageHour
from layerwatch.identity.models import Account
from layerwatch.keys.models import ApiKey
from tests.support.browser import text_of
from tests.support.chromium import Tab, chromium

RULES = '[[tax]]\ncountries = ["DE"]\nname = "VAT"\npercent = "19"\n'


@pytest.fixture
def office(open_office, tmp_path):
    rules = tmp_path / "taxes.toml"
    rules.write_text(RULES)
    return open_office(tax_rules=rules, invoice_pay_to="Bed Bank\\nIBAN DE00 0000")


def issued(office, account):
    """The number of the invoice for 30,000 calls of the last month."""
    services, now = office.server.services, office.server.clock.now()
    month = Month.of(now).previous
    office.server.new_key_of(account)
    with services.database.write() as session:
        session.get(Account, account).created_at = now - timedelta(days=60)
        key = session.query(ApiKey).filter_by(account_id=account).one().id
        session.execute(
            insert(UsageHour).values(
                key_id=key,
                hour=month.hours[0],
                slot=0,
                account_id=account,
                test=False,
                calls=30_000,
                last_at=month.start,
            )
        )
        return close(session, account, month, services.terms, now)[-1].invoice


def test_an_invoice_shows_buyer_tax_how_to_pay_and_credit_notes_and_prints(office):
    account = office.account("Acme")
    office.user("ann@example.org", account)
    with chromium() as browser:
        tab = Tab(browser.new_context(), office.server.url)
        tab.sign_in("ann@example.org")
        tab.go("/settings")
        tab.page.fill("[name=billing_name]", "Acme GmbH")
        tab.page.fill("[name=billing_address]", "Nozzle Street 4\n10115 Berlin")
        tab.page.fill("[name=billing_country]", "de")
        tab.page.fill("[name=tax_id]", "DE123456789")
        tab.page.click("form[action$='/settings/buyer'] button")
        tab.page.wait_for_selector("text=Saved.")
        number = issued(office, account)
        services = office.server.services
        with services.database.write() as session:
            invoice = find_invoice(session, number)
            credit(session, invoice, 119, "one hour down", services.terms, office.server.clock.now())
        tab.go("/invoices")
        tab.page.click(f"text={number}")
        shown = tab.page.inner_text("main")
        for text in ("Acme GmbH", "10115 Berlin", "DE", "DE123456789", "VAT 19 %", "$1.90", "$11.90"):
            assert text in shown, text
        for text in ("IBAN DE00 0000", f"reference {number}", "CN-000001", "of which VAT $0.19", "$10.71"):
            assert text in shown, text
        tab.page.emulate_media(media="print")
        assert not tab.page.is_visible("header") and not tab.page.is_visible("text=PDF")
        assert tab.page.is_visible("text=IBAN DE00 0000")
        assert tab.complaints == []


@pytest.mark.parametrize(
    ("sent", "wrong"),
    [
        ({"billing_country": "Germany"}, "two-letter"),
        ({"billing_address": "\n".join("abcdef")}, "at most 5 lines"),
        ({"tax_id": "\x07"}, "control characters"),
    ],
)
def test_a_buyer_that_cannot_be_printed_is_refused_and_kept(office, sent, wrong):
    office.user("ann@example.org", office.account("Acme"))
    ann = office.signed_in("ann@example.org")
    answer = ann.post("/settings/buyer", "/settings", billing_name="Acme GmbH", **sent)
    assert answer.status_code == 400 and wrong in text_of(answer) and "Acme GmbH" in answer.text
