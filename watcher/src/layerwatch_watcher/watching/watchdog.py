"""The watchdog: reports once when a running print cannot be seen and why, and once when it can again.

Two senses are needed: usable looks (of each camera, through the service) and fresh reports of the printer.
Nothing has to raise for a sense to be missed: what counts is how long ago it last worked. Pure but for its
clock.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Callable, Dict, Optional, Tuple

from layerwatch_watcher.notifications.event import Kind
from layerwatch_watcher.watching.conditions import explain
from layerwatch_watcher.watching.print_session import Look

log = logging.getLogger("layerwatch_watcher")

BLIND_S = 120.0
"""Outages of at least this length are reported; shorter ones are only logged."""
USUAL_INTERVAL_S = 40.0
"""Default interval between two inspections."""
NO_PRINT_YET_S = 600.0
"""The first layers may not be in view: a print that has not been seen at all is reported after this."""

SIGHT, PRINTER = "sight", "printer"
_KINDS = {
    "camera": (Kind.CAMERA_TROUBLE, Kind.CAMERA_BACK),
    "printer": (Kind.PRINTER_TROUBLE, Kind.PRINTER_BACK),
    "service": (Kind.SERVICE_TROUBLE, Kind.SERVICE_BACK),
}


@dataclass
class _Sense:
    """usual: what it is about and what is wrong if nobody says.

    since: when it last worked, or was first needed; None while it is not needed.
    """

    usual: Tuple[str, str]
    about: str = ""
    what: str = ""
    since: Optional[float] = None
    hint: str = ""
    patience: float = BLIND_S
    worked: bool = False
    logged: str = ""


@dataclass
class Watchdog:
    """Watches the watching of the printer called `name`.

    now: seconds on the watcher's clock.  report: given a kind of event, a title and a text.
    cameras: their names, where there are several.
    """

    name: str
    now: Callable[[], float]
    report: Callable[[Kind, str, str], None]
    cameras: Tuple[str, ...] = ("",)
    reported: Dict[str, str] = field(default_factory=dict)
    """What has been reported and is not over: of which sense, and about what. Kept with the print's state."""
    _senses: Dict[str, _Sense] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._senses[PRINTER] = _Sense(("printer", "the printer has reported nothing"))
        self.follow(self.reported)

    def _sight(self, camera: str) -> str:
        """The name of the sense that is this camera."""
        return SIGHT if len(self.cameras) == 1 else f"{SIGHT} {camera}"

    @property
    def _sights(self) -> Dict[str, str]:
        """The names of the cameras, by the names of their senses."""
        return {self._sight(camera): camera for camera in self.cameras}

    def expect(self, *, looks: bool, reports: bool) -> None:
        """What is needed from now on: looks while it prints, reports while a print is under way."""
        for name, sense in self._senses.items():
            needed = reports if name == PRINTER else looks
            if not needed:
                sense.since = None
            elif sense.since is None:
                sense.since = self.now()

    def works(self, name: str, *, age: float = 0.0, next_in: float = 0.0) -> None:
        """A usable look or a fresh report (PRINTER) came.

        age: seconds since it was so.  next_in: seconds until the next one is due.
        """
        sense = self._senses[name]
        if sense.logged:
            log.info("%s: the %s is back", self.name, sense.about)
        sense.about = sense.what = sense.hint = sense.logged = ""
        sense.patience, sense.worked = BLIND_S, True
        if sense.since is not None:
            sense.since = self.now() - age + max(0.0, next_in - USUAL_INTERVAL_S)
        about = self.reported.pop(name, None)
        if about == "service":  # it is back for every camera; each may have other troubles
            for other in [other for other, what in self.reported.items() if what == about]:
                del self.reported[other]
                self._senses[other].since = self.now()
        if about is not None:
            blind = [camera for sight, camera in self._sights.items() if sight in self.reported]
            but = f"; not by {' and '.join(blind)}" if blind else ""
            which = f"camera {self._camera_of(name, about)}".rstrip() if about == "camera" else about
            self.report(_KINDS[about][1], f"{self.name}: the {which} is back", f"it is watched again{but}")

    def fails(
        self,
        name: str,
        about: str,
        what: str,
        hint: str = "",
        *,
        final: bool = False,
        patience: float = BLIND_S,
    ) -> None:
        """There was no usable look or fresh report, because of `about`: camera, service or printer.

        final: waiting does not mend it, so that it is reported at once.
        """
        sense = self._senses[name]
        if sense.logged != what:
            log.warning("%s: %s%s", self.name, what, f" ({hint})" if hint else "")
            sense.logged = what
        sense.about, sense.what, sense.hint = about, what, hint
        sense.patience = 0.0 if final else patience

    def looked(self, look: Look, shows: str = "") -> None:
        """Record an inspection attempt, usable or not.

        shows: a failure that may be in a picture not fit to judge by, in words; it is reported at once.
        """
        sight = self._sight(look.camera)
        if look.trouble is not None:
            trouble = look.trouble
            self.fails(sight, trouble.about, trouble.what, trouble.hint, final=trouble.final)
        elif look.condition == "ok" and look.inspection is not None:
            self.works(sight, next_in=look.inspection.next_interval.seconds)
        else:
            not_yet = look.condition == "no-print" and not self._senses[sight].worked
            what, hint = explain(look.condition)
            if shows:
                what, hint = (
                    f"{what}, and shows what may be a failure ({shows})",
                    f"check the print; {hint}",
                )
            patience = NO_PRINT_YET_S if not_yet else BLIND_S
            self.fails(sight, "camera", what, hint, final=bool(shows), patience=patience)

    def check(self) -> None:
        """Report what is due. Call every few seconds."""
        for name, sense in self._senses.items():
            if sense.since is None or name in self.reported:
                continue
            missing = self.now() - sense.since
            if missing < sense.patience:
                continue
            about, what = (sense.about, sense.what) if sense.what else sense.usual
            known = about == "service" and about in self.reported.values()
            self.reported[name] = about
            if known:  # by another camera
                continue
            lasts = "" if sense.patience == 0.0 else f" (for {round(missing / 60)} min now)"
            camera = self._camera_of(name, about)
            if not camera:
                self.report(_KINDS[about][0], f"{self.name} is not watched: {what}{lasts}", sense.hint)
                continue
            others = [other for sight, other in self._sights.items() if sight != name and self._recent(sight)]
            still = f"still watched by {' and '.join(others)}" if others else "no other camera sees it either"
            text = f"{still}; {camera}: {sense.hint}" if sense.hint else still
            self.report(_KINDS[about][0], f"{self.name} is not seen by {camera}: {what}{lasts}", text)

    def _camera_of(self, sense: str, about: str) -> str:
        """Which camera the trouble is about, where there are several."""
        return self._sights.get(sense, "") if about == "camera" and len(self.cameras) > 1 else ""

    def _recent(self, sight: str) -> bool:
        sense = self._senses[sight]
        return sense.worked and (sense.since is None or self.now() - sense.since < BLIND_S)

    @property
    def sees(self) -> bool:
        """Whether the last usable inspection, of any camera, is still recent."""
        return any(self._recent(sight) for sight in self._sights)

    def follow(self, reported: Dict[str, str]) -> None:
        """Watch another print, of which this has been reported before a restart; it is kept up to date."""
        self.reported = reported
        for name in [name for name in reported if name != PRINTER and name not in self._sights]:
            del reported[name]  # of a camera that is no longer configured
        for sight in self._sights:
            self._senses[sight] = _Sense(("camera", "no picture"))
        self._senses[PRINTER].since = None
