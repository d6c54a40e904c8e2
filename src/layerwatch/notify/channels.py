"""An account's notification channels: adding, changing, testing and removing them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from layerwatch.core.languages import gettext as _
from layerwatch.core.text import InvalidName, clean_name
from layerwatch.notify import apprise_service, repository
from layerwatch.notify.errors import NotFound, NotPossible
from layerwatch.notify.events import SUBSCRIBABLE, AccountEvent, EventKind
from layerwatch.notify.models import MAX_ADDRESS_LENGTH, ChannelRow, DeliveryRow
from layerwatch.notify.outbox import announce_to
from layerwatch.notify.signature import new_secret

MAX_CHANNELS = 20
"""Channels of one account."""

MAX_WAITING_TESTS = 5
"""Unfinished deliveries of a channel beyond which no test or resend is added to them."""

SECRET_OVERLAP = timedelta(hours=24)
"""How long a replaced secret signs beside the new one."""


class ChannelKind(StrEnum):
    """How a channel is reached."""

    WEBHOOK = "webhook"
    MAIL = "mail"
    APPRISE = "apprise"


def add_channel(
    session: Session,
    account_id: int,
    *,
    kind: ChannelKind,
    name: str,
    address: str,
    events: Iterable[str],
    now: datetime,
    private: bool,
) -> ChannelRow:
    """Add a channel. A webhook gets a new secret.

    private: whether addresses in private networks may be used.  Raises NotPossible.
    """
    if len(repository.channels_of(session, account_id)) >= MAX_CHANNELS:
        raise NotPossible(_("An account has at most %(most)s notification channels.", most=MAX_CHANNELS))
    return repository.add_channel(
        session,
        account_id=account_id,
        kind=kind.value,
        name=_valid_name(name),
        address=_valid_address(kind, address.strip(), private),
        events=_valid_events(events),
        secret=new_secret() if kind is ChannelKind.WEBHOOK else None,
        old_secret=None,
        old_secret_until=None,
        legacy_signature=False,
        created_at=now,
        paused_at=None,
    )


def change_channel(channel: ChannelRow, *, name: str, events: Iterable[str]) -> None:
    """Rename a channel and choose its events. Raises NotPossible."""
    channel.name, channel.events = _valid_name(name), _valid_events(events)


def find_channel(session: Session, account_id: int, channel_id: int) -> ChannelRow:
    """A channel of the account. Raises NotFound."""
    channel = repository.channel_or_none(session, channel_id)
    if channel is None or channel.account_id != account_id:
        raise NotFound(_("There is no such notification channel."))
    return channel


def replace_secret(channel: ChannelRow, now: datetime) -> str:
    """Give a webhook a new secret, and return it; the old one signs as well for `SECRET_OVERLAP`."""
    if channel.secret is None:
        raise NotPossible(_("Only webhooks have a secret."))
    channel.old_secret, channel.old_secret_until = channel.secret, now + SECRET_OVERLAP
    channel.secret = new_secret()
    return channel.secret


def send_test(session: Session, channel: ChannelRow, now: datetime) -> None:
    """Put a test event on its way to one channel. Raises NotPossible while several wait."""
    _check_room(session, channel)
    event = AccountEvent(
        kind=EventKind.TEST,
        account_id=channel.account_id,
        at=now,
        title="Layerwatch: test message",
        text=f"This is a test of the notification channel “{channel.name}”. It works.",
        data={"channel": channel.name},
    )
    announce_to(session, event, [channel])


def resend(session: Session, account_id: int, delivery_id: int, now: datetime) -> DeliveryRow:
    """Send an event of the log once more, with the same id. Raises NotFound and NotPossible."""
    delivery = repository.delivery_or_none(session, delivery_id)
    if delivery is None:
        raise NotFound(_("There is no such delivery."))
    channel = find_channel(session, account_id, delivery.channel_id)
    if delivery.due_at is None:
        _check_room(session, channel)
    delivery.due_at, delivery.attempts, delivery.delivered_at, delivery.error = now, 0, None, None
    return delivery


def _check_room(session: Session, channel: ChannelRow) -> None:
    if repository.waiting(session, channel.id) >= MAX_WAITING_TESTS:
        raise NotPossible(
            _(
                "%(most)s deliveries of this channel are waiting. Try again later.",
                most=MAX_WAITING_TESTS,
            )
        )


def _valid_name(name: str) -> str:
    try:
        return clean_name(name, _("The channel's name"))
    except InvalidName as wrong:
        raise NotPossible(str(wrong), "name") from wrong


def _valid_address(kind: ChannelKind, address: str, private: bool) -> str:
    if not 1 <= len(address) <= MAX_ADDRESS_LENGTH or not address.isprintable() or " " in address:
        raise NotPossible(
            _(
                "The address needs 1 to %(most)s characters, no spaces.",
                most=MAX_ADDRESS_LENGTH,
            ),
            "address",
        )
    if kind is ChannelKind.APPRISE:
        apprise_service.check(address, private=private)
    if kind is ChannelKind.WEBHOOK:
        try:
            parts = urlsplit(address)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.username is not None:
            raise NotPossible(_("A webhook is an address such as https://example.org/hook."), "address")
    return address


def _valid_events(events: Iterable[str]) -> str:
    chosen = set(events)
    known = [kind.value for kind in SUBSCRIBABLE if kind.value in chosen]
    if not known:
        raise NotPossible(_("Choose at least one kind of event."), "events")
    return " ".join(known)
