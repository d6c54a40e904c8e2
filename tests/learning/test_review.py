"""Which picture is reviewed next, what its label is, and who said so."""

from __future__ import annotations

import pytest

from layerwatch.identity import create_account
from layerwatch.learning import ExampleStore, LearningError
from layerwatch.learning.models import ExampleRow
from layerwatch.learning.queue import queue
from layerwatch.learning.repository import history
from layerwatch.learning.review import review, reviewed
from layerwatch.learning.service import take_back
from layerwatch.storage import Database
from tests.support.feedback import NOW, account_with_consent, give, jpeg, recent


def waiting(database: Database, reviewer: str | None = None) -> list[int]:
    with database.read() as session:
        return [one.row.id for one in queue(session, reviewer=reviewer)]


def label(
    database: Database, number: int, label: str, by: str = "ada", *, two: bool = False, hour: int = 12
) -> None:
    with database.write() as session:
        review(
            session,
            number,
            label=label,
            failure_type="spaghetti",
            by=by,
            at=NOW.replace(hour=hour),
            two_people=two,
        )


def settled(database: Database) -> list[tuple[int, str | None]]:
    with database.read() as session:
        return [(one.row.id, one.row.label) for one in reviewed(session)]


def test_the_most_surprising_picture_is_first(
    migrated: Database, examples: ExampleStore, account: int
) -> None:
    pictures = {
        0.4: give(migrated, examples, account, "missed", recent(jpeg(1), 0.4, 1)),
        0.99: give(migrated, examples, account, "false_alarm", recent(jpeg(2), 0.99, 2)),
        0.02: give(migrated, examples, account, "good", recent(jpeg(3), 0.02, 3)),
    }
    assert waiting(migrated) == [*pictures[0.4], *pictures[0.99], *pictures[0.02]]


def test_what_two_models_disagree_on_is_first(
    migrated: Database, examples: ExampleStore, account: int
) -> None:
    (agreed,) = give(migrated, examples, account, "false_alarm", recent(jpeg(1), 0.9, 1))
    (disputed,) = give(migrated, examples, account, "false_alarm", recent(jpeg(2), 0.9, 2))
    with migrated.write() as session:
        session.get_one(ExampleRow, agreed).second_probability = 0.88
        session.get_one(ExampleRow, disputed).second_probability = 0.2
    assert waiting(migrated) == [disputed, agreed]


def test_what_looks_like_a_reviewed_picture_is_last(
    migrated: Database, examples: ExampleStore, account: int
) -> None:
    (first,) = give(migrated, examples, account, "false_alarm", recent(jpeg(1), 0.9, 1))
    label(migrated, first, "good")
    (alike,) = give(migrated, examples, account, "false_alarm", recent(jpeg(1) + b"\0", 0.9, 2))
    (new,) = give(migrated, examples, account, "false_alarm", recent(jpeg(2), 0.8, 3))
    assert waiting(migrated) == [new, alike]


def test_every_printer_has_its_turn_before_one_has_its_second(
    migrated: Database, examples: ExampleStore, account: int
) -> None:
    with migrated.write() as session:
        other = account_with_consent(session, "Other")
    loud = [
        give(migrated, examples, account, "false_alarm", recent(jpeg(n), 0.99, n), printer="A")[0]
        for n in range(3)
    ]
    (second_printer,) = give(migrated, examples, account, "good", recent(jpeg(8), 0.05, 8), printer="B")
    (second_account,) = give(migrated, examples, other, "good", recent(jpeg(9), 0.05, 9), printer="A")
    ordered = waiting(migrated)
    assert ordered[0] in loud
    assert set(ordered[1:3]) == {second_printer, second_account}


def test_a_reviewed_picture_leaves_the_queue(
    migrated: Database, examples: ExampleStore, account: int
) -> None:
    (one,) = give(migrated, examples, account, "false_alarm", recent(jpeg(1), 0.9))
    label(migrated, one, "failed")
    assert waiting(migrated) == []
    assert settled(migrated) == [(one, "failed")]


