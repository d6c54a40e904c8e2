"""The caller's address comes from a trusted proxy's headers; from any other address they are ignored."""

import threading
import time
from contextlib import contextmanager

import httpx
import pytest

from layerwatch.api.routes import BASE
from layerwatch.app import create_app
from layerwatch.config import load
from layerwatch.identity import create_account
from layerwatch.keys import create_key
from layerwatch.serving.server import Server
from layerwatch.serving.sockets import listen
from layerwatch.vision import Vision
from tests.support.fake_detector import FakeDetector

OFFICE, ELSEWHERE = "203.0.113.9", "198.51.100.1"


@contextmanager
def serving(**settings):
    """The server as `layerwatch serve` runs it; its URL, and a key that is tied to the office's address."""
    listener = listen("127.0.0.1", 0)
    app = create_app(load(log_level="error", **settings), vision=Vision(FakeDetector()))
    services = app.state.services
    with services.database.write() as session:
        account = create_account(session, "Acme", services.clock.now()).id
        key = create_key(
            session,
            account,
            name="office",
            pepper=services.secrets.api_keys,
            now=services.clock.now(),
            addresses=[f"{OFFICE}/32"],
        ).text
    server = Server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", key
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


@pytest.mark.parametrize(
    ("trusted", "said", "status"),
    [
        ("127.0.0.1", OFFICE, 200),
        ("10.0.0.0/8, 127.0.0.0/8", OFFICE, 200),
        ("127.0.0.1", ELSEWHERE, 403),
        ("127.0.0.1", "", 403),
        # The caller wrote the first address; what the proxy itself saw stands last.
        ("127.0.0.1", f"{OFFICE}, {ELSEWHERE}", 403),
        ("10.0.0.0/8", OFFICE, 403),
    ],
)
def test_only_a_trusted_proxy_tells_where_a_call_comes_from(
    sqlite_url, tmp_path, monkeypatch, trusted, said, status
):
    monkeypatch.setattr("layerwatch.calibration.CALIBRATION_SECONDS", 0.0)
    with serving(data_dir=tmp_path, database=sqlite_url, trusted_proxies=trusted) as (url, key):
        headers = {"X-API-Key": key} | ({"X-Forwarded-For": said} if said else {})
        answer = httpx.post(f"{url}{BASE}/createcontext", headers=headers, trust_env=False, timeout=30)
    assert answer.status_code == status
