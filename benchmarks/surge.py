"""Ten times more prints within a minute, on a real server with a fast clock.

    python benchmarks/surge.py               about two minutes
    python benchmarks/surge.py --json

A server over HTTP with the real pacing, queue, database and everything else; the detector is a stand-in that
sleeps for a fixed time for each picture in two workers (20 inspections a second), the clock runs ten times
faster than real. 32 prints load it to 0.4 at rest; they become 320. All times that are printed are print
seconds. Clients obey NextProcessIntervalSec and Retry-After to the moment.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
from crashes import API, PICTURE_SECONDS, Bench, _open, bench, made_up_picture

SPEED = 10.0
SECONDS_A_PICTURE = 0.1
PRINTS, TIMES = 32, 10
SURGE_AT, SURGE_SECONDS, WHOLE = 150.0, 60.0, 1000.0


@dataclass
class Log:
    """When each call came, print seconds from the start; the interval given, None for a refusal."""

    rows: list[tuple[float, int | None]] = field(default_factory=list)
    other: int = 0

    def share_throttled(self, first: float, last: float) -> float:
        given = [given for at, given in self.rows if first <= at < last]
        return sum(each is None for each in given) / max(1, len(given))

    def intervals(self, first: float, last: float) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([given for at, given in self.rows if first <= at < last and given is not None], float)


async def print_(at: Bench, http: httpx.AsyncClient, starts: float, began: float, log: Log) -> None:
    """One print: from `starts` on it calls when its interval has passed."""

    def now() -> float:
        return (time.monotonic() - began) * at.speed

    await asyncio.sleep(max(0.0, (starts - now()) / at.speed))
    context, jpeg = await _open(at, http), made_up_picture(int(starts * 100), red=5)
    while now() < WHOLE:
        called = now()
        answer = await http.post(
            f"{at.nodes[0].url}{API}/process/{context}", files={"f": jpeg}, headers={"X-API-Key": at.key}
        )
        if answer.status_code == 200:
            wait = answer.json()["NextProcessIntervalSec"]
            log.rows.append((called, wait))
        elif answer.status_code == 503:
            wait = int(answer.headers["Retry-After"])
            log.rows.append((called, None))
        else:
            log.other += 1
            wait = int(answer.headers.get("Retry-After", "20"))
        await asyncio.sleep(wait / at.speed)


async def run(at: Bench) -> dict[str, Any]:
    """The surge; what came of it."""
    rng = np.random.default_rng(1)
    starts = [
        *rng.uniform(0, 40, PRINTS),
        *rng.uniform(SURGE_AT, SURGE_AT + SURGE_SECONDS, PRINTS * (TIMES - 1)),
    ]
    log, began = Log(), time.monotonic()
    async with httpx.AsyncClient(
        timeout=30, trust_env=False, limits=httpx.Limits(max_connections=400)
    ) as http:
        await asyncio.gather(*(print_(at, http, float(start), began, log) for start in starts))
    end = SURGE_AT + SURGE_SECONDS
    settled = float(np.mean(log.intervals(0.75 * WHOLE, WHOLE)))
    windows = np.arange(end, WHOLE - 60, 30)
    means = np.array(
        [np.mean(given) if len(given := log.intervals(at_, at_ + 60)) else np.nan for at_ in windows]
    )
    off = (means - settled) / settled
    outside = windows[np.abs(off) > 0.10]
    return {
        "prints": PRINTS * TIMES,
        "interval_before": round(float(np.mean(log.intervals(60, SURGE_AT))), 1),
        "throttled_in_surge": round(log.share_throttled(SURGE_AT, end), 3),
        "throttled_from_end_to_two_intervals": round(log.share_throttled(end, end + 2 * settled), 4),
        "throttled_past_two_intervals": round(log.share_throttled(end + 2 * settled, WHOLE), 4),
        "interval_settled": round(settled, 1),
        "settled_after": round(float(outside[-1] - end + 30)) if len(outside) else 0,
        "overshoot": round(max(0.0, float(np.nanmax(off))), 3),
        "other_answers": log.other,
    }


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    environment = {PICTURE_SECONDS: str(SECONDS_A_PICTURE)}
    with bench("sqlite", speed=SPEED, regions=("one",), environment=environment) as at:
        result = asyncio.run(run(at))
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name.replace('_', ' '):38}{value}")


if __name__ == "__main__":
    main()
