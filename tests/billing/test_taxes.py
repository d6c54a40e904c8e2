"""Taxes from the operator's rules, and the invoices that carry them."""

from dataclasses import replace
from decimal import Decimal

import pytest

from layerwatch.billing import Month
from layerwatch.billing.closing import close
from layerwatch.billing.invoices import credit, find_invoice
from layerwatch.billing.pdf import invoice_pdf
from layerwatch.billing.statement import statement
from layerwatch.billing.taxes import TaxError, TaxRules
from layerwatch.identity.models import Account
from tests.billing.test_invoices import used
from tests.support.accounts import NOON
from tests.support.terms import TERMS

NOVEMBER = Month(2026, 11)
RULES = """
[[tax]]
countries = ["DE"]
name = "VAT"
percent = "19"
from = "2026-06"

[[tax]]
countries = ["DE"]
name = "VAT"
percent = "16"

[[tax]]
countries = ["AT", "FR"]
with_tax_id = true
name = "VAT"
percent = "0"
note = "Reverse charge: the recipient accounts for the VAT."

[[tax]]
countries = ["AT", "FR"]
name = "VAT"
percent = "20.5"
"""


@pytest.fixture
def rules(tmp_path):
    return load(tmp_path, RULES)


def load(folder, text):
    path = folder / "taxes.toml"
    path.write_text(text)
    return TaxRules.load(path)


@pytest.mark.parametrize(
    ("country", "tax_id", "month", "percent", "cents"),
    [
        ("DE", "", NOVEMBER, "19", 190),
        ("DE", "DE1", NOVEMBER, "19", 190),
        ("DE", "", Month(2026, 5), "16", 160),
        ("FR", "", NOVEMBER, "20.5", 205),
        ("FR", "FR1", NOVEMBER, "0", 0),
    ],
)
def test_the_first_rule_that_fits_counts(rules, country, tax_id, month, percent, cents):
    tax = rules.tax_on(1000, country, tax_id, month)
    assert (tax.percent, tax.cents) == (percent, cents)


def test_without_a_rule_there_is_no_tax(rules):
    assert rules.tax_on(1000, "US", "", NOVEMBER) is None
    assert rules.tax_on(1000, "", "", NOVEMBER) is None


def test_halves_are_rounded_to_the_even_cent(rules):
    assert [rules.tax_on(net, "DE", "", NOVEMBER).cents for net in (50, 150, 250)] == [10, 28, 48]


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[[vat]]\nname='x'\npercent=1",
        "[[tax]]\npercent=1",
        "[[tax]]\nname='x'",
        "[[tax]]\nname='x'\npercent='lots'",
        "[[tax]]\nname='x'\npercent=100",
        "[[tax]]\nname='x'\npercent=-1",
        "[[tax]]\nname='x'\npercent=1\ncountries=['Germany']",
        "[[tax]]\nname='x'\npercent=1\nrate=2",
        "[[tax]]\nname='x'\npercent=1\nfrom='June'",
        "[[tax]]\nname='x'\npercent=1\nwith_tax_id='yes'",
    ],
)
def test_a_wrong_file_is_refused_with_its_name(tmp_path, text):
    with pytest.raises(TaxError, match=r"taxes\.toml"):
        load(tmp_path, text)


def test_an_invoice_carries_buyer_tax_and_how_to_pay_as_they_were_when_it_was_issued(database, rules):
    terms = replace(TERMS, taxes=rules, pay_to="Bed Bank\nIBAN DE00 0000")
    caller = used(database, 30_000)
    with database.write() as session:
        account = session.get(Account, caller.account_id)
        account.billing_name, account.billing_address = "Acme GmbH", "Nozzle Street 4\n10115 Berlin"
        account.billing_country, account.tax_id = "DE", "DE123456789"
        number = close(session, account.id, NOVEMBER, terms, NOVEMBER.end.replace(hour=12))[-1].invoice
        account.billing_name, account.billing_country = "Moved Ltd", "FR"
    with database.write() as session:
        row = find_invoice(session, number)
        invoice = statement(session, row)
        assert (invoice.net, invoice.tax.cents, invoice.cents) == (1000, 190, 1190)
        assert invoice.buyer.splitlines()[:5] == [
            "Acme GmbH",
            "Nozzle Street 4",
            "10115 Berlin",
            "DE",
            "Tax id DE123456789",
        ]
        written = invoice.as_json(NOON)
        assert written["tax"]["percent"] == "19" and written["net_cents"] == 1000
        assert written["pay_to"] == ["Bed Bank", "IBAN DE00 0000"]
        credit(session, row, 595, "half of it", terms, NOON)
        half = statement(session, row)
        assert half.as_json(NOON)["entries"][0]["tax_cents"] == 95
        assert invoice_pdf(half, NOON).startswith(b"%PDF")


def test_the_tax_of_parts_adds_up_to_that_of_the_whole(rules):
    from layerwatch.billing.statement import Statement

    tax = rules.tax_on(1003, "DE", "", NOVEMBER)
    whole = Statement(None, 1, NOVEMBER, "", "", {"calls": 0}, 1003 + tax.cents, None, None, tax)
    assert whole.tax_share(whole.cents) == tax.cents and whole.tax_share(0) == 0
    assert Decimal(tax.percent) == 19
