"""Faults besides kills and outages: wrong clocks, cut wires, full and read-only disks, bad clients.

Each is done to a running `crashes.Bench` and is over when its function returns. For `faults.py`.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
from crashes import (
    API,
    UPLOAD_TYPE,
    WRONG_CLOCK,
    Bench,
    Node,
    Tally,
    _open,
    _upload,
    how_to_start,
    made_up_picture,
)
from sqlalchemy import create_engine, make_url, text

JUMPS = (90, 3600, 86_400, 5 * 86_400)
"""Seconds of print time by which a clock is wrong, forwards or backwards."""

SLOW_CLIENTS = 100
MIN_INTERVAL_S = 18.0
"""Seconds of print time within which two calls cannot both be in time: 20, less 2 of jitter."""

RACES = 4
"""Prints that two regions are asked about at the same moment."""


async def jump_clock(at: Bench, rng: random.Random, seconds: float, forwards: bool) -> None:
    """One node's clock is wrong for a time; both its setting and its correction are jumps."""
    wrong = rng.choice(at.nodes).folder / WRONG_CLOCK
    wrong.write_text(str(rng.choice(JUMPS) * (1 if forwards else -1)))
    await asyncio.sleep(seconds)
    wrong.unlink()


async def cut_from_database(at: Bench, rng: random.Random, seconds: float) -> None:
    """One region does not reach the database; clients reach it."""
    line = rng.choice(at.nodes).line
    assert line is not None
    line.cut()
    await asyncio.sleep(seconds)
    line.heal()


async def cut_off(at: Bench, rng: random.Random, seconds: float) -> None:
    """One region reaches nobody, and nobody reaches it."""
    node = rng.choice(at.nodes)
    wires = [wire for wire in (node.line, node.door) if wire is not None]
    for wire in wires:
        wire.cut()
    await asyncio.sleep(seconds)
    for wire in wires:
        wire.heal()


async def cut_network(at: Bench, rng: random.Random, seconds: float) -> None:
    """As `cut_off`, but for the network itself: one region's packets are lost, in both directions."""
    place = rng.choice(at.nodes).place
    assert place is not None
    await asyncio.to_thread(place.cut)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(place.heal)


async def fill_disk(at: Bench, rng: random.Random, seconds: float) -> None:
    """No file may grow: neither SQLite's nor the spools' (RLIMIT_FSIZE of the servers).

    PostgreSQL: the disk of its own files is full, if they lie on one (`small_disk`).
    """
    if at.pgdata is not None:
        await _fill(at, seconds)
        return
    processes = [psutil.Process(node.process.pid) for node in at.nodes if node.process is not None]
    for process in processes:
        process.rlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    try:
        await asyncio.sleep(seconds)
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.rlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


async def make_read_only(at: Bench, rng: random.Random, seconds: float) -> None:
    """SQLite's files may not be written (`chattr +i`, needs root and ext4); PostgreSQL takes reads only, as
    after a failover to a standby that is not yet promoted."""
    if at.pgdata is not None:
        for value in ("on", "off"):
            _administer(
                at, f"ALTER SYSTEM SET default_transaction_read_only = {value}", "SELECT pg_reload_conf()"
            )
            if value == "on":
                await asyncio.sleep(seconds)
        return
    file = at.database.removeprefix("sqlite:///")
    files = [file, f"{file}-wal"]
    subprocess.run(["chattr", "+i", *files], check=True)  # noqa: ASYNC221
    try:
        await asyncio.sleep(seconds)
    finally:
        subprocess.run(["chattr", "-i", *files], check=True)  # noqa: ASYNC221


async def ask_both(at: Bench, rng: random.Random, seconds: float, tally: Tally) -> None:
    """Both regions get calls on the same context at the same moment: of one Idempotency-Key, or of two."""
    upload = _upload(made_up_picture(rng.randrange(1000)))
    async with httpx.AsyncClient(timeout=20, trust_env=False) as http:
        contexts = [await _open(at, http) for _ in range(RACES)]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            waits = [_race(at, http, context, upload, rng.random() < 0.5, tally) for context in contexts]
            await asyncio.sleep(max(await asyncio.gather(*waits)) / at.speed)


async def _race(
    at: Bench, http: httpx.AsyncClient, context: str, upload: bytes, same: bool, tally: Tally
) -> float:
    """One moment; seconds of print time to wait then."""
    first, began = str(uuid.uuid4()), time.monotonic()
    keys = (first, first if same else str(uuid.uuid4()))
    found = await asyncio.gather(
        *(_ask(at, http, node, context, upload, key) for node, key in zip(at.nodes, keys, strict=True))
    )
    good = [
        (key, answer.json()) for key, answer in zip(keys, found, strict=True) if answer.status_code == 200
    ]
    answers = tally.answers.setdefault(context, {})
    for key, body in good:
        if answers.setdefault(key, body) != body:
            tally.unsafe.append("two answers to one Idempotency-Key")
    passed = (time.monotonic() - began) * at.speed
    if len({key for key, _ in good}) > 1 and passed < MIN_INTERVAL_S:
        tally.unsafe.append("one context was inspected twice in one interval")
    if not good:
        tally.unsafe.append(f"nobody answered: {[answer.text[:60] for answer in found]}")
    return float(good[0][1]["NextProcessIntervalSec"]) if good else 40.0


