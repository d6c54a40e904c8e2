"""The address that a caller used, from its connection alone."""

from __future__ import annotations

from typing import Any

import pytest

from layerwatch.api.local_address import url_used


@pytest.mark.parametrize(
    ("server", "url"),
    [
        (("192.168.1.20", 8080), "http://192.168.1.20:8080"),
        (("::ffff:192.168.1.20", 8080), "http://192.168.1.20:8080"),
        (("2001:db8::1", 8080), "http://[2001:db8::1]:8080"),
        (("fe80::1", 8080), None),
        (("testserver", 80), None),
        (("/run/layerwatch.sock", None), None),
        (None, None),
    ],
)
def test_the_url_of_a_connections_local_end(server: Any, url: str | None) -> None:
    headers = [(b"host", b"evil.example.net")]
    assert url_used({"type": "http", "server": server, "headers": headers}) == url


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("localhost:8080", "http://127.0.0.1:8080"),
        ("127.0.0.1:9000", "http://127.0.0.1:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("192.168.1.20:8080", "http://172.17.0.2:8080"),
        ("evil.example.net", "http://172.17.0.2:8080"),
        ("[oops", "http://172.17.0.2:8080"),
    ],
)
def test_the_host_header_counts_where_it_names_this_machine_itself(host: str, url: str) -> None:
    headers = [(b"host", host.encode())]
    assert url_used({"type": "http", "server": ("172.17.0.2", 8080), "headers": headers}) == url
