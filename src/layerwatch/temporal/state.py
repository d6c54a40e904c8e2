"""All that is remembered of a print: O(1), immutable, under 4 KB (8 KB after feedback), versioned.

Arrays are half floats and bytes in memory too, so that a state that went through storage is the state itself.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from layerwatch.temporal.alarm import AlarmState
from layerwatch.temporal.baseline import Baseline
from layerwatch.temporal.belief import Belief
from layerwatch.temporal.familiar import Familiar
from layerwatch.temporal.marks import Marks, Origin
from layerwatch.temporal.places import PLACES, Places
from layerwatch.temporal.scene import SKETCH, View
from layerwatch.temporal.still import DIGEST_BYTES, Still

MAX_CAMERAS = 4

MAX_NUMBER = 1e15
"""Upper limit of every number of a state. The largest are seconds: 1.2 million, unless a clock is centuries
off."""

MIN_POSITIVE = 1e-15
"""Variances and frames never fall below this; their squares and quotients stay finite."""

_MAGIC = b"LWT"
_VERSION = 4
_WITHOUT_FAMILIAR = 3
"""The version without what is known of the printer; still written, where nothing is."""
_WITHOUT_MARKS = 2
"""The version before repeated pictures and marked places were remembered; still read."""

_KINDS = 8
_HEADER = struct.Struct(f"<3sBBBBx5dBB6x{_KINDS}d")
_CAMERA = struct.Struct("<16s16dII")
_CAMERA_BYTES = _CAMERA.size + 2 * 2 * PLACES + 2 * SKETCH
_KNOWN = struct.Struct(f"<{DIGEST_BYTES}s6dBB6x")
_KNOWN_BYTES = _KNOWN.size + PLACES
_FAMILIAR = struct.Struct("<16s2d")
_FAMILIAR_BYTES = _FAMILIAR.size + 2 * PLACES


def camera_name(text: str) -> bytes:
    """The name under which a state remembers a camera."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class StateFormatError(ValueError):
    """The bytes are not a print state of a version that this program reads."""


