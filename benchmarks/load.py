"""One node under load: real uploads of 1280x720 JPEGs over HTTP, from a process of their own.

    python benchmarks/load.py                    about 2 minutes
    python benchmarks/load.py --seconds 30 --json
    python benchmarks/load.py --workers 1        one process

The server is `layerwatch serve --workers auto` with the packaged detector and SQLite, on every core of this
machine; the client, which is this process, shares them, as there is no second machine, and what it takes is
in the table. "Bare" is `Vision` alone, with as many pictures under way as the server has; they take turns,
and the share is the median over the turns. Each call has a context of its own, so that none is early. "One"
and "8 at once" wait for their answers; the others are sent at fixed times whatever became of those before,
and their latency counts from the time that was planned.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import operator
import os
import sqlite3
import statistics
import time
from collections.abc import Coroutine, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import psutil
import uvloop
from process import Server, serving
from rich.console import Console
from rich.table import Table
from uploads import Caller, Phase
from vision import made_up_picture

from layerwatch.contexts import ContextIds
from layerwatch.core.secrets import Secrets
from layerwatch.temporal import Levels
from layerwatch.vision import Vision

CONCURRENCY = 8
"""Pictures under way, at the server and at the bare detector: enough for every core to have work."""

TURNS = 4
"""How often bare detector and server follow each other: what else the machine does then hits both."""


def row(name: str, phase: Phase, server_seconds: float, memory: float) -> dict[str, Any]:
    """A phase as a row of the table; milliseconds and MiB. server_seconds: CPU time that the server took."""
    good, refused = phase.taken.get(200, []), phase.taken.get(503, [])
    other = sum(len(taken) for status, taken in phase.taken.items() if status not in (200, 503))
    return {
        "phase": name,
        "answered_per_s": round(len(good) / phase.seconds, 1),
        "p50_ms": _percentile(good, 50),
        "p99_ms": _percentile(good, 99),
        "refused": len(refused),
        "refused_p50_ms": _percentile(refused, 50),
        "refused_p99_ms": _percentile(refused, 99),
        "other": other,
        "timeouts": phase.timeouts,
        "server_cores": round(server_seconds / phase.seconds, 2),
        "client_cores": round(phase.client_seconds / phase.seconds, 2),
        "server_mib": round(memory),
    }


def _percentile(values: list[float], percent: int) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    return round(1000 * ordered[min(len(ordered) - 1, len(ordered) * percent // 100)], 1)


async def bare(vision: Vision, seconds: float, pictures: list[bytes]) -> float:
    """Inspections a second of `Vision` alone, `CONCURRENCY` under way."""
    done = 0

    async def work(number: int) -> None:
        nonlocal done
        while time.perf_counter() < until:
            await vision.ainspect(pictures[number % len(pictures)])
            done += 1

    began = time.perf_counter()
    until = began + seconds
    await asyncio.gather(*(work(number) for number in range(CONCURRENCY)))
    return done / (time.perf_counter() - began)


def fresh_contexts(server: Server) -> Iterator[str]:
    """Contexts without end, signed here with the server's secret: opening them must not load the server."""
    ids = ContextIds(Secrets.derive((server.database.parent / "secret").read_bytes().strip()).context_ids)
    with closing(sqlite3.connect(server.database)) as connection:
        (account,) = connection.execute("SELECT account_id FROM api_keys").fetchone()
    while True:
        yield ids.new(account, Levels(), datetime.now(UTC), "local").id


def _processes(server: Server) -> list[psutil.Process]:
    return [server.process, *server.process.children(recursive=True)]


def _seconds(server: Server) -> float:
    """CPU time that the server has taken."""
    return sum(sum(each.cpu_times()[:2]) for each in _processes(server))


async def run(server: Server, seconds: float, pictures: list[bytes]) -> dict[str, Any]:
    """All phases, one after the other."""
    caller = Caller(server.url, server.key, pictures, fresh_contexts(server))
    with Vision.load() as vision:
        await bare(vision, 1.0, pictures)
        await caller.at_once(4, 2.0)
        rows = []

        async def note(name: str, phase: Coroutine[Any, Any, Phase]) -> float:
            before = _seconds(server)
            done = await phase
            memory = sum(each.memory_info().rss for each in _processes(server)) / 2**20
            rows.append(row(name, done, _seconds(server) - before, memory))
            return len(done.taken.get(200, [])) / done.seconds

        await note("one at a time", caller.at_once(1, seconds))
        alone, peaks = [], []
        for _ in range(TURNS):
            alone.append(await bare(vision, seconds / TURNS, pictures))
            peaks.append(await note(f"{CONCURRENCY} at once", caller.at_once(CONCURRENCY, seconds / TURNS)))
    peak = statistics.median(peaks)
    await note("80 % of that", caller.at_rate(0.8 * peak, seconds))
    await note("3 times that", caller.at_rate(3.0 * peak, seconds))
    await note("3 times that, again", caller.at_rate(3.0 * peak, seconds))
    return {
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 1),
        "picture_kib": round(statistics.mean(map(len, pictures)) / 1024),
        "bare_per_s": [round(each, 1) for each in alone],
        "peak_per_s": round(peak, 1),
        "share_of_bare": round(statistics.median(map(operator.truediv, peaks, alone)), 2),
        "phases": rows,
    }


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0, help="length of each phase")
    parser.add_argument(
        "--workers", default="auto", help="the server's processes: a number, or one for each core"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    pictures = [made_up_picture(seed) for seed in range(16)]
    with serving(sorted(os.sched_getaffinity(0)), "--workers", options.workers) as server:
        result = uvloop.run(run(server, options.seconds, pictures))
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
    main()
