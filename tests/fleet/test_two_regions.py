"""Two regions on one database: a print goes on in the other one when its own is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from layerwatch.config import load
from layerwatch.contexts.models import ContextRow
from layerwatch.fleet import repository as fleet
from layerwatch_sdk import Client, LayerwatchError, Retry
from tests.support.clocks import ManualClock
from tests.support.prints import frame
from tests.support.servers import Server, running

SECRET = "a secret for two regions, long enough for any"


@dataclass
class Fleet:
    """Two servers; `lose` ends the first one."""

    eu: Server
    us: Server
    clock: ManualClock
    eu_alone: ExitStack

    def lose(self) -> None:
        self.eu_alone.close()

    def listen(self) -> None:
        """Both hear the last heartbeats; eu says that it can do more."""
        with self.us.services.database.read() as session:
            known = fleet.regions(session, datetime.now(UTC))
        for server in (self.eu, self.us):
            server.services.router.learn(known)


@pytest.fixture
def two(database_url: str, tmp_path: Path) -> Iterator[Fleet]:
    clock = ManualClock()

    def settings(region: str, folder: str) -> object:
        return load(
            data_dir=tmp_path / folder, database=database_url, region=region, secret=SECRET, log_level="error"
        )

    with ExitStack() as both, ExitStack() as eu_alone:
        us = both.enter_context(running(settings("us", "us"), clock=clock))  # type: ignore[arg-type]
        eu = eu_alone.enter_context(running(settings("eu", "eu"), clock=clock))  # type: ignore[arg-type]
        with us.services.database.write() as session:
            for node in session.scalars(select(fleet.Node)):
                node.capacity = 100.0 if node.region == "eu" else 50.0
        made = Fleet(eu, us, clock, eu_alone)
        made.listen()
        yield made


def test_a_print_is_sent_to_the_region_with_the_most_to_spare_and_has_the_other_to_fall_back_on(
    two: Fleet,
) -> None:
    for server in (two.eu, two.us):
        answer = server.create_context(two.us.new_key()).json()
        assert answer["ProcessRequestUrl"].startswith(two.eu.url)
        assert answer["FallbackProcessRequestUrl"].startswith(two.us.url)


def test_a_draining_region_gets_no_new_prints_and_goes_on_with_those_it_has(two: Fleet) -> None:
    key = two.us.new_key()
    context = two.eu.new_context(key)
    with two.us.services.database.write() as session:
        fleet.drain(session, "eu", datetime.now(UTC))
    two.listen()
    assert two.eu.create_context(key).json()["ProcessRequestUrl"].startswith(two.us.url)
    assert two.eu.process(key, context).status_code == 200


def test_both_urls_go_on_with_one_state(two: Fleet) -> None:
    key = two.us.new_key()
    context = two.eu.new_context(key)
    for number in range(6):
        server = two.eu if number % 2 else two.us
        assert server.process(key, context, frame(0.05, number)).status_code == 200
        other = two.us if number % 2 else two.eu
        assert other.process(key, context, frame(0.05, number)).status_code == 429, (
            "the interval holds on both"
        )
        two.clock.advance(60)
    with two.us.services.database.read() as session:
        assert session.scalar(select(ContextRow.revision).where(ContextRow.id == context)) == 6


def test_losing_the_region_in_mid_print_costs_the_sdk_at_most_one_inspection(two: Fleet) -> None:
    key, account = two.us.new_key_of()
    answered = []
    with Client(key, two.eu.url, retry=Retry(attempts=3, first_delay=0.05)) as client:
        context = client.create_context()
        for number in range(8):
            if number == 4:
                two.lose()
            with suppress(LayerwatchError):
                answered.append(client.process(context, frame(0.05, number)))
            two.clock.advance(60)
    assert len(answered) >= 7
    assert two.us.billed(account) == len(answered)


def test_losing_the_region_costs_a_plain_client_at_most_one_inspection(two: Fleet) -> None:
    key, account = two.us.new_key_of()
    opened = two.eu.create_context(key).json()
    urls = [opened["ProcessRequestUrl"], opened["FallbackProcessRequestUrl"]]
    answered = 0
    for number in range(8):
        if number == 4:
            two.lose()
        for url in tuple(urls):
            try:
                answer = httpx.post(
                    url,
                    files={"file": frame(0.05, number)},
                    headers={"X-API-Key": key},
                    timeout=5,
                    trust_env=False,
                )
            except httpx.HTTPError:
                urls.reverse()
                continue
            answered += answer.status_code == 200
            break
        two.clock.advance(60)
    assert answered >= 7
    assert two.us.billed(account) == answered
