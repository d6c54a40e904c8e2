"""`layerwatch serve`, as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from layerwatch.vision.model_files import packaged_models

PROGRAM = [sys.executable, "-m", "layerwatch"]
SERVE = [*PROGRAM, "serve"]

needs_detector = pytest.mark.skipif(not packaged_models(), reason="this checkout holds no detector.onnx")


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("LAYERWATCH_")}


@contextmanager
def serving(
    *options: str, detector: str = "standard"
) -> Iterator[tuple[subprocess.Popen[str], dict[str, object]]]:
    """The process, and what it says of itself once it listens."""
    process = subprocess.Popen(
        [*SERVE, "--port", "0", "--json", *options],
        env={**environment(), "LAYERWATCH_DETECTOR": detector},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = json.loads(process.stdout.readline() or "{}")
        assert said, "it ended before it listened"
        yield process, said
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def wait_until_closed(host: str, port: int, seconds: float = 60.0) -> None:
    """Until nobody listens there any more."""
    latest = time.monotonic() + seconds
    while time.monotonic() < latest:
        try:
            socket.create_connection((host, port), 5).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.02)
    raise AssertionError(f"{host}:{port} is still open")


def new_key(data_dir: Path) -> str:
    """A key, made by the command line."""
    made = subprocess.run(
        [*PROGRAM, "keys", "create", "--name", "me", "--json", "--data-dir", str(data_dir)],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return str(json.loads(made.stdout)["key"])


@needs_detector
def test_a_folder_whose_name_is_markup_to_rich_is_printed_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "[" / "foo]"  # the path holds [/foo], which closes a style that was never opened
    process = subprocess.Popen(
        [*SERVE, "--port", "0", "--log-level", "error", "--data-dir", str(folder)],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        assert str(folder) in "".join(line for line, _ in zip(process.stderr, range(3), strict=False))
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@needs_detector
def test_it_prints_its_address_serves_and_exits_on_a_signal(tmp_path: Path) -> None:
    with serving("--data-dir", str(tmp_path)) as (process, said):
        assert said["has_key"] is False
        headers = {"X-API-Key": new_key(tmp_path)}
        with httpx.Client(trust_env=False, timeout=30) as http:
            answer = http.post(f"{said['url']}/api/gadget/v1/createcontext", headers=headers)
        assert answer.status_code == 200
        assert answer.json()["ProcessRequestUrl"].startswith(str(said["url"]))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGTERM)


@needs_detector
def test_it_answers_what_it_accepted_before_it_ends(tmp_path: Path) -> None:
    with serving("--data-dir", str(tmp_path)) as (process, said):
        key = new_key(tmp_path)
        host, port = str(said["url"]).removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 20) as connection:
            connection.sendall(
                f"POST /api/gadget/v1/createcontext HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n"
                "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n".encode()
            )
            assert b"100 Continue" in connection.recv(4096)  # it was accepted
            process.send_signal(signal.SIGTERM)
            wait_until_closed(host, int(port))
            connection.sendall(b"{}")
            answer = b""
            while b"ContextId" not in answer and (piece := connection.recv(4096)):
                answer += piece
            assert b"ContextId" in answer
        began = time.monotonic()
        process.wait(25)
        assert time.monotonic() - began < 20


def test_a_port_that_is_taken_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = subprocess.run(
            [*SERVE, "--port", port, "--data-dir", str(tmp_path)],
            env=environment(),
            capture_output=True,
            text=True,
        )
    assert result.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--region", "EU West"], "region"),
        (["--database", "mysql://x/y"], "sqlite:///"),
        (["--config", "nowhere.toml"], "nowhere.toml"),
        (["--log-level", "loud"], "log_level"),
    ],
)
def test_a_wrong_setting_is_said_without_a_traceback(
    tmp_path: Path, options: list[str], message: str
) -> None:
    result = subprocess.run(
        [*SERVE, "--port", "0", "--data-dir", str(tmp_path), *options],
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@needs_detector
def test_a_server_that_listens_everywhere_names_the_address_that_its_caller_used(tmp_path: Path) -> None:
    with serving("--host", "0.0.0.0", "--data-dir", str(tmp_path)) as (_, said):
        port = str(said["url"]).rsplit(":", 1)[1]
        key = new_key(tmp_path)
        for host in ("127.0.0.2", "127.0.0.1"):
            answer = httpx.post(
                f"http://{host}:{port}/api/gadget/v1/createcontext",
                headers={"X-API-Key": key, "Host": "evil.example.net"},
            ).json()
            assert answer["ProcessRequestUrl"].startswith(f"http://{host}:{port}/api/")
            assert answer["FallbackProcessRequestUrl"] == answer["ProcessRequestUrl"]


@needs_detector
@pytest.mark.parametrize(
    ("options", "warned"),
    [
        (("--host", "0.0.0.0"), True),
        (("--host", "0.0.0.0", "--public-url", "http://print.example.org"), False),
        ((), False),
    ],
)
def test_a_server_that_cannot_know_its_address_says_so_at_the_start(
    options: tuple[str, ...], warned: bool, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [*SERVE, "--port", "0", "--data-dir", str(tmp_path), *options],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = ""
    try:
        while "No API key exists" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert ("no --public-url" in said) is warned
