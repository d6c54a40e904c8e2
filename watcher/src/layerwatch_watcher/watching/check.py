"""`--check`: try everything once and report what works and what does not."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Callable, Optional

import httpx

from layerwatch_sdk.errors import InvalidResponse, LayerwatchError, NoAnswer
from layerwatch_watcher.cameras import jpeg
from layerwatch_watcher.cameras.base import Camera, CameraError, EndOfPictures
from layerwatch_watcher.watching.inspector import Inspector, explain, origin_of

DARK_LUMA = 16.0
"""Mean luma, 0..255, below which a print cannot be seen."""
PLAIN_BYTES_PER_PIXEL = 0.022
"""Bytes per pixel of a nearly empty JPEG: one colour takes 0.02 or less, a room 0.04 or more."""
MAX_CLOCK_ERROR_S = 120.0
"""A larger clock error breaks webhook signatures, quiet hours and eventually TLS."""
MIN_SIDE_PX = 240
"""A picture with a shorter side holds too little of the print to judge it well."""


@dataclass(frozen=True)
class Finding:
    """One thing that was tried. ok: True works, None works but could be better, False does not work.

    picture: the JPEG that a camera gave.
    """

    subject: str
    ok: Optional[bool]
    what: str
    hint: str = ""
    picture: Optional[bytes] = field(default=None, repr=False, compare=False)

    def line(self) -> str:
        """As a person reads it: a mark, what was tried, what came of it, and what to do."""
        mark = {True: "✓", None: "!", False: "✗"}[self.ok]
        return f"{mark} {self.subject}: {self.what}" + (f"\n  → {self.hint}" if self.hint else "")

    def as_json(self) -> dict[str, str]:
        """The same for scripts."""
        ok = {True: "yes", None: "could be better", False: "no"}[self.ok]
        return {"subject": self.subject, "ok": ok, "what": self.what, "hint": self.hint}


async def check_camera(open_camera: Callable[[], Camera], subject: str = "camera") -> AsyncIterator[Finding]:
    """Take one picture and check that it is a complete JPEG of a useful size."""
    try:
        camera = open_camera()
    except CameraError as error:
        yield Finding(subject, False, str(error), error.hint)
        return
    try:
        picture = await camera.snapshot()
    except EndOfPictures as error:
        yield Finding(subject, False, str(error), "use a folder or video with pictures in it")
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
    description = f"gives a JPEG of {size[0]}x{size[1]} pixels, {len(picture):,} bytes"
    if min(size) < MIN_SIDE_PX:
        yield Finding(
            subject,
            None,
            description,
            f"raise the resolution: at least {MIN_SIDE_PX} pixels high, better 720",
            picture,
        )
    elif shows_nothing(picture, size):
        yield Finding(
            subject,
            None,
            f"{description}, but nearly black or of one colour",
            "take the lens cap off, or switch the light on: see light and light_on in the cameras' page",
            picture,
        )
    else:
        yield Finding(subject, True, description, picture=picture)


def shows_nothing(picture: bytes, size: tuple[int, int]) -> bool:
    """Whether a print could not be seen in it. Exact with Pillow; without, by how little the JPEG holds."""
    try:
        from PIL import Image, ImageStat
    except ImportError:
        return len(picture) < PLAIN_BYTES_PER_PIXEL * size[0] * size[1]
    try:
        grey = Image.open(io.BytesIO(picture))
        grey.draft("L", (160, 120))
        statistics = ImageStat.Stat(grey.convert("L"))
    except (OSError, ValueError):
        return False
    return float(statistics.mean[0]) < DARK_LUMA or float(statistics.stddev[0]) < 1.0


async def check_clock(client: httpx.AsyncClient, server: str) -> Optional[Finding]:
    """Compare the machine's clock with the server's; None if they agree or the server does not say."""
    try:
        answer = await client.get(server.rstrip("/") + "/livez", timeout=10)
        theirs = parsedate_to_datetime(answer.headers["date"])  # always in GMT
    except (httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError, TypeError):
        return None
    off = (datetime.now(timezone.utc) - theirs.replace(tzinfo=timezone.utc)).total_seconds()
    if abs(off) < MAX_CLOCK_ERROR_S:
        return None
    what = (
        f"this machine's clock is {timedelta(seconds=round(abs(off)))} {'ahead of' if off > 0 else 'behind'}"
    )
    return Finding(
        "clock", None, f"{what} the server's", "set it, for example: sudo timedatectl set-ntp true"
    )


async def check_server(inspector: Inspector, server: str) -> Finding:
    """Open a context, which is free, and reach the address that it names for pictures.

    It shows that the server is there, that the key is good, and that pictures would get through.
    """
    try:
        context = await inspector.create_context(3, 3)
    except LayerwatchError as error:
        what, hint = explain(error, server)
        return Finding("server", False, what, hint)
    given = origin_of(context.process_url)
    if given == origin_of(server):
        return Finding("server", True, f"{server} answers and accepts this key")
    try:
        await inspector.feedback(context, "false_alarm")  # has no effect on a context without inspections
    except (NoAnswer, InvalidResponse) as error:
        what, hint = explain(error, server)
        return Finding("server", False, what, hint)
    except LayerwatchError:
        pass  # an answer from the service is all that this checks
    return Finding("server", True, f"{server} answers and accepts this key; pictures go to {given}")


async def report(findings: AsyncIterator[Finding], *, as_json: bool) -> int:
    """Print each finding as soon as it is made. Returns the exit status: 1 if one failed, else 0."""
    bad = False
    async for finding in findings:
        bad = bad or finding.ok is False
        print(json.dumps(finding.as_json()) if as_json else finding.line(), flush=True)
    return int(bad)
