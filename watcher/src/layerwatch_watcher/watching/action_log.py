"""Every action, with who and why: one JSON object a line, kept for the day somebody asks."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone
from pathlib import Path
from typing import Callable, Optional

log = logging.getLogger("layerwatch_watcher")

WATCHER = "layerwatch"
"""`who` for the watcher's own actions."""
AT_THE_PRINTER = "someone at the printer"
"""`who` for actions that only the printer's state shows."""


class ActionLog:
    """Appends to a file, and logs the same. Without a file it only logs.

    A file that cannot be written is logged as an error; the action is still carried out.
    """

    def __init__(self, path: Optional[Path] = None, now: Optional[Callable[[], datetime]] = None) -> None:
        self._path = path
        self._now = now or (lambda: datetime.now(timezone.utc))

    def write(self, printer: str, what: str, *, who: str, why: str, **more: object) -> None:
        """Record that `who` did `what` to `printer`, and `why`."""
        entry = {
            "time": self._now().isoformat(timespec="milliseconds"),
            "printer": printer,
            "what": what,
            "who": who,
            "why": why,
            **{name: value for name, value in more.items() if value is not None},
        }
        log.info("%s: %s by %s (%s)%s", printer, what, who, why, _rest(more))
        if self._path is None:
            return
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        except OSError as error:
            log.error("the action log %s cannot be written: %s", self._path, error.strerror)


def _rest(more: dict[str, object]) -> str:
    return "".join(f", {name}: {value}" for name, value in more.items() if value is not None)
