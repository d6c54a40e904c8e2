"""Every fault on every printer, camera and channel that was tried, with what happens now, as Markdown.

    python benchmarks/watch_faults.py

Three tables. Printers: the five adapters, the HTTP camera and the watcher are the real ones, the rest is
simulated; each cell has the messages that came, with the seconds since the fault began. Cameras
and channels: real sockets on this machine. Exit status 1 if a message was not true, was lost or sent twice.
"""

from __future__ import annotations

import asyncio
import base64
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # the simulation lives with the watcher's tests

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from watcher.tests.cameras.conftest import CameraServer, make_jpeg
from watcher.tests.nights.each_fault import befall, scenarios
from watcher.tests.nights.plant import KINDS
from watcher.tests.nights.virtual_time import run
from watcher.tests.stand_ins.serve import serving

from layerwatch_watcher.cameras import CameraError
from layerwatch_watcher.cameras.http import HttpCamera
from layerwatch_watcher.notifications.apprise import AppriseChannel
from layerwatch_watcher.notifications.dispatch import Dispatcher
from layerwatch_watcher.notifications.event import Channel, Event, Kind
from layerwatch_watcher.notifications.webhook import Webhook

PICTURE = make_jpeg(size=(640, 480))
TOO_LARGE = "image/jpeg\r\nContent-Length: 999999"
PART = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"


def show(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table, row by row."""
    print(f"\n## {title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def printers() -> int:
    """The table of printers; how many cells are wrong."""
    wrong = 0

    def rows() -> Iterable[Sequence[str]]:
        nonlocal wrong
        for scenario in scenarios():
            with tempfile.TemporaryDirectory() as folder:
                outcomes = run(befall(scenario, Path(folder)))
            wrong += sum(bool(outcome.wrong) for outcome in outcomes.values())
            order, _, after = scenario.detail.partition(", ")
            order = f"failing print, pause {order or 'obeyed'}, then {after}"
            name = order if scenario.kind == "order" else scenario.detail or scenario.kind
            yield name, *(str(outcomes.get(kind, "-")) for kind in KINDS)

    show("Printers", ("fault", *KINDS), rows())
    return wrong


async def cameras() -> None:
    """The table of cameras."""
    server = CameraServer()
    listening = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    whole = PART + PICTURE + b"\r\n"
    snapshots: dict[str, Callable[[], None]] = {
        "works": lambda: server.respond(PICTURE),
        "a web page": lambda: server.respond(b"<html><title>Login</title></html>", "text/html"),
        "wants a login": lambda: server.respond(b"", status="401 Unauthorized"),
        "host up, camera away": lambda: server.respond(b"", status="502 Bad Gateway"),
        "half a picture": lambda: server.respond(PICTURE[: len(PICTURE) // 2]),
        "Content-Length too large": lambda: server.stream(
            PICTURE, kind="image/jpeg\r\nContent-Length: 999999"
        ),
    }
    streams: dict[str, Callable[[], None]] = {
        "works": lambda: server.stream(whole, whole),
        "half a picture": lambda: server.stream(PART + PICTURE[: len(PICTURE) // 2]),
        "only boundaries": lambda: server.stream(*[b"--frame\r\n"] * 50),
    }
    rows = []
    for kind, faults in (("snapshot", snapshots), ("MJPEG stream", streams)):
        for fault, prepare in faults.items():
            prepare()
            camera, began = HttpCamera(server.url, timeout=3), time.monotonic()
            try:
                seen = f"a picture of {len(await camera.snapshot()):,} bytes"
            except CameraError as error:
                seen = str(error).replace(f"127.0.0.1:{server.port}", "CAMERA")
            await camera.close()
            rows.append((kind, fault, seen, f"{time.monotonic() - began:.1f}"))
    listening.close()
    show(
        "Cameras (time limit 3 s here, 10 s otherwise)",
        ("camera", "fault", "what the watcher has", "s"),
        rows,
    )


class Receiver:
    """A channel's other end. refuses: pictures.  fails: so many requests first."""

    def __init__(self, *, refuses: bool, fails: int) -> None:
        self.refuses, self.fails = refuses, fails
        self.texts: list[bool] = []
        """Of each message that was taken: whether it had a picture."""

    async def __call__(self, request: Request) -> Response:
        body = await request.body()
        pictured = base64.b64encode(PICTURE[:60])[:40] in body
        if self.fails > 0:
            self.fails -= 1
            return JSONResponse({}, 503)
        if self.refuses and pictured:
            return JSONResponse({}, 413)
        self.texts.append(pictured)
        return JSONResponse({})


async def channels() -> int:
    """The table of channels; how many messages were lost or came twice."""
    rows, wrong = [], 0
    event = Event(Kind.PAUSED, "mk4", "mk4 was paused", "quality 1 of 10", picture=PICTURE)
    for fault, refuses, fails in (
        ("takes everything", False, 0),
        ("refuses pictures", True, 0),
        ("fails twice", False, 2),
        ("fails twice, refuses pictures", True, 2),
    ):
        for name in ("webhook", "Apprise (json)"):
            receiver = Receiver(refuses=refuses, fails=fails)
            app = Starlette(routes=[Route("/hook", receiver.__call__, methods=["POST"])])
            async with serving(app) as url, httpx.AsyncClient() as client:
                hook = f"{url}/hook"
                channel: Channel = (
                    Webhook(hook, client=client)
                    if name == "webhook"
                    else AppriseChannel(hook.replace("http://", "json://"))
                )
                dispatcher, began = Dispatcher([channel]), time.monotonic()
                dispatcher.start()
                dispatcher.tell(event)
                await dispatcher.close(60.0)
            came = " and ".join(
                "with its picture" if pictured else "without its picture" for pictured in receiver.texts
            )
            wrong += len(receiver.texts) != 1
            rows.append((name, fault, f"came {came or 'NEVER'}", f"{time.monotonic() - began:.1f}"))
    show("Channels", ("channel", "receiver", "what happens", "s"), rows)
    return wrong


def main() -> int:
    """Print the tables."""
    wrong = printers()
    asyncio.run(cameras())
    return int(bool(wrong + asyncio.run(channels())))


if __name__ == "__main__":
    sys.exit(main())
