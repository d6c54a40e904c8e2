"""Every example runs as its first lines say, against the stand-in service."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Dict, Iterator, List

import pytest

from layerwatch_sdk.testing import JPEG, KEY, FakeService

SDK = Path(__file__).resolve().parents[1]
EXAMPLES = SDK / "examples"
GUIDE = SDK.parent / "docs" / "sdk.md"
HTTP_EXAMPLES = SDK.parent / "docs" / "http-examples.md"


@pytest.fixture
def running() -> Iterator[FakeService]:
    """The stand-in on a real port, in real time, with an interval short enough for a test."""
    service = FakeService(time.monotonic, interval=1)
    with service.serve():
        yield service


@pytest.fixture
def camera() -> Iterator[str]:
    """The URL of a camera's snapshot."""

    class Camera(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(JPEG)))
            self.end_headers()
            self.wfile.write(JPEG)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/snapshot.jpg"
    server.shutdown()
    server.server_close()
    thread.join()


def environment(service: FakeService) -> Dict[str, str]:
    return {**os.environ, "LAYERWATCH_URL": service.base, "LAYERWATCH_API_KEY": KEY}


def run(name: str, service: FakeService, *arguments: str) -> List[str]:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        env=environment(service),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert service.early == []
    return done.stdout.splitlines()


def test_watch_folder(running: FakeService, tmp_path: Path) -> None:
    (tmp_path / "0001.jpg").write_bytes(JPEG)
    assert run("watch_folder.py", running, str(tmp_path), "--pictures", "2") == ["quality 8/10, score 5"] * 2
    assert len(running.billed) == 2


def test_watch_folder_says_when_to_pause(running: FakeService, tmp_path: Path) -> None:
    (tmp_path / "0001.jpg").write_bytes(JPEG)
    running.extra = {"WarningSuggested": True, "PauseSuggested": True, "PrintQuality": 1, "Score": 97}
    assert run("watch_folder.py", running, str(tmp_path))[-1] == "pause the printer now"


def test_async_farm(running: FakeService, camera: str) -> None:
    lines = run("async_farm.py", running, f"bench={camera}", f"attic={camera}", "--pictures", "2")
    assert sorted(lines) == ["attic: ok, quality 8/10"] * 2 + ["bench: ok, quality 8/10"] * 2
    assert len(running.contexts) == 2


def test_requests_plain(running: FakeService, camera: str) -> None:
    pytest.importorskip("requests")
    lines = run("requests_plain.py", running, camera, "--pictures", "2")
    assert lines == ["quality 8/10, pause: False"] * 2
    assert len(running.billed) == 2


def python_blocks(page: Path) -> List[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


def test_the_readmes_program(running: FakeService, tmp_path: Path) -> None:
    (tmp_path / "frame.jpg").write_bytes(JPEG)
    running.extra = {"PauseSuggested": True}
    (block,) = python_blocks(SDK / "README.md")
    done = subprocess.run(
        [sys.executable, "-c", block],
        env=environment(running),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["quality 8/10", "pause the printer"]


def test_the_guides_test_of_your_own() -> None:
    (block,) = [block for block in python_blocks(GUIDE) if "assert" in block]
    exec(compile(block, str(GUIDE), "exec"), {})


@pytest.mark.parametrize("page", sorted((SDK.parent / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_what_the_pages_import_is_there(page: Path) -> None:
    for block in python_blocks(page):
        for line in re.findall(
            r"^(?:from layerwatch_sdk\S* import .*|import layerwatch_sdk.*)$", block, re.MULTILINE
        ):
            exec(compile(line, str(page), "exec"), {})


def test_the_clocks_that_the_guide_names_are_imported_in_it() -> None:
    imported = set(re.findall(r"\w+", " ".join(re.findall(r"import (.*)", GUIDE.read_text()))))
    assert {"AcceleratedClock", "ManualClock", "FakeService"} <= imported


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_curl_lines_of_the_documentation(running: FakeService, tmp_path: Path) -> None:
    (tmp_path / "frame.jpg").write_bytes(JPEG)
    blocks = re.findall(r"```sh\n(.*?)```", HTTP_EXAMPLES.read_text(), re.DOTALL)
    assert len(blocks) == 7
    script = "set -e\n" + "echo ---\n".join(
        block if "detail=1" not in block else "sleep 1.1\n" + block for block in blocks
    )
    done = subprocess.run(
        ["sh", "-c", script],
        env=environment(running),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    opened, url, first, repeated, detailed, feedback, usage = done.stdout.split("---\n")
    assert '"ContextId": "ctx0"' in opened
    assert url.strip() == f"{running.base}/api/gadget/v1/process/ctx0"
    assert '"PrintQuality": 8' in first
    assert repeated == first
    assert '"Detail"' in detailed
    assert feedback == "{}"
    assert '"Calls": 2' in usage
    assert len(running.billed) == 2
    assert running.feedback == [("ctx0", "missed_failure")]
