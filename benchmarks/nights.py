"""A day of a watched fleet, simulated: what befell its prints, and what the watcher made of it.

    python benchmarks/nights.py                      24 hours, 20 printers of five kinds
    python benchmarks/nights.py --hours 2 --printers 5 --seed 3

Printers, cameras, the service and MQTT are simulated in memory, on an event loop whose time passes by
waiting; the watcher, the five printer adapters, the HTTP cameras and the SDK are the real ones. A seed draws
what befalls each print: a camera, the service or the printer is not seen for a while (20 to 900 s), the print
fails and its pause is slow, late, lost, unanswered or refused, a person resumes, restarts, cancels or does
not come, a pause flag is stuck, the watcher is killed and started again. Checked, at the moment of each
message and after each fault: the message is true, is not sent twice, comes in time; no minute of printing
is unseen and unreported; no print is paused twice or has two contexts; no picture is early. Memory is the
largest resident size, hour by hour. Exit status 1 if anything did not hold.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent))  # the simulation lives with the watcher's tests

from watcher.tests.nights.night import Night, spend
from watcher.tests.nights.plant import KINDS
from watcher.tests.nights.virtual_time import run


def table(night: Night) -> Table:
    """How often each scenario befell each kind of printer."""
    drawn = Table("what befell a print", *KINDS, title=f"{sum(night.befell.values())} faults")
    for scenario in sorted({scenario for scenario, _ in night.befell}):
        drawn.add_row(scenario, *(str(night.befell[scenario, kind] or "") for kind in KINDS))
    return drawn


def main() -> int:
    """Parse, simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--printers", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    began = time.monotonic()

    def progress(night: Night) -> None:
        hour, faults, wrong = len(night.memory_kib) - 1, sum(night.befell.values()), len(night.wrong)
        print(
            f"hour {hour}: {night.prints} prints, {faults} faults, {wrong} wrong", file=sys.stderr, flush=True
        )

    with tempfile.TemporaryDirectory() as folder:
        night = run(spend(options.hours, options.printers, options.seed, Path(folder), progress))
    took = time.monotonic() - began
    report = {
        "hours": options.hours,
        "printers": options.printers,
        "seed": options.seed,
        "prints": night.prints,
        "faults": sum(night.befell.values()),
        "looks": night.looks,
        "restarts": night.restarts,
        "messages": dict(sorted(night.messages.items())),
        "early pictures": night.early,
        "wrong": night.wrong,
        "memory_mib": [round(size / 1024, 1) for size in night.memory_kib],
        "took_s": round(took),
    }
    if options.json:
        print(json.dumps(report))
    else:
        console = Console()
        console.print(table(night))
        for name, value in report.items():
            console.print(f"{name}: {value}", highlight=False)
    return int(bool(night.wrong or night.early))


if __name__ == "__main__":
    sys.exit(main())
