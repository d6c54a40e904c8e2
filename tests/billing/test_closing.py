"""Every month that is over is closed, once, and every call is on exactly one invoice."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from layerwatch.billing import Month, NotPossible, PriceBook, billable_calls, count_deferred, count_inspection
from layerwatch.billing.closing import CLOSING_DELAY, ClosedMonth, close, close_months, newest_closable
from layerwatch.billing.contracts import agree
from layerwatch.billing.invoices import list_invoices, preview
from layerwatch.billing.models import Closing, UsageHour
from layerwatch.identity.models import Account
from layerwatch.notify.channels import ChannelKind, add_channel
from layerwatch.notify.repository import log_of
from layerwatch.storage import Database
from tests.billing.test_invoices import CLOSING, NOVEMBER, used
from tests.support.accounts import NOON, make_caller
from tests.support.at_once import at_once
from tests.support.terms import BOOKS, TERMS

DECEMBER = NOVEMBER.next
JANUARY = DECEMBER.next
LAST_MINUTE = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)


def close_up_to(database, month, now=None):
    return close_months(database, month, TERMS, now or month.end + CLOSING_DELAY)


def invoiced(database, caller):
    """Calls on the account's invoices and closings, by month."""
    with database.read() as session:
        rows = session.execute(
            select(Closing.month, Closing.calls).where(Closing.account_id == caller.account_id)
        )
        return dict(rows.all())


def counted(database, caller):
    with database.read() as session:
        total = select(func.sum(UsageHour.calls)).where(UsageHour.account_id == caller.account_id)
        return session.scalar(total)


def test_a_server_that_was_down_over_two_month_ends_closes_both_months(database):
    caller = used(database, 1_000_000)
    report = close_up_to(database, newest_closable(JANUARY.start + timedelta(days=5)))
    assert report.closed == [
        ClosedMonth(caller.account_id, NOVEMBER, "INV-000001"),
        ClosedMonth(caller.account_id, DECEMBER, None),
    ]
    with database.read() as session:
        assert [row.cents for row in list_invoices(session)] == [39_800]


def test_an_invoice_is_announced_once_and_a_month_without_one_is_not(database):
    caller = used(database, 1_000_000)
    with database.write() as session:
        channel = add_channel(
            session,
            caller.account_id,
            kind=ChannelKind.WEBHOOK,
            name="Books",
            address="https://example.org/hook",
            events=["invoice.issued"],
            now=NOON,
            private=False,
        ).id
    for month in (NOVEMBER, DECEMBER, NOVEMBER):
        close_up_to(database, month, JANUARY.end)
    with database.read() as session:
        (event,) = [json.loads(one.body) for one in log_of(session, channel, 9)]
        (invoice,) = list_invoices(session)
    assert event["type"] == "invoice.issued"
    assert event["data"] == {
        "number": "INV-000001",
        "month": "2026-11",
        "cents": 39_800,
        "due_at": f"{invoice.due_at:%Y-%m-%d}",
    }


def test_a_month_that_was_left_open_before_a_closed_one_is_closed_too(database):
    """As an earlier version, which closed the last month only, left it."""
    caller = used(database, 1_000_000)
    with database.write() as session:
        session.add(
            Closing(
                account_id=caller.account_id,
                month=str(DECEMBER),
                calls=0,
                invoice_id=None,
                closed_at=DECEMBER.end + CLOSING_DELAY,
            )
        )
    report = close_up_to(database, DECEMBER)
    assert [(one.month, one.invoice) for one in report.closed] == [(NOVEMBER, "INV-000001")]
    assert invoiced(database, caller) == {"2026-11": 1_000_000, "2026-12": 0}


def test_months_before_the_account_are_not_closed(database):
    caller = make_caller(database, now=DECEMBER.start)
    assert close_up_to(database, NOVEMBER).closed == []
    close_up_to(database, DECEMBER)
    assert list(invoiced(database, caller)) == ["2026-12"]


@pytest.mark.parametrize("count", ["live", "deferred"])
def test_a_call_that_is_booked_after_its_month_was_closed_is_on_the_next_invoice(database, count):
    caller = used(database, 1_000_000)
    close_up_to(database, NOVEMBER)
    with database.write() as session:
        if count == "live":
            count_inspection(session, caller, LAST_MINUTE, BOOKS)
        else:
            count_deferred(session, caller, LAST_MINUTE, calls=1)
    with database.read() as session:
        assert billable_calls(session, caller.account_id, NOVEMBER) == 1_000_000
        account = session.get(Account, caller.account_id)
        assert preview(session, account, DECEMBER, TERMS).calls == 1
    close_up_to(database, DECEMBER)
    assert invoiced(database, caller) == {"2026-11": 1_000_000, "2026-12": 1}


