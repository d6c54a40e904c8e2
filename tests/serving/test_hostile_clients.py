"""Beside hostile clients honest ones get their answers: theirs, all of them, in time.

The long form is `python benchmarks/hostile.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.beside_attackers import Tally, attack, timed_calls
from tests.support.nodes import Node, node
from tests.support.proxies import caddy, nginx
from tests.support.slow_clients import slow_clients

REQUESTS = 1000
GROWTH_MIB = 60
"""What a node's memory may grow by over `REQUESTS`: caches fill, and allocators keep what they had once."""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with node(tmp_path_factory.mktemp("node"), workers=2) as started:
        yield started


def assert_untouched(tally: Tally) -> None:
    assert tally.hostile == REQUESTS
    assert tally.wrong == []
    assert tally.calls > 50
    assert tally.resident_mib[-1] - tally.resident_mib[0] < GROWTH_MIB


def test_without_a_proxy(running: Node) -> None:
    assert_untouched(attack(running, running.url, None, number=REQUESTS, seed=1))


def test_through_caddy(running: Node) -> None:
    with caddy(running.port) as proxy:
        assert_untouched(attack(running, proxy.url, proxy.tls, number=REQUESTS, seed=2))


def test_through_caddy_over_tls(running: Node) -> None:
    with caddy(running.port, tls=True) as proxy:
        assert_untouched(attack(running, proxy.url, proxy.tls, number=REQUESTS, seed=3))


def test_through_nginx_over_tls(running: Node) -> None:
    with nginx(running.port) as proxy:
        assert_untouched(attack(running, proxy.url, proxy.tls, number=REQUESTS, seed=4))


def test_three_thousand_slow_connections_at_1024_open_files(tmp_path: Path) -> None:
    """The longest call is for the benchmark to show: a test machine is busy with other things."""
    with node(tmp_path, open_files=1024) as running, slow_clients(running, 1000):
        taken = timed_calls(running, 10.0)
    assert taken[len(taken) * 9 // 10] < 1.0