async def _ask(
    at: Bench, http: httpx.AsyncClient, node: Node, context: str, upload: bytes, key: str
) -> httpx.Response:
    """A call, repeated under its key until the answer says what became of it."""
    headers = {"X-API-Key": at.key, "Content-Type": UPLOAD_TYPE, "Idempotency-Key": key}
    while True:
        with suppress(httpx.HTTPError):
            answer = await http.post(
                f"{node.public_url}{API}/process/{context}", content=upload, headers=headers
            )
            if answer.status_code != 503:
                return answer
        await asyncio.sleep(0.05)


async def misbehave(at: Bench, rng: random.Random, seconds: float, tally: Tally) -> None:
    """`SLOW_CLIENTS` connections that send a head or a body byte by byte, fall silent, leave in the middle,
    or close their half. One that closed its half after a whole request gets its answer."""
    async with httpx.AsyncClient(timeout=20, trust_env=False) as http:
        contexts = [await _open(at, http) for _ in range(SLOW_CLIENTS)]
    kinds = (_slow_head, _slow_body, _silent, _half_closed_in_the_middle, _gone, _half_closed_when_done)
    await asyncio.gather(
        *(rng.choice(kinds)(at, rng.choice(at.nodes), context, seconds, tally) for context in contexts)
    )


def _request(at: Bench, context: str, key: str) -> tuple[bytes, bytes]:
    body = _upload(made_up_picture(1))
    head = (
        f"POST {API}/process/{context} HTTP/1.1\r\nHost: test\r\nX-API-Key: {at.key}\r\n"
        f"Idempotency-Key: {key}\r\nContent-Type: {UPLOAD_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode(), body


async def _trickle(data: bytes, out: asyncio.StreamWriter, seconds: float) -> None:
    end = time.monotonic() + seconds
    with suppress(ConnectionError):
        for byte in data[:-1]:
            if time.monotonic() > end:
                break
            out.write(bytes((byte,)))
            await out.drain()
            await asyncio.sleep(0.2)


@contextmanager
def _closing(out: asyncio.StreamWriter) -> Iterator[None]:
    try:
        yield
    finally:
        out.close()


async def _slow_head(at: Bench, node: Node, context: str, seconds: float, _: Tally) -> None:
    _reader, out = await asyncio.open_connection("127.0.0.1", node.port)
    with _closing(out):
        await _trickle(_request(at, context, "0")[0], out, seconds)


async def _slow_body(at: Bench, node: Node, context: str, seconds: float, _: Tally) -> None:
    head, body = _request(at, context, str(uuid.uuid4()))
    _reader, out = await asyncio.open_connection("127.0.0.1", node.port)
    with _closing(out):
        out.write(head)
        await _trickle(body, out, seconds)


async def _silent(at: Bench, node: Node, context: str, seconds: float, _: Tally) -> None:
    head, body = _request(at, context, str(uuid.uuid4()))
    _reader, out = await asyncio.open_connection("127.0.0.1", node.port)
    with _closing(out):
        out.write(head + body[: len(body) // 2])
        await asyncio.sleep(seconds)


async def _half_closed_in_the_middle(
    at: Bench, node: Node, context: str, seconds: float, tally: Tally
) -> None:
    head, body = _request(at, context, str(uuid.uuid4()))
    back, out = await asyncio.open_connection("127.0.0.1", node.port)
    with _closing(out), suppress(ConnectionError, TimeoutError):
        out.write(head + body[: len(body) // 2])
        out.write_eof()
        answer = await asyncio.wait_for(back.read(), seconds + 20)
        if answer.startswith(b"HTTP/1.1 200"):
            tally.unsafe.append("half an upload was accepted")


async def _gone(at: Bench, node: Node, context: str, seconds: float, _: Tally) -> None:
    head, body = _request(at, context, str(uuid.uuid4()))
    _reader, out = await asyncio.open_connection("127.0.0.1", node.port)
    out.write(head + body[: len(body) // 2])
    out.transport.abort()


async def _half_closed_when_done(at: Bench, node: Node, context: str, seconds: float, tally: Tally) -> None:
    key = str(uuid.uuid4())
    head, body = _request(at, context, key)
    while True:
        back, out = await asyncio.open_connection("127.0.0.1", node.port)
        with _closing(out):
            out.write(head + body)
            out.write_eof()
            answer = await asyncio.wait_for(back.read(), 60)
        if answer.startswith(b"HTTP/1.1 200"):
            tally.answers.setdefault(context, {})[key] = answer
            return
        if not answer:
            tally.unsafe.append("a whole request got no answer because its sender closed its half")
            return
        await asyncio.sleep(0.1)


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path | None]:
    """An in-memory file system, writable for everyone; None without the right to mount one."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="lw-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=1777", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        yield None
        return
    try:
        inside = folder / "pg"
        inside.mkdir()
        yield inside
    finally:
        for _ in range(20):
            if subprocess.run(["umount", str(folder)], check=False, capture_output=True).returncode == 0:
                break
            time.sleep(0.5)
        folder.rmdir()


async def _fill(at: Bench, seconds: float) -> None:
    """Fill the disk below PostgreSQL's files, free it again, and start the server if it gave up."""
    assert at.pgdata is not None
    assert at.postgres is not None
    start = how_to_start(at)
    filler = at.pgdata.parent / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * (1 << 16))
    try:
        await asyncio.sleep(seconds)
    finally:
        filler.unlink()
    if not at.postgres.is_running() or at.postgres.status() == psutil.STATUS_ZOMBIE:
        await start()


def _administer(at: Bench, *statements: str) -> None:
    engine = create_engine(
        make_url(at.database).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
