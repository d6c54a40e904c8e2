"""A watcher's request: it brings what became of actions, and waits for new ones."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from layerwatch.acting import actions
from layerwatch.acting.actions import Order, Report
from layerwatch.identity.audit import Actor, record
from layerwatch.prints import events
from layerwatch.storage import DatabaseGateway

POLL_S = 1.0
"""Between two reads for a waiting watcher: an action may be asked on another node."""
MAX_WAIT_S = 25.0
"""Proxies end answers that do not come, many after 30 s."""
MAX_WAITING, MAX_WAITING_OF_ACCOUNT = 300, 20
"""Of a process. A watcher beyond that gets its answer at once, and asks again after its own pause."""


class WatcherExchange:
    """Answers the requests of watchers. Used from one event loop."""

    def __init__(self, gateway: DatabaseGateway) -> None:
        self._gateway = gateway
        self._waiting: Counter[int] = Counter()
        self.closing = False
        """Set when the server stops: nobody waits any longer."""

    def close(self) -> None:
        """Let all waiting requests be answered."""
        self.closing = True

    async def exchange(
        self,
        account_id: int,
        actor: Actor,
        prints: Mapping[str, Collection[str]],
        reports: Collection[Report],
        *,
        at: datetime,
        wait_s: float,
        gone: Callable[[], Awaitable[bool]],
    ) -> Sequence[Order]:
        """Note that a watcher is connected and what it reports; gives its actions, or none after `wait_s`.

        at: the service's time, in which the prints' pages are.
        prints: what can be done to each of the account's prints that it watches, by context id.
        gone: whether it has left.  Raises StorageUnavailable.
        """

        def begin(session: Session) -> Sequence[Order]:
            now = datetime.now(UTC)
            for row in actions.finish(session, account_id, reports, now):
                outcome = "done" if row.done else f"not done: {row.reason}"
                detail = f"{row.context_id[:12]}, asked by {row.who}: {outcome}"
                record(session, actor, f"print {row.kind}", detail, now, account_id)
                events.record(
                    session,
                    context_id=row.context_id,
                    account_id=account_id,
                    at=at,
                    kind=row.kind,
                    who="the watcher",
                    detail=outcome,
                )
            actions.connect(session, account_id, prints, now)
            return actions.take(session, account_id, prints, now)

        orders = await self._gateway.write_async(begin)
        if orders or not prints or self._full(account_id):
            return orders
        self._waiting[account_id] += 1
        try:
            return await self._wait(account_id, prints, min(wait_s, MAX_WAIT_S), gone)
        finally:
            self._waiting[account_id] -= 1
            self._waiting += Counter()  # forget those at zero

    def _full(self, account_id: int) -> bool:
        return self._waiting.total() >= MAX_WAITING or self._waiting[account_id] >= MAX_WAITING_OF_ACCOUNT

    async def _wait(
        self,
        account_id: int,
        prints: Collection[str],
        wait_s: float,
        gone: Callable[[], Awaitable[bool]],
    ) -> Sequence[Order]:
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        while loop.time() < until and not self.closing:
            await asyncio.sleep(min(POLL_S, max(0.0, until - loop.time())))
            if await gone():  # an action that is handed to nobody would be lost
                return ()
            now = datetime.now(UTC)
            if await self._gateway.read_async(actions.waiting, account_id, prints, now):
                orders = await self._gateway.write_async(actions.take, account_id, prints, now)
                if orders:
                    return orders
        return ()
