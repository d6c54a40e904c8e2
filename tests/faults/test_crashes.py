"""kill -9 of servers and databases under load: what was answered, what prints have seen and the bill agree.

The short form of `benchmarks/ledger.py` and `benchmarks/faults.py`, which print a table of the long one.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import faults
import ledger
from crashes import Tally, audit, bench

SEED = 20261122


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_servers_lose_and_double_nothing(kind: str) -> None:
    tally = Tally()
    with bench(kind, speed=ledger.SPEED) as at:
        kills = asyncio.run(ledger.run(at, calls=400, clients=8, kills=2, seed=SEED, tally=tally))
        assert kills >= 1
        assert tally.successes == 400
        assert audit(at, tally) == [], f"seed {SEED}"


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("sqlite", "node killed while the database is locked"),
        ("postgresql", "node killed while the database is paused"),
        ("postgresql", "database killed"),
    ],
)
def test_what_a_fault_of_the_database_left_is_booked_once(kind: str, fault: str) -> None:
    tally = Tally()
    with bench(kind, speed=faults.SPEED) as at:
        asyncio.run(faults.run(at, faults.FAULTS[kind][fault], 1, 8.0, SEED, tally))
        assert tally.successes > 0
        assert audit(at, tally) == [], f"seed {SEED}"


def test_the_audit_sees_what_is_wrong() -> None:
    """It can fail: an answer that the books do not hold is found."""
    tally = Tally()
    with bench("sqlite", speed=ledger.SPEED) as at:
        asyncio.run(ledger.run(at, calls=8, clients=2, kills=0, seed=SEED, tally=tally))
        next(iter(tally.answers.values()))["never told"] = {}
        assert len(audit(at, tally)) == 3
