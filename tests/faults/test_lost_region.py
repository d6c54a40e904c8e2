"""Two regions; the one that a print was sent to is killed in mid-print: that costs one inspection at most."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from layerwatch_sdk import Client, LayerwatchError, Retry

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from crashes import API, Bench, Node, Tally, audit, bench, new_account, settle
from crashes import made_up_picture as jpeg

PICTURES, KILLED_AT = 8, 4
SPEED = 100.0


@pytest.fixture(scope="module")
def regions() -> Iterator[Bench]:
    with bench("sqlite", speed=SPEED) as at:
        yield at


@pytest.fixture
def at(regions: Bench) -> Iterator[Bench]:
    """Both regions up, and an account of its own."""
    new_account(regions)
    deadline = time.monotonic() + 60
    while not heard_of_each_other(regions):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    yield regions
    for node in regions.nodes:
        if node.process is not None and node.process.poll() is not None:
            node.start()
    asyncio.run(settle(regions))


def primary(at: Bench, url: str) -> Node:
    return next(node for node in at.nodes if url.startswith(node.url))


def heard_of_each_other(at: Bench) -> bool:
    """Whether every region names another one as the fallback: a heartbeat after its start."""
    for node in at.nodes:
        answer = httpx.post(
            f"{node.url}{API}/createcontext", headers={"X-API-Key": at.key}, timeout=20, trust_env=False
        ).json()
        if urlsplit(answer["ProcessRequestUrl"]).port == urlsplit(answer["FallbackProcessRequestUrl"]).port:
            return False
    return True


def watch(inspect: Callable[[int], dict[str, object] | None], lose: Callable[[], None]) -> int:
    """A print of `PICTURES` calls, each after the previous answer's interval. Returns how many succeeded."""
    answered = 0
    for number in range(PICTURES):
        if number == KILLED_AT:
            lose()
        answer = inspect(number)
        answered += answer is not None
        interval = answer["NextProcessIntervalSec"] if answer is not None else 40
        time.sleep(float(str(interval)) / SPEED)
    return answered


def billed(at: Bench, contexts: list[str], answered: int) -> bool:
    """Whether the books agree with what was answered."""
    tally = Tally(answers={context: {str(number): {} for number in range(answered)} for context in contexts})
    return all("stored" in wrong for wrong in audit(at, tally))  # a plain client sends no Idempotency-Key


def test_by_the_sdk(at: Bench) -> None:
    with Client(at.key, at.nodes[0].url, retry=Retry(attempts=3, first_delay=0.05)) as client:
        context = client.create_context()

        def inspect(number: int) -> dict[str, object] | None:
            with suppress(LayerwatchError):
                return {"NextProcessIntervalSec": client.process(context, jpeg(number)).next_interval.seconds}
            return None

        answered = watch(inspect, primary(at, context.process_url).kill)
    assert answered >= PICTURES - 1
    assert billed(at, [context.context_id], answered)


def test_by_a_plain_http_client_that_follows_the_contract(at: Bench) -> None:
    headers = {"X-API-Key": at.key}
    opened = httpx.post(f"{at.nodes[1].url}{API}/createcontext", headers=headers, trust_env=False).json()
    urls = [opened["ProcessRequestUrl"], opened["FallbackProcessRequestUrl"]]

    def inspect(number: int) -> dict[str, object] | None:
        for url in tuple(urls):
            with suppress(httpx.HTTPError):
                answer = httpx.post(
                    url, files={"file": jpeg(number)}, headers=headers, timeout=20, trust_env=False
                )
                if answer.status_code == 200:
                    return dict(answer.json())
            urls.reverse()
        return None

    answered = watch(inspect, primary(at, urls[0]).kill)
    assert answered >= PICTURES - 1
    assert billed(at, [opened["ContextId"]], answered)
