"""A print's memory as bytes: small, versioned, and never taken on trust."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerwatch.temporal import PrintState, StateFormatError, false_alarm
from tests.temporal.frames import Camera, Watch


@pytest.fixture(scope="module")
def stored() -> bytes:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(5))
    assert watch.state is not None
    return watch.state.to_bytes()


def test_bytes_of_another_kind_are_refused() -> None:
    for data in (b"", b"LW", b"{}", b"\x00" * 500):
        with pytest.raises(StateFormatError, match="not a print state"):
            PrintState.from_bytes(data)


def test_a_later_version_is_refused_by_name(stored: bytes) -> None:
    with pytest.raises(StateFormatError, match="version 9"):
        PrintState.from_bytes(stored[:3] + b"\x09" + stored[4:])


def test_a_cut_off_state_is_refused(stored: bytes) -> None:
    with pytest.raises(StateFormatError, match="does not hold"):
        PrintState.from_bytes(stored[:-1])


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_damaged_state_is_refused_or_still_works(stored: bytes, at: int, value: int) -> None:
    damaged = bytearray(stored)
    damaged[at % len(damaged)] = value
    try:
        state = PrintState.from_bytes(bytes(damaged))
    except StateFormatError:
        return
    watch = Watch()
    watch.state, watch.second = state, 1e4
    assert 1 <= watch.see(Camera(3).healthy()).quality <= 10


def test_a_state_of_the_version_before_still_loads_and_goes_on() -> None:
    """Written by the program before pictures' repeats and marked places were remembered, at a warning."""
    watch = Watch()
    watch.state = PrintState.from_bytes((Path(__file__).parent / "state_v2.bin").read_bytes())
    watch.second = 460.0
    assert watch.state.cameras[0].frames == 24
    verdict = watch.see(Camera(5).failing())
    assert verdict.warning and verdict.quality == 1
    assert watch.state.to_bytes()[3] == 3


def test_a_taught_state_that_is_cut_off_is_refused(stored: bytes) -> None:
    taught = false_alarm(PrintState.from_bytes(stored)).to_bytes()
    assert PrintState.from_bytes(taught).before is not None
    for length in (len(taught) - 1, len(stored), len(stored) + 1):
        with pytest.raises(StateFormatError):
            PrintState.from_bytes(taught[:length])