def test_a_second_review_of_a_picture_replaces_the_first_and_both_are_in_the_history(
    migrated: Database, examples: ExampleStore, account: int
) -> None:
    (one,) = give(migrated, examples, account, "missed", recent(jpeg(1), 0.1))
    label(migrated, one, "failed", "ada", hour=12)
    label(migrated, one, "good", "bob", hour=13)
    assert settled(migrated) == [(one, "good")]
    with migrated.read() as session:
        assert [(entry.review.by, entry.review.label) for entry in history(session, 10)] == [
            ("bob", "good"),
            ("ada", "failed"),
        ]


def test_a_label_is_of_every_copy_of_the_picture(
    migrated: Database, examples: ExampleStore, account: int
) -> None:
    (one,) = give(migrated, examples, account, "missed", recent(jpeg(1), 0.1))
    give(migrated, examples, account, "false_alarm", recent(jpeg(1), 0.1))
    label(migrated, one, "failed")
    assert waiting(migrated) == []
    assert [label for _, label in settled(migrated)] == ["failed"]


def test_two_people_have_to_agree_where_the_operator_wants_it(
    migrated: Database, examples: ExampleStore, account: int
) -> None:
    (one,) = give(migrated, examples, account, "missed", recent(jpeg(1), 0.1))
    label(migrated, one, "failed", "ada", two=True)
    label(migrated, one, "failed", "ada", two=True)
    assert settled(migrated) == []
    assert (waiting(migrated, "ada"), waiting(migrated, "bob")) == ([], [one])
    label(migrated, one, "good", "bob", two=True)
    assert settled(migrated) == []
    label(migrated, one, "good", "eve", two=True)
    assert settled(migrated) == [(one, "good")]


def test_nobody_sees_anothers_label_before_it_is_settled(
    migrated: Database, examples: ExampleStore, account: int
) -> None:
    (one,) = give(migrated, examples, account, "missed", recent(jpeg(1), 0.1))
    label(migrated, one, "failed", "ada", two=True)
    with migrated.read() as session:
        assert len(history(session, 10, reviewer="ada")) == 1
        assert len(history(session, 10, reviewer="bob")) == 0


def test_pictures_of_an_account_without_consent_are_not_reviewed(
    migrated: Database, examples: ExampleStore
) -> None:
    with migrated.write() as session:
        silent = create_account(session, "Silent", NOW).id
    assert give(migrated, examples, silent, "missed", recent(jpeg(1), 0.1)) == []
    assert waiting(migrated) == []


def test_feedback_that_was_taken_back_is_not_reviewed(
    migrated: Database, examples: ExampleStore, account: int
) -> None:
    first = give(migrated, examples, account, "false_alarm", recent(jpeg(1), 0.9, 1))
    give(migrated, examples, account, "missed", recent(jpeg(2), 0.1, 2))
    with migrated.write() as session:
        take_back(session, account_id=account, context_id="c1")
        take_back(session, account_id=account + 1, context_id="c1")
    assert waiting(migrated) == first


def test_a_label_that_a_reviewer_gave_stays_when_the_feedback_is_taken_back(
    migrated: Database, examples: ExampleStore, account: int
) -> None:
    (one,) = give(migrated, examples, account, "false_alarm", recent(jpeg(1), 0.9))
    label(migrated, one, "failed")
    with migrated.write() as session:
        take_back(session, account_id=account, context_id="c1")
    assert settled(migrated) == [(one, "failed")]


@pytest.mark.parametrize("unknown", ["bad", "", "GOOD"])
def test_an_unknown_label_is_refused(
    migrated: Database, examples: ExampleStore, account: int, unknown: str
) -> None:
    (one,) = give(migrated, examples, account, "missed", recent(jpeg(1), 0.1))
    with pytest.raises(LearningError, match="not known"):
        label(migrated, one, unknown)
