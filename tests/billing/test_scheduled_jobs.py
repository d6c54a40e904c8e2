"""What billing does by itself."""

import asyncio
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from layerwatch.billing import Month
from layerwatch.billing.alerts import add_alert
from layerwatch.billing.closing import CLOSING_DELAY
from layerwatch.billing.invoices import list_invoices
from layerwatch.billing.models import Closing
from layerwatch.billing.payments.manual import ManualPayments
from layerwatch.billing.scheduled_jobs import WAIT_FOR_CLOCK_S, ScheduledJobs, run_forever
from layerwatch.core.clock import ClockGuard
from layerwatch.identity.models import Account
from layerwatch.notify.mail import MailError
from layerwatch.storage import Claims
from layerwatch.storage.claims import LEASE
from tests.billing.test_invoices import used
from tests.support.at_once import at_once
from tests.support.clocks import ManualClock
from tests.support.killed import killed
from tests.support.terms import TERMS

NOVEMBER = Month(2026, 11)
AFTER = NOVEMBER.end + CLOSING_DELAY


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


def jobs_at(database, outbox, now):
    return ScheduledJobs(
        database,
        Claims(database, ManualClock(now)),
        outbox,
        TERMS,
        ManualPayments(),
        "https://print.example.org",
        ClockGuard(),
    )


def run_all(database, outbox, now):
    """Every job once."""
    for job in jobs_at(database, outbox, now).all.values():
        job(now)


def billed_account(database, calls=1_000_000):
    caller = used(database, calls)
    with database.write() as session:
        session.get(Account, caller.account_id).billing_email = "books@example.org"
    return caller


def test_a_month_is_closed_and_its_invoice_mailed_once_soon_after_it_is_over(database, outbox):
    caller = billed_account(database)
    run_all(database, outbox, AFTER - timedelta(seconds=1))
    assert outbox.sent == []
    for minutes in range(3):
        run_all(database, outbox, AFTER + timedelta(minutes=minutes))
    (mail,) = outbox.sent
    assert mail.to == "books@example.org" and "$398.00" in mail.text
    assert mail.file[0] == "INV-000001.pdf" and mail.file[1].startswith(b"%PDF-")
    with database.read() as session:
        assert [row.cents for row in list_invoices(session, caller.account_id)] == [39_800]


def test_after_two_month_ends_without_a_server_nothing_is_left_unbilled(database, outbox):
    billed_account(database)
    run_all(database, outbox, NOVEMBER.next.end + timedelta(days=3))
    (mail,) = outbox.sent
    assert "2026-11 is $398.00" in mail.text


def test_a_clock_that_was_just_set_ahead_closes_no_month(sqlite_database, outbox):
    """Else one wrong setting would close all months up to a year from now."""
    caller = billed_account(sqlite_database)
    real = [0.0]
    jobs = replace(
        jobs_at(sqlite_database, outbox, AFTER),
        guard=ClockGuard(wait=WAIT_FOR_CLOCK_S, monotonic=lambda: real[0]),
    )
    during = NOVEMBER.start + timedelta(days=25)
    jobs.close_months(during)
    for minute in range(1, 61):
        real[0] = minute * 60
        assert jobs.close_months(during + timedelta(days=400, minutes=minute)).closed == []
    real[0] = 61 * 60
    jobs.close_months(during + timedelta(minutes=61))
    with sqlite_database.read() as session:
        assert session.get(Closing, (caller.account_id, "2026-11")) is None


def test_a_clock_that_stays_where_it_was_set_is_trusted_after_an_hour(sqlite_database, outbox):
    caller = billed_account(sqlite_database)
    real = [0.0]
    jobs = replace(
        jobs_at(sqlite_database, outbox, AFTER),
        guard=ClockGuard(wait=WAIT_FOR_CLOCK_S, monotonic=lambda: real[0]),
    )
    jobs.close_months(NOVEMBER.start)
    for minute in range(62):
        real[0] += 60
        report = jobs.close_months(AFTER + timedelta(minutes=minute))
    assert [one.account_id for one in report.closed] == [caller.account_id]


