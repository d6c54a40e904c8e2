"""What the wall costs: server time and bytes of an update, first paint, requests.

    python benchmarks/wall.py

A farm of 500 live prints, 3 of them failing, and one of 20 whose pictures the server holds. An update is the
worst one, in which every card of a page changed; it includes the read from the database, which all readers
share.
Times are wall-clock in this process, medians of `ROUNDS`; the browser is Chromium, 1280 by 800.
"""

from __future__ import annotations

import gzip
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from layerwatch.config import load
from layerwatch.console.live_prints import live_prints
from tests.console.conftest import Office
from tests.support.browser import Browser
from tests.support.chromium import Tab, chromium
from tests.support.live_walls import Farm
from tests.support.prints import frame
from tests.support.servers import running

ROUNDS = 15
FARM, WALL = 500, 20


def timed(work: Callable[[], object]) -> float:
    """The median time of the work, in ms."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


def update(browser: Browser) -> tuple[float, str]:
    """Milliseconds from the request to the first news of a stream, and the news."""
    began = time.perf_counter()
    with browser.http.stream("GET", "/console/live") as answer:
        for line in answer.iter_lines():
            if line.startswith("data: ") and '"cards"' in line:
                return 1000 * (time.perf_counter() - began), line
    raise AssertionError("no news")


def paint(office: Office, name: str) -> tuple[float, int]:
    """First contentful paint in ms with an empty cache, and the requests of the page in two seconds."""
    with chromium() as browser:
        tab = Tab(browser.new_context(viewport={"width": 1280, "height": 800}), office.server.url)
        tab.sign_in(name)
        fresh = Tab(
            browser.new_context(
                viewport={"width": 1280, "height": 800}, storage_state=tab.page.context.storage_state()
            ),
            office.server.url,
        )
        requests = []
        fresh.page.on("request", lambda request: requests.append(request.url))
        fresh.go("/")
        fresh.page.wait_for_timeout(2000)
        painted = fresh.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    return painted, len(requests)


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        running(load(data_dir=Path(folder), log_level="error")) as server,
    ):
        office, names = Office(server, []), {FARM: "farm@example.org", WALL: "wall@example.org"}
        accounts = {size: office.account(f"Farm of {size}") for size in names}
        for size, email in names.items():
            office.user(email, accounts[size])
        Farm(server, accounts[FARM]).add(1, 2, 3, *[9] * (FARM - 3))
        key, _ = server.new_key_of(accounts[WALL])
        for number in range(WALL):
            context = server.create_context(key, {"Name": f"Bracket {number}", "Printer": "Voron"}).json()
            answer = server.process(key, context["ContextId"], frame(0.03, number))
            assert answer.status_code == 200, answer.text
        big = office.signed_in(names[FARM])

        def read() -> object:
            with server.services.database.read() as session:
                return live_prints(session, accounts[FARM], server.clock.now())

        page = big.get("/")
        updates = [update(big) for _ in range(ROUNDS)]
        news = updates[0][1]
        rows = [
            (f"read {FARM} prints from the database", f"{timed(read):.0f} ms"),
            (f"page of {FARM} prints, whole", f"{timed(lambda: big.get('/')):.0f} ms"),
            (
                "  its size",
                f"{len(page.content) / 1000:.0f} KB, gzip {len(gzip.compress(page.content)) / 1000:.0f} KB",
            ),
            (
                f"update of {FARM} prints, every card changed",
                f"{statistics.median(ms for ms, _ in updates):.0f} ms",
            ),
            ("  its size", f"{len(news.encode()) / 1000:.0f} KB, {len(json.loads(news[6:])['cards'])} cards"),
        ]
        for size, email in names.items():
            painted, requests = paint(office, email)
            rows.append((f"first paint, wall of {size}", f"{painted:.0f} ms, {requests} requests"))
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")


if __name__ == "__main__":
    main()
