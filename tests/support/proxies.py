"""Caddy and nginx as reverse proxies, with the configurations of `deploy/proxy`."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

CONFIGURATIONS = Path(__file__).parents[2] / "deploy" / "proxy"
START_SECONDS = 60


@dataclass(frozen=True)
class Proxy:
    """A running proxy. tls: what a client needs to trust it; None for plain HTTP."""

    name: str
    port: int
    tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}"


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def program(name: str) -> str:
    """A proxy's program. Skips the test where it is not installed; in CI the test fails."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        if "CI" in os.environ:
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return found


@contextmanager
def caddy(node_port: int, *, tls: bool = False) -> Iterator[Proxy]:
    """Caddy in front of a node on this machine. tls: with a certificate of its own authority."""
    scheme = "https" if tls else "http"
    port = free_port()
    node = f"127.0.0.1:{node_port}"
    with tempfile.TemporaryDirectory(prefix="layerwatch-caddy-") as folder:
        environment = {
            **os.environ,
            **{name: f"{scheme}://localhost:{free_port()}" for name in ("US_URL", "GLOBAL_URL")},
            "EU_URL": f"{scheme}://localhost:{port}",
            "EU_NODE": node,
            "US_NODE": node,
            "HTTP_PORT": str(free_port()),
            "CADDY_ADMIN": "off",
            "XDG_DATA_HOME": folder,
            "XDG_CONFIG_HOME": folder,
            "HOME": folder,
        }
        configuration = CONFIGURATIONS / "Caddyfile"
        command = [program("caddy"), "run", "--config", str(configuration), "--adapter", "caddyfile"]
        with _running(command, port, environment):
            root = Path(folder) / "caddy/pki/authorities/local/root.crt"
            yield Proxy("caddy", port, ssl.create_default_context(cafile=root) if tls else None)


@contextmanager
def nginx(node_port: int) -> Iterator[Proxy]:
    """nginx in front of a node on this machine, over TLS as in its configuration."""
    port = free_port()
    authority = trustme.CA()
    with tempfile.TemporaryDirectory(prefix="layerwatch-nginx-") as name:
        folder = Path(name)
        certificate = authority.issue_cert("localhost")
        certificate.private_key_pem.write_to_path(folder / "key.pem")
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(folder / "chain.pem", append=True)
        site = (CONFIGURATIONS / "nginx.conf").read_text()
        for given, ours in (
            ("127.0.0.1:8080", f"127.0.0.1:{node_port}"),
            ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
            ("print.example.org;", "localhost;"),
            ("/etc/ssl/print.example.org.crt", str(folder / "chain.pem")),
            ("/etc/ssl/print.example.org.key", str(folder / "key.pem")),
        ):
            assert given in site, given
            site = site.replace(given, ours)
        temporary = "\n".join(
            f"{kind}_temp_path {folder / kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        main = f"""
            daemon off; pid {folder}/pid; error_log {folder}/error.log;
            events {{ worker_connections 4096; }}
            http {{ access_log off; {temporary} {site} }}
        """
        (folder / "nginx.conf").write_text(main)
        command = [program("nginx"), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        with _running(command, port, dict(os.environ)):
            trust = ssl.create_default_context()
            authority.configure_trust(trust)
            yield Proxy("nginx", port, trust)


@contextmanager
def _running(command: list[str], port: int, environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _wait_until_listening(process, port)
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=10)
        process.kill()


def _wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            assert process.stderr is not None
            raise AssertionError(f"{process.args!r} ended: {process.stderr.read().decode()[-2000:]}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"{process.args!r} does not listen")
