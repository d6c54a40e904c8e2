"""kill -9 at any instant, again and again: a failing print is still paused once, and stays resumed.

The watcher runs as a process of its own against OctoPrint, a camera and a service on real sockets. It is
killed at a request chosen by chance, before or after what that asks for is done, or at a moment chosen by
chance. The service suggests a pause for ever and learns nothing, so that only the watcher's memory stops a
second one.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import random
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

import pytest
from PIL import Image
from watcher.tests.stand_ins.machine import Machine
from watcher.tests.stand_ins.octoprint import octoprint_app
from watcher.tests.stand_ins.serve import serving

from layerwatch_sdk.testing import FakeService

SPEED = 60.0
LIVES = 12
REQUESTS_OF_A_LIFE = 24
"""A life lasts for at most so many requests, seen twice each: as it comes, and as it is answered."""
SECONDS_OF_A_LIFE = 1.0
A_DAY = 86_400.0
"""Longer than any time away, on the fast clock of a busy machine: it cannot have begun meanwhile."""
LAST_PICTURES = 8
"""So many pictures are judged in the last life, which nobody ends."""


@dataclass
class Executioner:
    """Kills the process at a request, counted from its birth."""

    pid: Optional[int] = None
    left: int = 0
    kills: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    requests: int = 0

    def condemn(self, pid: int, requests: int) -> None:
        with self.lock:
            self.pid, self.left, self.requests = pid, requests, 0

    def seen(self) -> None:
        with self.lock:
            self.requests += 1
            self.left -= 1
            due = self.left == 0
        if due:
            self.kill()

    def kill(self) -> None:
        with self.lock:
            pid, self.pid = self.pid, None
            self.kills += pid is not None
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@dataclass
class Stage:
    """Everything around the watcher's process."""

    folder: Path
    machine: Machine = field(default_factory=Machine)
    killer: Executioner = field(default_factory=Executioner)
    service: FakeService = field(
        default_factory=lambda: FakeService(
            lambda: time.monotonic() * SPEED,
            extra={"PrintQuality": 1, "Score": 97, "WarningSuggested": True, "PauseSuggested": True},
        )
    )

    def note(self) -> dict[str, Any]:
        try:
            note: dict[str, Any] = json.loads((self.folder / "octo.json").read_text())
        except FileNotFoundError:
            return {}
        return note

    def observed(self, app: Any) -> Any:
        """An ASGI app whose requests count, before and after what they do."""

        async def wrapped(scope: Any, receive: Any, send: Any) -> None:
            self.killer.seen()

            async def sending(message: Any) -> None:
                if message["type"] == "http.response.start":
                    self.killer.seen()
                await send(message)

            await app(scope, receive, sending)

        return wrapped


class Births:
    """Has watchers born, one at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def one(self) -> int:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(b"\n")
        return int(await self._process.stdout.readline())

    async def death(self) -> None:
        assert self._process.stdout is not None
        await self._process.stdout.readline()


@pytest.mark.timeout(400)
async def test_killed_at_any_instant_it_pauses_once_and_stays_resumed(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # shown if it fails
    rng = random.Random(seed)
    stage = Stage(tmp_path)
    machine, killer, service = stage.machine, stage.killer, stage.service
    machine.start()
    machine.print_on(A_DAY, 0.1)

    async def pass_time() -> None:
        last, resumed = time.monotonic(), False
        while True:
            await asyncio.sleep(0.01)
            now = time.monotonic()
            if machine.state == "printing":
                machine.elapsed += (now - last) * SPEED
            last = now
            # Between the pause and its checkpoint, a kill and a manual resume cannot be distinguished from
            # a pause that was never sent; then the watcher pauses again.
            noted = stage.note().get("state", {}).get("phase") == "paused"
            if machine.state == "paused" and not resumed and noted:
                machine.resume()
                resumed = True

    def before(_: Any) -> bool:
        killer.seen()
        return False

    picture = io.BytesIO()
    Image.effect_noise((64, 48), 80).save(picture, "JPEG")
    app = octoprint_app(machine, picture=picture.getvalue())
    without_context = 0
    with service.serve(before) as url:
        async with serving(stage.observed(app)) as octoprint:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "watcher.tests.stand_ins.watcher_process"),
                *(str(tmp_path), octoprint, f"{octoprint}/webcam/", url, str(SPEED)),
                cwd=Path(__file__).parents[3],
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            births = Births(process)
            clock = asyncio.ensure_future(pass_time())
            try:
                for _ in range(LIVES):
                    killer.condemn(await births.one(), rng.randrange(1, REQUESTS_OF_A_LIFE))
                    death = asyncio.ensure_future(births.death())
                    while not killer.requests:  # noqa: ASYNC110 - on a busy machine a birth takes seconds
                        await asyncio.sleep(0.01)
                    await asyncio.wait([death], timeout=rng.uniform(0.1, SECONDS_OF_A_LIFE))
                    killer.kill()
                    await death
                    kept = stage.note().get("sessions", {}).values()
                    without_context += not any(one["context_id"] for one in kept)
                enough = len(service.billed) + LAST_PICTURES
                last = await births.one()
                while len(service.billed) < enough and machine.commands.count("pause") < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                os.kill(last, signal.SIGKILL)
                await births.death()
            finally:
                clock.cancel()
                killer.kill()
                process.kill()
                await process.wait()

    assert machine.commands == ["pause", "resume"]
    assert machine.state == "printing"
    assert len(service.contexts) <= 1 + without_context
    assert "resumed" in {kind for _, kind in service.feedback}
    assert len(service.early) <= killer.kills, "only where an answer was never noted"
    keys = [key for _, key in service.billed]
    assert len(keys) == len(set(keys))
