"""A server of several workers, with a double for the detector and more paths: for `test_supervisor.py`.

`/who` tells the worker, `/slow` takes three seconds, `/hang` stops the event loop.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import uuid
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse

from layerwatch.app import create_app
from layerwatch.config import Settings
from layerwatch.serving import supervisor
from layerwatch.serving.sockets import listen_for
from layerwatch.serving.worker import WorkerSlot
from layerwatch.vision import Vision
from tests.support.fake_detector import FakeDetector

supervisor.HUNG_SECONDS = 15.0
supervisor.RESTART_DELAYS_S = (0.0,)


def make(settings: Settings, seat: WorkerSlot) -> Starlette:
    if settings.region == "wrong":
        raise ValueError("this region is wrong")
    app = create_app(settings, vision=Vision(FakeDetector()), **seat.options())

    async def who(_: Request) -> JSONResponse:
        return JSONResponse({"pid": os.getpid(), "number": seat.number})

    async def slow(request: Request) -> JSONResponse:
        """Answers once the file `go` exists; `slow-…` shows that a call was accepted."""
        (settings.data_dir / f"slow-{uuid.uuid4().hex}").touch()
        while not (settings.data_dir / "go").exists():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.02)
        return await who(request)

    async def hang(_: Request) -> JSONResponse:
        time.sleep(600)  # noqa: ASYNC251 - that is what it is for
        raise AssertionError

    for path, endpoint in (("/who", who), ("/slow", slow), ("/hang", hang)):
        app.add_route(path, endpoint)
    return app


def main() -> int:
    file, number, region, folder = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
    listeners = listen_for(number, "127.0.0.1", 0)
    settings = Settings(data_dir=Path(folder), region=region)
    made = supervisor.Supervisor(
        settings,
        listeners,
        make=make,
        ready=lambda: _tell(file, {"port": listeners[0].getsockname()[1], "pids": made.pids}),
    )
    return made.run()


def _tell(file: Path, what: object) -> None:
    part = file.with_suffix(".part")
    part.write_text(json.dumps(what))
    part.rename(file)


if __name__ == "__main__":
    sys.exit(main())
