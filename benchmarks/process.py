"""What the service adds to a look: a whole Process call over HTTP, against bare `Vision.inspect`.

    python benchmarks/process.py                    latency on one core, call by call
    python benchmarks/process.py --memory 10000     the server's resident memory over this many calls
    python benchmarks/process.py --json

The server is `layerwatch serve` as anyone starts it: real HTTP, multipart, key check, embedded database, the
packaged detector. Server and bare loop are separate processes on the same core and take turns, round by
round, so that other load on the machine hits both alike; on a loaded machine the CPU time per call is the
figure to trust. The client runs on another core where there is one.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client as http_client
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from vision import made_up_picture

from layerwatch.vision import Vision

API = "/api/gadget/v1"
HEAD = b'--benchmark\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
TAIL = b"\r\n--benchmark--\r\n"
ROUNDS_FOR_MEMORY = 40
"""Calls that each print makes in the memory benchmark: 10,000 calls are 250 prints."""

PASSED_US = 1_000_000_000
"""Print time that passes for every context between two rounds, microseconds: more than any interval."""


@dataclass
class Server:
    """The running server, and what is needed to call it."""

    process: psutil.Process
    url: str
    key: str
    database: Path

    def let_time_pass(self) -> None:
        """Move every context's last call into the past, so that the next round is not early."""
        with sqlite3.connect(self.database, timeout=30) as connection:
            connection.execute("UPDATE contexts SET inspected_at = inspected_at - ?", (PASSED_US,))
        connection.close()