def test_several_months_late_it_is_in_the_first_open_month(database):
    caller = used(database, 10)
    close_up_to(database, JANUARY)
    with database.write() as session:
        count_inspection(session, caller, LAST_MINUTE, BOOKS)
        count_inspection(session, caller, DECEMBER.start, BOOKS)
    with database.read() as session:
        assert billable_calls(session, caller.account_id, JANUARY.next) == 2


def test_late_calls_of_test_keys_are_never_billed(sqlite_database):
    caller = used(sqlite_database, 10, test=True)
    close_up_to(sqlite_database, NOVEMBER)
    with sqlite_database.write() as session:
        count_inspection(session, caller, LAST_MINUTE, BOOKS)
    close_up_to(sqlite_database, DECEMBER)
    assert set(invoiced(sqlite_database, caller).values()) == {0}


def test_calls_that_are_counted_while_their_month_is_closed_are_each_on_one_invoice(database):
    """Nodes whose clocks are behind still count in November while another closes it."""
    caller = used(database, 1_000)
    begin = threading.Barrier(5)
    counted_here = []

    def calls():
        begin.wait(10)
        for _ in range(30):
            database.transact(count_inspection, caller, LAST_MINUTE, BOOKS)
            counted_here.append(1)

    def closes():
        begin.wait(10)
        close_up_to(database, NOVEMBER)

    threads = [threading.Thread(target=calls) for _ in range(4)] + [threading.Thread(target=closes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    close_up_to(database, DECEMBER)
    assert len(counted_here) == 120
    assert sum(invoiced(database, caller).values()) == counted(database, caller) == 1_120


def test_a_call_whose_transaction_was_open_while_its_month_was_closed_is_on_the_next_invoice(database_url):
    """It saw the month open, and closing did not see it: only PostgreSQL lets both go on."""
    database = Database(database_url, threads=4)
    if database.is_sqlite:
        database.close()
        pytest.skip("SQLite has one writer at a time")
    caller = used(database, 1_000)
    with database.write() as session:
        count_inspection(session, caller, LAST_MINUTE, BOOKS)
        close_up_to(database, NOVEMBER)
    close_up_to(database, DECEMBER)
    assert invoiced(database, caller) == {"2026-11": 1_000, "2026-12": 1}
    database.close()


def test_many_nodes_close_each_month_once(database):
    callers = [used(database, 10_000) for _ in range(3)]
    reports = []
    at_once(5, lambda: reports.append(close_up_to(database, JANUARY)))
    closed = [one for report in reports for one in report.closed]
    assert len(closed) == len(set(closed)) == 9
    assert len(callers) == 3
    with database.read() as session:
        assert [row.number for row in list_invoices(session)] == ["INV-000003", "INV-000002", "INV-000001"]


def test_an_account_that_cannot_be_priced_is_reported_and_holds_up_no_other(database):
    broken, fine = used(database, 10_000), used(database, 10_000)
    with database.write() as session:
        session.get(Account, broken.account_id).price_book = "gone"
    report = close_up_to(database, NOVEMBER)
    assert [one.account_id for one in report.closed] == [fine.account_id]
    ((account, why),) = report.failed
    assert account == broken.account_id and "'gone'" in why
    with database.write() as session:
        session.get(Account, broken.account_id).price_book = "standard"
    assert len(close_up_to(database, NOVEMBER).closed) == 1


def test_an_account_whose_contract_is_damaged_holds_up_no_other(sqlite_database):
    broken, fine = used(sqlite_database, 10_000), used(sqlite_database, 10_000)
    with sqlite_database.write() as session:
        deal = agree(session, broken.account_id, NOVEMBER, PriceBook.parse([{"micro_dollars": 1}]), "", NOON)
        deal.tiers = "not JSON"
    report = close_up_to(sqlite_database, NOVEMBER)
    assert [one.account_id for one in report.closed] == [fine.account_id]
    assert [account for account, _ in report.failed] == [broken.account_id]


def test_nothing_is_closed_before_an_hour_after_its_end(sqlite_database):
    caller = used(sqlite_database, 10_000)
    with pytest.raises(NotPossible, match="2026-12-01 01:00"):
        close_up_to(sqlite_database, NOVEMBER, NOVEMBER.end + CLOSING_DELAY - timedelta(seconds=1))
    with sqlite_database.write() as session, pytest.raises(NotPossible):
        close(session, caller.account_id, DECEMBER, TERMS, CLOSING)


@pytest.mark.parametrize(
    ("now", "month"),
    [
        (NOON, Month(2026, 10)),
        (NOVEMBER.end, Month(2026, 10)),
        (NOVEMBER.end + CLOSING_DELAY, NOVEMBER),
        (DECEMBER.end, NOVEMBER),
        (DECEMBER.end + CLOSING_DELAY, DECEMBER),
    ],
)
def test_the_newest_month_that_may_be_closed(now, month):
    assert newest_closable(now) == month
