"""Preview, close, credit, pay; blocked when overdue, free when paid."""

import threading
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select

from layerwatch.billing import Month, NotFound, NotPossible, PriceBook, count_inspection
from layerwatch.billing.closing import CLOSING_DELAY, close, close_months
from layerwatch.billing.contracts import agree
from layerwatch.billing.invoices import credit, find_invoice, list_invoices, pay, preview
from layerwatch.billing.models import Closing, Invoice, UsageHour
from layerwatch.billing.money import to_cents
from layerwatch.billing.month import hour_of
from layerwatch.billing.statement import statement
from layerwatch.identity.models import Account
from layerwatch.keys import KeyAuthenticator
from tests.support.accounts import NOON, PEPPER, make_caller, make_key
from tests.support.terms import BOOKS, TERMS

NOVEMBER = Month(2026, 11)
CLOSING = NOVEMBER.end + timedelta(days=1)
OVERDUE = CLOSING + TERMS.due + TERMS.grace


def used(database, calls, *, at=NOON, **options):
    """A caller that made `calls` calls in November."""
    caller = make_caller(database, **options)
    with database.write() as session:
        session.execute(
            insert(UsageHour).values(
                key_id=caller.key_id,
                hour=hour_of(at),
                slot=0,
                account_id=caller.account_id,
                test=caller.test,
                calls=calls,
                last_at=at,
            )
        )
    return caller


def closed(database, caller, now=CLOSING):
    """The number of the invoice that closing November issued; None if it issued none."""
    with database.write() as session:
        months = close(session, caller.account_id, NOVEMBER, TERMS, now)
        return months[-1].invoice if months else None


def settle(database, number, cents, reference="bank 1", now=CLOSING):
    with database.write() as session:
        pay(
            session,
            find_invoice(session, number),
            cents,
            method="manual",
            reference=reference,
            terms=TERMS,
            now=now,
        )


def test_a_preview_shows_the_month_up_to_now(database):
    caller = used(database, 1_000_001)
    with database.read() as session:
        draft = preview(session, session.get(Account, caller.account_id), NOVEMBER, TERMS)
    assert (draft.calls, draft.quote["micro_dollars"], draft.cents) == (1_000_001, 398_000_250, 39_800)
    assert draft.status(NOON) == "preview" and draft.number is None


def test_an_invoice_is_what_the_preview_said(database):
    caller = used(database, 123_457)
    with database.read() as session:
        draft = preview(session, session.get(Account, caller.account_id), NOVEMBER, TERMS)
    number = closed(database, caller)
    with database.read() as session:
        issued = statement(session, find_invoice(session, number))
    assert (issued.cents, issued.quote) == (draft.cents, draft.quote)
    assert issued.due_at == CLOSING + TERMS.due and issued.status(CLOSING) == "open"


def test_closing_again_changes_nothing(database):
    caller = used(database, 10_000)
    closed(database, caller)
    with database.write() as session:
        session.execute(UsageHour.__table__.update().values(calls=999_999))
    with database.write() as session:
        assert close(session, caller.account_id, NOVEMBER, TERMS, CLOSING + timedelta(days=3)) == []
    with database.read() as session:
        assert [row.calls for row in list_invoices(session)] == [10_000]


