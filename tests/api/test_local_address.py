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
