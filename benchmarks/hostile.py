"""Hostile clients beside honest ones, against real servers and proxies.

    python benchmarks/hostile.py                      10,000 hostile requests on each way, about 8 minutes
    python benchmarks/hostile.py --requests 1000 --ways caddy,nginx
    python benchmarks/hostile.py --slow               3 times 1,000 slow connections at 1,024 open files
    python benchmarks/hostile.py --java               Java's HttpClient as it comes

Ways: the node itself (direct), Caddy over HTTP (caddy) and TLS (caddy-tls), and nginx over TLS, with the
configurations in deploy/proxy. Four honest clients open contexts and show each a picture, over and over; each
knows its own answers from everybody else's by its account and by its picture. The detector is a double, the
rest is `layerwatch serve`. Exits with 1 if an answer was wrong or lost.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.support.beside_attackers import attack, timed_calls
from tests.support.fake_detector import picture
from tests.support.nodes import Node, node
from tests.support.proxies import Proxy, caddy, nginx
from tests.support.slow_clients import slow_clients

JAVA = Path(__file__).parents[1] / "tests" / "support" / "java" / "DefaultClient.java"
JAVA_EXPECTED = "invalid level: 400\ncreatecontext: 200\nprocess: 200\n"


@contextmanager
def direct(running: Node) -> Iterator[Proxy]:
    """No proxy."""
    yield Proxy("direct", running.port)


WAYS: dict[str, Callable[[Node], object]] = {
    "direct": direct,
    "caddy": lambda running: caddy(running.port),
    "caddy-tls": lambda running: caddy(running.port, tls=True),
    "nginx": lambda running: nginx(running.port),
}


@contextmanager
def started(open_files: int | None = None) -> Iterator[Node]:
    """A node in its own folder."""
    with (
        tempfile.TemporaryDirectory(prefix="layerwatch-hostile-") as folder,
        node(Path(folder), open_files=open_files) as running,
    ):
        yield running


def hostile(ways: list[str], requests: int, seed: int) -> bool:
    """Print a table; whether every honest call was answered, and rightly."""
    table = Table("way", "hostile requests", "honest calls", "wrong or lost", "p50", "longest", "memory, MiB")
    clean = True
    for way in ways:
        with started() as running, WAYS[way](running) as proxy:  # type: ignore[attr-defined]
            tally = attack(running, proxy.url, proxy.tls, number=requests, seed=seed)
        memory = tally.resident_mib
        table.add_row(
            way,
            f"{tally.hostile:,}",
            f"{tally.calls:,}",
            str(len(tally.wrong)),
            f"{statistics.median(tally.seconds) * 1000:.0f} ms",
            f"{max(tally.seconds) * 1000:.0f} ms",
            " ".join(f"{memory[len(memory) * part // 4]:.0f}" for part in range(4)) + f" {memory[-1]:.0f}",
        )
        for line in tally.wrong[:5]:
            print(line, file=sys.stderr)
        clean = clean and not tally.wrong
    Console(width=120).print(table)
    return clean


def slow(number: int, seconds: float, open_files: int) -> bool:
    """Print how long honest calls took beside slow connections; whether all were answered within a second."""
    with started(open_files) as running:
        with slow_clients(running, number):
            taken = timed_calls(running, seconds)
        memory = running.resident_mib()
    table = Table("slow connections", "honest calls", "p50", "p99", "longest", "memory, MiB")
    table.add_row(
        f"3 x {number:,}",
        str(len(taken)),
        *(f"{taken[len(taken) * part // 100] * 1000:.0f} ms" for part in (50, 99)),
        f"{taken[-1] * 1000:.0f} ms",
        f"{memory:.0f}",
    )
    Console(width=120).print(table)
    return taken[-1] <= 1.0


def java() -> bool:
    """Whether Java's client gets the answers that it should; needs a JDK from 17."""
    with started() as running, tempfile.NamedTemporaryFile(suffix=".jpg") as jpeg:
        Path(jpeg.name).write_bytes(picture(0.1))
        key = running.new_account("java").key
        said = subprocess.run(
            ["java", str(JAVA), running.url, key, jpeg.name], capture_output=True, text=True, check=False
        )
    print(said.stdout, said.stderr, sep="", end="")
    return said.stdout == JAVA_EXPECTED


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=10_000, help="hostile requests on each way")
    parser.add_argument("--ways", default=",".join(WAYS), help=f"of {', '.join(WAYS)}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--slow", action="store_true", help="slow connections instead")
    parser.add_argument("--connections", type=int, default=1000, help="slow ones of each kind")
    parser.add_argument("--seconds", type=float, default=60.0, help="for which they are held")
    parser.add_argument("--open-files", type=int, default=1024, help="the server's limit (ulimit -n)")
    parser.add_argument("--java", action="store_true", help="Java's client instead")
    options = parser.parse_args()
    if options.slow:
        return not slow(options.connections, options.seconds, options.open_files)
    if options.java:
        return not java()
    return not hostile(options.ways.split(","), options.requests, options.seed)


if __name__ == "__main__":
    sys.exit(main())
