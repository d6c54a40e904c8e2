"""Reviewed pictures become a data set that says nothing of who they are from."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from layerwatch.cli import app
from layerwatch.learning import ExampleStore
from layerwatch.learning.export import Exported, Pseudonyms, export
from layerwatch.learning.repository import withdrawn
from layerwatch.learning.review import review, reviewed
from layerwatch.storage import Database, ObjectStore
from tests.support.feedback import NOW, account_with_consent, give, jpeg, recent

KEY = b"a secret of this installation"


def label(database: Database, number: int, label: str, failure_type: str | None = None) -> None:
    with database.write() as session:
        review(session, number, label=label, failure_type=failure_type, by="ada", at=NOW)


def exported(database: Database, examples: ExampleStore, folder: Path) -> list[dict[str, str]]:
    with database.read() as session:
        export(reviewed(session), withdrawn(session), examples, Pseudonyms(KEY), folder)
    with (folder / "index.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_reviewed_picture_is_in_the_index_with_its_label_and_hash(
    migrated: Database, objects_on_each: ObjectStore, account: int, tmp_path: Path
) -> None:
    examples = ExampleStore(objects_on_each)
    (one,) = give(migrated, examples, account, "missed", recent(jpeg(1), 0.1))
    label(migrated, one, "failed", "spaghetti")
    (row,) = exported(migrated, examples, tmp_path / "out")
    assert (row["label"], row["failure_type"], row["note"]) == ("failed", "spaghetti", "client said missed")
    assert (row["width"], row["height"], row["view"]) == ("320", "240", "webcam")
    assert row["reviewed_at"] == "2026-03-01T12:00:00+00:00"
    assert row["file"] == f"images/feedback/{row['sha256']}.jpg"
    assert (tmp_path / "out" / row["file"]).read_bytes() == jpeg(1)
    assert (tmp_path / "out" / "withdrawn.txt").read_text() == ""


def test_the_index_names_accounts_printers_and_prints_by_pseudonyms(
    migrated: Database, examples: ExampleStore, account: int, tmp_path: Path
) -> None:
    with migrated.write() as session:
        other = account_with_consent(session, "Other")
    given = [(account, "Voron"), (account, "Voron"), (account, "Ender"), (other, "Voron")]
    for number, (owner, printer) in enumerate(given):
        context = f"context{number}"
        picture = recent(jpeg(number))
        (one,) = give(migrated, examples, owner, "missed", picture, printer=printer, context=context)
        label(migrated, one, "failed")
    rows = exported(migrated, examples, tmp_path / "out")
    groups = [row["group"] for row in rows]
    assert groups[0] == groups[1] and len(set(groups)) == 3
    assert [row["account"] for row in rows[:3]] == [rows[0]["account"]] * 3 != [rows[3]["account"]] * 3
    written = (tmp_path / "out" / "index.csv").read_text()
    assert not [name for name in ("Voron", "Ender", "Acme", "context") if name in written]
    assert Pseudonyms(KEY).account(account) == rows[0]["account"] != Pseudonyms(b"other").account(account)


def test_pictures_that_look_the_same_share_the_hash_of_the_first(
    migrated: Database, examples: ExampleStore, account: int, tmp_path: Path
) -> None:
    for number, picture in enumerate([jpeg(1), jpeg(2), jpeg(1) + b"\0"]):
        (one,) = give(migrated, examples, account, "missed", recent(picture, second=number))
        label(migrated, one, "failed")
    first, other, copy = exported(migrated, examples, tmp_path / "out")
    assert (first["near"], other["near"]) == (first["sha256"], other["sha256"])
    assert copy["near"] == first["sha256"] != copy["sha256"]


def test_a_picture_that_is_missing_from_the_store_is_counted_and_left_out(
    migrated: Database, objects: ObjectStore, examples: ExampleStore, account: int, tmp_path: Path
) -> None:
    for number in range(2):
        (one,) = give(migrated, examples, account, "missed", recent(jpeg(number), second=number))
        label(migrated, one, "failed")
    objects.delete([next(one.name for one in objects.list("examples"))])
    with migrated.read() as session:
        done = export(reviewed(session), [], examples, Pseudonyms(KEY), tmp_path / "out")
    assert done == Exported(pictures=1, missing=1)


def test_a_damaged_picture_is_not_exported(
    migrated: Database, objects: ObjectStore, examples: ExampleStore, account: int, tmp_path: Path
) -> None:
    (one,) = give(migrated, examples, account, "missed", recent(jpeg(1)))
    label(migrated, one, "failed")
    (name,) = [one.name for one in objects.list("examples")]
    objects.put(name, jpeg(2))
    assert exported(migrated, examples, tmp_path / "out") == []


@pytest.mark.parametrize("two_people", [False, True])
def test_the_commands_go_from_the_queue_to_the_export(
    migrated: Database,
    examples: ExampleStore,
    account: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    two_people: bool,
) -> None:
    monkeypatch.setenv("LAYERWATCH_REVIEW_TWO_PEOPLE", str(two_people))
    (number,) = give(migrated, examples, account, "missed", recent(jpeg(1), 0.1))

    def run(*words: str) -> str:
        result = CliRunner().invoke(app, ["feedback", *words, "--json", "--data-dir", str(tmp_path)])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert json.loads(run("queue"))["id"] == number
    run("picture", str(number), str(tmp_path / "look.jpg"))
    assert (tmp_path / "look.jpg").read_bytes() == jpeg(1)
    for person in ("ada", "bob"):
        monkeypatch.setattr("getpass.getuser", lambda person=person: person)
        run("review", str(number), "failed", "--type", "warping")
        done = json.loads(run("export", str(tmp_path / "out")))
        assert done["pictures"] == (0 if two_people and person == "ada" else 1)
