"""What there is to tell people, and how a channel is given it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from typing import Optional, Protocol

from layerwatch_sdk.models import Inspection


class Kind(str, Enum):  # noqa: UP042 - StrEnum came with Python 3.11
    """Kinds of event."""

    WARNING = "warning"
    PAUSE_SUGGESTED = "pause_suggested"
    """A pause is called for and the policy does not pause, or it is a dry run."""
    PAUSED = "paused"
    CANCELLED = "cancelled"
    RESUMED = "resumed"
    ACTION_FAILED = "action_failed"
    HEATERS_OFF = "heaters_off"
    CAMERA_TROUBLE = "camera_trouble"
    CAMERA_BACK = "camera_back"
    PRINTER_TROUBLE = "printer_trouble"
    PRINTER_BACK = "printer_back"
    SERVICE_TROUBLE = "service_trouble"
    SERVICE_BACK = "service_back"
    PRINT_STARTED = "print_started"
    PRINT_FINISHED = "print_finished"
    PRINT_ENDED = "print_ended"
    """Cancelled or failed, by whomever."""
    BED_NOT_CLEAR = "bed_not_clear"
    """Something lies on the bed of a print that begins; the text says whether it waits."""
    BED_NOT_CHECKED = "bed_not_checked"
    DIGEST = "digest"
    TEST = "test"


URGENT_KINDS = frozenset(
    {
        Kind.PAUSE_SUGGESTED,
        Kind.PAUSED,
        Kind.CANCELLED,
        Kind.ACTION_FAILED,
        Kind.HEATERS_OFF,
        Kind.BED_NOT_CLEAR,
        Kind.TEST,
    }
)
"""What wakes people: it goes out at once, in quiet hours too."""

DEFAULT_KINDS = frozenset(
    {
        *URGENT_KINDS,
        Kind.WARNING,
        Kind.CAMERA_TROUBLE,
        Kind.PRINTER_TROUBLE,
        Kind.SERVICE_TROUBLE,
        Kind.BED_NOT_CHECKED,
        Kind.DIGEST,
    }
)
"""What a channel gets if its configuration does not say."""


@dataclass(frozen=True)
class Event:
    """One thing to tell.

    title: a line.  text: a sentence or two more.  picture: JPEG, or None.
    """

    kind: Kind
    printer: str
    title: str
    text: str = ""
    file: Optional[str] = None
    progress: Optional[float] = None
    inspection: Optional[Inspection] = None
    picture: Optional[bytes] = field(default=None, repr=False)
    time: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


class DeliveryError(Exception):
    """The event did not get through.

    again: whether trying later may help.  after: seconds to wait before that, as the receiver asked.
    picture_refused: it may be accepted without its picture.  text_taken: all but the picture was accepted.
    """

    def __init__(
        self,
        what: str,
        *,
        again: bool = True,
        after: Optional[float] = None,
        picture_refused: bool = False,
        text_taken: bool = False,
    ) -> None:
        super().__init__(what)
        self.again = again
        self.after = after
        self.picture_refused = picture_refused
        self.text_taken = text_taken


class Channel(Protocol):
    """A way to people."""

    name: str
    """What to call it in logs and `--check`, without anything secret."""
    kinds: frozenset[Kind]
    """What it is to be given."""

    async def send(self, event: Event) -> None:
        """Deliver one event. Raises DeliveryError."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...