def test_concurrent_closes_issue_one_invoice_with_one_number(database):
    callers = [used(database, 10_000) for _ in range(3)]
    threads = [
        threading.Thread(target=close_months, args=(database, NOVEMBER, TERMS, CLOSING)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        numbers = sorted(session.scalars(select(Invoice.number)))
        assert numbers == ["INV-000001", "INV-000002", "INV-000003"]
        assert session.scalar(select(func.count()).select_from(Closing)) == len(callers)


def test_a_month_that_is_not_over_cannot_be_closed(sqlite_database):
    caller = used(sqlite_database, 10_000)
    with pytest.raises(NotPossible, match="2026-12-01 01:00"):
        closed(sqlite_database, caller, NOVEMBER.end + CLOSING_DELAY - timedelta(seconds=1))


def test_nothing_to_pay_brings_no_invoice_and_test_calls_cost_nothing(sqlite_database):
    assert closed(sqlite_database, used(sqlite_database, 5_000)) is None
    assert closed(sqlite_database, used(sqlite_database, 50_000, test=True)) is None


def test_the_total_is_rounded_once_half_to_even(sqlite_database):
    """A call above a million costs a fortieth of a cent: 20 and 60 of them end on exactly half a cent."""
    for calls, cents in [(1_000_019, 39_800), (1_000_020, 39_800), (1_000_021, 39_801), (1_000_060, 39_802)]:
        caller = used(sqlite_database, calls)
        with sqlite_database.read() as session:
            draft = preview(session, session.get(Account, caller.account_id), NOVEMBER, TERMS)
            exact = draft.quote["micro_dollars"]
        assert draft.cents == cents == to_cents(exact)


def test_a_contract_prices_the_month_from_which_it_holds(sqlite_database):
    caller = used(sqlite_database, 1_000)
    used_later = NOVEMBER.next
    with sqlite_database.write() as session:
        agree(
            session, caller.account_id, used_later, PriceBook.parse([{"micro_dollars": 10_000}]), "deal", NOON
        )
        account = session.get(Account, caller.account_id)
        assert preview(session, account, NOVEMBER, TERMS).cents == 0
        count_inspection(session, caller, used_later.start, BOOKS)
        assert preview(session, account, used_later, TERMS).cents == 1


def test_an_issued_invoice_keeps_its_prices_and_names_when_both_change(sqlite_database):
    caller = used(sqlite_database, 10_000)
    number = closed(sqlite_database, caller)
    with sqlite_database.write() as session:
        session.get(Account, caller.account_id).name = "Renamed"
        agree(session, caller.account_id, NOVEMBER, PriceBook.parse([{"micro_dollars": 9}]), "", CLOSING)
    with sqlite_database.read() as session:
        issued = statement(session, find_invoice(session, number))
    assert issued.buyer.startswith("Acme Printing") and issued.cents == 200
    assert issued.seller == TERMS.seller


@settings(max_examples=25, deadline=None)
@given(months=st.lists(st.integers(0, 3_000_000), min_size=1, max_size=4))
def test_all_invoices_together_hold_every_call_once(tmp_path_factory, sqlite_template, months):
    import shutil

    from layerwatch.storage import Database

    path = tmp_path_factory.mktemp("closing") / "db.sqlite3"
    shutil.copyfile(sqlite_template, path)
    database = Database(f"sqlite:///{path}")
    caller = used(database, months[0])
    month, total = NOVEMBER, 0
    for calls in months[1:]:
        with database.write() as session:
            session.execute(
                insert(UsageHour).values(
                    key_id=caller.key_id,
                    hour=month.next.hours[0],
                    slot=0,
                    account_id=caller.account_id,
                    test=False,
                    calls=calls,
                    last_at=month.end,
                )
            )
        month = month.next
    month = NOVEMBER
    for _ in months:
        close_months(database, month, TERMS, month.end + CLOSING_DELAY)
        month = month.next
    with database.read() as session:
        total = sum(session.scalars(select(Closing.calls)))
        book = BOOKS.book("standard", NOVEMBER)
        assert total == sum(months)
        assert sum(row.cents for row in list_invoices(session)) == sum(to_cents(book.cost(n)) for n in months)
    database.close()


def test_overdue_past_its_grace_blocks_and_paying_frees_within_five_seconds(database):
    caller = used(database, 1_000_000)
    text, _, _ = make_key(database, account=caller.account_id)
    number = closed(database, caller)
    node = KeyAuthenticator(database, PEPPER)
    assert not node.authenticate(text, OVERDUE - timedelta(seconds=1)).blocked_payment
    assert node.authenticate(text, OVERDUE + timedelta(seconds=5)).blocked_payment
    settle(database, number, 39_800, now=OVERDUE)
    assert not node.authenticate(text, OVERDUE + timedelta(seconds=10)).blocked_payment


def test_a_part_payment_frees_nobody(sqlite_database):
    caller = used(sqlite_database, 1_000_000)
    number = closed(sqlite_database, caller)
    settle(sqlite_database, number, 39_799)
    with sqlite_database.read() as session:
        account = session.get(Account, caller.account_id)
        assert account.blocked_from == OVERDUE
        assert statement(session, find_invoice(session, number)).balance == 1


def test_the_same_payment_is_booked_once(sqlite_database):
    number = closed(sqlite_database, used(sqlite_database, 1_000_000))
    for _ in range(3):
        settle(sqlite_database, number, 10_000, "bank 7")
    with sqlite_database.read() as session:
        assert statement(session, find_invoice(session, number)).paid == 10_000
    with pytest.raises(NotPossible, match="bank 7"):
        settle(sqlite_database, number, 20_000, "bank 7")


@pytest.mark.parametrize("cents", [0, -5, 39_801])
def test_no_more_than_the_balance_is_taken(sqlite_database, cents):
    number = closed(sqlite_database, used(sqlite_database, 1_000_000))
    with pytest.raises(NotPossible):
        settle(sqlite_database, number, cents)


def test_a_credit_note_takes_back_what_is_owed(database):
    caller = used(database, 1_000_000)
    number = closed(database, caller)
    with database.write() as session:
        invoice = find_invoice(session, number)
        note = credit(session, invoice, 39_800, "our outage", TERMS, CLOSING)
        assert note.number == "CN-000001"
        assert statement(session, invoice).status(OVERDUE) == "credited"
        assert session.get(Account, caller.account_id).blocked_from is None


def test_a_credit_after_payment_is_a_refund_due(sqlite_database):
    number = closed(sqlite_database, used(sqlite_database, 1_000_000))
    settle(sqlite_database, number, 39_800)
    with sqlite_database.write() as session:
        invoice = find_invoice(session, number)
        credit(session, invoice, 800, "goodwill", TERMS, CLOSING)
        assert (statement(session, invoice).balance, statement(session, invoice).status(CLOSING)) == (
            -800,
            "refund_due",
        )
        with pytest.raises(NotPossible):
            credit(session, invoice, 39_001, "too much", TERMS, CLOSING)


def test_an_invoice_of_another_account_is_not_found(sqlite_database):
    number = closed(sqlite_database, used(sqlite_database, 1_000_000))
    stranger = make_caller(sqlite_database)
    with sqlite_database.read() as session, pytest.raises(NotFound):
        find_invoice(session, number, stranger.account_id)


def test_the_pdf_and_json_of_an_invoice(sqlite_database):
    from layerwatch.billing.pdf import invoice_pdf

    caller = used(sqlite_database, 21_000_000)
    with sqlite_database.write() as session:
        session.get(Account, caller.account_id).name = "Łukasz Żółć & Søn"
    number = closed(sqlite_database, caller)
    settle(sqlite_database, number, 100)
    with sqlite_database.read() as session:
        issued = statement(session, find_invoice(session, number))
    pdf = invoice_pdf(issued, CLOSING)
    assert pdf.startswith(b"%PDF-") and pdf == invoice_pdf(issued, CLOSING)
    as_json = issued.as_json(CLOSING)
    assert as_json["total_cents"] == 529_800 and as_json["balance_cents"] == 529_700
    assert (
        sum(tier["micro_dollars"] for tier in as_json["tiers"]) == as_json["micro_dollars"] == 5_298_000_000
    )
    assert as_json["period_end"] == "2026-12-01T00:00:00Z"
