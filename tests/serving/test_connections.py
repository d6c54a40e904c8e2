"""Connections are bounded in all and for each address; those that lag most make room."""

from __future__ import annotations

import resource
from dataclasses import dataclass

import pytest

from layerwatch.serving.connections import MIN_BYTES_PER_S, RESERVED_FILES, Connections, connection_limit


@dataclass(eq=False)
class Held:
    """A connection that lags by what the test says; None: its client waits for the server."""

    address: str = "192.0.2.1"
    behind: float | None = 0.0
    dropped: bool = False

    def lag(self, now: float) -> float | None:
        return self.behind

    def drop(self) -> None:
        self.dropped = True


def filled(connections: Connections, *held: Held) -> None:
    for each in held:
        assert connections.add(each, 0.0)


def test_the_connection_that_lags_most_makes_room_for_its_address() -> None:
    connections = Connections(100, 2, exempt="")
    first, second, other = Held(behind=1.0), Held(behind=5.0), Held("192.0.2.2", behind=9.0)
    filled(connections, first, second, other)
    assert connections.add(Held(), 0.0)
    assert [each.dropped for each in (first, second, other)] == [False, True, False]
    assert len(connections) == 3


def test_an_address_whose_calls_are_all_under_way_gets_no_more() -> None:
    connections = Connections(100, 2, exempt="")
    filled(connections, Held(behind=None), Held(behind=None))
    assert not connections.add(Held(), 0.0)
    assert connections.add(Held("192.0.2.2"), 0.0)


@pytest.mark.parametrize("exempt", ["192.0.2.1", "10.0.0.0/8, 192.0.2.0/24", "*"])
def test_a_trusted_proxy_has_no_limit_by_address(exempt: str) -> None:
    connections = Connections(100, 2, exempt)
    filled(connections, *(Held(behind=None) for _ in range(50)))


def test_one_network_of_ipv6_counts_as_one_address() -> None:
    connections = Connections(100, 2, exempt="")
    filled(connections, Held("2001:db8::1", None), Held("2001:db8::2", None))
    assert not connections.add(Held("2001:db8::3"), 0.0)
    assert connections.add(Held("2001:db8:0:1::3"), 0.0)


def test_those_that_lag_most_make_room_for_everybody() -> None:
    connections = Connections(40, 100, exempt="")
    held = [Held(f"192.0.2.{number}", behind=number) for number in range(40)]
    filled(connections, *held)
    assert connections.add(Held("198.51.100.1"), 0.0)
    assert [each.address for each in held if each.dropped] == [
        f"192.0.2.{number}" for number in range(36, 40)
    ]


def test_they_are_crowded_from_just_before_the_limit_and_while_room_is_being_made() -> None:
    connections = Connections(40, 100, exempt="")
    filled(connections, *(Held() for _ in range(31)))
    assert not connections.crowded
    filled(connections, *(Held() for _ in range(9)))
    for _ in range(40):
        assert connections.add(Held(), 0.0)
        assert connections.crowded


def test_when_all_connections_are_being_served_new_ones_are_refused() -> None:
    connections = Connections(2, 100, exempt="")
    served = [Held("192.0.2.1", None), Held("192.0.2.2", None)]
    filled(connections, *served)
    assert not connections.add(Held("192.0.2.3"), 0.0)
    connections.remove(served[0])
    assert connections.add(Held("192.0.2.3"), 0.0)


def test_the_limit_leaves_files_for_everything_else() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert connection_limit() <= max(16, soft - RESERVED_FILES)


def test_a_slow_mobile_uplink_is_fast_enough() -> None:
    assert MIN_BYTES_PER_S * 8 <= 9_600
