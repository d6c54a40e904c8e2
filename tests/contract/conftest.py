"""A real server on a real socket, with a fast detector and a clock that the test moves.

pytest tests/contract                       a server in this process
pytest tests/contract --served workers      two worker processes
pytest tests/contract --served ray          Ray Serve; needs layerwatch[ray]
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from layerwatch.billing.models import UsageHour
from layerwatch.config import Settings
from layerwatch.identity import create_account
from layerwatch.keys import create_key, disable_key
from layerwatch.storage import Database
from layerwatch.telemetry import logging
from tests.support.fake_detector import picture
from tests.support.serve_ways import WAYS
from tests.support.shared_doubles import SharedClock, SharedDetector

API = "/api/gadget/v1"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--served",
        choices=sorted(WAYS),
        default="one",
        help="how the server of the contract tests is run: in this process (one), by several worker "
        "processes, or on Ray Serve (needs layerwatch[ray])",
    )


@dataclass
class Running:
    """The one server of the test session."""

    url: str
    settings: Settings
    clock: SharedClock
    detector: SharedDetector
    database: Database


@pytest.fixture(scope="session")
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    data_dir: Path = tmp_path_factory.mktemp("contract")
    settings = Settings(
        data_dir=data_dir,
        port=port,
        public_url=f"http://127.0.0.1:{port}",
        fallback_url=f"http://localhost:{port}",
        upload_silence=1.0,
    )
    logging.configure("error", "json")
    way = request.config.getoption("--served", default="one")
    with WAYS[way](settings):
        database = Database(settings.database_url)
        clock, detector = SharedClock(data_dir), SharedDetector(data_dir)
        yield Running(f"http://127.0.0.1:{port}", settings, clock, detector, database)
        database.close()


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

        with self._database.write() as session:
            self.account = create_account(session, "contract", now).id
            other = create_account(session, "other", now).id
            self.key, self.key_id = key(session, self.account)
            self.second_dialect_key, _ = key(session, self.account, dialect=2)
            self.disabled_key, disabled = key(session, self.account)
            self.elsewhere_key, _ = key(session, self.account, addresses=["192.0.2.0/24"])
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
