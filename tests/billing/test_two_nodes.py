"""What stops Process calls, and what lets them go on, reaches every node within five seconds."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta

import pytest
from sqlalchemy import insert

from layerwatch.billing import Month
from layerwatch.billing.closing import close
from layerwatch.billing.invoices import credit, find_invoice, pay
from layerwatch.billing.models import UsageHour
from layerwatch.billing.month import hour_of
from layerwatch.config import load
from layerwatch.identity.models import Account
from tests.support.clocks import ManualClock
from tests.support.servers import running
from tests.support.terms import TERMS

WITHIN = 5.0
"""Seconds."""


@pytest.fixture
def nodes(database_url, tmp_path, monkeypatch):
    """Two servers on one database, under one clock; each remembers keys for itself."""
    monkeypatch.setattr("layerwatch.calibration.CALIBRATION_SECONDS", 0.0)
    clock = ManualClock()
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                running(
                    load(
                        data_dir=tmp_path / name,
                        database=database_url,
                        secret="one secret of both nodes, long enough",
                        log_level="error",
                    ),
                    clock=clock,
                )
            )
            for name in ("one", "two")
        ]


@pytest.fixture
def used(nodes):
    """Makes calls of the past: (account, how many, when)."""

    def use(key_of, calls, at):
        key, account = key_of
        with nodes[0].services.database.write() as session:
            caller = nodes[0].services.authenticator.authenticate(key, at)
            session.execute(
                insert(UsageHour).values(
                    key_id=caller.key_id,
                    hour=hour_of(at),
                    slot=0,
                    account_id=account,
                    test=False,
                    calls=calls,
                    last_at=at,
                )
            )

    return use


def said(nodes, key):
    """What each node answers to a first picture of a new print: 200, or the error's type."""
    answers = [node.process(key, node.new_context(key)) for node in nodes]
    return [200 if one.status_code == 200 else one.json()["ErrorType"] for one in answers]


@pytest.mark.parametrize("settled", ["paid", "credited"])
def test_an_overdue_invoice_stops_both_nodes_and_settling_it_frees_both(nodes, used, settled):
    one, two = nodes
    clock, database = one.clock, one.services.database
    key, account = one.new_key_of()
    month = Month.of(clock.now())
    used((key, account), 1_000_000, clock.now())
    issued = month.end + timedelta(days=1)
    with database.write() as session:
        number = close(session, account, month, TERMS, issued)[-1].invoice
    overdue = issued + TERMS.due + TERMS.grace
    clock.advance((overdue - clock.now()).total_seconds() - 1)
    assert said(nodes, key) == [200, 200], "not blocked before its time"
    clock.advance(WITHIN)
    assert said(nodes, key) == ["OE_API_KEY_BLOCKED_PAYMENT_FAILED"] * 2
    billed = one.billed(account)
    with two.services.database.write() as session:
        invoice = find_invoice(session, number)
        if settled == "paid":
            pay(session, invoice, 39_800, method="manual", reference="1", terms=TERMS, now=clock.now())
        else:
            credit(session, invoice, 39_800, "our outage", TERMS, clock.now())
    clock.advance(WITHIN)
    assert said(nodes, key) == [200, 200]
    assert one.billed(account) == billed + 2, "refused calls cost nothing"


def test_free_usage_only_stops_both_nodes_at_the_limit_and_not_a_call_later(nodes, used):
    one, two = nodes
    key, account = one.new_key_of(free_only=True)
    used((key, account), 4_997, one.clock.now())
    prints = [(node, node.new_context(key)) for node in nodes for _ in range(5)]
    with ThreadPoolExecutor(len(prints)) as many:
        codes = [answer.status_code for answer in many.map(lambda at: at[0].process(key, at[1]), prints)]
    assert codes.count(200) == 3 and one.billed(account) == 5_000
    assert said(nodes, key) == ["OE_FREE_USAGE_LIMIT_REACHED"] * 2
    with two.services.database.write() as session:
        session.get(Account, account).free_only = False
    one.clock.advance(WITHIN)
    assert said(nodes, key) == [200, 200]
