"""Faults under load: how often each was tried, and what was wrong afterwards.

    python benchmarks/faults.py                     both databases, 5 times each, about 20 minutes
    python benchmarks/faults.py --times 1 --seed 3 --outage 60
    python benchmarks/faults.py --database sqlite --json

Two servers on one database, clients that repeat what fails through the other one. A violation is a call that
could not be repeated safely, or any disagreement between answers, contexts' revisions, stored answers and the
bill. "Back after" counts from the fault's end until every server uses its database again. The detector is a
stand-in. Exit status 1 if there was a violation.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from crashes import (
    Bench,
    Tally,
    audit,
    bench,
    drive,
    kill_database,
    kill_node,
    kill_node_in_outage,
    lock_database,
    pause_database,
    settle,
)
from rich.console import Console
from rich.table import Table

SPEED = 100.0
"""Print seconds in a real one. Keys stay good for 2 hours of print time: 72 s, more than an outage lasts."""

CLIENTS = 16
Fault = Callable[[Bench, random.Random, float], Coroutine[Any, Any, None]]

FAULTS: dict[str, dict[str, Fault]] = {
    "sqlite": {
        "a node killed": lambda at, rng, _: kill_node(at, rng),
        "database locked": lambda at, _, seconds: lock_database(at, seconds),
        "node killed while the database is locked": kill_node_in_outage,
    },
    "postgresql": {
        "a node killed": lambda at, rng, _: kill_node(at, rng),
        "database paused": lambda at, _, seconds: pause_database(at, seconds),
        "database killed": lambda at, _, seconds: kill_database(at, seconds),
        "node killed while the database is paused": kill_node_in_outage,
    },
}


async def run(at: Bench, fault: Fault, times: int, seconds: float, seed: int, tally: Tally) -> list[float]:
    """Do the fault `times` times under load; seconds until all was well after each."""
    rng = random.Random(seed)
    stop = asyncio.Event()

    def numbers() -> Any:
        number = 0
        while not stop.is_set():
            number += 1
            yield number

    work = asyncio.create_task(drive(at, clients=CLIENTS, seed=seed, tally=tally, numbers=numbers()))
    back = []
    for _ in range(times):
        await asyncio.sleep(rng.uniform(1.0, 3.0))
        await fault(at, rng, seconds)
        back.append(await settle(at))
    await asyncio.sleep(1.0)
    stop.set()
    await work
    await settle(at)
    return back


def main() -> None:
    """Parse, run, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), help="default: both")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--outage", type=float, default=20.0, help="seconds for which a database is away")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    options = parser.parse_args()
    rows = []
    for kind in (options.database,) if options.database else tuple(FAULTS):
        for name, fault in FAULTS[kind].items():
            tally = Tally()
            with bench(kind, speed=SPEED) as at:
                back = asyncio.run(run(at, fault, options.times, options.outage, options.seed, tally))
                wrong = audit(at, tally)
            rows.append(
                {
                    "database": kind,
                    "fault": name,
                    "times": options.times,
                    "answers": tally.successes,
                    "repeats": tally.repeats,
                    "back_after_s": round(max(back), 1),
                    "violations": wrong,
                }
            )
            print(rows[-1], file=sys.stderr)
    if options.json:
        print(json.dumps(rows))
    else:
        table = Table(title=f"Faults under load, seed {options.seed}", title_justify="left")
        for column in rows[0]:
            table.add_column(column.replace("_", " "))
        for row in rows:
            table.add_row(*(str(len(value) if isinstance(value, list) else value) for value in row.values()))
        Console(width=120).print(table)
        for row in rows:
            for each in row["violations"]:
                print(f"{row['database']}, {row['fault']}: {each}")
    sys.exit(1 if any(row["violations"] for row in rows) else 0)


if __name__ == "__main__":
    main()
