"""An event as a watcher tells it."""

from __future__ import annotations

from typing import Any

from watcher.tests.stand_ins.judge import PAUSE, inspection

from layerwatch_watcher.notifications import Event, Kind

PICTURE = b"\xff\xd8\xff-a-picture"


def event(kind: Kind = Kind.PAUSED, title: str = "mk4 was paused", **more: Any) -> Event:
    return Event(kind, "mk4", title, inspection=inspection(PAUSE), picture=PICTURE, **more)
