"""kill -9 of servers and databases under load: what was answered, what prints have seen and the bill agree.

The short form of `benchmarks/ledger.py` and `benchmarks/faults.py`, which print a table of the long one.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import faults
import ledger
import namespaces
from crashes import Bench, Tally, audit, bench, new_account

SEED = 20261122
SPEED = 2000.0
"""Print seconds in a real one: an interval of 40 s is 20 ms."""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_servers_lose_and_double_nothing(kind: str) -> None:
    tally = Tally()
    with bench(kind, speed=SPEED) as at:
        kills = asyncio.run(ledger.run(at, calls=400, clients=8, kills=2, seed=SEED, tally=tally))
        assert kills >= 1
        assert tally.successes == 400
        assert audit(at, tally) == [], f"seed {SEED}"


NOTICED = 6.0
"""Seconds: longer than a call's patience with a database that hangs."""

SHORT = 1.5

FAULTS = {
    ("sqlite", "node killed while the database is locked"): NOTICED,
    ("sqlite", "disk full, the spool's too"): SHORT,
    ("postgresql", "node killed while the database is paused"): NOTICED,
    ("postgresql", "database killed"): SHORT,
    ("postgresql", "database read-only"): SHORT,
    ("postgresql", "region cut off from the database"): NOTICED,
    ("postgresql", "region cut off from all"): SHORT,
    ("postgresql", "a node's clock jumps forward"): SHORT,
    ("postgresql", "a node's clock jumps back"): SHORT,
    ("postgresql", "both regions asked about one context"): SHORT,
    ("postgresql", "slow, half-closed, vanishing clients"): SHORT,
}
"""How long each lasts here, seconds. The long form has the others, some of which need root."""


@pytest.fixture(scope="module")
def servers() -> Iterator[Callable[[str], Bench]]:
    """Two servers a database, the same ones for every fault: they have to live through all of them."""
    with ExitStack() as stack:
        made: dict[str, Bench] = {}

        def of(kind: str) -> Bench:
            if kind not in made:
                made[kind] = stack.enter_context(bench(kind, speed=faults.SPEED, wires=True))
            return made[kind]

        yield of


@pytest.mark.parametrize(("kind", "fault"), list(FAULTS))
def test_after_a_fault_no_answer_no_state_and_no_call_is_lost(
    servers: Callable[[str], Bench], kind: str, fault: str
) -> None:
    at, tally = servers(kind), Tally()
    new_account(at)
    seconds = FAULTS[kind, fault]
    asyncio.run(faults.run(at, faults.FAULTS[kind][fault], 1, seconds, SEED, tally, lead_in=0.5))
    assert tally.successes > 0
    assert audit(at, tally) == [], f"seed {SEED}"


@pytest.mark.skipif(not namespaces.possible(), reason="needs root, iproute2 and leave to make namespaces")
def test_a_region_that_its_network_cuts_off_loses_nothing() -> None:
    tally = Tally()
    with bench("postgresql", speed=faults.SPEED, apart=True) as at:
        cut = faults.FAULTS["postgresql"][faults.NAMESPACES]
        asyncio.run(faults.run(at, cut, 1, NOTICED, SEED, tally, lead_in=0.5))
        assert tally.successes > 0
        assert audit(at, tally) == [], f"seed {SEED}"


def test_the_audit_sees_what_is_wrong() -> None:
    """It can fail: an answer that the books do not hold is found."""
    tally = Tally()
    with bench("sqlite", speed=SPEED) as at:
        asyncio.run(ledger.run(at, calls=8, clients=2, kills=0, seed=SEED, tally=tally))
        next(iter(tally.answers.values()))["never sent"] = {}
        assert len(audit(at, tally)) == 3
