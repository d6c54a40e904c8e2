"""Clients in the field work unchanged: over TLS under the names they insist on, through a killed primary and
restarted servers. The clients are stand-ins, see `stand_ins`."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme

from layerwatch.config import Settings, load
from layerwatch.identity import create_account
from layerwatch.keys import create_key
from tests.clients.stand_ins import (
    FALLBACK,
    PRIMARY,
    Client,
    CompiledClient,
    FarmManager,
    FirstSdk,
    OlderSdk,
)
from tests.support.clocks import ManualClock
from tests.support.prints import frame
from tests.support.servers import Server, running
from tests.support.tls_front import TlsFront, tls_front

SECRET = "a secret for two nodes, long enough for any"
CLIENTS: dict[type[Client], int] = {FirstSdk: 1, OlderSdk: 1, FarmManager: 2, CompiledClient: 2}
"""Each with the API version that is pinned to its key."""


@dataclass
class Node:
    """A server behind its front, which can be killed and started again."""

    name: str
    settings: Settings
    clock: ManualClock
    front: TlsFront
    alive: ExitStack = field(default_factory=ExitStack)

    def start(self) -> Server:
        server = self.alive.enter_context(running(self.settings, clock=self.clock))
        self.front.port = server.port
        return server

    def kill(self) -> None:
        """Break its connections, then end it."""
        self.front.lose()
        self.alive.close()

    def restart(self) -> Server:
        self.kill()
        return self.start()


@dataclass
class Service:
    """Two nodes of one database, under the names that the clients insist on."""

    primary: Node
    fallback: Node
    trusted: ssl.SSLContext
    clock: ManualClock

    def new_key(self, version: int) -> tuple[str, int]:
        """The text of a new key, and its account."""
        return self.server.new_key_of(dialect=version)

    server: Server = field(init=False)

    def billed(self, account: int) -> int:
        return self.server.billed(account)


@pytest.fixture
def service(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    authority, clock = trustme.CA(), ManualClock()
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    with ExitStack() as stack:

        def node(name: str) -> Node:
            settings = load(
                data_dir=tmp_path / name,
                database=sqlite_url,
                secret=SECRET,
                region="eu",
                public_url=f"https://{PRIMARY}",
                fallback_url=f"https://{FALLBACK}",
                log_level="error",
            )
            made = Node(name, settings, clock, stack.enter_context(tls_front(authority, name)))
            stack.callback(made.kill)
            return made

        primary, fallback = node(PRIMARY), node(FALLBACK)
        addresses = {each.name: each.front.address for each in (primary, fallback)}
        real = socket.getaddrinfo

        def resolve(host: Any, port: Any, *given: Any, **named: Any) -> Any:
            if host in addresses:
                assert port == 443, "the clients insist on the usual port"
                host, port = addresses[host]
            return real(host, port, *given, **named)

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        made = Service(primary, fallback, trusted, clock)
        primary.start()
        made.server = fallback.start()
        yield made


@pytest.fixture(params=CLIENTS, ids=lambda kind: kind.__name__)
def client(request: pytest.FixtureRequest, service: Service) -> Iterator[tuple[Client, int]]:
    """A client with a key of its own, and its account."""
    key, account = service.new_key(CLIENTS[request.param])
    made: Client = request.param(key, service.trusted)
    yield made, account
    made.close()


def watch(service: Service, client: Client, pictures: int, at: dict[int, Callable[[], object]]) -> int:
    """Send pictures as they fall due; how many got an answer. at: what happens before which picture."""
    answered = 0
    for number in range(pictures):
        if number in at:
            at[number]()
        answered += client.inspect(frame(0.05, number))
        service.clock.advance(60)
    return answered


def test_a_print_is_watched_over_tls(service: Service, client: tuple[Client, int]) -> None:
    each, account = client
    assert watch(service, each, 5, {}) == 5
    assert (each.opened, each.stopped) == (1, "")
    assert service.billed(account) == 5


def test_a_killed_primary_costs_at_most_one_picture(service: Service, client: tuple[Client, int]) -> None:
    each, account = client
    answered = watch(service, each, 8, {4: service.primary.kill})
    assert answered >= 7
    assert (each.opened, each.stopped) == (1, ""), "it goes on in the same context"
    assert service.billed(account) == answered


def test_restarted_servers_cost_at_most_one_picture(service: Service, client: tuple[Client, int]) -> None:
    each, account = client

    def restart() -> None:
        service.primary.restart()
        service.server = service.fallback.restart()

    answered = watch(service, each, 8, {3: restart, 6: restart})
    assert answered >= 7
    assert (each.opened, each.stopped) == (1, "")
    assert service.billed(account) == answered


def test_an_outage_of_everything_stops_no_printer(service: Service, client: tuple[Client, int]) -> None:
    each, account = client

    def kill() -> None:
        service.primary.kill()
        service.fallback.kill()

    def start() -> None:
        service.primary.start()
        service.server = service.fallback.start()

    answered = watch(service, each, 9, {3: kill, 5: start})
    assert answered >= 6
    assert each.stopped == "", "an outage looks like no bad key"
    assert service.billed(account) == answered


def test_a_key_from_a_wrong_address_is_named_as_what_it_is(service: Service) -> None:
    """To a client that stops on an account's error it is one, and it is no invalid key."""
    with service.server.services.database.write() as session:
        now = service.clock.now()
        account = create_account(session, "Elsewhere", now).id
        key = create_key(
            session,
            account,
            name="office",
            pepper=service.server.services.secrets.api_keys,
            now=now,
            addresses=["192.0.2.0/24"],
        ).text
    manager = FarmManager(key, service.trusted)
    assert not manager.inspect(frame(0.05, 0))
    assert manager.stopped == "OE_API_KEY_IP_RESTRICTED"
    manager.close()
