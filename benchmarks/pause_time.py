"""How long a failing print goes on before the watcher pauses it, print by print.

    python benchmarks/pause_time.py                          10 seeds of two kinds of failure, about 5 minutes
    python benchmarks/pause_time.py --seeds 1-20 --failures spaghetti --level 1 --json

Each row is a simulated print, seen from five minutes before it begins to fail, through the watcher's own
session at the interval that it is given (20 s with `pace = "quick"`, else 40 s at rest and 20 s while
suspicious), with the real detector and the real temporal model. The clock passes by waiting, so that the
machine's speed
changes nothing; the camera and the printer cost no time here. Seconds count from the onset: from the first
strand or the moment that the part comes off. "Half grown" is the simulator's own measure of what there is to
see. "never": not within 15 minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from layerwatch.cli.local_inspector import LocalInspector
from layerwatch.simulator import Simulation
from layerwatch.vision import Vision
from layerwatch_sdk.alarm import Alarm, AlarmLatch
from layerwatch_watcher.watching.clock import SteppingClock
from layerwatch_watcher.watching.print_session import Levels, Look, PrintSession

ONSET = 900.0
LEAD = 300.0
MAX_WAIT_S = 900.0


class Film:
    """A simulated print before a camera. The clock's zero is `LEAD` seconds before the failure begins."""

    def __init__(self, simulation: Simulation, clock: SteppingClock) -> None:
        self._simulation = simulation
        self._clock = clock
        assert simulation.onset is not None
        self.begins = simulation.onset - LEAD

    async def snapshot(self) -> bytes:
        return self._simulation.frame(self.begins + self._clock.monotonic()).jpeg()

    async def close(self) -> None:
        """Nothing is held."""


def half_grown(simulation: Simulation) -> float | None:
    """Seconds from the onset until the failure is half grown."""
    assert simulation.onset is not None
    for second in range(0, int(MAX_WAIT_S), 5):
        if simulation.truth(simulation.onset + second).severity >= 0.5:
            return float(second)
    return None


async def measure(vision: Vision, seed: int, failure: str, levels: Levels, quick: bool) -> dict[str, Any]:
    clock = SteppingClock()
    simulation = Simulation(seed, failure, duration=3600, nuisance=False, onset=ONSET)
    judge = LocalInspector(clock, vision, spacing=20 if quick else None)
    latch = AlarmLatch()
    row: dict[str, Any] = {
        "failure": failure,
        "seed": seed,
        "view": simulation.viewpoint.name,
        "half_grown": half_grown(simulation),
        "quality_1_3": None,
        "warning": None,
        "pause": None,
    }

    async def looked(look: Look) -> None:
        since = round(clock.monotonic() - LEAD)
        if look.inspection is not None:
            alarm = latch.alarm(look.inspection)
            if look.inspection.print_quality <= 3 and row["quality_1_3"] is None:
                row["quality_1_3"] = since
            if look.inspection.warning_suggested and row["warning"] is None:
                row["warning"] = since
            if alarm is Alarm.PAUSE:
                row["pause"] = since
        if row["pause"] is not None or since > MAX_WAIT_S:
            await session.stop()

    session = PrintSession(Film(simulation, clock), judge, looked, levels=levels, recorded=20.0)
    session.start()
    await session.wait()
    return row


def seeds(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def main() -> None:
    """Parse, run, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=seeds, default=seeds("1-10"))
    parser.add_argument("--failures", nargs="+", default=["detachment", "spaghetti"])
    parser.add_argument("--level", type=int, default=3, choices=range(1, 6), help="pause level")
    parser.add_argument("--recommended", action="store_true", help="40 s at rest instead of 20")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    options = parser.parse_args()
    levels = Levels(min(3, options.level), options.level)
    rows = []
    with Vision.load() as vision:
        for failure in options.failures:
            for seed in options.seeds:
                row = asyncio.run(measure(vision, seed, failure, levels, not options.recommended))
                rows.append(row)
                print(row, file=sys.stderr)
    if options.json:
        print(json.dumps(rows))
        return
    table = Table(title=f"Seconds from onset, pause level {options.level}", title_justify="left")
    for column in rows[0]:
        table.add_column(column.replace("_", " "))
    for row in rows:
        table.add_row(*("never" if value is None else str(value) for value in row.values()))
    Console(width=110).print(table)
    for failure in options.failures:
        found = [row["pause"] for row in rows if row["failure"] == failure and row["pause"] is not None]
        if found:
            soon = sum(1 for one in found if one <= 120)
            print(
                f"{failure}: {len(found)} of {len(options.seeds)} paused, "
                f"median {statistics.median(found):.0f} s, {soon} within 120 s"
            )


if __name__ == "__main__":
    main()
