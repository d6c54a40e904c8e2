"""`--check`: try everything once, and say in plain words what works and what does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Callable, Optional

from layerwatch_sdk.cameras import jpeg
from layerwatch_sdk.cameras.base import Camera, CameraError, EndOfPictures
from layerwatch_sdk.errors import LayerwatchError
from layerwatch_sdk.watcher.judge import Judge, explain

LEAST_SIDE = 240
"""A picture with a shorter side holds too little of the print to judge it well."""


@dataclass(frozen=True)
class Finding:
    """One thing that was tried. ok: True works, None works but could be better, False does not work."""

    subject: str
    ok: Optional[bool]
    what: str
    hint: str = ""

    def line(self) -> str:
        """As a person reads it: a mark, what was tried, what came of it, and what to do."""
        mark = {True: "✓", None: "!", False: "✗"}[self.ok]
        return f"{mark} {self.subject}: {self.what}" + (f"\n  → {self.hint}" if self.hint else "")

    def as_json(self) -> dict[str, str]:
        """The same for scripts."""
        ok = {True: "yes", None: "could be better", False: "no"}[self.ok]
        return {"subject": self.subject, "ok": ok, "what": self.what, "hint": self.hint}


async def check_camera(open_camera: Callable[[], Camera], subject: str = "camera") -> AsyncIterator[Finding]:
    """Take one picture and look at it from outside: is it a JPEG, whole, of a useful size."""
    try:
        camera = open_camera()
    except CameraError as error:
        yield Finding(subject, False, str(error), error.hint)
        return
    try:
        picture = await camera.snapshot()
    except EndOfPictures as error:
        yield Finding(subject, False, str(error), "give a folder or video with pictures in it")
        return
    except CameraError as error:
        yield Finding(subject, False, str(error), error.hint)
        return
    finally:
        await camera.close()
    size = jpeg.size_of(picture)
    if size is None:
        yield Finding(subject, False, "the picture has no size in its header", "try another camera setting")
        return
    told = f"gives a JPEG of {size[0]}x{size[1]} pixels, {len(picture):,} bytes"
    if min(size) < LEAST_SIDE:
        yield Finding(
            subject, None, told, f"raise the resolution: at least {LEAST_SIDE} pixels high, better 720"
        )
    else:
        yield Finding(subject, True, told)


async def check_server(judge: Judge, server: str) -> Finding:
    """Open a context, which is free: it shows that the server is there and that the key is good."""
    try:
        await judge.create_context(3, 3)
    except LayerwatchError as error:
        what, hint = explain(error, server)
        return Finding("server", False, what, hint)
    return Finding("server", True, f"{server} answers and takes this key")
