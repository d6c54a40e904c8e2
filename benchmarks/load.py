"""One node under load: real uploads of 1280x720 JPEGs over HTTP, from a process of their own.

    python benchmarks/load.py                    about 2 minutes
    python benchmarks/load.py --seconds 30 --json

The server is `layerwatch serve` with the packaged detector and SQLite, on every core of this machine; the
client, which is this process, shares them, as there is no second machine. "Bare" is `Vision` alone with 8
pictures under way. Each call has a context of its own, so that none is early. "One" and "8 at once" wait for
their answers; the others are sent at fixed times whatever became of those before, and their latency counts
from the time that was planned.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from process import Server, serving
from rich.console import Console
from rich.table import Table
from vision import made_up_picture

from layerwatch.contexts import ContextIds
from layerwatch.secret import Secrets
from layerwatch.temporal import Levels
from layerwatch.vision import Vision

API = "/api/gadget/v1"
TIMEOUT = 30.0
BOUNDARY = b"layerwatch-benchmark"


@dataclass
class Phase:
    """What one stretch of calls came to: seconds to each answer by its status, and calls without one."""

    seconds: float = 0.0
    taken: dict[int, list[float]] = field(default_factory=dict)
    timeouts: int = 0
    client_seconds: float = 0.0
    """CPU time of this process: what the server could not have."""

    def row(self, name: str, memory: float) -> dict[str, Any]:
        """As a row of the table; milliseconds and MiB."""
        good, refused = self.taken.get(200, []), self.taken.get(503, [])
        other = sum(len(taken) for status, taken in self.taken.items() if status not in (200, 503))
        return {
            "phase": name,
            "answered_per_s": round(len(good) / self.seconds, 1),
            "p50_ms": _percentile(good, 50),
            "p99_ms": _percentile(good, 99),
            "refused": len(refused),
            "refused_p50_ms": _percentile(refused, 50),
            "refused_p99_ms": _percentile(refused, 99),
            "other": other,
            "timeouts": self.timeouts,
            "client_cores": round(self.client_seconds / self.seconds, 2),
            "server_mib": round(memory),
        }


def _percentile(values: list[float], percent: int) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    return round(1000 * ordered[min(len(ordered) - 1, len(ordered) * percent // 100)], 1)


async def bare(seconds: float, pictures: list[bytes]) -> float:
    """Inspections a second of `Vision` alone, 8 under way."""
    vision = Vision.load()
    done = 0

    async def work(number: int) -> None:
        nonlocal done
        while time.perf_counter() < until:
            await vision.ainspect(pictures[number % len(pictures)])
            done += 1

    await vision.ainspect(pictures[0])
    began = time.perf_counter()
    until = began + seconds
    await asyncio.gather(*(work(number) for number in range(8)))
    passed = time.perf_counter() - began
    vision.close()
    return done / passed


class Caller:
    """Calls the server over plain sockets: a client that costs little beside the server."""

    def __init__(self, server: Server, pictures: list[bytes], contexts: Iterator[str]) -> None:
        self._host, port = server.url.removeprefix("http://").split(":")
        self._port = int(port)
        self._key = server.key
        self._contexts = contexts
        self._bodies = [
            b"--%b\r\nContent-Disposition: form-data; name=f; filename=a.jpg\r\n\r\n%b\r\n--%b--\r\n"
            % (BOUNDARY, picture, BOUNDARY)
            for picture in pictures
        ]
        self._sent = 0

    async def call(self, phase: Phase, planned: float) -> None:
        """One call; its time counts from `planned` on `time.perf_counter`."""
        self._sent += 1
        body = self._bodies[self._sent % len(self._bodies)]
        head = (
            f"POST {API}/process/{next(self._contexts)} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"X-API-Key: {self._key}\r\nContent-Type: multipart/form-data; boundary={BOUNDARY.decode()}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        writer = None
        try:
            async with asyncio.timeout(TIMEOUT):
                reader, writer = await asyncio.open_connection(self._host, self._port)
                writer.write(head.encode() + body)
                status = int((await reader.readline()).split()[1])
                await reader.readuntil(b"}")
            phase.taken.setdefault(status, []).append(time.perf_counter() - planned)
        except (TimeoutError, OSError, IndexError, asyncio.IncompleteReadError):
            phase.timeouts += 1
        finally:
            if writer is not None:
                writer.transport.abort()

    async def at_once(self, number: int, seconds: float) -> Phase:
        """`number` callers that each wait for their answer."""
        phase, spent = Phase(), time.process_time()
        began = time.perf_counter()

        async def work() -> None:
            while time.perf_counter() - began < seconds:
                await self.call(phase, time.perf_counter())

        await asyncio.gather(*(work() for _ in range(number)))
        phase.seconds = time.perf_counter() - began
        phase.client_seconds = time.process_time() - spent
        return phase

    async def at_rate(self, rate: float, seconds: float) -> Phase:
        """Calls at fixed times, whatever becomes of them."""
        phase, spent = Phase(), time.process_time()
        began = time.perf_counter()
        tasks = []
        for number in range(int(rate * seconds)):
            planned = began + number / rate
            await asyncio.sleep(max(0.0, planned - time.perf_counter()))
            tasks.append(asyncio.create_task(self.call(phase, planned)))
        await asyncio.gather(*tasks)
        phase.seconds = time.perf_counter() - began
        phase.client_seconds = time.process_time() - spent
        return phase


def fresh_contexts(server: Server) -> Iterator[str]:
    """Contexts without end, signed here with the server's secret: opening them must not load the server."""
    ids = ContextIds(Secrets.derive((server.database.parent / "secret").read_bytes().strip()).context_ids)
    with closing(sqlite3.connect(server.database)) as connection:
        (account,) = connection.execute("SELECT account_id FROM api_keys").fetchone()
    while True:
        yield ids.new(account, Levels(), datetime.now(UTC), "local").id


