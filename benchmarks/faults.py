"""Faults under load: how often each was tried, and what was wrong afterwards.

    python benchmarks/faults.py                     both databases, 5 times each, about 45 minutes
    python benchmarks/faults.py --times 1 --seed 3 --outage 60
    python benchmarks/faults.py --database sqlite --fault disk --json

Two servers on one database, clients that repeat what fails through the other one. A violation is a call that
could not be repeated safely, or any disagreement between answers, contexts' revisions, stored answers and the
bill, or a recovery of more than 5 s. "Back after" (median, longest) counts from the fault's end until every
server is up and uses its database; a killed one's start is in it. The detector is a stand-in. Exit status 1
if there was a violation. Full disks of PostgreSQL, read-only files and network namespaces need root; else
they are left out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import disasters
import namespaces
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
    new_account,
    pause_database,
    settle,
)
from rich.console import Console
from rich.table import Table

SPEED = 100.0
"""Print seconds in a real one. Keys stay good for 2 hours of print time: 72 s, more than an outage lasts."""

CLIENTS = 16
RECOVERY_SECONDS = 5.0
"""From a fault's end until every server uses its database again; more is a violation in the long form."""

SMALL_DISK = 256
"""Megabytes for PostgreSQL's files where their disk is to be full."""

NAMESPACES = "region cut off by its network (namespaces)"

Fault = Callable[[Bench, random.Random, float, Tally], Coroutine[Any, Any, None]]

EVERYWHERE: dict[str, Fault] = {
    "a node killed": lambda at, rng, _, __: kill_node(at, rng),
    "a node's clock jumps forward": lambda at, rng, seconds, _: disasters.jump_clock(at, rng, seconds, True),
    "a node's clock jumps back": lambda at, rng, seconds, _: disasters.jump_clock(at, rng, seconds, False),
    "both regions asked about one context": disasters.ask_both,
    "slow, half-closed, vanishing clients": disasters.misbehave,
}
FAULTS: dict[str, dict[str, Fault]] = {
    "sqlite": {
        "database locked": lambda at, _, seconds, __: lock_database(at, seconds),
        "node killed while the database is locked": lambda at, rng, seconds, _: kill_node_in_outage(
            at, rng, seconds
        ),
        "disk full, the spool's too": lambda at, rng, seconds, _: disasters.fill_disk(at, rng, seconds),
        "disk read-only": lambda at, rng, seconds, _: disasters.make_read_only(at, rng, seconds),
        **EVERYWHERE,
    },
    "postgresql": {
        "database paused": lambda at, _, seconds, __: pause_database(at, seconds),
        "database killed": lambda at, _, seconds, __: kill_database(at, seconds),
        "node killed while the database is paused": lambda at, rng, seconds, _: kill_node_in_outage(
            at, rng, seconds
        ),
        "database read-only": lambda at, rng, seconds, _: disasters.make_read_only(at, rng, seconds),
        "region cut off from the database": lambda at, rng, seconds, _: disasters.cut_from_database(
            at, rng, seconds
        ),
        "region cut off from all": lambda at, rng, seconds, _: disasters.cut_off(at, rng, seconds),
        NAMESPACES: lambda at, rng, seconds, _: disasters.cut_network(at, rng, seconds),
        **EVERYWHERE,
        "database's disk full": lambda at, rng, seconds, _: disasters.fill_disk(at, rng, seconds),
    },
}


async def run(
    at: Bench, fault: Fault, times: int, seconds: float, seed: int, tally: Tally, *, lead_in: float = 2.0
) -> list[float]:
    """Do the fault `times` times under load, each after about `lead_in` seconds without one; seconds until
    all was well after each."""
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
        await asyncio.sleep(rng.uniform(0.5, 1.5) * lead_in)
        await fault(at, rng, seconds, tally)
        back.append(await settle(at))
    await asyncio.sleep(lead_in / 2)
    stop.set()
    await work
    await settle(at)
    return back


def _benches(kind: str, only: str) -> Iterator[tuple[list[str], bool, AbstractContextManager[Path | None]]]:
    """The faults, by the servers that they are done to: a full disk needs a small one, a network that is cut
    needs servers that are apart."""
    names = [name for name in FAULTS[kind] if re.search(only, name)]
    if kind == "sqlite" and os.geteuid() != 0:
        names = [name for name in names if name != "disk read-only"]
    small = [name for name in names if kind == "postgresql" and "disk" in name]
    if rest := [name for name in names if name not in (*small, NAMESPACES)]:
        yield rest, False, nullcontext()
    if small and os.geteuid() == 0:
        yield small, False, disasters.small_disk(SMALL_DISK)
    if NAMESPACES in names and namespaces.possible():
        yield [NAMESPACES], True, nullcontext()


def _try(at: Bench, kind: str, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One row of the table."""
    tally = Tally()
    new_account(at)
    back = asyncio.run(run(at, FAULTS[kind][name], options.times, options.outage, options.seed, tally))
    wrong = audit(at, tally)
    wrong += [f"back after {each:.1f} s" for each in back if each > RECOVERY_SECONDS]
    return {
        "database": kind,
        "fault": name,
        "times": options.times,
        "answers": tally.successes,
        "repeats": tally.repeats,
        "back_after_s": f"{statistics.median(back):.1f}, {max(back):.1f}",
        "violations": wrong,
    }


def main() -> None:
    """Parse, run, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), help="default: both")
    parser.add_argument("--fault", default="", metavar="REGEX", help="only faults whose name it finds")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--outage", type=float, default=20.0, help="seconds for which a database is away")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    options = parser.parse_args()
    rows = []
    for kind in (options.database,) if options.database else tuple(FAULTS):
        for names, apart, pgdata in _benches(kind, options.fault):
            with pgdata as folder, bench(kind, speed=SPEED, wires=True, apart=apart, pgdata=folder) as at:
                for name in names:
                    rows.append(_try(at, kind, name, options))
                    print(rows[-1], file=sys.stderr, flush=True)
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