def test_many_nodes_do_it_once(database, outbox):
    billed_account(database)
    billed_account(database)
    at_once(4, lambda: run_all(database, outbox, AFTER))
    assert len(outbox.sent) == 2
    with database.read() as session:
        assert len(list_invoices(session)) == 2


def test_an_invoice_that_could_not_be_mailed_is_mailed_later(sqlite_database, outbox):
    billed_account(sqlite_database)
    outbox.failing = True
    run_all(sqlite_database, outbox, AFTER)
    outbox.failing = False
    run_all(sqlite_database, outbox, AFTER + timedelta(minutes=1))
    assert len(outbox.sent) == 1


def test_an_invoices_mail_that_was_lost_with_its_process_is_sent_again(database, database_url, outbox):
    billed_account(database)
    killed(
        """
from types import SimpleNamespace
from layerwatch.storage import Database
from tests.billing.test_scheduled_jobs import AFTER, run_all
run_all(Database(sys.argv[1]), SimpleNamespace(send=die), AFTER)
""",
        database_url,
    )
    run_all(database, outbox, AFTER + LEASE - timedelta(seconds=1))
    assert outbox.sent == []
    run_all(database, outbox, AFTER + LEASE)
    run_all(database, outbox, AFTER + 2 * LEASE)
    assert len(outbox.sent) == 1


def test_an_address_that_is_refused_does_not_hold_up_other_invoices(sqlite_database, outbox):
    refused = billed_account(sqlite_database)
    billed_account(sqlite_database)
    with sqlite_database.write() as session:
        session.get(Account, refused.account_id).billing_email = "gone@example.org"
    take = outbox.send

    def send(mail):
        if mail.to == "gone@example.org":
            raise MailError("no such mailbox")
        take(mail)

    outbox.send = send
    run_all(sqlite_database, outbox, AFTER)
    assert [mail.to for mail in outbox.sent] == ["books@example.org"]


def test_a_free_account_is_closed_without_invoice_or_mail(sqlite_database, outbox):
    caller = billed_account(sqlite_database, calls=5_000)
    run_all(sqlite_database, outbox, AFTER)
    assert outbox.sent == []
    with sqlite_database.read() as session:
        assert session.get(Closing, (caller.account_id, "2026-11")).invoice_id is None


def test_spend_alerts_are_delivered(sqlite_database, outbox):
    caller = used(sqlite_database, 30_000)
    with sqlite_database.write() as session:
        add_alert(session, caller.account_id, 10_000_000, email="boss@example.org")
    run_all(sqlite_database, outbox, NOVEMBER.start + timedelta(days=25))
    assert [mail.to for mail in outbox.sent] == ["boss@example.org"]


async def test_a_job_that_waits_for_somebody_else_holds_up_no_other(sqlite_database, outbox):
    """A payment provider that does not answer: months are closed and invoices mailed all the same."""
    billed_account(sqlite_database)
    released, mailed = threading.Event(), threading.Event()
    take = outbox.send
    outbox.send = lambda mail: (take(mail), mailed.set())
    clock = ManualClock(AFTER)
    jobs = dict(jobs_at(sqlite_database, outbox, AFTER).all)
    jobs["collect_payments"] = lambda _: released.wait(60)
    running = asyncio.create_task(run_forever(jobs, clock, period=0.02))
    try:
        assert await asyncio.to_thread(mailed.wait, 20)
    finally:
        released.set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_job_that_crashes_is_run_again(sqlite_database):
    runs, enough = [], asyncio.Event()
    loop = asyncio.get_running_loop()

    def crash(_):
        runs.append(1)
        if len(runs) == 3:
            loop.call_soon_threadsafe(enough.set)
        raise RuntimeError("a fault of ours")

    running = asyncio.create_task(run_forever({"crash": crash}, ManualClock(), period=0.01))
    await asyncio.wait_for(enough.wait(), 20)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
