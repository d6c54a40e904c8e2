"""A real server on a real socket, with a fast detector and a clock that the test moves."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy import func, select

from layerwatch import log
from layerwatch.accounts import create_account, create_key, disable_key
from layerwatch.app import create_app
from layerwatch.billing.models import UsageHour
from layerwatch.config import Settings
from layerwatch.storage import Database
from layerwatch.vision import Vision
from tests.support.fake_detector import FakeDetector, picture

API = "/api/gadget/v1"


class MovableClock:
    """Real time plus what the test added."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)


class CrashingDetector(FakeDetector):
    """The fast double, which can be told to crash with a message."""

    crash: str | None = None

    def detect(self, images: Any) -> Any:
        if self.crash:
            raise RuntimeError(self.crash)
        return super().detect(images)


@dataclass
class Running:
    """The one server of the test session."""

    url: str
    settings: Settings
    clock: MovableClock
    detector: CrashingDetector
    database: Database


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    data_dir: Path = tmp_path_factory.mktemp("contract")
    settings = Settings(
        data_dir=data_dir,
        port=port,
        public_url=f"http://127.0.0.1:{port}",
        fallback_url=f"http://localhost:{port}",
        upload_silence=1.0,
    )
    log.configure("error", "json")
    clock, detector = MovableClock(), CrashingDetector()
    app = create_app(settings, clock=clock, vision=Vision(detector))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", http="httptools", loop="uvloop"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < until and thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    database = Database(settings.database_url)
    yield Running(f"http://127.0.0.1:{port}", settings, clock, detector, database)
    database.close()
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive(), "the server did not stop"


class Service:
    """One test's view: an account of its own on the shared server."""

    def __init__(self, running: Running) -> None:
        self.url = running.url
        self.clock = running.clock
        self.detector = running.detector
        self._database = running.database
        pepper = running.settings.secrets().api_keys
        now = running.clock.now()

        def key(session: Any, account: int, **options: Any) -> tuple[str, int]:
            made = create_key(session, account, name="test", pepper=pepper, now=now, **options)
            return made.text, made.row.id

        with self._database.begin() as session:
            self.account = create_account(session, "contract", now).id
            other = create_account(session, "other", now).id
            self.key, self.key_id = key(session, self.account)
            self.second_dialect_key, _ = key(session, self.account, dialect=2)
            self.disabled_key, disabled = key(session, self.account)
            self.other_key, _ = key(session, other)
            disable_key(session, self.account, disabled, now)
        self._client = httpx.Client(trust_env=False, timeout=30)

    def close(self) -> None:
        self._client.close()

    def call(
        self, method: str, path: str, *, key: Any = ..., headers: Any = (), **how: Any
    ) -> httpx.Response:
        sent = dict(headers)
        chosen = self.key if key is ... else key
        raw: list[tuple[bytes, bytes]] = [(k.encode(), v.encode()) for k, v in sent.items()]
        if chosen is not None:
            raw.append((b"X-API-Key", chosen.encode()))
        return self._client.request(method, f"{self.url}{API}/{path}", headers=raw, **how)

    def create(self, body: Any = None, **how: Any) -> httpx.Response:
        sent = {"content": body} if body is None or isinstance(body, bytes) else {"json": body}
        return self.call("POST", "createcontext", **sent, **how)

    def open(self, body: Any = None, **how: Any) -> str:
        answer = self.create(body, **how)
        assert answer.status_code == 200, answer.text
        context: str = answer.json()["ContextId"]
        return context

    def post(self, context: str, *, files: Any, **how: Any) -> httpx.Response:
        return self.call("POST", f"process/{context}", files=files, **how)

    def process(self, context: str, jpeg: bytes, **how: Any) -> httpx.Response:
        return self.post(context, files={"file": ("frame.jpg", jpeg, "image/jpeg")}, **how)

    def raw_post(self, context: str, body: bytes, content_type: str) -> httpx.Response:
        return self.call("POST", f"process/{context}", content=body, headers={"Content-Type": content_type})

    def billed(self) -> int:
        """Inspections charged to this test's account so far."""
        with self._database.read() as session:
            total = session.scalar(
                select(func.sum(UsageHour.calls)).where(UsageHour.account_id == self.account)
            )
        return int(total or 0)

    def nothing_happened(self, context: str) -> None:
        """What went before was not billed and left the context as it was: a good call goes through now."""
        assert self.billed() == 0
        answer = self.process(context, picture(failure=0.1))
        assert answer.status_code == 200, answer.text
        assert self.billed() == 1


@pytest.fixture
def service(running: Running) -> Iterator[Service]:
    service = Service(running)
    yield service
    service.close()
