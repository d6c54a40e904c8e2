"""Answers, contexts' revisions and billed units, after many calls with servers killed at random instants.

    python benchmarks/ledger.py                                    100,000 calls, 64 clients, 30 kills, SQLite
    python benchmarks/ledger.py --database postgresql --seed 7
    python benchmarks/ledger.py --calls 5000 --kills 5 --json

Two servers on one database; each client calls one of them and repeats through the other, under the same
Idempotency-Key, whatever fails. The detector is a stand-in. Exit status 1 if anything disagrees.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time

from crashes import Bench, Tally, audit, bench, drive, kill_node, settle

SPEED = 250.0
"""Print seconds in a real one: an interval of 40 s is 160 ms, so 64 clients make 400 calls a second at most.
A context expires and is swept after an hour and a third: the books must be looked at before."""

MAX_UNSAFE = 1000
"""After so many answers that no client could have gone on from, the run is given up."""


async def run(at: Bench, calls: int, clients: int, kills: int, seed: int, tally: Tally) -> int:
    """Drive the clients and kill nodes meanwhile, spread over the calls; how many kills there were."""
    rng = random.Random(seed)
    # Not at the very end: the last server to be killed has to be there again before the last call.
    moments = sorted(rng.randrange(max(1, calls * 95 // 100)) for _ in range(kills))
    work = asyncio.create_task(drive(at, calls=calls, clients=clients, seed=seed, tally=tally))
    done = 0
    while not work.done():
        if len(tally.unsafe) > MAX_UNSAFE:
            work.cancel()
            return done
        if done < len(moments) and tally.successes >= moments[done]:
            await kill_node(at, rng)
            done += 1
        await asyncio.sleep(rng.uniform(0, 0.02))
    await work
    await settle(at)
    return done


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    began = time.monotonic()
    tally = Tally()
    with bench(options.database, speed=SPEED) as at:
        kills = asyncio.run(run(at, options.calls, options.clients, options.kills, options.seed, tally))
        wrong = audit(at, tally)
    result = {
        "database": options.database,
        "seed": options.seed,
        "clients": options.clients,
        "kills": kills,
        "answers": tally.successes,
        "repeats": tally.repeats,
        "violations": wrong,
        "seconds": round(time.monotonic() - began, 1),
    }
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:10}  {value if value != [] else 'none'}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
