"""A real server for tests: real HTTP on a free port, real storage, a fake detector, a clock to be moved.

It runs in a thread of the test's process, so that a test can also look inside (`server.services`).
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from starlette.applications import Starlette

from layerwatch.api.routes import BASE
from layerwatch.app import MakePeers, OpenModel, create_app
from layerwatch.billing.models import UsageHour
from layerwatch.config import Settings, load
from layerwatch.identity import create_account
from layerwatch.keys import create_key, disable_key
from layerwatch.notify.mail import Mailer
from layerwatch.services import Services
from layerwatch.serving.server import Server as HttpServer
from layerwatch.serving.sockets import listen
from layerwatch.telemetry.logging import configure
from layerwatch.vision import Vision
from layerwatch.vision.inspector import Inspector
from tests.support.clocks import ManualClock
from tests.support.fake_detector import FakeDetector, picture


@dataclass
class Server:
    """A running server and the means to call it as its clients do."""

    url: str
    services: Services
    clock: ManualClock
    detector: FakeDetector
    http: httpx.Client = field(repr=False)
    app: Starlette = field(repr=False)
    stop: Callable[[], None] = field(repr=False)
    """Ask it to stop, as SIGTERM does; it ends what it has begun."""

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self.url.rsplit(":", 1)[1])

    def new_key(self, **options: Any) -> str:
        """The text of a new key of a new account; `options` as in `new_key_of`."""
        return self.new_key_of(**options)[0]

    def new_key_of(
        self,
        account: int | None = None,
        *,
        dialect: int = 1,
        test: bool = False,
        free_only: bool = False,
        disabled: bool = False,
        addresses: Sequence[str] = (),
    ) -> tuple[str, int]:
        """The text of a new key, and its account's number."""
        now = self.clock.now()
        with self.services.database.write() as session:
            if account is None:
                account = create_account(session, "Acme Printing", now, free_only=free_only).id
            new = create_key(
                session,
                account,
                name="farm",
                pepper=self.services.secrets.api_keys,
                now=now,
                dialect=dialect,
                test=test,
                addresses=addresses,
            )
            if disabled:
                disable_key(session, account, new.row.id, now)
        return new.text, account

    def create_context(self, key: str, body: Any = None, **headers: str) -> httpx.Response:
        """Call createcontext. body: bytes as they are, None for none, anything else as JSON."""
        headers = {"X-API-Key": key, **headers}
        if body is None or isinstance(body, bytes):
            return self.http.post(f"{BASE}/createcontext", content=body or b"", headers=headers)
        return self.http.post(f"{BASE}/createcontext", json=body, headers=headers)

    def new_context(self, key: str, **levels: int) -> str:
        """The id of a new context."""
        answer = self.create_context(key, levels)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["ContextId"])

    def process(
        self,
        key: str,
        context: str,
        jpeg: bytes | None = None,
        *,
        repeat: uuid.UUID | str | None = None,
        query: str = "",
        **headers: str,
    ) -> httpx.Response:
        """Call process with one file; `repeat` is the Idempotency-Key."""
        headers = {"X-API-Key": key, **headers}
        if repeat is not None:
            headers["Idempotency-Key"] = str(repeat)
        file = picture() if jpeg is None else jpeg
        url = f"{BASE}/process/{context}{query}"
        return self.http.post(url, files={"file": ("a.jpg", file, "image/jpeg")}, headers=headers)

    def billed(self, account: int) -> int:
        """Inspections counted for an account so far."""
        with self.services.database.read() as session:
            total = session.scalar(select(func.sum(UsageHour.calls)).where(UsageHour.account_id == account))
        return int(total or 0)


@contextlib.contextmanager
def running(
    settings: Settings,
    *,
    clock: ManualClock | None = None,
    detector: FakeDetector | None = None,
    vision: Inspector | None = None,
    open_model: OpenModel | None = None,
    peers: MakePeers | None = None,
    mailer: Mailer | None = None,
    port: int = 0,
) -> Iterator[Server]:
    """A server with these settings, listening on 127.0.0.1 at this or a free port, until the block ends."""
    clock, detector = clock or ManualClock(), detector or FakeDetector()
    configure(settings.log_level, "console")
    listener = listen("127.0.0.1", port)
    port = listener.getsockname()[1]
    settings = settings.model_copy(update={"port": port})
    app = create_app(
        settings,
        clock=clock,
        vision=vision or Vision(detector),
        open_model=open_model,
        peers=peers,
        mailer=mailer,
    )
    server = HttpServer(app, grace=5)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert server.started, "the server did not start"
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(base_url=url, timeout=20, trust_env=False) as http:
            yield Server(
                url,
                app.state.services,
                clock,
                detector,
                http,
                app,
                lambda: setattr(server, "should_exit", True),
            )
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
        assert not thread.is_alive(), "the server did not stop"


@pytest.fixture
def server_settings(sqlite_url: str, tmp_path: Path) -> Settings:
    """Settings of a server on a fresh SQLite database."""
    return load(data_dir=tmp_path, database=sqlite_url, log_level="error")


@pytest.fixture
def server(server_settings: Settings) -> Iterator[Server]:
    """A running server on a fresh SQLite database, with a fake detector and a manual clock."""
    with running(server_settings) as started:
        yield started


@pytest.fixture
def server_on_each(database_url: str, tmp_path: Path) -> Iterator[Server]:
    """A running server, once on SQLite and once on PostgreSQL."""
    with running(load(data_dir=tmp_path, database=database_url, log_level="error")) as started:
        yield started
