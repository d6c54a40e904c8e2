"""The steps of docs/moving.md work as they are written."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from tests.support.servers import Server

PAGE = Path(__file__).resolve().parents[2] / "docs" / "moving.md"
HOST = "gadget.older-service.example"

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the page's commands were run."""
    folder = tmp_path_factory.mktemp("moving")
    done = subprocess.run(["sh", "-ec", block("sh")], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return folder


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def proxy(command: list[str], folder: Path, port: int) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None:
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        assert process.poll() is None, process.communicate()[0]
        yield
    finally:
        process.terminate()
        process.communicate(timeout=30)


def call(certificates: Path, monkeypatch: pytest.MonkeyPatch, port: int, host: str = HOST) -> httpx.Response:
    """What a program does that has the name built in, on a machine that trusts the authority."""
    real = socket.getaddrinfo

    def resolve(name: Any, asked: Any, *given: Any, **named: Any) -> Any:
        return (
            real("127.0.0.1", port, *given, **named) if name == host else real(name, asked, *given, **named)
        )

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    trusted = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    return httpx.get(f"https://{host}/livez", verify=trusted, trust_env=False, timeout=30)


@needs_openssl
@pytest.mark.skipif(shutil.which("caddy") is None, reason="needs Caddy")
def test_through_caddy(certificates: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    file = block("caddyfile").replace(f"https://{HOST}", f"https://{HOST}:{port}")
    (certificates / "Caddyfile").write_text(file.replace("127.0.0.1:8080", f"127.0.0.1:{server.port}"))
    with proxy(["caddy", "run", "--config", "Caddyfile"], certificates, port):
        assert call(certificates, monkeypatch, port).json()["Status"] == "alive"


@needs_openssl
@pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx")
def test_through_nginx(certificates: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    inside = block("nginx").replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    inside = inside.replace("127.0.0.1:8080", f"127.0.0.1:{server.port}")
    own_folders = "".join(
        f"{name}_temp_path {certificates}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (certificates / "nginx.conf").write_text(
        f"daemon off; error_log stderr; pid {certificates}/nginx.pid; events {{}}\n"
        f"http {{ access_log off; {own_folders}\n{inside} }}\n"
    )
    command = ["nginx", "-p", str(certificates), "-c", str(certificates / "nginx.conf")]
    with proxy(command, certificates, port):
        assert call(certificates, monkeypatch, port).json()["Status"] == "alive"


@needs_openssl
def test_the_authority_vouches_for_no_other_domain(
    certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its key on a stolen disk must not open a bank's pages."""
    other = "bank.example"
    commands = block("sh").splitlines()
    start = next(number for number, line in enumerate(commands) if "-newkey" in line and "x509" not in line)
    script = f"HOST={other}\n" + "\n".join(commands[start:])
    stolen = shutil.copytree(certificates, tmp_path / "stolen")
    subprocess.run(["sh", "-ec", script], cwd=stolen, check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(stolen / "server.pem", stolen / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        listener.settimeout(30)

        def answer() -> None:
            connection, _ = listener.accept()
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

        thread = Thread(target=answer)
        thread.start()
        with pytest.raises(httpx.ConnectError, match="permitted subtree violation"):
            call(certificates, monkeypatch, port, other)
        thread.join(30)
