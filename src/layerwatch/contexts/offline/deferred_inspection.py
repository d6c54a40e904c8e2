"""One inspection that was answered while the database was away, as it waits to be booked."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from layerwatch.contexts.context_id import Context
from layerwatch.contexts.repository import Moved
from layerwatch.keys import Caller
from layerwatch.temporal import Levels


@dataclass(frozen=True, slots=True)
class DeferredInspection:
    """What its transaction would have written. id: unique, so that it is booked once however often replayed.

    key, body: Idempotency-Key and the answer to keep under it, if the call had one.
    """

    id: str
    context: Context
    caller: Caller
    at: datetime
    key: str | None
    body: str | None
    moved: Moved

    def to_line(self) -> bytes:
        """As one line of JSON."""
        moved = self.moved._asdict() | {
            "state": base64.b64encode(self.moved.state).decode(),
            "inspected_at": self.moved.inspected_at.isoformat(),
        }
        fields = asdict(self) | {"moved": moved, "at": self.at.isoformat()}
        fields["context"]["opened_at"] = self.context.opened_at.isoformat()
        return json.dumps(fields, separators=(",", ":")).encode()

    @classmethod
    def from_line(cls, line: bytes) -> DeferredInspection:
        """Read what `to_line` wrote. Raises ValueError, KeyError or TypeError for anything else."""
        fields: dict[str, Any] = json.loads(line)
        context, moved = fields["context"], fields["moved"]
        return cls(
            id=fields["id"],
            context=Context(
                **context
                | {
                    "levels": Levels(**context["levels"]),
                    "opened_at": datetime.fromisoformat(context["opened_at"]),
                }
            ),
            caller=Caller(**fields["caller"]),
            at=datetime.fromisoformat(fields["at"]),
            key=fields["key"],
            body=fields["body"],
            moved=Moved(
                **moved
                | {
                    "state": base64.b64decode(moved["state"]),
                    "inspected_at": datetime.fromisoformat(moved["inspected_at"]),
                }
            ),
        )
