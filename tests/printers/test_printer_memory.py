"""A printer's memory over its prints: written when one is over, read when the next begins."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import NamedTuple

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from layerwatch.cli import app
from layerwatch.config import Settings
from layerwatch.contexts.models import ContextRow
from layerwatch.printers import MemorySweeper, repository
from layerwatch.printers.models import UnlearnedPrintRow
from layerwatch.printers.repository import PrinterKey
from layerwatch.printers.service import FORGOTTEN_AFTER, OVER_AFTER, read_bed, read_scene
from layerwatch.storage import StorageUnavailable
from layerwatch.temporal import PrinterMemory, PrintState
from layerwatch.vision.bed import EmptyBed
from tests.support.fake_detector import picture
from tests.support.servers import Server

GARAGE = {"Printer": "garage", "Camera": "top"}


def opened(server: Server, key: str, **labels: str) -> str:
    answer = server.create_context(key, labels or GARAGE)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["ContextId"])


def printed(server: Server, key: str, failure: float = 0.05, pictures: int = 14, **labels: str) -> str:
    """A whole print on a printer; what it shows fails with this probability."""
    context = opened(server, key, **labels)
    for number in range(pictures):
        server.clock.advance(60)
        answer = server.process(key, context, picture(failure, seed=number % 2))
        assert answer.status_code == 200, answer.text
    return context


class Kept(NamedTuple):
    scene: PrinterMemory | None
    bed: EmptyBed | None
    size: int


def kept(server: Server, account: int) -> Kept | None:
    with server.services.database.read() as session:
        row = repository.find(session, PrinterKey(account, "garage", "top"))
        if row is None:
            return None
        size = len(row.scene or b"") + len(row.bed or b"")
        return Kept(read_scene(row.scene), read_bed(row.bed), size)


def scene_of(server: Server, account: int) -> PrinterMemory | None:
    memory = kept(server, account)
    return None if memory is None else memory.scene


def state_of(server: Server, context: str) -> PrintState:
    with server.services.database.read() as session:
        stored = session.scalars(select(ContextRow.state).where(ContextRow.id == context)).one()
    return PrintState.from_bytes(stored)


def sweep(server: Server, after: timedelta) -> None:
    server.clock.advance(after.total_seconds())
    MemorySweeper(server.services.database).sweep(server.clock.now())


def test_the_next_print_of_a_printer_starts_from_the_last_one(server_on_each: Server) -> None:
    server = server_on_each
    key, account = server.new_key_of()
    first = printed(server, key)
    assert state_of(server, first).familiar is None
    assert scene_of(server, account) is None, "the print may still run"
    second = printed(server, key, pictures=1)
    assert state_of(server, second).familiar is not None
    memory = scene_of(server, account)
    assert memory is not None and memory.prints == 1
    everything = kept(server, account)
    assert everything is not None and everything.size <= 8192


def test_printers_cameras_and_accounts_are_told_apart(server: Server) -> None:
    key, account = server.new_key_of()
    other_key, other = server.new_key_of()
    printed(server, key)
    for start in ({"Printer": "attic", "Camera": "top"}, {"Printer": "garage"}):
        assert state_of(server, printed(server, key, pictures=1, **start)).familiar is None
    assert state_of(server, printed(server, other_key, pictures=1)).familiar is None
    assert state_of(server, printed(server, key, pictures=1)).familiar is not None
    assert scene_of(server, other) is None and scene_of(server, account) is not None


def test_a_print_without_a_printer_keeps_nothing(server: Server) -> None:
    key = server.new_key()
    printed(server, key, pictures=1, Name="bracket", Camera="top")
    with server.services.database.read() as session:
        assert session.scalar(select(func.count()).select_from(UnlearnedPrintRow)) == 0


def test_a_print_that_nobody_follows_up_is_learned_from_when_it_is_over(server: Server) -> None:
    key, account = server.new_key_of()
    printed(server, key)
    sweep(server, OVER_AFTER / 2)
    assert scene_of(server, account) is None
    sweep(server, OVER_AFTER)
    assert scene_of(server, account) is not None


def test_a_print_that_runs_for_days_is_not_learned_from_before_it_is_over(server: Server) -> None:
    key, account = server.new_key_of()
    context = printed(server, key)
    server.clock.advance(48 * 3600)
    assert server.process(key, context, picture(0.05)).status_code == 200
    sweep(server, timedelta(minutes=10))
    assert scene_of(server, account) is None


@pytest.mark.parametrize("late", [False, True], ids=["before it is learned from", "after"])
def test_a_reported_failure_teaches_nothing(server: Server, late: bool) -> None:
    key, account = server.new_key_of()
    context = printed(server, key)
    if late:
        sweep(server, 2 * OVER_AFTER)
        assert scene_of(server, account) is not None
    answer = server.http.post(
        f"/api/gadget/v1/feedback/{context}", json={"Kind": "missed"}, headers={"X-API-Key": key}
    )
    assert answer.status_code == 200, answer.text
    sweep(server, 2 * OVER_AFTER)
    assert scene_of(server, account) is None


def test_a_print_that_ended_in_an_alarm_teaches_nothing(server: Server) -> None:
    key, account = server.new_key_of()
    context = printed(server, key)
    for number in range(14):
        server.clock.advance(60)
        warned = server.process(key, context, picture(0.95, seed=number % 2)).json()["WarningSuggested"]
    assert warned
    sweep(server, 2 * OVER_AFTER)
    assert scene_of(server, account) is None


def test_a_printer_that_prints_no_more_is_forgotten(server: Server) -> None:
    key, account = server.new_key_of()
    printed(server, key)
    sweep(server, 2 * OVER_AFTER)
    sweep(server, FORGOTTEN_AFTER - timedelta(days=1))
    assert kept(server, account) is not None
    sweep(server, timedelta(days=2))
    assert kept(server, account) is None


def test_only_so_many_printers_of_an_account_are_remembered(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "MAX_PRINTERS_PER_ACCOUNT", 2)
    key, account = server.new_key_of()
    for printer in ("one", "two", "three"):
        printed(server, key, Printer=printer)
        sweep(server, 2 * OVER_AFTER)
    with server.services.database.read() as session:
        assert [row.printer for row in repository.memories(session, account)] == ["three", "two"]


def test_without_the_database_a_known_printer_is_watched_all_the_same(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = server.new_key()
    printed(server, key)
    context = opened(server, key)

    def away(*_: object) -> None:
        raise StorageUnavailable("down")

    monkeypatch.setattr(repository, "keep_opening", away)
    assert server.process(key, context, picture(0.05)).status_code == 200


def test_an_unreadable_memory_is_a_fresh_start(server: Server) -> None:
    key, account = server.new_key_of()
    printed(server, key)
    sweep(server, 2 * OVER_AFTER)
    with server.services.database.write() as session:
        row = repository.find(session, PrinterKey(account, "garage", "top"))
        assert row is not None
        row.scene, row.bed = b"LWM\x63", b"LWB\x63"
    assert state_of(server, printed(server, key)).familiar is None
    sweep(server, 2 * OVER_AFTER)
    afresh = kept(server, account)
    assert afresh is not None and afresh.scene is not None and afresh.bed is not None
    assert (afresh.scene.prints, afresh.bed.views) == (1, 1)


def test_the_command_lists_and_forgets(server: Server, server_settings: Settings) -> None:
    key, account = server.new_key_of()
    printed(server, key)
    printed(server, key, pictures=1, Printer="garage", Camera="top")
    where = ["--account", str(account), "--data-dir", str(server_settings.data_dir), "--json"]
    shown = CliRunner().invoke(app, ["printers", "list", *where])
    assert shown.exit_code == 0, shown.output
    (one,) = json.loads(shown.stdout)
    assert (one["printer"], one["camera"], one["prints"], one["empty_bed"]) == ("garage", "top", 1, "learned")
    gone = CliRunner().invoke(app, ["printers", "forget", "garage", *where])
    assert json.loads(gone.stdout) == {"forgotten": 1}
    assert kept(server, account) is None
    with server.services.database.read() as session:
        assert session.scalar(select(func.count()).select_from(UnlearnedPrintRow)) == 0
