"""What the status page counts as a fault of the server: a crash, and no other answer, whatever its status."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from layerwatch.config import Settings
from layerwatch.vision.errors import VisionError
from tests.support.servers import Server, running


@pytest.fixture
def server(server_settings: Settings) -> Iterator[Server]:
    with running(server_settings.model_copy(update={"status_page": True})) as server:
        yield server


@pytest.fixture
def crashes(server: Server, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """Status of every detection call, and whether it was counted as a crash."""
    counted: list[tuple[int, bool]] = []

    def called(status: int, seconds: float, *, crashed: bool) -> None:
        counted.append((status, crashed))

    monkeypatch.setattr(server.services.uptime, "called", called)
    return counted


def test_a_lost_context_is_a_500_and_no_crash(server: Server, crashes: list[tuple[int, bool]]) -> None:
    key = server.new_key()
    assert server.process(key, "unknown").status_code == 500
    assert crashes == [(500, False)]


def test_refusals_and_overload_are_no_crashes(server: Server, crashes: list[tuple[int, bool]]) -> None:
    key = server.new_key()
    context = server.new_context(key)
    for query in ("", "?detail=1", ""):  # served, too early, and refused from its head
        server.services.admission.under_way = 10_000 if len(crashes) == 3 else 0
        server.process(key, context, query=query)
    server.services.admission.under_way = 0
    assert crashes == [(200, False), (200, False), (429, False), (503, False)]


@pytest.mark.parametrize("error", [RuntimeError("a fault of ours"), VisionError("a fault of ours")])
def test_what_no_caller_can_mend_is_a_crash(
    server: Server,
    crashes: list[tuple[int, bool]],
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def inspect_print(*_: object) -> None:
        raise error

    monkeypatch.setattr(server.services.vision, "inspect_print", inspect_print)
    key = server.new_key()
    context = server.new_context(key)
    assert server.process(key, context).status_code == 500
    assert crashes == [(200, False), (500, True)]