@contextmanager
def serving(cores: list[int], *options: str) -> Iterator[Server]:
    """`layerwatch serve` on these cores, with a key. options: more of its own."""
    with tempfile.TemporaryDirectory(prefix="layerwatch-bench-") as folder:
        program = [sys.executable, "-m", "layerwatch"]
        made = subprocess.run(
            [*program, "keys", "create", "--name", "benchmark", "--data-dir", folder, "--json"],
            check=True,
            capture_output=True,
            text=True,
        )
        started = subprocess.Popen(
            [
                *(*program, "serve", "--port", "0", "--data-dir", folder),
                *("--json", "--log-level", "warning", *options),
            ],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        try:
            assert started.stdout is not None
            url = json.loads(started.stdout.readline())["url"]
            wait_until_ready(url)
            yield Server(
                psutil.Process(started.pid),
                url,
                json.loads(made.stdout)["key"],
                Path(folder) / "layerwatch.sqlite3",
            )
        finally:
            started.terminate()
            started.wait(30)


def wait_until_ready(url: str) -> None:
    for _ in range(600):
        try:
            if httpx.get(f"{url}/readyz", trust_env=False, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise SystemExit("the server did not get ready")


def open_contexts(http: httpx.Client, number: int) -> list[str]:
    return [http.post(f"{API}/createcontext").json()["ContextId"] for _ in range(number)]


def latency(rounds: int, calls: int) -> dict[str, Any]:
    """Milliseconds, wall and CPU, of one call: over HTTP and bare, on one core."""
    cores = sorted(os.sched_getaffinity(0))
    measured, elsewhere = cores[0], cores[1:] or cores
    pictures = [made_up_picture(seed) for seed in range(calls)]
    bare = subprocess.Popen(
        [sys.executable, __file__, "--bare", str(calls)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, [measured]),
    )
    assert bare.stdin is not None and bare.stdout is not None
    os.sched_setaffinity(0, elsewhere)
    walls: dict[str, list[float]] = {"http": [], "bare": []}
    cpus: dict[str, list[float]] = {"http": [], "bare": []}
    with (
        serving([measured]) as server,
        httpx.Client(
            base_url=server.url, headers={"X-API-Key": server.key}, timeout=60, trust_env=False
        ) as http,
        Progress(console=Console(stderr=True)) as progress,
    ):
        contexts = open_contexts(http, calls)
        # The standard library's client: what a client spends on itself is not the service's.
        lean = http_client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
        headers = {"X-API-Key": server.key, "Content-Type": "multipart/form-data; boundary=benchmark"}
        for turn in progress.track(range(rounds + 1), description="rounds"):
            before = sum(server.process.cpu_times()[:2])
            taken = []
            for context, picture in zip(contexts, pictures, strict=True):
                body = HEAD + picture + TAIL
                began = time.perf_counter()
                lean.request("POST", f"{API}/process/{context}", body, headers)
                answer = lean.getresponse()
                text = answer.read()
                taken.append((time.perf_counter() - began) * 1000)
                assert answer.status == 200, text
            cpu = (sum(server.process.cpu_times()[:2]) - before) * 1000 / calls
            server.let_time_pass()
            bare.stdin.write("go\n")
            bare.stdin.flush()
            other = json.loads(bare.stdout.readline())
            if turn:  # the first round warms up
                walls["http"] += taken
                walls["bare"] += other["walls"]
                cpus["http"].append(cpu)
                cpus["bare"].append(other["cpu"])
    bare.stdin.close()
    bare.wait(30)
    middle = {name: statistics.median(values) for name, values in walls.items()}
    used = {name: statistics.median(values) for name, values in cpus.items()}
    return {
        "calls": rounds * calls,
        "http_ms": round(middle["http"], 2),
        "bare_ms": round(middle["bare"], 2),
        "ratio": round(middle["http"] / middle["bare"], 3),
        "http_cpu_ms": round(used["http"], 2),
        "bare_cpu_ms": round(used["bare"], 2),
        "cpu_ratio": round(used["http"] / used["bare"], 3),
    }


def bare_loop(calls: int) -> None:
    """The bare side of `latency`, in a separate process: a round for every line on standard input."""
    pictures = [made_up_picture(seed) for seed in range(calls)]
    with Vision.load(threads=1) as vision:
        for _ in sys.stdin:
            walls = []
            cpu = time.process_time()
            for picture in pictures:
                began = time.perf_counter()
                vision.inspect(picture)
                walls.append((time.perf_counter() - began) * 1000)
            print(json.dumps({"walls": walls, "cpu": (time.process_time() - cpu) * 1000 / calls}), flush=True)


def memory(calls: int, at_once: int = 4) -> dict[str, Any]:
    """Resident MB of the server after each tenth of the calls, `at_once` under way, on all cores."""
    pictures = [made_up_picture(seed) for seed in range(8)]
    refused = [0]
    places = asyncio.Semaphore(at_once)

    async def run(server: Server) -> list[float]:
        resident = []
        headers = {"X-API-Key": server.key}
        async with httpx.AsyncClient(
            base_url=server.url, headers=headers, timeout=60, trust_env=False
        ) as http:
            with Progress(console=Console(stderr=True)) as progress:
                bar = progress.add_task("calls", total=calls)

                async def inspect(context: str, number: int) -> None:
                    async with places:
                        while True:
                            picture = pictures[number % len(pictures)]
                            answer = await http.post(
                                f"{API}/process/{context}", files={"file": ("a.jpg", picture)}
                            )
                            if answer.status_code != 503:  # a machine that is busy with something else
                                break
                            refused[0] += 1
                            await asyncio.sleep(0.5)
                    assert answer.status_code == 200, answer.text
                    progress.advance(bar)

                opened = [
                    (await http.post(f"{API}/createcontext")).json()["ContextId"]
                    for _ in range(calls // ROUNDS_FOR_MEMORY)
                ]
                for turn in range(ROUNDS_FOR_MEMORY):
                    await asyncio.gather(
                        *(inspect(context, turn + number) for number, context in enumerate(opened))
                    )
                    server.let_time_pass()
                    if turn % (ROUNDS_FOR_MEMORY // 10) == ROUNDS_FOR_MEMORY // 10 - 1:
                        resident.append(round(server.process.memory_info().rss / 2**20, 1))
        return resident

    with serving(sorted(os.sched_getaffinity(0))) as server:
        resident = asyncio.run(run(server))
    return {
        "calls": calls,
        "at_once": at_once,
        "refused_as_busy": refused[0],
        "resident_mb": resident,
        "most_mb": max(resident),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10, help="turns that server and bare loop take")
    parser.add_argument("--calls", type=int, default=20, help="calls in one turn")
    parser.add_argument("--memory", type=int, metavar="CALLS", help="measure memory instead")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--bare", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        bare_loop(options.bare)
        return
    result = memory(options.memory) if options.memory else latency(options.rounds, options.calls)
    if options.json:
        print(json.dumps(result))
        return
    table = Table("what", "figure")
    for name, value in result.items():
        table.add_row(name.replace("_", " "), str(value))
    Console().print(table)


if __name__ == "__main__":
    main()
