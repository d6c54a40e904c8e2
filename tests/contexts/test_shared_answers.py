"""Answers that the database does not have yet are the same for every process of a node, and do not stay."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from layerwatch.contexts import LIFETIME
from layerwatch.contexts.offline import shared_answers
from layerwatch.contexts.offline.shared_answers import SharedAnswers
from tests.support.at_once import at_once

ANSWER, FIRST, SECOND = '{"Score": 5}', '{"Score": 1}', '{"Score": 2}'
KEY = "6f1c0000-0000-4000-8000-000000000000"


def nothing() -> None:
    """A spool that takes everything."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "answers"


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if not path.name.startswith("lock")]


def test_what_one_process_answered_the_other_knows(folder: Path) -> None:
    one, two = SharedAnswers(folder), SharedAnswers(folder)
    assert two.find("context", KEY) is None
    assert one.keep("context", KEY, ANSWER, nothing) is None
    assert two.find("context", KEY) == ANSWER
    assert two.find("another", KEY) is None
    assert two.find("context", KEY.replace("6", "7")) is None


def test_the_first_answer_stays_and_the_second_is_not_spooled(folder: Path) -> None:
    one, two = SharedAnswers(folder), SharedAnswers(folder)
    one.keep("context", KEY, FIRST, nothing)
    assert two.keep("context", KEY, SECOND, lambda: pytest.fail("spooled")) == FIRST


def test_processes_that_answer_at_the_same_moment_give_one_answer(folder: Path) -> None:
    spooled: list[str] = []
    given: list[str] = []

    def answer() -> None:
        body = f'{{"at": {time.monotonic_ns()}}}'
        given.append(SharedAnswers(folder).keep("context", KEY, body, lambda: spooled.append(body)) or body)

    at_once(8, answer)
    assert len(spooled) == 1 and given == spooled * 8


def test_an_answer_whose_unit_cannot_be_spooled_is_not_kept(folder: Path) -> None:
    answers = SharedAnswers(folder)

    def full() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        answers.keep("context", KEY, ANSWER, full)
    assert answers.find("context", KEY) is None
    assert files(folder) == []


def test_an_answer_that_is_booked_is_dropped(folder: Path) -> None:
    answers = SharedAnswers(folder)
    answers.keep("context", KEY, ANSWER, nothing)
    answers.forget("context", KEY)
    answers.forget("context", KEY)
    assert files(folder) == []


def test_an_answer_that_was_never_booked_is_dropped_with_its_context(folder: Path) -> None:
    answers = SharedAnswers(folder)
    answers.keep("context", KEY, ANSWER, nothing)
    assert answers.sweep() == 0
    (name,) = files(folder)
    over = time.time() - LIFETIME.total_seconds() - 1
    os.utime(folder / name, (over, over))
    assert answers.sweep() == 1
    assert files(folder) == []


@pytest.mark.parametrize("left", ["", '{"Score": ', "\0\0\0"])
def test_an_answer_that_a_power_cut_tore_counts_as_none(folder: Path, left: str) -> None:
    answers = SharedAnswers(folder)
    answers.keep("context", KEY, ANSWER, nothing)
    (name,) = files(folder)
    (folder / name).write_text(left)
    assert answers.find("context", KEY) is None
    assert answers.keep("context", KEY, SECOND, nothing) is None
    assert answers.find("context", KEY) == SECOND


def test_no_one_else_may_read_them(folder: Path) -> None:
    SharedAnswers(folder).keep("context", KEY, ANSWER, nothing)
    assert [one.stat().st_mode & 0o777 for one in (folder, folder.parent)] == [0o700, 0o700]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_a_stopped_process_with_a_lock_does_not_block_the_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_answers, "LOCK_TIMEOUT_S", 0.1)

    def meanwhile() -> None:
        with pytest.raises(OSError, match="holds the lock"):
            SharedAnswers(folder).keep("context", KEY, SECOND, nothing)

    SharedAnswers(folder).keep("context", KEY, FIRST, meanwhile)
    assert SharedAnswers(folder).find("context", KEY) == FIRST
