"""Honest clients beside attackers: each must get its own answers, all of them."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from layerwatch.contexts import ContextError
from tests.support.fake_detector import picture
from tests.support.hostile_requests import BASE, Pieces, hostile_requests
from tests.support.nodes import Account, Node

PAUSE_S = 0.01
"""Between the pieces of a hostile request: a proxy hands on what it has."""

ANSWER_S = 0.25
"""How long an attacker waits for an answer: many of these requests never get one."""

ATTACKERS = 16

SHOWN_EVERY = 10
"""Rounds of an honest client between two that begin a print; the others repeat its call. What a node keeps
of each print must not hide what hostile requests leave behind."""


@dataclass
class Tally:
    """What the honest clients saw.

    wrong: descriptions of answers that were another's, or no answer.  seconds: of each call.
    """

    calls: int = 0
    hostile: int = 0
    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    resident_mib: list[float] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Count what another one saw, too."""
        self.calls += other.calls
        self.wrong += other.wrong
        self.seconds += other.seconds


def attack(
    node: Node, url: str, tls: ssl.SSLContext | None, *, number: int, seed: int, clients: int = 4
) -> Tally:
    """Send so many hostile requests to a URL (of the node, or of a proxy before it) beside honest clients."""
    total, done = Tally(), threading.Event()
    attacker = node.new_account("attacker")
    honest = [
        _Honest(node, url, tls, node.new_account(f"honest {index}"), 0.1 + 0.8 * index / clients)
        for index in range(clients)
    ]
    threads = [threading.Thread(target=each.call_until, args=(done,)) for each in honest]
    for thread in threads:
        thread.start()
    try:
        requests = itertools.islice(hostile_requests(seed, attacker.key), number)
        asyncio.run(_send_all(requests, url, tls, node, total))
    finally:
        done.set()
        for thread in threads:
            thread.join(60)
    for each in honest:
        total.add(each.tally)
    return total


def timed_calls(node: Node, seconds: float) -> list[float]:
    """Seconds that each call of an honest client took, sorted; each is made on a connection of its own."""
    key = node.new_account("honest").key
    until, taken = time.monotonic() + seconds, []

    def post(path: str, **sent: object) -> httpx.Response:
        began = time.monotonic()
        with httpx.Client(base_url=node.url, trust_env=False, verify=False, timeout=30) as http:
            answer = http.post(path, headers={"X-API-Key": key}, **sent)  # type: ignore[arg-type]
        taken.append(time.monotonic() - began)
        return answer.raise_for_status()

    while time.monotonic() < until:
        context = post(f"{BASE}/createcontext").json()["ContextId"]
        post(f"{BASE}/process/{context}", files={"file": ("a.jpg", picture(0.1))})
        time.sleep(0.05)
    return sorted(taken)


class _Honest:
    """A client that knows its own answers from everybody else's: by its account, and by its picture."""

    def __init__(
        self, node: Node, url: str, tls: ssl.SSLContext | None, account: Account, failure: float
    ) -> None:
        self.tally = Tally()
        self._ids = node.ids
        self._url = url
        self._tls = tls
        self._account = account
        self._failure = failure
        self._picture = picture(failure)
        self._rounds = itertools.count()
        self._shown = ("", "")
        self._answer: dict[str, Any] = {}

    def call_until(self, done: threading.Event) -> None:
        """Open a context and show it a picture, again and again."""
        headers = {"X-API-Key": self._account.key}
        verify: ssl.SSLContext | bool = self._tls or True
        with httpx.Client(
            base_url=self._url, headers=headers, timeout=20, trust_env=False, verify=verify
        ) as http:
            while not done.is_set():
                try:
                    self._call(http)
                except (httpx.HTTPError, KeyError, ContextError) as error:
                    self.tally.wrong.append(repr(error))

    def _call(self, http: httpx.Client) -> None:
        opened = self._timed(http, f"{BASE}/createcontext")
        context = opened.json()["ContextId"]
        self._ids.read(context, self._account.number, datetime.now(UTC))  # raises for another's
        if next(self._rounds) % SHOWN_EVERY:
            self._repeat(http)
            return
        self._shown = f"{BASE}/process/{context}?detail=1", str(uuid.uuid4())
        self._answer = self._show(http)
        seen = self._answer["Detail"]["FailureProbability"]
        if abs(seen - self._failure) > 0.02:
            self.tally.wrong.append(f"answer to another picture: {seen}, not {self._failure}")

    def _repeat(self, http: httpx.Client) -> None:
        """The same call once more, which must get the same answer."""
        answer = self._show(http)
        if answer != self._answer:
            self.tally.wrong.append(f"answer to another call: {answer}, not {self._answer}")

    def _show(self, http: httpx.Client) -> dict[str, Any]:
        path, key = self._shown
        files = {"file": ("a.jpg", self._picture)}
        answer = self._timed(http, path, files=files, headers={"Idempotency-Key": key})
        return dict(answer.json())

    def _timed(self, http: httpx.Client, path: str, **sent: object) -> httpx.Response:
        began = time.monotonic()
        answer = http.post(path, **sent)  # type: ignore[arg-type]
        self.tally.seconds.append(time.monotonic() - began)
        self.tally.calls += 1
        if answer.status_code != 200:
            raise httpx.HTTPStatusError(
                f"{answer.status_code} {answer.text[:300]}", request=answer.request, response=answer
            )
        return answer


async def _send_all(
    requests: Iterator[Pieces], url: str, tls: ssl.SSLContext | None, node: Node, total: Tally
) -> None:
    address = httpx.URL(url)

    async def work() -> None:
        for pieces in requests:
            with suppress(OSError, TimeoutError):
                await _send(pieces, address.host, address.port or 0, tls)
            total.hostile += 1
            if total.hostile % 100 == 0:
                total.resident_mib.append(node.resident_mib())

    await asyncio.gather(*(work() for _ in range(ATTACKERS)))


async def _send(pieces: Pieces, host: str, port: int, tls: ssl.SSLContext | None) -> None:
    reader, writer = await asyncio.open_connection(host, port, ssl=tls, server_hostname=host if tls else None)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(PAUSE_S)
        async with asyncio.timeout(ANSWER_S):
            while await reader.read(65536):
                pass
    finally:
        writer.transport.abort()
