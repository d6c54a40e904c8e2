"""Feedback goes on request and when its time is over, and no file stays that nothing refers to."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from layerwatch.cli import app
from layerwatch.learning import ExampleStore
from layerwatch.learning.deletion import FeedbackSweeper
from layerwatch.learning.examples import ORPHAN_S
from layerwatch.learning.models import FeedbackRow
from layerwatch.learning.service import find_used
from layerwatch.storage import Database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEEP = timedelta(days=30)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'layerwatch.sqlite3'}")
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def examples(tmp_path: Path) -> ExampleStore:
    return ExampleStore(tmp_path / "examples")


def keep(
    database: Database,
    examples: ExampleStore,
    jpeg: bytes,
    *,
    at: datetime = NOW,
    account: int = 1,
    context: str = "c",
) -> int:
    with examples.adding(), database.write() as session:
        row = FeedbackRow(
            account_id=account,
            context_id=context,
            at=at,
            kind="missed",
            picture=examples.put(jpeg),
            picture_bytes=len(jpeg),
        )
        session.add(row)
        session.flush()
        return row.id


def kept(database: Database) -> list[int]:
    with database.read() as session:
        return list(session.scalars(select(FeedbackRow.id).order_by(FeedbackRow.id)))


def files(tmp_path: Path) -> set[bytes]:
    return {path.read_bytes() for path in (tmp_path / "examples").glob("??/*")}


def make_old(path: Path) -> None:
    long_ago = time.time() - ORPHAN_S - 60
    os.utime(path, (long_ago, long_ago))


def test_feedback_is_deleted_when_its_time_is_over(
    database: Database, examples: ExampleStore, tmp_path: Path
) -> None:
    keep(database, examples, b"old", at=NOW - KEEP - timedelta(seconds=1))
    young = keep(database, examples, b"young", at=NOW - KEEP + timedelta(seconds=1))
    FeedbackSweeper(database, examples, KEEP).sweep(NOW)
    assert kept(database) == [young]
    assert files(tmp_path) == {b"young"}


def test_a_sweep_removes_old_files_without_feedback_and_broken_writes(
    database: Database, examples: ExampleStore, tmp_path: Path
) -> None:
    keep(database, examples, b"with feedback")
    with examples.adding():
        orphan, fresh = examples.path(examples.put(b"orphan")), examples.path(examples.put(b"fresh"))
    broken = orphan.parent / ".broken-off"
    broken.write_bytes(b"half a pic")
    for path in [*(tmp_path / "examples").glob("??/*")]:
        if path != fresh:
            make_old(path)
    FeedbackSweeper(database, examples, KEEP).sweep(NOW)
    assert files(tmp_path) == {b"with feedback", b"fresh"}


def test_a_picture_that_is_being_added_is_not_removed(database: Database, examples: ExampleStore) -> None:
    with examples.adding():
        name = examples.put(b"shared by two")
    removed: list[int] = []
    remover = threading.Thread(
        target=lambda: removed.append(examples.remove([name], lambda names: find_used(database, names)))
    )
    with examples.adding():
        assert examples.put(b"shared by two") == name
        remover.start()
        with database.write() as session:
            session.add(FeedbackRow(account_id=1, context_id="c", at=NOW, kind="missed", picture=name))
    remover.join(20)
    assert removed == [0]
    assert examples.path(name).read_bytes() == b"shared by two"


@pytest.mark.parametrize(
    ("choice", "left"),
    [
        (["1", "3"], [2, 4]),
        (["--account", "2"], [1, 2]),
        (["--context", "c1"], [2, 3, 4]),
        (["4", "--account", "1"], [1, 2, 3, 4]),
    ],
)
def test_the_command_deletes_what_was_asked_for(
    database: Database, examples: ExampleStore, tmp_path: Path, choice: list[str], left: list[int]
) -> None:
    for number, account in enumerate([1, 1, 2, 2], 1):
        keep(database, examples, b"%d" % number, account=account, context=f"c{number}")
    result = CliRunner().invoke(app, ["feedback", "delete", *choice, "--json", "--data-dir", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert kept(database) == left
    assert files(tmp_path) == {b"%d" % number for number in left}
    assert json.loads(result.stdout) == {"feedback": 4 - len(left), "pictures": 4 - len(left)}


def test_the_command_deletes_nothing_when_nothing_is_named(
    database: Database, examples: ExampleStore, tmp_path: Path
) -> None:
    one = keep(database, examples, b"1")
    result = CliRunner().invoke(app, ["feedback", "delete", "--data-dir", str(tmp_path)])
    assert result.exit_code == 2
    assert kept(database) == [one]