@dataclass(frozen=True, slots=True)
class CameraState:
    """One camera's scene. name: 16 bytes, a hash.  seconds: of its last picture.  frames: judged so far.

    recent_area: largest lit share of its pictures of late, 0..1.  still: its last picture and its repeats.
    marks: places known to look like a failure, if any.
    """

    name: bytes
    seconds: float
    frames: int
    logit: float
    picture: Baseline
    place: Baseline
    places: Places
    view: View
    recent_area: float = 0.0
    still: Still = field(default_factory=Still)
    marks: Marks | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PrintState:
    """What is believed of a print. seconds: of its last picture.  kinds: decaying mean of each kind.

    familiar: what is known of the printer from earlier prints, if any.
    before: the same print had the last feedback not been given, with all that was seen since; None before
    any feedback. It has no `before` itself.
    Two states are equal when their bytes are.
    """

    belief: Belief
    alarm: AlarmState
    seconds: float
    kinds: tuple[float, ...]
    cameras: tuple[CameraState, ...] = ()
    familiar: Familiar | None = None
    before: PrintState | None = None

    @classmethod
    def new(cls) -> PrintState:
        """What is believed of a print before its first picture."""
        return cls(Belief(), AlarmState(), 0.0, (0.0,) * _KINDS)

    def to_bytes(self) -> bytes:
        """The state as bytes: versioned, the same for equal states."""
        belief, alarm = self.belief, self.alarm
        parts = [
            _HEADER.pack(
                _MAGIC,
                _VERSION if self.familiar is not None else _WITHOUT_FAMILIAR,
                len(self.cameras),
                self.before is not None,
                self.familiar is not None,
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
        if self.familiar is not None:
            parts += _familiar_parts(self.familiar)
        if self.before is not None:
            parts.append(replace(self.before, before=None).to_bytes())
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
        version = data[3]
        if version not in (_VERSION, _WITHOUT_FAMILIAR, _WITHOUT_MARKS):
            raise StateFormatError(f"print state of version {version}; this program reads {_VERSION}")
        _, _, count, taught, starts, excursion, failing, seconds, bad, good, warned, paused, *kinds = (
            _HEADER.unpack_from(data)
        )
        each = _CAMERA_BYTES + (_KNOWN_BYTES if version != _WITHOUT_MARKS else 0)
        cameras_end = _HEADER.size + count * each
        ends = cameras_end + (_FAMILIAR_BYTES if starts else 0)
        if count > MAX_CAMERAS or (len(data) <= ends if taught else len(data) != ends):
            raise StateFormatError(f"print state of {len(data)} bytes does not hold {count} cameras")
        cameras = [_read_camera(data, _HEADER.size + i * each) for i in range(count)]
        if version != _WITHOUT_MARKS:
            cameras = [
                _read_known(camera, data, _HEADER.size + i * each + _CAMERA_BYTES)
                for i, camera in enumerate(cameras)
            ]
        state = cls(
            Belief(excursion, failing),
            AlarmState(bad, good, warned, paused),
            seconds,
            tuple(kinds),
            tuple(cameras),
            _read_familiar(data, cameras_end) if starts else None,
        )
        if not _is_sane(state):
            raise StateFormatError("print state holds values that no picture can have led to")
        return replace(state, before=cls._read_before(data[ends:])) if taught else state

    @classmethod
    def _read_before(cls, data: bytes) -> PrintState:
        before = cls.from_bytes(data)
        if before.before is not None:
            raise StateFormatError("print state from before the last feedback holds another one")
        return before


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
    return [numbers, *(array.tobytes() for array in arrays), *_known_parts(camera)]


def _known_parts(camera: CameraState) -> Iterator[bytes]:
    still, marks = camera.still, camera.marks
    area, calm, origin, unlit = (
        (marks.area, marks.calm_seconds, marks.origin, marks.unlit) if marks else (0.0, 0.0, 0, 0)
    )
    yield _KNOWN.pack(
        still.digest, still.says, still.score, still.seconds, camera.recent_area, area, calm, origin, unlit
    )
    yield marks.strengths.tobytes() if marks else bytes(PLACES)


def _familiar_parts(familiar: Familiar) -> Iterator[bytes]:
    yield _FAMILIAR.pack(familiar.camera, familiar.usual_area, familiar.accepted_area)
    yield familiar.usual.tobytes()
    yield familiar.accepted.tobytes()


def _read_familiar(data: bytes, at: int) -> Familiar:
    camera, usual_area, accepted_area = _FAMILIAR.unpack_from(data, at)
    places = np.frombuffer(data, np.uint8, 2 * PLACES, at + _FAMILIAR.size).reshape(2, PLACES)
    return Familiar(camera, places[0], usual_area, places[1], accepted_area)


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


def _read_known(camera: CameraState, data: bytes, at: int) -> CameraState:
    digest, says, score, seconds, recent_area, area, calm, origin, unlit = _KNOWN.unpack_from(data, at)
    marks = None
    if origin:
        if origin not in tuple(Origin):
            raise StateFormatError(f"print state marks places for an unknown reason, {origin}")
        strengths = np.frombuffer(data, np.uint8, PLACES, at + _KNOWN.size)
        marks = Marks(Origin(origin), strengths, area, calm, unlit)
    still = Still(digest, says, score, seconds)
    return replace(camera, recent_area=recent_area, still=still, marks=marks)


def _is_sane(state: PrintState) -> bool:
    belief, alarm = state.belief, state.alarm
    if not (belief.excursion > 0 and belief.failing > 0 and belief.excursion + belief.failing < 1):
        return False
    numbers = [state.seconds, alarm.bad_seconds, alarm.good_seconds, *state.kinds]
    if state.familiar is not None and not (
        0 <= state.familiar.usual_area <= 1 and 0 <= state.familiar.accepted_area <= 1
    ):
        return False
    for camera in state.cameras:
        view = camera.view
        for usual in (camera.picture, camera.place):
            numbers += [usual.mean, usual.frames, usual.variance, usual.scale_frames, usual.peak]
            if min(usual.frames, usual.variance, usual.scale_frames) < MIN_POSITIVE:
                return False
        numbers += [camera.seconds, camera.logit, view.usual_change, view.change_spread]
        numbers += [view.brightness, view.usual_step]
        marks, still = camera.marks, camera.still
        shares = [camera.recent_area, still.says / 100, still.score / 100, marks.area if marks else 0.0]
        numbers += [still.seconds, marks.calm_seconds if marks else 0.0]
        if not all(0 <= share <= 1 for share in shares):
            return False
        if not (np.isfinite(camera.places.usual).all() and np.isfinite(camera.places.recent).all()):
            return False
    return all(abs(number) <= MAX_NUMBER for number in numbers) and alarm.warned < 32 and alarm.paused < 32