async def run(server: Server, seconds: float, pictures: list[bytes], alone: float) -> dict[str, Any]:
    """All phases, one after the other."""
    contexts = fresh_contexts(server)
    caller = Caller(server, pictures, contexts)
    await caller.at_once(4, 2.0)
    rows = []

    def note(name: str, phase: Phase) -> dict[str, Any]:
        rows.append(phase.row(name, server.process.memory_info().rss / 2**20))
        return rows[-1]

    note("one at a time", await caller.at_once(1, seconds))
    peak = note("8 at once", await caller.at_once(8, seconds))["answered_per_s"]
    note("80 % of that", await caller.at_rate(0.8 * peak, seconds))
    note("3 times that", await caller.at_rate(3.0 * peak, seconds))
    note("3 times that, again", await caller.at_rate(3.0 * peak, seconds))
    return {
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 1),
        "picture_kib": round(statistics.mean(map(len, pictures)) / 1024),
        "bare_per_s": round(alone, 1),
        "share_of_bare": round(peak / alone, 2),
        "phases": rows,
    }


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0, help="length of each phase")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    pictures = [made_up_picture(seed) for seed in range(16)]
    alone = asyncio.run(bare(options.seconds, pictures))
    with serving(sorted(os.sched_getaffinity(0))) as server:
        result = asyncio.run(run(server, options.seconds, pictures, alone))
    if options.json:
        print(json.dumps(result))
        return
    out = Console(width=140)
    phases = result.pop("phases")
    for name, value in result.items():
        out.print(f"{name.replace('_', ' '):15} {value}")
    table = Table()
    for column in phases[0]:
        table.add_column(column.replace("_", " "), justify="left" if column == "phase" else "right")
    for row in phases:
        table.add_row(*("-" if value is None else str(value) for value in row.values()))
    out.print(table)


if __name__ == "__main__":
    sys.exit(main())
