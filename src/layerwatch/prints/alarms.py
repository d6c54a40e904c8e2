"""Notifying a print's account: a warning, a suggested pause, a print that is not seen or has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from layerwatch.notify import AccountEvent, EventKind, announce
from layerwatch.notify.repository import channels_for
from layerwatch.prints.labels import PrintLabels
from layerwatch.prints.repository import find_print

_WORDS = {
    EventKind.WARNING: ("looks like failing", "The print looks like failing."),
    EventKind.PAUSE_SUGGESTED: ("pause suggested", "The print is failing. Pause it."),
    EventKind.NOT_SEEN: ("not seen", "The print is not seen, so no failure would be noticed."),
    EventKind.ENDED: ("ended", "No picture has come for 15 minutes: the print has ended, or its camera has."),
}
"""End of the title, and the first line of the text."""


@dataclass(frozen=True, slots=True)
class PrintAlarms:
    """Announces events of prints. console_url: where the console is, for the links."""

    console_url: str

    def announce(
        self,
        session: Session,
        kind: EventKind,
        context_id: str,
        account_id: int,
        at: datetime,
        facts: Mapping[str, Any],
    ) -> None:
        """Put an event of a print on its way, in the caller's transaction. facts: JSON values."""
        if not channels_for(session, account_id, kind.value):
            return
        row = find_print(session, context_id)
        labels = PrintLabels(row.name, row.printer, row.camera, row.file) if row else PrintLabels()
        title, sentence = _WORDS[kind]
        name = labels.name or labels.file or labels.printer or labels.camera or "Unnamed print"
        place = labels.printer or labels.camera or ""
        url = f"{self.console_url}/prints/{context_id}"
        lines = [sentence, *_described(facts), "", url]
        announce(
            session,
            AccountEvent(
                kind,
                account_id,
                at,
                f"{name}{f' on {place}' if place and place != name else ''}: {title}",
                "\n".join(lines),
                {
                    "context_id": context_id,
                    "name": labels.name,
                    "printer": labels.printer,
                    "camera": labels.camera,
                    "file": labels.file,
                    **facts,
                    "url": url,
                },
            ),
        )


def _described(facts: Mapping[str, Any]) -> list[str]:
    lines = []
    if "quality" in facts:
        kind = f", {facts['kind'].replace('_', ' ')}" if facts.get("kind") else ""
        lines.append(f"Quality {facts['quality']} of 10{kind}.")
    if facts.get("why"):
        lines.append(f"{facts['why']}.")
    return lines
