"""The spend limit: a hard stop at the last call that the amount pays for."""

import json

import pytest

from layerwatch.billing.alert_delivery import AlertDelivery
from layerwatch.billing.pricebook import PriceBook
from layerwatch.identity.models import Account
from layerwatch.notify.channels import ChannelKind, add_channel
from layerwatch.notify.repository import log_of
from layerwatch.storage import Claims
from tests.billing.test_invoices import used
from tests.support.accounts import NOON
from tests.support.at_once import at_once
from tests.support.clocks import ManualClock
from tests.support.terms import TERMS

BOOK = PriceBook.parse(
    [{"up_to": 10, "micro_dollars": 0}, {"up_to": 20, "micro_dollars": 400}, {"micro_dollars": 300}]
)


@pytest.mark.parametrize("amount", [0, 1, 399, 400, 3999, 4000, 4299, 4300, 10_000])
def test_no_call_more_is_within_an_amount(amount):
    most = BOOK.calls_within(amount)
    assert BOOK.cost(most) <= amount < BOOK.cost(most + 1)


def test_a_free_book_has_no_limit():
    assert PriceBook.parse([{"micro_dollars": 0}]).calls_within(0) is None


def limited(server, micro_dollars, calls):
    """A key of an account that has made so many calls and may spend so much."""
    from layerwatch.billing.metering import count_deferred

    key, account = server.new_key_of()
    caller = server.services.authenticator.authenticate(key, server.clock.now())
    with server.services.database.write() as session:
        count_deferred(session, caller, server.clock.now(), calls=calls)
        session.get(Account, account).spend_limit = micro_dollars
    server.clock.advance(3)
    return key, account


def test_a_call_beyond_the_limit_is_refused_until_the_month_ends_or_the_limit_is_raised(server_on_each):
    server = server_on_each
    price = TERMS.books.book("standard", _month(server)).tier_of(5001)[1].micro_dollars
    key, account = limited(server, 2 * price, calls=5000)
    contexts = [server.new_context(key) for _ in range(3)]
    assert [server.process(key, context).status_code for context in contexts[:2]] == [200, 200]
    refused = server.process(key, contexts[2])
    assert (refused.status_code, refused.json()["ErrorType"]) == (429, "OE_FREE_USAGE_LIMIT_REACHED")
    assert "spend limit" in refused.json()["ErrorDetails"] and int(refused.headers["retry-after"]) > 3600
    assert server.billed(account) == 5002
    with server.services.database.write() as session:
        session.get(Account, account).spend_limit = 3 * price
    server.clock.advance(3)
    assert server.process(key, contexts[2]).status_code == 200


def test_the_limit_is_exact_when_calls_come_at_once(server_on_each):
    server = server_on_each
    price = TERMS.books.book("standard", _month(server)).tier_of(5001)[1].micro_dollars
    key, account = limited(server, 3 * price, calls=5000)
    contexts = iter([server.new_context(key) for _ in range(8)])
    at_once(8, lambda: server.process(key, next(contexts)) and None)
    assert server.billed(account) == 5003


def test_reaching_the_limit_is_announced_once_a_month(database):
    caller = used(database, 30_000)
    with database.write() as session:
        session.get(Account, caller.account_id).spend_limit = 10_000_000
        channel = add_channel(
            session,
            caller.account_id,
            kind=ChannelKind.MAIL,
            name="Books",
            address="ann@example.org",
            events=["spend.reached"],
            now=NOON,
            private=False,
        ).id
    delivery = AlertDelivery(database, Claims(database, ManualClock(NOON)), TERMS)
    at_once(3, lambda: delivery.announce_limits(NOON) and None)
    assert delivery.announce_limits(NOON) == 0
    with database.read() as session:
        (event,) = log_of(session, channel, 9)
        assert json.loads(event.body)["data"]["limit_micro_dollars"] == 10_000_000


def _month(server):
    from layerwatch.billing import Month

    return Month.of(server.clock.now())
