"""One process, two workers and Ray Serve side by side on this machine; and a change of the model on Ray.

    python benchmarks/serving.py                  throughput of each, about 5 minutes
    python benchmarks/serving.py --change         calls dropped while the model changes under load
    python benchmarks/serving.py --json

Needs layerwatch[ray]; without it, `--ways one,workers`. The clients are this process and share the machine's
cores with each server. Every server has the packaged detector, SQLite, and as many detector threads or
replicas as there are cores. All are up at once and take turns, round by round, so that other load on the
machine hits them alike; the ratio to the first way is taken within each round.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import onnx
import psutil
import uvloop
from load import fresh_contexts, row
from process import Server, serving, wait_until_ready
from rich.console import Console
from rich.table import Table
from uploads import Caller, Phase
from vision import made_up_picture

from layerwatch.vision.model_files import packaged_models

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.support.ray_cluster import Cluster, cluster, serve_file

CORES = len(os.sched_getaffinity(0))
RAY_PORT = 8631
CONCURRENCIES = (1, 12)


@contextmanager
def on_ray() -> Iterator[tuple[Server, Cluster, dict[str, Any]]]:
    """The server on Ray Serve with a key, its cluster, and the active Serve file."""
    with tempfile.TemporaryDirectory(prefix="layerwatch-bench-") as folder, cluster(CORES) as ray:
        made = subprocess.run(
            [
                *(sys.executable, "-m", "layerwatch", "keys", "create", "--name", "benchmark"),
                *("--data-dir", folder, "--json"),
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        file = serve_file(
            RAY_PORT,
            {"data_dir": folder, "log_level": "warning"},
            {"name": "Api", "autoscaling_config": {"min_replicas": 1, "max_replicas": 1}},
            {
                "name": "Detectors",
                "user_config": {},
                "ray_actor_options": {"num_cpus": 0.9},
                "autoscaling_config": {"min_replicas": CORES, "max_replicas": CORES},
            },
        )
        ray.deploy(file)
        url = f"http://127.0.0.1:{RAY_PORT}"
        wait_until_ready(url)
        key = json.loads(made.stdout)["key"]
        yield Server(psutil.Process(ray.pid), url, key, Path(folder) / "layerwatch.sqlite3"), ray, file


def cpu_seconds(server: Server) -> float:
    """CPU time of the server's processes so far; not of those that have ended."""
    processes = [server.process, *server.process.children(recursive=True)]
    return float(sum(sum(one.cpu_times()[:2]) for one in processes if one.is_running()))


def memory(server: Server) -> float:
    """MiB that the server's processes have to themselves: what they share is counted in each."""
    processes = [server.process, *server.process.children(recursive=True)]
    return float(sum(one.memory_full_info().uss for one in processes if one.is_running())) / 2**20


@contextmanager
def started(ways: list[str]) -> Iterator[dict[str, Server]]:
    """Every server at once: those that are not being called cost next to nothing."""
    with ExitStack() as stack:
        servers = {}
        for name in ways:
            if name == "ray":
                servers[name] = stack.enter_context(on_ray())[0]
            else:
                more = ("--workers", str(CORES)) if name == "workers" else ()
                servers[name] = stack.enter_context(serving(sorted(os.sched_getaffinity(0)), *more))
        yield servers


