"""All that is remembered of a print: O(1), immutable, under 4 KB, versioned.

Arrays are half floats in memory too, so that a state that went through storage is the state itself.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from layerwatch.temporal.belief import Belief

Half = NDArray[np.float16]
Bytes = NDArray[np.uint8]

PLACES = 64
"""Places of the coarse grid, 8 x 8."""
SKETCH = 192
"""Pixels of the sketch of a picture, 16 x 12."""
MOST_CAMERAS = 4

_MAGIC = b"LWT"
_VERSION = 1
_HEADER = struct.Struct("<3sBB3x5dBB6x8d")
_CAMERA = struct.Struct("<16s13dII")
_CAMERA_BYTES = _CAMERA.size + 3 * 2 * PLACES + 2 * SKETCH


class StateFormatError(ValueError):
    """The bytes are not a print state of this version."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A Normal-inverse-gamma belief about a healthy value: mean, frames behind it, scale, frames behind that."""

    mean: float
    frames: float
    variance: float
    scale_frames: float


@dataclass(frozen=True, slots=True)
class CameraState:
    """One camera's scene. `place_*` have shape [64], sketches shape [192] (16 x 12, row-major)."""

    name: bytes
    seconds: float
    picture: Baseline
    place: Baseline
    recent_logit: float
    usual_change: float
    usual_change_spread: float
    brightness: float
    unsettled: int
    frames: int
    place_mean: Half
    place_spread: Half
    place_recent: Half
    sketch: Bytes
    reference: Bytes


@dataclass(frozen=True, slots=True)
class PrintState:
    """What is believed of a print.

    bad_seconds: leaky sum of seconds at quality 1-3.
    good_seconds: seconds since the quality was last low.  warned, paused: one bit a level.
    kinds: decaying mean of the kinds' probabilities above their baseline.
    """

    belief: Belief
    seconds: float
    bad_seconds: float
    good_seconds: float
    warned: int
    paused: int
    kinds: tuple[float, ...]
    cameras: tuple[CameraState, ...] = field(default=())

    def to_bytes(self) -> bytes:
        """The state as bytes: versioned, under 4 KB, the same for equal states."""
        parts = [
            _HEADER.pack(
                _MAGIC,
                _VERSION,
                len(self.cameras),
                self.belief.excursion,
                self.belief.failing,
                self.seconds,
                self.bad_seconds,
                self.good_seconds,
                self.warned,
                self.paused,
                *self.kinds,
            )
        ]
        for camera in self.cameras:
            picture, place = camera.picture, camera.place
            parts.append(
                _CAMERA.pack(
                    camera.name,
                    camera.seconds,
                    picture.mean,
                    picture.frames,
                    picture.variance,
                    picture.scale_frames,
                    place.mean,
                    place.frames,
                    place.variance,
                    place.scale_frames,
                    camera.recent_logit,
                    camera.usual_change,
                    camera.usual_change_spread,
                    camera.brightness,
                    camera.unsettled,
                    camera.frames,
                )
            )
            parts += [
                array.tobytes()
                for array in (
                    camera.place_mean,
                    camera.place_spread,
                    camera.place_recent,
                    camera.sketch,
                    camera.reference,
                )
            ]
        return b"".join(parts)

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
        cameras = tuple(_read_camera(data, _HEADER.size + i * _CAMERA_BYTES) for i in range(count))
        state = cls(Belief(excursion, failing), seconds, bad, good, warned, paused, tuple(kinds), cameras)
        if not state._is_sane():
            raise StateFormatError("print state holds values that no frame can have led to")
        return state

    def _is_sane(self) -> bool:
        numbers = [self.seconds, self.bad_seconds, self.good_seconds, *self.kinds]
        belief = self.belief
        if not (belief.excursion > 0 and belief.failing > 0 and belief.excursion + belief.failing < 1):
            return False
        for camera in self.cameras:
            for usual in (camera.picture, camera.place):
                numbers += [usual.mean, usual.frames, usual.variance, usual.scale_frames]
                if usual.frames <= 0 or usual.variance <= 0 or usual.scale_frames <= 0:
                    return False
            numbers += [camera.seconds, camera.recent_logit, camera.brightness]
            numbers += [camera.usual_change, camera.usual_change_spread]
            for array in (camera.place_mean, camera.place_spread, camera.place_recent):
                if not np.isfinite(array).all():
                    return False
        return bool(np.isfinite(numbers).all()) and self.warned < 32 and self.paused < 32


def _read_camera(data: bytes, at: int) -> CameraState:
    name, seconds, *numbers = _CAMERA.unpack_from(data, at)
    at += _CAMERA.size
    halves = np.frombuffer(data, np.float16, 3 * PLACES, at).reshape(3, PLACES)
    sketches = np.frombuffer(data, np.uint8, 2 * SKETCH, at + 6 * PLACES).reshape(2, SKETCH)
    recent_logit, usual_change, usual_change_spread, brightness, unsettled, frames = numbers[8:]
    return CameraState(
        name=name,
        seconds=seconds,
        picture=Baseline(*numbers[0:4]),
        place=Baseline(*numbers[4:8]),
        recent_logit=recent_logit,
        usual_change=usual_change,
        usual_change_spread=usual_change_spread,
        brightness=brightness,
        unsettled=unsettled,
        frames=frames,
        place_mean=halves[0],
        place_spread=halves[1],
        place_recent=halves[2],
        sketch=sketches[0],
        reference=sketches[1],
    )
