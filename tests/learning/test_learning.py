"""Feedback becomes a training set, and a candidate becomes the active model only when it is better."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from layerwatch.learning import ExampleStore, LearningError, RecentPictures, service
from layerwatch.learning.compare import auroc, compare
from layerwatch.learning.recent import RecentPicture
from layerwatch.storage import Database
from layerwatch.vision.evidence import KINDS, Condition, Evidence, HeatMap

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def jpeg(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 24), (shade, shade, shade)).save(file, "JPEG")
    return file.getvalue()


def recent(shade: int, probability: float) -> RecentPicture:
    evidence = Evidence(
        failure_probability=probability,
        kinds=(0.0,) * len(KINDS),
        heat=HeatMap(1, 1, b"\0"),
        boxes=(),
        print_in_view=1.0,
        condition=Condition.OK,
        brightness=0.5,
        sharpness=1.0,
        thumbnail=bytes(32 * 24),
        model_version="test-1",
        milliseconds=1.0,
    )
    return RecentPicture(jpeg(shade), evidence, 60.0)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/test.sqlite3")
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def examples(tmp_path: Path) -> ExampleStore:
    return ExampleStore(tmp_path / "examples")


def feedback(
    database: Database, examples: ExampleStore, kind: str, picture: RecentPicture | None, account: int = 1
) -> int:
    with examples.adding(), database.write() as session:
        row = service.record(
            session,
            account_id=account,
            context_id="c1",
            kind=kind,
            at=NOW,
            recent=picture,
            picture=examples.put(picture.jpeg) if picture else None,
        )
        return row.id


def test_the_most_surprising_picture_is_reviewed_first(database: Database, examples: ExampleStore) -> None:
    expected_miss = feedback(database, examples, "missed", recent(10, 0.4))
    confident_false_alarm = feedback(database, examples, "false_alarm", recent(20, 0.97))
    mild_false_alarm = feedback(database, examples, "false_alarm", recent(30, 0.3))
    feedback(database, examples, "missed", None)
    with database.read() as session:
        assert [row.id for row in service.queue(session)] == [
            confident_false_alarm,
            expected_miss,
            mild_false_alarm,
        ]


def test_a_reviewed_picture_leaves_the_queue_and_reaches_the_export(
    database: Database, examples: ExampleStore, tmp_path: Path
) -> None:
    one = feedback(database, examples, "false_alarm", recent(10, 0.9))
    with database.write() as session:
        service.review(session, one, label="failed", failure_type="spaghetti", by="ada", at=NOW)
    with database.read() as session:
        assert service.queue(session) == []
        assert service.export(service.reviewed(session), examples, tmp_path / "out") == 1
    row = next(csv.DictReader((tmp_path / "out" / "index.csv").open()))
    assert (row["label"], row["failure_type"], row["view"]) == ("failed", "spaghetti", "webcam")
    assert (tmp_path / "out" / row["file"]).read_bytes() == jpeg(10)


def test_a_second_review_of_a_picture_replaces_the_first(database: Database, examples: ExampleStore) -> None:
    one = feedback(database, examples, "missed", recent(10, 0.1))
    again = feedback(database, examples, "false_alarm", recent(10, 0.1))
    with database.write() as session:
        service.review(session, one, label="failed", failure_type=None, by="ada", at=NOW)
        service.review(session, again, label="good", failure_type=None, by="ada", at=NOW.replace(hour=13))
    with database.read() as session:
        assert [row.label for row in service.reviewed(session)] == ["good"]


def test_a_word_that_was_taken_back_is_not_reviewed(database: Database, examples: ExampleStore) -> None:
    first = feedback(database, examples, "false_alarm", recent(10, 0.9))
    feedback(database, examples, "missed", recent(20, 0.1))
    with database.write() as session:
        service.withdraw(session, account_id=1, context_id="c1")
        service.withdraw(session, account_id=2, context_id="c1")
    with database.read() as session:
        assert [row.id for row in service.queue(session)] == [first]


def test_a_label_that_a_reviewer_gave_stays_when_the_word_is_taken_back(
    database: Database, examples: ExampleStore
) -> None:
    one = feedback(database, examples, "false_alarm", recent(10, 0.9))
    with database.write() as session:
        service.review(session, one, label="failed", failure_type=None, by="ada", at=NOW)
        service.withdraw(session, account_id=1, context_id="c1")
    with database.read() as session:
        assert [row.id for row in service.reviewed(session)] == [one]


@pytest.mark.parametrize("label", ["bad", "", "GOOD"])
def test_an_unknown_label_is_refused(database: Database, examples: ExampleStore, label: str) -> None:
    one = feedback(database, examples, "missed", recent(10, 0.1))
    with pytest.raises(LearningError, match="not known"), database.write() as session:
        service.review(session, one, label=label, failure_type=None, by="ada", at=NOW)


def test_an_example_name_cannot_leave_its_folder(examples: ExampleStore) -> None:
    with pytest.raises(LearningError):
        examples.path("../../etc/passwd")


def test_recent_pictures_hold_no_more_than_they_may() -> None:
    held = RecentPictures(capacity_bytes=3 * len(jpeg(1)))
    for number in range(10):
        held.put(f"c{number}", recent(1, 0.5))
    assert [held.get(f"c{number}") is not None for number in range(10)] == [False] * 7 + [True] * 3


def test_a_candidate_is_better_only_when_it_mends_more_than_it_breaks() -> None:
    pictures = [(bytes([n]), n >= 5) for n in range(10)]

    def weak(picture: bytes) -> float:
        return 0.1 if picture[0] < 7 else 0.9

    def strong(picture: bytes) -> float:
        return 0.1 if picture[0] < 5 else 0.9

    assert compare(pictures, weak, strong).better
    assert not compare(pictures, strong, weak).better
    assert not compare(pictures, strong, strong).better


def test_auroc_counts_ties_half_and_needs_both_labels() -> None:
    assert auroc([False, True], [0.5, 0.5]) == 0.5
    assert auroc([False, True, True], [0.1, 0.2, 0.05]) == 0.5
    assert auroc([True, True], [0.1, 0.2]) is None
