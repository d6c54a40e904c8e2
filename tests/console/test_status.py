"""The public status page over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from layerwatch.config import Settings
from layerwatch.console import status as page
from layerwatch.status import uptime_recorder
from layerwatch.status.uptime_recorder import Hour, add
from layerwatch.storage import StorageUnavailable
from tests.support.browser import text_of
from tests.support.prints import frame
from tests.support.servers import Server, running


@pytest.fixture
def shown(server_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server with the status page, which is computed anew each time."""
    monkeypatch.setattr(page, "CACHE_S", 0.0)
    with running(server_settings.model_copy(update={"status_page": True})) as server:
        yield server


def note(server: Server, region: str, **hour: int) -> datetime:
    """Something in a region's diary of two hours ago."""
    at = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    with server.services.database.write() as session:
        add(session, region, {at: Hour(**hour)}, at)
    return at


def test_it_is_off_unless_it_is_turned_on(server: Server) -> None:
    assert server.http.get("/status").status_code == 404
    assert server.http.get("/status.json").status_code == 404


def test_anybody_sees_the_regions(shown: Server) -> None:
    note(shown, "local", up=(1 << 60) - 1)
    answer = shown.http.get("/status")
    assert answer.status_code == 200
    words = text_of(answer)
    assert "local" in words and "answers" in words
    data = shown.http.get("/status.json").json()
    assert [region["Name"] for region in data["Regions"]] == ["local"]
    assert data["Regions"][0]["State"] == "up"


def test_a_region_that_is_silent_is_said_to_be_down(shown: Server) -> None:
    note(shown, "local", up=(1 << 60) - 1)
    since = note(shown, "us", up=0b11)
    assert "Some regions do not answer" in text_of(shown.http.get("/status"))
    data = shown.http.get("/status.json").json()
    assert data["Verdict"] == "partly down"
    down = next(one for one in data["Incidents"] if one["Region"] == "us")
    assert (down["Kind"], down["Until"]) == ("down", None)
    assert down["Since"] == (since + timedelta(minutes=2)).isoformat()


class InAMinute(datetime):
    """The machine's clock, a minute ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(minutes=1)


def test_calls_are_shown_once_they_are_recorded(shown: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    key = shown.new_key()
    shown.process(key, shown.new_context(key), frame(0.1, 1))
    diary = shown.services.uptime
    assert diary is not None
    diary.lives()
    monkeypatch.setattr(uptime_recorder, "datetime", InAMinute)
    hours = diary.take()
    with shown.services.database.write() as session:
        add(session, "local", hours, datetime.now(UTC))
    region = shown.http.get("/status.json").json()["Regions"][0]
    assert region["Calls"] == 2
    assert region["Failed"] == region["Refused"] == 0
    assert region["MedianMs"] <= 2000


def test_without_its_database_it_says_so_and_shows_what_it_knew(
    shown: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    note(shown, "local", up=(1 << 60) - 1)
    assert shown.http.get("/status.json").json()["Database"] == "there"

    def down(*_: object) -> None:
        raise StorageUnavailable("down")

    monkeypatch.setattr(shown.services.database, "read", down)
    answer = shown.http.get("/status")
    assert answer.status_code == 200
    assert "judges pictures from memory" in text_of(answer)
    data = shown.http.get("/status.json").json()
    assert (data["Database"], data["Verdict"]) == ("away", "away")
    assert [region["Name"] for region in data["Regions"]] == ["local"]


def test_without_its_database_from_the_start_it_still_answers(
    shown: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise StorageUnavailable("down")

    monkeypatch.setattr(shown.services.database, "read", down)
    assert shown.http.get("/status").status_code == 200
    assert shown.http.get("/status.json").json()["Regions"] == []


def test_caches_may_keep_it_for_a_moment(shown: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "CACHE_S", 15.0)
    answer = shown.http.get("/status")
    assert answer.headers["Cache-Control"] == "public, max-age=15"
    again = shown.http.get("/status", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_it_is_computed_once_for_all_who_ask(shown: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "CACHE_S", 15.0)
    shown.http.get("/status")
    asked = []
    monkeypatch.setattr(page, "status", lambda *_: asked.append(1))
    for _ in range(5):
        shown.http.get("/status")
    assert asked == []


def test_it_tells_nothing_of_nodes_accounts_or_addresses(shown: Server) -> None:
    note(shown, "local", up=(1 << 60) - 1)
    key = shown.new_key()
    shown.process(key, shown.new_context(key), frame(0.1, 1))
    for path in ("/status", "/status.json"):
        text = shown.http.get(path).text
        for secret in ("127.0.0.1", "Acme", key, shown.services.settings.database_url, str(shown.port)):
            assert secret not in text


def test_it_needs_no_script_and_sets_no_cookie(shown: Server) -> None:
    answer = shown.http.get("/status")
    assert "<script" not in answer.text
    assert "style=" not in answer.text
    assert "Set-Cookie" not in answer.headers
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
