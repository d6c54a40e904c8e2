"""What keeps one printer from being watched: its camera, itself or the service. Told late, and told once."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Callable

from layerwatch_watcher.notifications.event import Kind

log = logging.getLogger("layerwatch_watcher")

TROUBLE_SECONDS = 120.0
"""A camera, printer or service that fails for so long is told of; shorter gaps are only logged."""

_KINDS = {
    "camera": (Kind.CAMERA_TROUBLE, Kind.CAMERA_BACK),
    "printer": (Kind.PRINTER_TROUBLE, Kind.PRINTER_BACK),
    "service": (Kind.SERVICE_TROUBLE, Kind.SERVICE_BACK),
}


@dataclass
class _Trouble:
    since: float
    what: str = ""
    told: bool = False


class OutageTracker:
    """The troubles of the printer called `name`.

    now: seconds on the watcher's clock.  tell: given a kind of event, a title and a text.
    """

    def __init__(self, name: str, now: Callable[[], float], tell: Callable[[Kind, str, str], None]) -> None:
        self._name = name
        self._now = now
        self._tell = tell
        self._open: dict[str, _Trouble] = {}

    def begin(self, about: str, what: str, hint: str, *, final: bool = False, matters: bool = True) -> None:
        """The camera, printer or service does not work.

        final: waiting does not mend it, so it is told at once.  matters: whether anybody wants to know;
        nobody minds that a printer is off at night.
        """
        known = self._open.setdefault(about, _Trouble(self._now()))
        if known.what != what:
            log.warning("%s: %s%s", self._name, what, f" ({hint})" if hint else "")
            known.what = what
        lasted = self._now() - known.since
        if matters and not known.told and (final or lasted >= TROUBLE_SECONDS):
            known.told = True
            self._tell(_KINDS[about][0], f"{self._name} is not watched: {what}", hint)

    def end(self, about: str) -> None:
        """It works."""
        known = self._open.pop(about, None)
        if known is None:
            return
        log.info("%s: the %s is back", self._name, about)
        if known.told:
            self._tell(_KINDS[about][1], f"{self._name}: the {about} is back", "")
