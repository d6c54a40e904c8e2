"""What an account can be notified of: the kinds of events, and one event in the forms it is sent in."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from layerwatch.core.languages import marked

MAX_EVENT_ID = 64


class EventKind(StrEnum):
    """The `type` of an event, as webhooks carry it."""

    WARNING = "print.warning"
    PAUSE_SUGGESTED = "print.pause_suggested"
    NOT_SEEN = "print.not_seen"
    ENDED = "print.ended"
    KEY_DISABLED = "key.disabled"
    INVOICE = "invoice.issued"
    SPEND = "spend.reached"
    TEST = "test"
    """Sent on request only, to one channel; nobody subscribes to it."""


SUBSCRIBABLE = tuple(kind for kind in EventKind if kind is not EventKind.TEST)

EVENT_NAMES = {
    EventKind.WARNING: marked("A print looks like failing"),
    EventKind.PAUSE_SUGGESTED: marked("A pause is suggested"),
    EventKind.NOT_SEEN: marked("A print is not seen"),
    EventKind.ENDED: marked("A print has ended"),
    EventKind.KEY_DISABLED: marked("An API key was disabled"),
    EventKind.INVOICE: marked("An invoice was issued"),
    EventKind.SPEND: marked("Spending reached an amount"),
    EventKind.TEST: marked("Test message"),
}


def new_event_id() -> str:
    """A random event id."""
    return f"msg_{secrets.token_hex(16)}"


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """One event of an account.

    title, text: for people; the text may have several lines.
    data: for programs; JSON values.
    extra: top-level fields beside `type`, `timestamp` and `data`.
    id: at most `MAX_EVENT_ID` characters. A channel gets each id once.
    """

    kind: EventKind
    account_id: int
    at: datetime
    title: str
    text: str
    data: Mapping[str, Any]
    extra: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=new_event_id)

    def body(self) -> str:
        """The JSON that a webhook posts."""
        at = self.at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return json.dumps(
            {"type": self.kind.value, "timestamp": at, "data": dict(self.data), **self.extra},
            ensure_ascii=False,
        )
