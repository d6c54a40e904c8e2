"""HEAD answers as GET does, without the body, on every route there is."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from starlette.routing import BaseRoute, Mount

from layerwatch.config import Settings
from layerwatch.identity.users import operator_link
from tests.support.browser import Browser
from tests.support.servers import Server, running

CHANGES_WITH_TIME = {"/metrics"}


@pytest.fixture
def server_of_everything(server_settings: Settings) -> Iterator[Server]:
    """With every optional route, and an operator signed in to the console."""
    settings = server_settings.model_copy(update={"obico_api": True, "status_page": True})
    with running(settings) as server:
        with server.services.database.write() as session:
            link = operator_link(session, server.url, datetime.now(UTC))
        browser = Browser(server.url)
        assert browser.enter(link).status_code == 303
        server.http.cookies.update(browser.http.cookies)
        browser.close()
        yield server


def paths_with_get(routes: list[BaseRoute], under: str = "") -> Iterator[str]:
    for route in routes:
        if isinstance(route, Mount):
            yield from paths_with_get(route.routes, under + route.path)
        elif "GET" in (getattr(route, "methods", None) or ()):
            yield under + re.sub(r"{[^}]*}", "1", route.path)  # type: ignore[attr-defined]


def test_head_answers_as_get_does_on_every_route(server_of_everything: Server) -> None:
    server = server_of_everything
    paths = sorted(set(paths_with_get(server.app.routes)))
    assert {"/livez", "/readyz", "/docs", "/openapi.json", "/hc/", "/console/keys", "/status"} <= set(paths)
    for path in paths:
        plain = {"Accept-Encoding": "identity"}  # a compressed page's length depends on its tokens and times
        with server.http.stream("GET", path, headers=plain) as got:  # one route is a stream without end
            pass
        head = server.http.head(path, headers=plain)
        assert head.status_code == got.status_code, path
        assert head.content == b"", path
        compared = ["content-type", "location"] + ["content-length"] * (path not in CHANGES_WITH_TIME)
        for name in compared:
            assert head.headers.get(name) == got.headers.get(name), (path, name)


def test_no_byte_of_a_body_follows(server: Server) -> None:
    """What followed would be read as the next answer on the same connection."""
    request = b"%b /openapi.json HTTP/1.1\r\nHost: x\r\n%b\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(request % (b"HEAD", b"") + request % (b"HEAD", b"Connection: close\r\n"))
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    heads = received.split(b"\r\n\r\n")
    assert len(heads) == 3 and heads[2] == b""
    assert all(head.startswith(b"HTTP/1.1 200 OK") for head in heads[:2])


def test_head_where_there_is_no_get_is_refused_as_get_is(server: Server) -> None:
    path = "/api/gadget/v1/createcontext"
    head = server.http.head(path)
    assert (head.status_code, head.headers["Allow"]) == (405, "POST")
    assert server.http.head("/nothing/here").status_code == 404


def test_a_refused_method_gets_an_allow_header_with_head(server: Server) -> None:
    assert server.http.post("/livez").headers["Allow"] == "GET, HEAD"


def test_head_is_counted_under_its_route(server: Server) -> None:
    server.http.head("/livez")
    assert 'layerwatch_requests_total{route="/livez",status="200"} 1.0' in server.http.get("/metrics").text
