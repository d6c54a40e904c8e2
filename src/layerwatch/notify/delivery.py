"""Delivering what was announced: every node looks for due deliveries, takes each under a lease, and sends it.

A node that dies during an attempt leaves a lease that runs out, and another attempt is made: at least once,
with the same id, by which the receiver recognises a repeat.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from layerwatch.core.clock import Clock
from layerwatch.notify import apprise_service, repository
from layerwatch.notify.channels import ChannelKind
from layerwatch.notify.events import EventKind
from layerwatch.notify.mail import Mail, Mailer, MailError
from layerwatch.notify.models import ChannelRow, DeliveryRow
from layerwatch.notify.signature import key_of, signature_headers
from layerwatch.notify.webhooks import DeliveryFailed, Webhooks
from layerwatch.storage import Database, StorageError

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=2)
"""How long an attempt may take: an SMTP server may take minutes, a webhook `outgoing.DEADLINE_S`."""

RETRIES = tuple(
    timedelta(seconds=seconds) for seconds in (5, 60, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600)
)
"""Waits after each failed attempt; after the last one the event is given up, some 18 hours after it began."""

PERIOD_S = 2.0
"""Seconds between two looks for due deliveries."""

SENT_AT_ONCE = 32
PER_CHANNEL_AT_ONCE = 4
"""The most senders that a receiver which does not answer can occupy."""

KEPT = timedelta(days=14)
"""How long the log keeps an entry."""

ALARMS = {EventKind.WARNING, EventKind.PAUSE_SUGGESTED, EventKind.NOT_SEEN}

_BATCH = 500


@dataclass(frozen=True, slots=True)
class NotificationDelivery:
    """Sends what is due.

    clock: real time.  private: whether private networks may be reached.  may_mail: whether events of an
    account may be mailed to an address now (the people of an account change).
    """

    database: Database
    clock: Clock
    mailer: Mailer
    private: bool
    may_mail: Callable[[Session, int, str], bool]
    webhooks: Webhooks = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "webhooks", Webhooks(private=self.private))

    def deliver_due(self) -> int:
        """Attempt every delivery that is due, a few of each channel at a time; how many succeeded."""
        now = self.clock.now()
        with self.database.read() as session:
            found = repository.due(session, now, _BATCH)
        taken: Counter[int] = Counter()
        chosen = []
        for one in found:
            taken[one.channel_id] += 1
            if taken[one.channel_id] <= PER_CHANNEL_AT_ONCE:
                chosen.append(one.id)
        if not chosen:
            return 0
        with ThreadPoolExecutor(
            min(SENT_AT_ONCE, len(chosen)), thread_name_prefix="layerwatch-notify"
        ) as threads:
            return sum(threads.map(self._attempt, chosen))

    def delete_old(self) -> None:
        """Shorten the log to `KEPT`."""
        before = self.clock.now() - KEPT
        while (
            self.database.transact(lambda session: repository.delete_old(session, before, _BATCH)) == _BATCH
        ):
            pass

    def _attempt(self, delivery_id: int) -> bool:
        """One attempt; whether it succeeded. False if another node has it."""

        def take(session: Session) -> tuple[DeliveryRow, ChannelRow] | None:
            delivery = repository.take(session, delivery_id, self.clock.now(), LEASE)
            if delivery is None:
                return None
            return delivery, repository.get_channel(session, delivery.channel_id)

        taken = self.database.transact(take)
        if taken is None:
            return False
        delivery, channel = taken
        began = time.monotonic()
        status, error = None, None
        try:
            status = self._send(delivery, channel)
        except DeliveryFailed as failure:
            status, error = failure.status, str(failure)[:200]
        except Exception:  # one channel's fault must not keep the others waiting
            log.exception("notification_crashed", channel=channel.id)
            error = "something went wrong on our side"
        now = self.clock.now()
        values = {
            "status": status,
            "error": error,
            "ms": int(1000 * (time.monotonic() - began)),
            "tried_at": now,
            "due_at": None if error is None else _next_attempt(delivery.attempts, now),
            "delivered_at": now if error is None else None,
        }
        with suppress(StorageError):  # the lease runs out by itself
            self.database.transact(lambda session: repository.finish(session, delivery, **values))
        if error is not None:
            log.info("notification_failed", channel=channel.id, attempt=delivery.attempts, why=error)
        return error is None

    def _send(self, delivery: DeliveryRow, channel: ChannelRow) -> int | None:
        """Send an event; the status of the answer where there is one. Raises DeliveryFailed."""
        if channel.kind == ChannelKind.WEBHOOK:
            return self._post(delivery, channel)
        if channel.kind == ChannelKind.MAIL:
            with self.database.read() as session:
                if not self.may_mail(session, channel.account_id, channel.address):
                    raise DeliveryFailed("the address is not that of a member of the account")
            try:
                self.mailer.send(Mail(channel.address, delivery.title, delivery.text))
            except MailError as error:
                raise DeliveryFailed("the mail server did not take it") from error
            return None
        alarm = delivery.event in ALARMS
        apprise_service.send(
            channel.address, delivery.title, delivery.text, alarm=alarm, private=self.private
        )
        return None

    def _post(self, delivery: DeliveryRow, channel: ChannelRow) -> int:
        assert channel.secret is not None
        now, body = self.clock.now(), delivery.body.encode()
        seconds = int(now.timestamp())
        signing = [channel.secret]
        if channel.old_secret and channel.old_secret_until and now < channel.old_secret_until:
            signing.append(channel.old_secret)
        headers = signature_headers(signing, delivery.event_id, seconds, body)
        if channel.legacy_signature:
            from layerwatch_sdk.webhook_signature import HEADER, sign  # late: the SDK loads httpx

            headers[HEADER] = sign(key_of(channel.secret), body, seconds)
        return self.webhooks.post(channel.address, headers, body)


def _next_attempt(attempts: int, now: datetime) -> datetime | None:
    """When to try again after this many attempts; None to give up."""
    return now + RETRIES[attempts - 1] if attempts <= len(RETRIES) else None
