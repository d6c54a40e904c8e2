"""Behind another server's HTTP protocol (Ray Serve) headers that must be single are, too."""

from __future__ import annotations

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from layerwatch.api.single_headers import SINGLE_HEADERS, SingleHeaders


@pytest.fixture
def client() -> TestClient:
    return TestClient(SingleHeaders(PlainTextResponse("taken")))


@pytest.mark.parametrize("name", sorted(name.decode() for name in SINGLE_HEADERS - {b"host"}))
def test_a_repeated_header_is_refused(client: TestClient, name: str) -> None:
    answer = client.get("/", headers=[(name, "a"), (name.title(), "a")])
    assert (answer.status_code, answer.json()["ErrorType"]) == (400, "OE_BAD_ARGS")
    assert client.get("/", headers=[(name, "a")]).text == "taken"


def test_lists_may_come_in_several_lines(client: TestClient) -> None:
    assert client.get("/", headers=[("Accept", "a/b"), ("Accept", "c/d")]).text == "taken"
