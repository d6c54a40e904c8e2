"""A simulated clock, the stand-in service behind a transport, and a transport that misbehaves on purpose."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Union

import httpx
import pytest
from sdk.tests.watched import Watched

from layerwatch_sdk import Client, Context, Retry
from layerwatch_sdk.testing import KEY, FakeService, ManualClock

PRIMARY = "http://primary.test"

Scripted = Union[httpx.Response, Exception, None]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def service(clock: ManualClock) -> FakeService:
    return FakeService(clock.monotonic)


class Wire:
    """A transport in front of the service: a script decides call by call, then faults by chance.

    `script` holds what happens to the next calls: an answer, an exception, or None for the service's own.
    """

    def __init__(self, service: FakeService, clock: ManualClock) -> None:
        self.service = service
        self.clock = clock
        self.script: List[Scripted] = []
        self.requests: List[httpx.Request] = []
        self.at: List[float] = []
        self.down: set[str] = set()
        self.faults = 0.0
        self.random = random.Random(0)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.at.append(self.clock.now)
        if request.url.host in self.down:
            raise httpx.ConnectError("connection refused", request=request)
        if self.script:
            scripted = self.script.pop(0)
            if isinstance(scripted, Exception):
                raise scripted
            if scripted is not None:
                return scripted
        elif self.random.random() < self.faults:
            return self.random.choice(FAULTS)(self, request)
        return self.service.handle(request)

    @property
    def hosts(self) -> List[str]:
        return [request.url.host for request in self.requests]

    @property
    def keys(self) -> List[Optional[str]]:
        return [request.headers.get("idempotency-key") for request in self.requests]


def lost_request(wire: Wire, request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectTimeout("lost on the way there", request=request)


def lost_answer(wire: Wire, request: httpx.Request) -> httpx.Response:
    wire.service.handle(request)
    wire.clock.now += 2.0
    raise httpx.ReadTimeout("lost on the way back", request=request)


def delayed(wire: Wire, request: httpx.Request) -> httpx.Response:
    wire.clock.now += wire.random.uniform(0, 5)
    response = wire.service.handle(request)
    wire.clock.now += wire.random.uniform(0, 5)
    return response


def duplicated(wire: Wire, request: httpx.Request) -> httpx.Response:
    wire.service.handle(request)
    return wire.service.handle(request)


def cut(wire: Wire, request: httpx.Request) -> httpx.Response:
    whole = wire.service.handle(request)
    return httpx.Response(
        whole.status_code, content=whole.content[: wire.random.randrange(len(whole.content))]
    )


def garbled(wire: Wire, request: httpx.Request) -> httpx.Response:
    answer = json.loads(wire.service.handle(request).content)
    if isinstance(answer, dict) and answer:
        answer[wire.random.choice(sorted(answer))] = wire.random.choice([None, "8", 3.5, [], -1])
    return httpx.Response(200, json=answer)


def proxy_page(wire: Wire, request: httpx.Request) -> httpx.Response:
    if wire.random.random() < 0.5:
        wire.service.handle(request)
    status = wire.random.choice([200, 204, 302, 401, 403, 404, 413, 429, 500, 502, 503, 504])
    return httpx.Response(status, html="<html><h1>Bad gateway</h1></html>")


FAULTS = [lost_request, lost_answer, delayed, duplicated, cut, garbled, proxy_page]


@pytest.fixture
def wire(service: FakeService, clock: ManualClock) -> Wire:
    return Wire(service, clock)


@pytest.fixture
def make_client(wire: Wire, clock: ManualClock) -> Iterator[Callable[..., Client]]:
    made: List[Client] = []

    def make(**settings: Any) -> Client:
        settings.setdefault("base_url", PRIMARY)
        settings.setdefault("retry", Retry())
        client = Client(KEY, clock=clock, transport=httpx.MockTransport(wire), **settings)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(make_client: Callable[..., Client]) -> Client:
    return make_client()


@pytest.fixture
def context(client: Client, wire: Wire) -> Context:
    """A context that is open already; the wire has forgotten how it was opened."""
    opened = client.create_context()
    wire.requests.clear()
    wire.at.clear()
    return opened


@pytest.fixture
def open_files() -> Callable[[], int]:
    """Counts this process's open file descriptors, sockets among them; 0 where the system does not tell."""
    folder = Path("/proc/self/fd")
    return lambda: len(list(folder.iterdir())) if folder.exists() else 0


@pytest.fixture
def refusal() -> Callable[..., httpx.Response]:
    """Makes the contract's error answers."""

    def make(status: int, error_type: str, details: str = "Details.", **headers: str) -> httpx.Response:
        named: Dict[str, str] = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.Response(status, headers=named, json={"ErrorType": error_type, "ErrorDetails": details})

    return make


@pytest.fixture
def watched(client: Client, clock: ManualClock) -> Watched:
    return Watched(client, clock)
