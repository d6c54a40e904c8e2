"""`layerwatch serve --watch`: one command, no key to handle."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from layerwatch.core.errors import UserError
from layerwatch.serving.own_watcher import check_config
from tests.support.prints import frame

JOB = {
    "state": "Printing",
    "job": {"file": {"name": "a.gcode", "path": "a.gcode", "display": "a.gcode"}},
    "progress": {"completion": 10.0, "printTime": 60},
}


class Host(BaseHTTPRequestHandler):
    """An OctoPrint that prints, with its webcam."""

    def do_GET(self) -> None:
        picture = self.path == "/shot"
        body = frame(0.0, 1) if picture else json.dumps(JOB).encode()
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg" if picture else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    host = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    thread = threading.Thread(target=host.serve_forever, args=(0.05,))
    thread.start()
    url = f"http://127.0.0.1:{host.server_port}"
    path = tmp_path / "watch.toml"
    path.write_text(
        f'log = "actions.jsonl"\n[[printer]]\nname = "ender"\nkind = "octoprint"\nurl = "{url}"\nkey = "k"\n'
        f'camera = {{ url = "{url}/shot" }}\n'
    )
    yield path
    host.shutdown()
    thread.join()
    host.server_close()


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("LAYERWATCH_")}


def serve_and_watch(config: Path | None, data: Path, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "layerwatch", "serve", "--port", "0", "--data-dir", str(data), "--json"]
    if config is not None:
        command += ["--watch", str(config)]
    with log.open("w") as file:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, env=environment())


@pytest.mark.timeout(120)
def test_server_and_watcher_start_and_end_together(config: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = serve_and_watch(config, data, tmp_path / "log")
    try:
        assert server.stdout is not None
        assert json.loads(server.stdout.readline())["url"]
        kept = data / "watcher.key"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        shown = f"{sys.executable} -m layerwatch keys list --json --data-dir {data}".split()
        deadline = time.monotonic() + 60
        used = None
        while not used and time.monotonic() < deadline:
            time.sleep(1)
            listed = json.loads(
                subprocess.run(shown, capture_output=True, check=True, env=environment()).stdout
            )
            (key,) = listed
            used = key["last_used"]
        assert key["name"] == "watcher"
        assert used, (tmp_path / "log").read_text()
        assert "print begun" in (tmp_path / "actions.jsonl").read_text()
        assert kept.read_text().strip() not in (tmp_path / "log").read_text()
        (watcher,) = [child.pid for child in psutil.Process(server.pid).children()]
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
        with pytest.raises(ProcessLookupError):
            os.kill(watcher, 0)
    finally:
        server.kill()


@pytest.mark.timeout(180)
def test_the_watcher_does_not_outlive_a_server_that_is_killed(config: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = serve_and_watch(config, data, tmp_path / "log")
    try:
        assert server.stdout is not None
        assert json.loads(server.stdout.readline())["url"]
        (watcher,) = psutil.Process(server.pid).children()
        deadline = time.monotonic() + 90
        while not list(data.glob("watcher/prints/*.json")) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert len(list(data.glob("watcher/prints/*.json"))) == 1, "and it can go on after a restart"
    finally:
        server.kill()
        server.wait()
    watcher.wait(60)


@pytest.mark.timeout(120)
def test_the_file_in_the_data_folder_is_watched_without_being_named(config: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    config.rename(data / "watch.toml")
    server = serve_and_watch(None, data, tmp_path / "log")
    try:
        assert server.stdout is not None
        assert json.loads(server.stdout.readline())["url"]
        (watcher,) = psutil.Process(server.pid).children()
        assert str(data / "watch.toml") in watcher.cmdline()
    finally:
        server.kill()
        server.wait()
    watcher.wait(60)


def test_a_wrong_configuration_is_told_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "watch.toml"
    path.write_text("[[printer]]\nname = 'x'\n[[prnter]]\n")
    with pytest.raises(UserError, match=r"watch\.toml: prnter: is not known here; did you mean printer"):
        check_config(path)


def test_a_server_of_its_own_in_the_configuration_is_refused(config: Path) -> None:
    config.write_text('server = "http://elsewhere"\nkey = "k"\n' + config.read_text())
    with pytest.raises(UserError, match="leave `server` and `key` out"):
        check_config(config)
