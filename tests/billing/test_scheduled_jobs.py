"""What billing does by itself."""

import threading
from datetime import timedelta

import pytest

from layerwatch.billing import Month
from layerwatch.billing.alerts import add_alert
from layerwatch.billing.billing_terms import Terms
from layerwatch.billing.invoices import SETTLE, list_invoices
from layerwatch.billing.models import Closing
from layerwatch.billing.payments.manual import ManualPayments
from layerwatch.billing.scheduled_jobs import Housekeeper
from layerwatch.identity.models import Account
from layerwatch.notify import Webhooks
from layerwatch.notify.mail import MailError
from tests.billing.test_invoices import used

NOVEMBER = Month(2026, 11)
AFTER = NOVEMBER.end + SETTLE


class Outbox:
    def __init__(self):
        self.sent, self.failing = [], False

    def send(self, mail):
        if self.failing:
            raise MailError("no server")
        self.sent.append(mail)


@pytest.fixture
def outbox():
    return Outbox()


def housekeeper(database, outbox):
    return Housekeeper(database, outbox, Webhooks(), Terms(), ManualPayments(), "https://print.example.org")


def billed_account(database, calls=1_000_000):
    caller = used(database, calls)
    with database.begin() as session:
        session.get(Account, caller.account_id).billing_email = "books@example.org"
    return caller


def test_a_month_is_closed_and_its_invoice_mailed_once_soon_after_it_is_over(database, outbox):
    caller = billed_account(database)
    keeper = housekeeper(database, outbox)
    keeper.round(AFTER - timedelta(seconds=1))
    assert outbox.sent == []
    for minutes in range(3):
        keeper.round(AFTER + timedelta(minutes=minutes))
    (mail,) = outbox.sent
    assert mail.to == "books@example.org" and "$398.00" in mail.text
    assert mail.file[0] == "INV-000001.pdf" and mail.file[1].startswith(b"%PDF-")
    with database.read() as session:
        assert [row.cents for row in list_invoices(session, caller.account_id)] == [39_800]


def test_many_nodes_do_it_once(database, outbox):
    billed_account(database)
    billed_account(database)
    threads = [threading.Thread(target=housekeeper(database, outbox).round, args=(AFTER,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outbox.sent) == 2
    with database.read() as session:
        assert len(list_invoices(session)) == 2


def test_an_invoice_that_could_not_be_mailed_is_mailed_later(sqlite_database, outbox):
    billed_account(sqlite_database)
    outbox.failing = True
    housekeeper(sqlite_database, outbox).round(AFTER)
    outbox.failing = False
    housekeeper(sqlite_database, outbox).round(AFTER + timedelta(minutes=1))
    assert len(outbox.sent) == 1


def test_a_free_account_is_closed_without_invoice_or_mail(sqlite_database, outbox):
    caller = billed_account(sqlite_database, calls=5_000)
    housekeeper(sqlite_database, outbox).round(AFTER)
    assert outbox.sent == []
    with sqlite_database.read() as session:
        assert session.get(Closing, (caller.account_id, "2026-11")).invoice_id is None


def test_one_account_that_cannot_be_priced_does_not_hold_up_the_others(sqlite_database, outbox):
    broken = billed_account(sqlite_database)
    billed_account(sqlite_database)
    with sqlite_database.begin() as session:
        session.get(Account, broken.account_id).price_book = "gone"
    housekeeper(sqlite_database, outbox).close_last_month(AFTER)
    with sqlite_database.read() as session:
        assert len(list_invoices(session)) == 1


def test_spend_alerts_are_told(sqlite_database, outbox):
    caller = used(sqlite_database, 30_000)
    with sqlite_database.begin() as session:
        add_alert(session, caller.account_id, 10_000_000, email="boss@example.org", webhook=None)
    housekeeper(sqlite_database, outbox).round(NOVEMBER.start + timedelta(days=25))
    assert [mail.to for mail in outbox.sent] == ["boss@example.org"]
