"""All that is remembered of a print: O(1), immutable, under 4 KB, versioned.

Arrays are half floats and bytes in memory too, so that a state that went through storage is the state itself.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from layerwatch.temporal.alarm import Alarm
from layerwatch.temporal.baseline import Baseline
from layerwatch.temporal.belief import Belief
from layerwatch.temporal.places import PLACES, Places
from layerwatch.temporal.scene import SKETCH, View

MOST_CAMERAS = 4

LARGEST = 1e15
"""No number of a state is larger. The largest are seconds: 1.2 million, unless a clock is centuries off."""

LEAST_POSITIVE = 1e-15
"""Variances and frames never fall below this; their squares and quotients stay finite."""

_MAGIC = b"LWT"
_VERSION = 2
_KINDS = 8
_HEADER = struct.Struct(f"<3sBB3x5dBB6x{_KINDS}d")
_CAMERA = struct.Struct("<16s16dII")
_CAMERA_BYTES = _CAMERA.size + 2 * 2 * PLACES + 2 * SKETCH


class StateFormatError(ValueError):
    """The bytes are not a print state of this version."""


@dataclass(frozen=True, slots=True)
class CameraState:
    """One camera's scene. name: 16 bytes, a hash.  seconds: of its last picture.  frames: judged so far."""

    name: bytes
    seconds: float
    frames: int
    logit: float
    picture: Baseline
    place: Baseline
    places: Places
    view: View


@dataclass(frozen=True, slots=True, eq=False)
class PrintState:
    """What is believed of a print. seconds: of its last picture.  kinds: decaying mean of each kind.

    Two states are equal when their bytes are.
    """

    belief: Belief
    alarm: Alarm
    seconds: float
    kinds: tuple[float, ...]
    cameras: tuple[CameraState, ...] = ()

    def to_bytes(self) -> bytes:
        """The state as bytes: versioned, under 4 KB, the same for equal states."""
        belief, alarm = self.belief, self.alarm
        parts = [
            _HEADER.pack(
                _MAGIC,
                _VERSION,
                len(self.cameras),
                belief.excursion,
                belief.failing,
                self.seconds,
                alarm.bad_seconds,
                alarm.good_seconds,
                alarm.warned,
                alarm.paused,
                *self.kinds,
            )
        ]
        for camera in self.cameras:
            parts += _camera_parts(camera)
        return b"".join(parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PrintState) and self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self.to_bytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> PrintState:
        """Read what `to_bytes` wrote. Raises StateFormatError, saying what is wrong, on anything else."""
        if len(data) < _HEADER.size or data[:3] != _MAGIC:
            raise StateFormatError(f"not a print state: {len(data)} bytes that do not begin with {_MAGIC!r}")
        if data[3] != _VERSION:
            raise StateFormatError(f"print state of version {data[3]}; this program reads version {_VERSION}")
        _, _, count, excursion, failing, seconds, bad, good, warned, paused, *kinds = _HEADER.unpack_from(
            data
        )
        if count > MOST_CAMERAS or len(data) != _HEADER.size + count * _CAMERA_BYTES:
            raise StateFormatError(f"print state of {len(data)} bytes does not hold {count} cameras")
        state = cls(
            Belief(excursion, failing),
            Alarm(bad, good, warned, paused),
            seconds,
            tuple(kinds),
            tuple(_read_camera(data, _HEADER.size + i * _CAMERA_BYTES) for i in range(count)),
        )
        if not _is_sane(state):
            raise StateFormatError("print state holds values that no picture can have led to")
        return state


def _camera_parts(camera: CameraState) -> list[bytes]:
    picture, place, view = camera.picture, camera.place, camera.view
    numbers = _CAMERA.pack(
        camera.name,
        camera.seconds,
        camera.logit,
        picture.mean,
        picture.frames,
        picture.variance,
        picture.scale_frames,
        picture.peak,
        place.mean,
        place.frames,
        place.variance,
        place.scale_frames,
        place.peak,
        view.usual_change,
        view.change_spread,
        view.brightness,
        view.usual_step,
        view.unsettled,
        camera.frames,
    )
    arrays = (camera.places.usual, camera.places.recent, view.sketch, view.reference)
    return [numbers, *(array.tobytes() for array in arrays)]


def _read_camera(data: bytes, at: int) -> CameraState:
    name, seconds, value, *numbers, unsettled, frames = _CAMERA.unpack_from(data, at)
    at += _CAMERA.size
    halves = np.frombuffer(data, np.float16, 2 * PLACES, at).reshape(2, PLACES)
    sketches = np.frombuffer(data, np.uint8, 2 * SKETCH, at + 2 * 2 * PLACES).reshape(2, SKETCH)
    return CameraState(
        name=name,
        seconds=seconds,
        frames=frames,
        logit=value,
        picture=Baseline(*numbers[0:5]),
        place=Baseline(*numbers[5:10]),
        places=Places(halves[0], halves[1]),
        view=View(sketches[0], sketches[1], numbers[10], numbers[11], numbers[12], numbers[13], unsettled),
    )


def _is_sane(state: PrintState) -> bool:
    belief, alarm = state.belief, state.alarm
    if not (belief.excursion > 0 and belief.failing > 0 and belief.excursion + belief.failing < 1):
        return False
    numbers = [state.seconds, alarm.bad_seconds, alarm.good_seconds, *state.kinds]
    for camera in state.cameras:
        view = camera.view
        for usual in (camera.picture, camera.place):
            numbers += [usual.mean, usual.frames, usual.variance, usual.scale_frames, usual.peak]
            if min(usual.frames, usual.variance, usual.scale_frames) < LEAST_POSITIVE:
                return False
        numbers += [camera.seconds, camera.logit, view.usual_change, view.change_spread]
        numbers += [view.brightness, view.usual_step]
        if not (np.isfinite(camera.places.usual).all() and np.isfinite(camera.places.recent).all()):
            return False
    return all(abs(number) <= LARGEST for number in numbers) and alarm.warned < 32 and alarm.paused < 32
