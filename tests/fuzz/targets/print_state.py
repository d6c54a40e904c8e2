"""A print's stored state: refused, or one that goes on giving verdicts in range and can be stored again."""

from __future__ import annotations

from layerwatch.temporal import TEACHERS, Levels, PrintState, StateFormatError, step
from tests.temporal.frames import Camera

MAX_BYTES = 4096
MAX_TAUGHT_BYTES = 8192
_PICTURES = (Camera(1).healthy(), Camera(2).failing())
_SECONDS = 20.0


def check(data: bytes) -> None:
    """The data are the stored bytes."""
    try:
        state = PrintState.from_bytes(data)
    except StateFormatError as error:
        assert str(error)
        return
    for lesson in TEACHERS.values():
        _is_storable(lesson(state))
    at = max(0.0, state.seconds)
    for picture in _PICTURES:
        at += _SECONDS
        state, verdict = step(state, picture, at, Levels())
        assert 1 <= verdict.quality <= 10 and 0 <= verdict.score <= 100
        _is_storable(state)


def _is_storable(state: PrintState) -> None:
    stored = state.to_bytes()
    assert len(stored) <= (MAX_BYTES if state.before is None else MAX_TAUGHT_BYTES)
    assert PrintState.from_bytes(stored) == state
