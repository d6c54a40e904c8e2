"""First run on a maker's own machine: enter a camera, see its picture, send a message, watch."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from layerwatch.app import create_app
from layerwatch.config import load
from layerwatch.console import own_machine
from layerwatch.identity.users import operator_link
from layerwatch_watcher.watching.settings import read_file
from tests.support import servers
from tests.support.browser import Browser, text_of
from tests.support.chromium import chromium
from tests.support.prints import frame

PICTURE = frame(0.02, 1)


class Device(BaseHTTPRequestHandler):
    """A camera, and a messenger that takes what is posted."""

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/shot.jpg" else 404, PICTURE)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.messages.append(json.loads(body))  # type: ignore[attr-defined]
        self._answer(200, b"{}")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class RecordingWatcher:
    """In the place of the process: it only counts how often it is started."""

    def __init__(self, path):
        self.path = path
        self.starts = 0

    @property
    def running(self):
        return self.starts > 0

    def restart(self):
        read_file(self.path)
        self.starts += 1


class Machine:
    """A maker's machine: the server, its watcher, and the owner's browser."""

    def __init__(self, server, watcher):
        self.server, self.watcher = server, watcher
        with server.services.database.write() as session:
            link = operator_link(session, server.url, datetime.now(UTC))
        self.owner = Browser(server.url)
        self.owner.enter(link.removeprefix(f"{server.url}/console"))

    def enter(self, **fields):
        return self.owner.post("/first-run/try", "/first-run", **fields)


@pytest.fixture
def device() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Device)
    server.messages = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def camera(device):
    return f"http://127.0.0.1:{device.server_port}/shot.jpg"


@pytest.fixture
def open_machine(tmp_path, monkeypatch):
    """Opens a machine whose server has these settings; `beside` says whether a watcher may run there."""
    monkeypatch.setattr("layerwatch.calibration.CALIBRATION_SECONDS", 0.0)
    with contextlib.ExitStack() as stack:

        def start(*, beside: bool = True, **settings):
            watcher = RecordingWatcher(tmp_path / "watch.toml")

            def app(*given, **named):
                return create_app(*given, **named, own_watcher=(lambda _: watcher) if beside else None)

            monkeypatch.setattr(servers, "create_app", app)
            loaded = load(data_dir=tmp_path, log_level="error", **settings)
            machine = Machine(stack.enter_context(servers.running(loaded)), watcher)
            stack.callback(machine.owner.close)
            return machine

        yield start


@pytest.fixture
def machine(open_machine):
    return open_machine()


def test_a_camera_is_entered_seen_tried_and_watched(machine, camera, device):
    assert "Find and watch a printer" in machine.owner.get("/").text
    channel = f"json://127.0.0.1:{device.server_port}/hook"
    assert machine.enter(camera=camera, notify=channel).status_code == 303
    page = machine.owner.get("/first-run").text
    assert "It works" in page and "gives a JPEG of" in page
    shown = page.split("data:image/jpeg;base64,")[1].split('"')[0]
    assert base64.b64decode(shown)[:2] == b"\xff\xd8"
    assert "Good to judge by." in page
    assert machine.owner.post("/first-run/test", "/first-run").status_code == 303
    (message,) = device.messages
    assert message["attachments"][0]["mimetype"] == "image/jpeg"
    assert "accepted the test event" in machine.owner.get("/first-run").text
    assert machine.owner.post("/first-run/start", "/first-run").status_code == 303
    assert machine.watcher.starts == 1
    settings = read_file(machine.watcher.path)
    assert settings.printers[0].camera_only and len(settings.notify.apprise) == 1
    assert machine.watcher.path.stat().st_mode & 0o777 == 0o600
    assert "Watched by this server: <b>camera</b>" in machine.owner.get("/first-run").text


def test_a_second_camera_is_added_to_the_first(machine, camera):
    for _ in range(2):
        machine.enter(camera=camera)
        machine.owner.post("/first-run/start", "/first-run")
    assert [one.name for one in read_file(machine.watcher.path).printers] == ["camera", "camera 2"]
    assert machine.watcher.starts == 2


def test_what_does_not_work_is_said_and_not_watched(machine, camera):
    machine.enter(camera=camera.replace("shot", "none"))
    page = machine.owner.get("/first-run").text
    assert "It does not work yet" in page and "Start watching" not in page
    assert machine.owner.post("/first-run/start", "/first-run").status_code == 400
    assert machine.watcher.starts == 0 and not machine.watcher.path.exists()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Enter a camera's address, or choose a printer."),
        ({"printer": "voron.local"}, "Use the form octoprint://KEY@HOST"),
        ({"printer": "octoprint://x", "secret": "file:/etc/passwd"}, "This cannot be used here."),
        ({"camera": "env:HOME"}, "This cannot be used here."),
        ({"camera": "http://x/" + "y" * 600}, "This cannot be used here."),
    ],
)
def test_what_cannot_be_meant_is_refused_beside_its_field(machine, fields, words):
    answer = machine.enter(**fields)
    assert answer.status_code == 400 and words in text_of(answer)


@pytest.mark.parametrize(
    "settings",
    [
        {"beside": False},
        {"sign_up": "open"},
        {"public_url": "http://print.example.org"},
        {"trust_host_header": True},
    ],
)
def test_it_does_not_exist_on_a_server_for_others(open_machine, camera, settings):
    machine = open_machine(**settings)
    assert machine.owner.get("/first-run").status_code == 404
    assert machine.enter(camera=camera).status_code == 404
    assert "first-run" not in machine.owner.get("/").text


def test_it_does_not_exist_once_there_is_another_account(machine):
    machine.server.new_key()
    assert machine.owner.get("/first-run").status_code == 404


@pytest.mark.parametrize("header", own_machine.PROXY_HEADERS)
def test_it_does_not_exist_through_a_proxy(machine, header):
    machine.owner.http.headers[header] = "203.0.113.7"
    assert machine.owner.get("/first-run").status_code == 404


@pytest.mark.parametrize(
    ("address", "near"),
    [
        ("127.0.0.1", True),
        ("192.168.1.7", True),
        ("::ffff:10.0.0.7", True),
        ("fd00::7", True),
        ("203.0.113.7", False),
        ("8.8.8.8", False),
        ("2001:db8::1", False),
        ("::ffff:8.8.8.8", False),
        ("", False),
        ("nonsense", False),
    ],
)
def test_only_this_machine_and_private_networks_are_near(address, near):
    assert own_machine.is_near(address) is near


def test_a_phone_without_javascript_does_it_all(machine, camera):
    with chromium() as browser:
        context = browser.new_context(viewport={"width": 360, "height": 740}, java_script_enabled=False)
        cookie = {"name": "layerwatch_session", "value": machine.owner.session, "url": machine.server.url}
        context.add_cookies([{**cookie, "url": f"{machine.server.url}/console"}])
        page = context.new_page()
        page.goto(f"{machine.server.url}/console/")
        page.click("text=Find and watch a printer")
        page.fill("[name=camera]", camera)
        page.click("button:text('Try it')")
        page.wait_for_selector("text=It works")
        width = page.locator("main").bounding_box()["width"]
        assert width <= 360 and page.locator("img.shown").bounding_box()["width"] <= width
        page.click("button:text('Start watching')")
        page.wait_for_selector("text=Watching has started.")
    assert machine.watcher.starts == 1
