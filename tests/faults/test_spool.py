"""What was answered during an outage outlives the process, and is booked once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import func, select

from layerwatch.billing import count_deferred
from layerwatch.billing.models import UsageHour
from layerwatch.contexts import Answer, Context, ContextIds
from layerwatch.contexts.models import ContextRow
from layerwatch.contexts.offline.deferred_inspection import DeferredInspection
from layerwatch.contexts.offline.reconcile import book, tidy
from layerwatch.contexts.offline.spool import Spool
from layerwatch.contexts.repository import Moved
from layerwatch.storage import Database
from layerwatch.temporal import Levels
from tests.support.accounts import NOON, make_caller
from tests.support.live_walls import answer

SEED = 20261122


def nobody(*_: object) -> None:
    """Nobody is notified."""


def unit(database: Database, key: str | None = None) -> DeferredInspection:
    caller = make_caller(database)
    context = ContextIds(b"k" * 32).new(caller.account_id, Levels(2, 4), NOON, "eu")
    moved = Moved(b"\x00\xffstate", NOON, 40_000, None, "{}")
    return DeferredInspection("a" * 32, context, caller, NOON, key, "{}" if key else None, moved)


def billed(database: Database) -> int:
    with database.read() as session:
        return int(session.scalar(select(func.sum(UsageHour.calls))) or 0)


def row(database: Database, made: DeferredInspection) -> ContextRow:
    with database.read() as session:
        found = session.scalars(select(ContextRow).where(ContextRow.id == made.context.id)).one()
        session.expunge(found)
        return found


def test_a_unit_comes_back_from_its_line_as_it_was(sqlite_database: Database) -> None:
    made = unit(sqlite_database, key="6f1c")
    assert DeferredInspection.from_line(made.to_line()) == made
    assert b"\n" not in made.to_line()


def test_a_line_of_a_version_before_printers_reported_is_read(sqlite_database: Database) -> None:
    made = unit(sqlite_database)
    line = made.to_line().replace(b',"progress":null', b"")
    assert b"progress" not in line
    assert DeferredInspection.from_line(line) == made


def test_what_a_printer_reported_is_booked_and_not_lost_by_a_later_picture(database: Database) -> None:
    made = unit(database)
    reported = replace(made, moved=made.moved._replace(progress='{"layer":7}'))
    later = NOON + timedelta(minutes=1)
    silent = replace(made, id="b" * 32, moved=made.moved._replace(inspected_at=later))
    for each in (reported, silent):
        database.transact(book, [each], count_deferred, nobody, NOON)
        assert row(database, made).progress == '{"layer":7}'
    assert row(database, made).inspected_at == later


def test_a_unit_is_booked_once(database: Database) -> None:
    made = unit(database)
    assert database.transact(book, [made], count_deferred, nobody, NOON)
    assert not database.transact(book, [made], count_deferred, nobody, NOON)
    assert billed(database) == 1
    assert row(database, made).revision == 1


def test_what_another_region_saw_later_stays_and_both_are_counted(database: Database) -> None:
    made = unit(database)
    late = timedelta(minutes=5)
    newer = replace(made, id="b" * 32, moved=made.moved._replace(state=b"newer", inspected_at=NOON + late))
    for each in (newer, made):
        database.transact(book, [each], count_deferred, nobody, NOON)
    assert row(database, made).state == b"newer"
    assert row(database, made).revision == 2
    assert billed(database) == 2


def test_one_idempotency_key_is_one_unit_on_any_node(database: Database) -> None:
    made = unit(database, key="6f1c")
    for number in ("b", "c"):
        again = replace(made, id=number * 32)
        database.transact(book, [again], count_deferred, nobody, NOON)
    assert billed(database) == 1


def test_many_units_in_one_batch_are_what_they_are_one_by_one(database: Database) -> None:
    """Two prints, three hours, a key that comes twice, a line that comes twice, and one booked before."""
    first = unit(database)
    second = replace(
        first, context=ContextIds(b"k" * 32).new(first.context.account_id, Levels(3, 3), NOON, "eu")
    )
    database.transact(book, [first], count_deferred, nobody, NOON)
    units = [first]
    for number in range(1, 31):
        at = NOON + timedelta(minutes=6 * number)
        made = (first, second)[number % 2]
        moved = made.moved._replace(state=b"%d" % number, inspected_at=at)
        units.append(replace(made, id=f"{number:032}", at=at, key=f"k{number}", body="{}", moved=moved))
    units += [replace(units[-1], id="f" * 32), units[-2]]
    random.Random(SEED).shuffle(units)
    assert database.transact(book, units, count_deferred, nobody, NOON) == 30
    assert database.transact(book, units, count_deferred, nobody, NOON) == 0
    assert billed(database) == 31
    assert (row(database, first).revision, row(database, first).state) == (16, b"30")
    assert (row(database, second).revision, row(database, second).state) == (15, b"29")
    with database.read() as session:
        hours = session.execute(select(UsageHour.hour, func.sum(UsageHour.calls)).group_by(UsageHour.hour))
        assert sorted(calls for _, calls in hours) == [1, 10, 10, 10]


def test_nodes_that_book_the_same_prints_at_once_wait_for_each_other(database: Database) -> None:
    made = unit(database)
    ids = ContextIds(b"k" * 32)
    contexts = [ids.new(made.context.account_id, Levels(3, 3), NOON, "eu") for _ in range(20)]

    def booked(node: int) -> None:
        mine = [
            replace(made, id=f"{node}{number:031}", context=contexts[number % 20]) for number in range(200)
        ]
        random.Random(node).shuffle(mine)
        for first in range(0, 200, 40):
            batch = mine[first : first + 40]
            database.transact(book, batch, count_deferred, nobody, NOON)

    nodes = [Thread(target=booked, args=(node,)) for node in range(3)]
    for node in nodes:
        node.start()
    for node in nodes:
        node.join()
    assert billed(database) == 600
    with database.read() as session:
        assert set(session.scalars(select(ContextRow.revision))) == {30}


def test_booked_ids_are_forgotten_in_the_end(database: Database) -> None:
    made = unit(database)
    database.transact(book, [made], count_deferred, nobody, NOON)
    database.transact(tidy, NOON + timedelta(days=31))
    assert database.transact(book, [made], count_deferred, nobody, NOON)


def test_lines_come_back_in_order_and_go_when_they_are_replayed(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    for number in range(5):
        spool.append(b"%d" % number)
    assert spool.next(2) == [b"0", b"1"]
    spool.replayed([b"0", b"1"])
    assert spool.next(10) == [b"2", b"3", b"4"]
    spool.replayed([b"2", b"3", b"4"])
    assert (spool.next(1), spool.waiting) == ([], 0)
    spool.close()
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_killed_processs_lines_are_taken_over_without_a_torn_one(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    program = (
        "import os, sys; from pathlib import Path; from layerwatch.contexts.offline.spool import Spool\n"
        f"spool = Spool(Path({str(folder)!r})); spool.append(b'one'); spool.append(b'two')\n"
        f"file, = Path({str(folder)!r}).glob('*.jsonl')\n"
        "file.open('ab').write(b'torn'); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", program], env=dict(os.environ), check=False)
    assert killed.returncode == -9
    spool = Spool(folder)
    assert spool.adopt() == 2
    assert spool.next(10) == [b"one", b"two"]
    assert len(list(folder.glob("*.jsonl"))) == 1


def test_a_living_processs_lines_are_left_alone(tmp_path: Path) -> None:
    living, other = Spool(tmp_path), Spool(tmp_path)
    living.append(b"one")
    assert other.adopt() == 0
    assert living.next(1) == [b"one"]


def test_a_line_that_could_not_be_kept_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    spool.append(b"one")
    with monkeypatch.context() as patched:

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        patched.setattr("layerwatch.contexts.offline.spool.os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            spool.append(b"two")
    spool.append(b"three")
    assert spool.next(10) == [b"one", b"three"]


def test_an_alarm_that_began_while_the_database_was_away_is_announced_when_it_is_booked(
    database: Database,
) -> None:
    made = unit(database)
    fine, failing = answer(9).to_json(), answer(1).to_json()
    heard: list[tuple[str, bool]] = []

    def announce(_: object, context: Context, at: datetime, said: Answer, pause: bool) -> None:
        heard.append((context.id, pause))

    for number, (minute, text) in enumerate([(0, fine), (1, failing), (2, failing)]):
        moved = made.moved._replace(answer=text, inspected_at=NOON + timedelta(minutes=minute))
        each = replace(made, id=f"{number}" * 32, moved=moved)
        database.transact(book, [each], count_deferred, announce, NOON)
    assert heard == [(made.context.id, True)]