async def compare(servers: dict[str, Server], rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Each way's turn in each round, for one client and for many; ratios are within a round."""
    pictures = [made_up_picture(seed) for seed in range(16)]
    callers = {
        name: Caller(server.url, server.key, pictures, fresh_contexts(server))
        for name, server in servers.items()
    }
    for caller in callers.values():
        await caller.at_once(8, 5.0)
    rows = []
    for clients in CONCURRENCIES:
        phases: dict[str, list[Phase]] = {name: [] for name in servers}
        cpu = dict.fromkeys(servers, 0.0)
        for number in range(rounds):
            order = list(servers) if number % 2 else list(reversed(servers))
            for name in order:
                spent = cpu_seconds(servers[name])
                phases[name].append(await callers[name].at_once(clients, seconds))
                cpu[name] += cpu_seconds(servers[name]) - spent
        first = [_per_second(phase) for phase in next(iter(phases.values()))]
        for name, turns in phases.items():
            whole = Phase(seconds=sum(phase.seconds for phase in turns))
            for phase in turns:
                whole.timeouts += phase.timeouts
                for status, taken in phase.taken.items():
                    whole.taken.setdefault(status, []).extend(taken)
            ratios = sorted(_per_second(phase) / one for phase, one in zip(turns, first, strict=True))
            figures = row(name, whole, cpu[name], memory(servers[name]))
            rows.append(
                {"way": name, "clients": clients}
                | {key: figures[key] for key in SHOWN}
                | {"cpu_ms_per_call": round(1000 * cpu[name] / max(1, len(whole.taken.get(200, []))), 1)}
                | {"to_first": round(statistics.median(ratios), 2)}
                | {"least": round(ratios[0], 2), "most": round(ratios[-1], 2)}
            )
    return rows


def _per_second(phase: Phase) -> float:
    return len(phase.taken.get(200, [])) / phase.seconds


SHOWN = ("answered_per_s", "p50_ms", "p99_ms", "refused", "other", "timeouts", "server_cores", "server_mib")


@dataclass
class Change:
    """One change of what is deployed, under load."""

    what: str
    calls: int = 0
    by_status: dict[int, int] = field(default_factory=dict)
    without_answer: int = 0
    slowest_ms: float = 0.0
    seconds_until_in_force: float | None = None
    model_after: str = ""


def renamed(model: Path, version: str, folder: Path) -> Path:
    """The same network under another version."""
    copy = onnx.load(model)
    for entry in copy.metadata_props:
        if entry.key == "layerwatch.version":
            entry.value = version
    path = folder / f"{version}.onnx"
    onnx.save(copy, path)
    return path


async def changes(server: Server, ray: Cluster, file: dict[str, Any], folder: Path) -> list[Change]:
    """Promote other models and deploy other numbers of replicas while four clients keep calling."""
    pictures = [made_up_picture(seed) for seed in range(16)]
    caller = Caller(server.url, server.key, pictures, fresh_contexts(server))
    await caller.at_once(4, 3.0)
    detectors = next(one for one in file["applications"][0]["deployments"] if one["name"] == "Detectors")

    def models(*command: str) -> dict[str, Any]:
        program = (sys.executable, "-m", "layerwatch", "models")
        data = ("--data-dir", str(server.database.parent), "--json")
        done = subprocess.run([*program, *command, *data], check=True, capture_output=True, text=True)
        return dict(json.loads(done.stdout.splitlines()[-1]))

    second = models("add", str(renamed(packaged_models()[0], "second", folder)))["model"]

    def redeploy(**change: Any) -> Callable[[], Any]:
        def deploy() -> None:
            detectors.update(change)
            ray.deploy(file)

        return deploy

    found = []
    for what, wanted, change in (
        ("another model", "second", lambda: models("promote", second, "--force")),
        ("and back", None, lambda: models("rollback")),
        ("replicas are replaced", None, redeploy(ray_actor_options={"num_cpus": 0.8})),
        ("one replica fewer", None, redeploy(autoscaling_config={"min_replicas": 1, "max_replicas": 1})),
        ("a configuration that is none", None, redeploy(user_config={"threads": 0})),
    ):
        found.append(await _under_load(caller, server, what, wanted, change))
    return found


async def _under_load(caller: Caller, server: Server, what: str, wanted: str | None, deploy: Any) -> Change:
    phase, began = Phase(), time.perf_counter()
    stop = asyncio.Event()

    async def keep_calling() -> None:
        while not stop.is_set():
            await caller.call(phase, time.perf_counter())

    clients = [asyncio.create_task(keep_calling()) for _ in range(4)]
    change = Change(what)
    await asyncio.sleep(3.0)
    await asyncio.to_thread(deploy)
    until = time.perf_counter() + 30.0
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=20) as http:
        while time.perf_counter() < until:
            change.model_after = (await http.get("/readyz")).json()["Model"]
            if change.model_after == wanted and change.seconds_until_in_force is None:
                change.seconds_until_in_force = round(time.perf_counter() - began - 3.0, 1)
                until = min(until, time.perf_counter() + 10.0)
            await asyncio.sleep(0.25)
    stop.set()
    await asyncio.gather(*clients)
    change.by_status = {status: len(taken) for status, taken in sorted(phase.taken.items())}
    change.without_answer = phase.timeouts
    change.calls = sum(change.by_status.values()) + phase.timeouts
    change.slowest_ms = round(1000 * max(max(taken) for taken in phase.taken.values()), 1)
    return change


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each turn")
    parser.add_argument("--rounds", type=int, default=6, help="turns of each way and number of clients")
    parser.add_argument("--ways", default="one,workers,ray", help="what to compare; the first is the measure")
    parser.add_argument("--change", action="store_true", help="change the deployment under load, on Ray")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if options.change:
        with on_ray() as (server, ray, file), tempfile.TemporaryDirectory() as folder:
            rows = [vars(one) for one in uvloop.run(changes(server, ray, file, Path(folder)))]
    else:
        with started(options.ways.split(",")) as servers:
            rows = uvloop.run(compare(servers, options.rounds, options.seconds))
    result = {"cores": CORES, "load_before": round(os.getloadavg()[0], 1), "rows": rows}
    if options.json:
        print(json.dumps(result))
        return
    out = Console(width=150)
    out.print(f"{CORES} cores, load before {result['load_before']}")
    table = Table()
    for column in rows[0]:
        table.add_column(column.replace("_", " "))
    for each in rows:
        table.add_row(*("-" if value is None else str(value) for value in each.values()))
    out.print(table)


if __name__ == "__main__":
    main()
