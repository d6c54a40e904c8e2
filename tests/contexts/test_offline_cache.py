"""What a node remembers of its prints is bounded, and goes when they have ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from layerwatch.contexts.offline import cache
from layerwatch.contexts.offline.cache import FORGET_AFTER, OfflineCache
from layerwatch.contexts.repository import Moved

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def seen(at: datetime) -> Moved:
    return Moved(b"state", at, 40_000, None, "{}")


def test_a_print_that_is_not_heard_any_more_is_forgotten() -> None:
    remembered = OfflineCache()
    remembered.remember("ended", seen(NOON))
    remembered.remember("live", seen(NOON))
    for minutes in range(1, 150):
        remembered.remember("live", seen(NOON + timedelta(minutes=minutes)))
    assert remembered.last("ended") is None
    assert remembered.last("live") is not None


def test_a_print_that_pauses_for_less_is_not() -> None:
    remembered = OfflineCache()
    remembered.remember("paused", seen(NOON))
    remembered.remember("other", seen(NOON + FORGET_AFTER))
    assert remembered.last("paused") is not None


def test_there_are_never_more_than_agreed_and_the_longest_unheard_goes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cache, "MAX_CONTEXTS", 3)
    remembered = OfflineCache()
    for name in ("a", "b", "c", "a", "d"):
        remembered.remember(name, seen(NOON))
    assert [name for name in "abcd" if remembered.last(name)] == ["a", "c", "d"]


def test_a_clock_that_was_set_forward_forgets_the_others_and_keeps_going() -> None:
    remembered = OfflineCache()
    remembered.remember("a", seen(NOON))
    remembered.remember("b", seen(NOON + timedelta(days=5)))
    assert remembered.last("b") is not None
    remembered.remember("a", seen(NOON))
    assert remembered.last("a") is not None
