"""From a button in the console to the printer and back: real server, real watcher, stand-in OctoPrint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Optional

import httpx
import pytest
from watcher.tests.stand_ins import octoprint
from watcher.tests.stand_ins.machine import Machine
from watcher.tests.stand_ins.serve import serving

from layerwatch.acting.actions import Connection, ask, connections
from layerwatch.config import load
from layerwatch_sdk.clock import AsyncSystemClock
from layerwatch_watcher.watching import assembly, supervisor
from layerwatch_watcher.watching.action_log import ActionLog
from layerwatch_watcher.watching.remote import RemoteControl
from layerwatch_watcher.watching.settings import read
from tests.support.prints import frame
from tests.support.servers import Server, running

PATIENCE_S = 30.0


class Workshop:
    """The server with one account, and the printer that is watched for it."""

    def __init__(self, server: Server, account: int, machine: Machine) -> None:
        self.server = server
        self.account = account
        self.machine = machine
        self.permissions = ["STATUS", "PRINT", "CONTROL"]

    def connection(self) -> Optional[Connection]:
        """What the console knows of the print."""
        with self.server.services.database.read() as session:
            known = connections(session, self.account, datetime.now(timezone.utc))
        return next(iter(known.values()), None)

    def ask(self, kind: str) -> None:
        """As the console's form does."""
        with self.server.services.database.write() as session:
            (context_id,) = connections(session, self.account, datetime.now(timezone.utc))
            ask(session, self.account, context_id, kind, "ann@example.org", datetime.now(timezone.utc))

    async def until(self, true: Callable[[], Any]) -> None:
        """Wait until it is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not true():  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def can(self, *kinds: str) -> None:
        """Wait until the console offers exactly this."""
        await self.until(lambda: (link := self.connection()) is not None and link.can == kinds)

    async def outcome(self) -> str:
        """What became of the newest action."""
        await self.until(lambda: (link := self.connection()) is not None and not link.under_way)
        link = self.connection()
        assert link is not None and link.action is not None
        return link.action.words


@pytest.fixture
async def workshop(tmp_path: Path) -> AsyncIterator[Workshop]:
    settings = load(data_dir=tmp_path, log_level="error")
    machine = Machine()
    machine.start("benchy.gcode")
    machine.print_on(60.0, 0.1)
    async with AsyncExitStack() as stack:
        server = stack.enter_context(running(settings))
        key, account = server.new_key_of()
        made = Workshop(server, account, machine)
        app = octoprint.octoprint_app(machine, picture=frame(0.02, 0), permissions=made.permissions)
        url = await stack.enter_async_context(serving(app))
        watched = read(
            {
                "server": server.url,
                "key": key,
                "printer": [
                    {
                        "name": "octo",
                        "kind": "octoprint",
                        "url": url,
                        "key": octoprint.KEY,
                        "camera": {"url": f"{url}/webcam/"},
                    }
                ],
            },
            tmp_path,
        )
        task = asyncio.ensure_future(supervisor.watch(watched, assembly.open_remote(watched)))
        yield made
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_print_is_paused_and_resumed_and_cancelled_from_the_console(workshop: Workshop) -> None:
    w = workshop
    await w.can("pause", "cancel")
    w.ask("pause")
    assert await w.outcome() == "Pause done" and w.machine.state == "paused"
    await w.can("resume", "cancel")
    w.ask("resume")
    assert await w.outcome() == "Resume done" and w.machine.state == "printing"
    await w.can("pause", "cancel")
    w.ask("cancel")
    assert await w.outcome() == "Cancel done" and w.machine.state == "cancelled"
    assert w.machine.commands == ["pause", "resume", "cancel"]


async def test_what_the_printer_refuses_is_said_with_the_reason(workshop: Workshop) -> None:
    w = workshop
    await w.can("pause", "cancel")
    w.permissions.remove("PRINT")
    w.ask("pause")
    words = await w.outcome()
    assert words.startswith("Pause: not done: OctoPrint") and "403" in words
    assert w.machine.state == "printing"


def test_only_a_server_on_this_machine_may_act_unless_the_file_says_so() -> None:
    printer = {"printer": [{"name": "a", "camera": {"url": "http://x"}}]}

    def remote(server: str, **more: Any) -> bool:
        return read({"server": server, "key": "k", **more, **printer}, Path()).remote

    assert remote("http://127.0.0.1:8080") and remote("http://localhost:8080")
    assert not remote("https://print.example.org") and not remote("http://192.168.1.5:8080")
    assert remote("https://print.example.org", remote=True)
    assert not remote("http://127.0.0.1:8080", remote=False)


async def test_a_server_that_has_no_such_thing_is_left_alone() -> None:
    class OnePrint:
        name, context_ids, can = "a", ("c1",), ("pause",)

    asked: list[str] = []

    def no_such(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(404)

    async with httpx.AsyncClient(transport=httpx.MockTransport(no_such)) as client:
        watchers: Any = [OnePrint()]
        control = RemoteControl(client, "http://x", "prod_x", watchers, AsyncSystemClock(), ActionLog())
        await asyncio.wait_for(control.run(), 10)
    assert asked == ["/api/watcher/v1/actions"]
