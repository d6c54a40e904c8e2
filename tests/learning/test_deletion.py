"""Feedback goes on request and when its time is over, and no picture stays that nothing refers to."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from layerwatch.cli import app
from layerwatch.learning import ExampleStore
from layerwatch.learning.deletion import (
    FeedbackSweeper,
    delete_orphans,
    delete_withdrawn,
    withdraw_consent,
)
from layerwatch.learning.earlier_files import move_files
from layerwatch.learning.examples import MOVED, ORPHAN_AGE, ExampleName
from layerwatch.learning.models import ExampleRow, FeedbackRow
from layerwatch.learning.repository import withdrawn
from layerwatch.storage import Database, ObjectStore, StorageUnavailable
from tests.support.feedback import NOW, account_with_consent, give, jpeg, recent

KEEP = timedelta(days=30)


def kept(database: Database) -> list[int]:
    with database.read() as session:
        return list(session.scalars(select(FeedbackRow.id).order_by(FeedbackRow.id)))


def pictures(objects: ObjectStore) -> set[bytes]:
    return {objects.get(one.name) for one in objects.list("examples")}


def test_feedback_is_deleted_when_its_time_is_over(
    migrated: Database, objects: ObjectStore, examples: ExampleStore, account: int
) -> None:
    old, young = NOW - KEEP - timedelta(seconds=1), NOW - KEEP + timedelta(seconds=1)
    give(migrated, examples, account, "missed", recent(jpeg(1)), at=old, context="old")
    give(migrated, examples, account, "missed", recent(jpeg(2)), at=young, context="young")
    FeedbackSweeper(migrated, examples, KEEP).sweep(NOW)
    assert len(kept(migrated)) == 1
    assert pictures(objects) == {jpeg(2)}


def test_a_sweep_deletes_old_pictures_without_a_row_and_nothing_else(
    migrated: Database, objects_on_each: ObjectStore, account: int
) -> None:
    examples = ExampleStore(objects_on_each)
    give(migrated, examples, account, "missed", recent(jpeg(1)))
    examples.put(account, "0123456789abcdef", jpeg(2))
    objects_on_each.put("examples/1/README", b"not a picture")
    assert delete_orphans(migrated, examples, age=ORPHAN_AGE) == 0, "it may be of a call under way"
    later = datetime.now(UTC) + ORPHAN_AGE + timedelta(minutes=1)

    def used(names: object) -> set[ExampleName]:
        with migrated.read() as session:
            return {
                ExampleName(row.account_id, row.folder, row.sha256)
                for row in session.scalars(select(ExampleRow))
            }

    assert examples.delete_orphans(used, later, age=ORPHAN_AGE) == 1
    assert pictures(objects_on_each) == {jpeg(1), b"not a picture"}


def test_two_feedbacks_on_one_picture_share_no_object(
    migrated: Database, objects: ObjectStore, examples: ExampleStore, account: int
) -> None:
    give(migrated, examples, account, "missed", recent(jpeg(1)))
    give(migrated, examples, account, "correct_alarm", recent(jpeg(1)))
    assert len(list(objects.list("examples"))) == 2
    FeedbackSweeper(migrated, examples, KEEP).sweep(NOW + KEEP + timedelta(days=1))
    assert list(objects.list("examples")) == []


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
    migrated: Database,
    objects: ObjectStore,
    examples: ExampleStore,
    tmp_path: Path,
    choice: list[str],
    left: list[int],
) -> None:
    with migrated.write() as session:
        assert [account_with_consent(session) for _ in range(2)] == [1, 2]
    for number, account in enumerate([1, 1, 2, 2], 1):
        give(migrated, examples, account, "missed", recent(jpeg(number)), context=f"c{number}")
    result = CliRunner().invoke(app, ["feedback", "delete", *choice, "--json", "--data-dir", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert kept(migrated) == left
    assert pictures(objects) == {jpeg(number) for number in left}
    assert json.loads(result.stdout) == {"feedback": 4 - len(left), "pictures": 4 - len(left)}


def test_the_command_deletes_nothing_when_nothing_is_named(
    migrated: Database, examples: ExampleStore, account: int, tmp_path: Path
) -> None:
    give(migrated, examples, account, "missed", recent(jpeg(1)))
    result = CliRunner().invoke(app, ["feedback", "delete", "--data-dir", str(tmp_path)])
    assert result.exit_code == 2
    assert len(kept(migrated)) == 1


def test_pictures_in_the_folder_of_an_earlier_version_are_moved(
    migrated: Database, objects_on_each: ObjectStore, account: int, tmp_path: Path
) -> None:
    examples = ExampleStore(objects_on_each)
    name = examples.put(account, MOVED, jpeg(1))
    examples.delete([name])
    with migrated.write() as session:
        session.add(ExampleRow(feedback_id=1, account_id=account, sha256=name.sha256, folder=MOVED))
    folder = tmp_path / "examples" / name.sha256[:2]
    folder.mkdir(parents=True)
    (folder / f"{name.sha256}.jpg").write_bytes(jpeg(1))
    (folder / ".broken-off").write_bytes(b"half a pic")
    (folder.parent / ".lock").touch()

    assert move_files(folder.parent, migrated, examples) == 2
    assert examples.get(name) == jpeg(1)
    assert not folder.parent.exists()
    with migrated.read() as session:
        assert session.scalars(select(ExampleRow.dhash)).one() is not None
    assert move_files(folder.parent, migrated, examples) == 0


def test_a_file_that_cannot_be_moved_fails_as_storage_does(
    migrated: Database, examples: ExampleStore, tmp_path: Path
) -> None:
    """The sweep goes on after a StorageError; another one would end it for good."""
    folder = tmp_path / "examples"
    (folder / "ab" / f"{64 * 'a'}.jpg").mkdir(parents=True)
    with pytest.raises(StorageUnavailable, match="cannot be moved"):
        move_files(folder, migrated, examples)


def test_deleted_pictures_are_listed_by_hash_on_each_engine(database: Database, objects: ObjectStore) -> None:
    examples = ExampleStore(objects)
    with database.write() as session:
        account, other = account_with_consent(session), account_with_consent(session, "Other")
    give(database, examples, account, "missed", recent(jpeg(1), second=1), recent(jpeg(2), second=0))
    give(database, examples, other, "missed", recent(jpeg(2)), context="c2")
    hashes = [hashlib.sha256(jpeg(number)).hexdigest() for number in (1, 2)]

    assert withdraw_consent(database, examples, account, NOW) == 2
    with database.read() as session:
        assert list(withdrawn(session)) == [hashes[0]], "the other account still gives the second one"
    assert pictures(objects) == {jpeg(2)}
    assert delete_orphans(database, examples, age=timedelta()) == 0

    assert [delete_withdrawn(database, examples, hashes, NOW) for _ in range(2)] == [1, 0]
    with database.read() as session:
        assert list(withdrawn(session)) == sorted(hashes)
    assert pictures(objects) == set()
