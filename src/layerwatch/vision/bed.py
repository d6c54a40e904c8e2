"""Is the bed clear? A picture compared with how this very bed looks when it is empty.

No class of object is searched for: whatever lies on the bed and is not usually there counts, spaghetti, a
part or a scraper. What is compared is small, so that a printer's memory can hold it: luma of 64 x 48 cells,
colour of 32 x 24, and how far each cell usually is from its mean.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from layerwatch.vision.bed_difference import changed_cells, is_same_scene
from layerwatch.vision.bed_light import Planes, in_same_light
from layerwatch.vision.jpeg.decoder import decode_jpeg, turn_upright
from layerwatch.vision.regions import connected

COLUMNS, ROWS = 64, 48
CELLS = COLUMNS * ROWS
VIEW_BYTES = CELLS + 2 * CELLS // 4

FIRST_SPREAD = 2.5
"""Levels; the spread of a bed that was seen once."""

LEFT_OVER_CELLS = 10
"""Connected cells that are off, from which on something lies there: 0.3 % of the picture, less than half of
what covers 2 % of a bed that covers 40 % of it. Chosen with `FIRST_SPREAD`, as in `bed_difference`."""

UNSTEADY_SPREAD = 10.0
MAX_UNSTEADY_SHARE = 0.2
"""Where more than this share of the cells has such a spread, the head or bed is elsewhere each time, and
nothing can be said."""

MAX_CHANGED_SHARE = 0.6
"""Where more of the picture is off, another scene is shown: the camera or the lamp moved."""

MIN_VIEWS = 3
"""Pictures from prints' starts without which nothing is said; one that a person showed is enough."""

LEARN_RATE = 0.2

_MAGIC = b"LWB"
_VERSION = 1
_HEADER = struct.Struct("<3sBHB")


class BedFormatError(ValueError):
    """The bytes are not an empty bed, or a view of one, of a version that this program reads."""


class BedAnswer(StrEnum):
    """What a bed check says."""

    CLEAR = "clear"
    NOT_CLEAR = "not_clear"
    CANNOT_SAY = "cannot_say"


@dataclass(frozen=True, slots=True)
class LeftOver:
    """Where something lies. Corner and size in fractions of the picture, 0..1; area: its share of it."""

    left: float
    top: float
    width: float
    height: float
    area: float


@dataclass(frozen=True, slots=True)
class BedCheck:
    """The answer to one picture. left_overs: largest first, empty unless the bed is not clear.
    reason: why nothing can be said, else empty."""

    answer: BedAnswer
    left_overs: tuple[LeftOver, ...] = ()
    reason: str = ""


def bed_view(jpeg: bytes) -> bytes:
    """A JPEG reduced to what is compared, `VIEW_BYTES` long.

    Raises ImageDecodeError when the bytes are not one whole, decodable JPEG.
    """
    decoded = decode_jpeg(jpeg, at_least=4 * COLUMNS)
    image = turn_upright(Image.fromarray(decoded.pixels), decoded.orientation)
    luma, cb, cr = image.convert("YCbCr").resize((COLUMNS, ROWS), Image.Resampling.BOX).split()
    half = (COLUMNS // 2, ROWS // 2)
    colours = (band.resize(half, Image.Resampling.BOX).tobytes() for band in (cb, cr))
    return b"".join((luma.tobytes(), *colours))


@dataclass(frozen=True, slots=True, eq=False)
class EmptyBed:
    """How a bed looks when it is empty.

    mean: uint8 [VIEW_BYTES], packed as `bed_view` packs.  spread: uint8 [24, 32], how far cells usually are
    from it, in sixteenths of a level, the largest of the three planes.  views: pictures learned from.
    taught: whether a person showed it.
    """

    mean: NDArray[np.uint8]
    spread: NDArray[np.uint8]
    views: int
    taught: bool

    @classmethod
    def teach(cls, view: bytes) -> EmptyBed:
        """A bed that a person says is empty in this view; earlier knowledge is discarded."""
        return cls._first(view, taught=True)

    @classmethod
    def learn(cls, known: EmptyBed | None, view: bytes) -> EmptyBed:
        """The bed with the view from the start of a print that ended well."""
        if known is None:
            return cls._first(view, taught=False)
        mean, spread = known._planes(), known._spread()
        fitted = in_same_light(mean, _unpack(view), _trust(spread))
        if fitted is None:
            return known
        off = np.abs(fitted - mean).max(axis=0).reshape(ROWS // 2, 2, COLUMNS // 2, 2).max(axis=(1, 3))
        rate = max(1 / (known.views + 1), LEARN_RATE)
        packed = known.spread.astype(np.float32)
        return cls(
            mean=_pack(mean + rate * (fitted - mean)),
            spread=np.clip(np.rint(packed + rate * (16 * off - packed)), 0, 255).astype(np.uint8),
            views=min(known.views + 1, 2**16 - 1),
            taught=known.taught,
        )

    @classmethod
    def _first(cls, view: bytes, *, taught: bool) -> EmptyBed:
        if len(view) != VIEW_BYTES:
            raise BedFormatError(f"a view of a bed has {VIEW_BYTES} bytes, not {len(view)}")
        spread = np.full((ROWS // 2, COLUMNS // 2), 16 * FIRST_SPREAD, np.uint8)
        return cls(np.frombuffer(view, np.uint8), spread, 1, taught)

    def check(self, view: bytes) -> BedCheck:
        """Compare a view, as `bed_view` gives it."""
        if not self.taught and self.views < MIN_VIEWS:
            return _cannot_say(f"only {self.views} of {MIN_VIEWS} starts of prints are known; show it once")
        mean, spread = self._planes(), self._spread()
        if (spread >= UNSTEADY_SPREAD).mean() > MAX_UNSTEADY_SHARE:
            return _cannot_say("the head or the bed is in another place each time")
        seen = _unpack(view)
        fitted = in_same_light(mean, seen, _trust(spread))
        if fitted is None:
            return _cannot_say("the light is another one")
        changed = changed_cells(mean, spread, seen, fitted)
        if changed.mean() > MAX_CHANGED_SHARE or not is_same_scene(mean, fitted, changed):
            return _cannot_say("the picture shows another scene: the camera or the lamp moved")
        found = [part for part in connected(changed) if len(part) >= LEFT_OVER_CELLS]
        if not found:
            return BedCheck(BedAnswer.CLEAR)
        return BedCheck(BedAnswer.NOT_CLEAR, tuple(map(_left_over, sorted(found, key=len, reverse=True))))

    def to_bytes(self) -> bytes:
        """The bed as bytes: versioned, the same for equal beds."""
        return (
            _HEADER.pack(_MAGIC, _VERSION, self.views, self.taught)
            + self.mean.tobytes()
            + self.spread.tobytes()
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> EmptyBed:
        """Read what `to_bytes` wrote. Raises BedFormatError, saying what is wrong, on anything else."""
        if len(data) < 4 or data[:3] != _MAGIC:
            raise BedFormatError(f"not an empty bed: {len(data)} bytes")
        if data[3] != _VERSION:
            raise BedFormatError(f"empty bed of version {data[3]}; this program reads {_VERSION}")
        if len(data) != _HEADER.size + VIEW_BYTES + CELLS // 4:
            raise BedFormatError(f"empty bed of {len(data)} bytes")
        _, _, views, taught = _HEADER.unpack_from(data)
        spread = np.frombuffer(data, np.uint8, CELLS // 4, _HEADER.size + VIEW_BYTES)
        return cls(
            np.frombuffer(data, np.uint8, VIEW_BYTES, _HEADER.size),
            spread.reshape(ROWS // 2, COLUMNS // 2),
            max(views, 1),
            bool(taught),
        )

    def _planes(self) -> Planes:
        return _unpack(self.mean.tobytes())

    def _spread(self) -> NDArray[np.float32]:
        """[48, 64], in levels."""
        levels = self.spread.astype(np.float32) / np.float32(16)
        return levels.repeat(2, axis=0).repeat(2, axis=1)


def _cannot_say(reason: str) -> BedCheck:
    return BedCheck(BedAnswer.CANNOT_SAY, reason=reason)


def _unpack(view: bytes) -> Planes:
    if len(view) != VIEW_BYTES:
        raise BedFormatError(f"a view of a bed has {VIEW_BYTES} bytes, not {len(view)}")
    values = np.frombuffer(view, np.uint8).astype(np.float32)
    colours = values[CELLS:].reshape(2, ROWS // 2, COLUMNS // 2).repeat(2, axis=1).repeat(2, axis=2)
    return np.concatenate((values[:CELLS].reshape(1, ROWS, COLUMNS), colours))


def _pack(planes: Planes) -> NDArray[np.uint8]:
    rounded = np.clip(np.rint(planes), 0, 255).astype(np.uint8)
    return np.concatenate((rounded[0].ravel(), rounded[1:, ::2, ::2].ravel()))


def _trust(spread: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far a cell is to be trusted when light is compared, 0..1: little where it is another each time."""
    trust: NDArray[np.float32] = np.reciprocal(np.float32(1) + spread / np.float32(4))
    return trust


def _left_over(cells: list[tuple[int, int]]) -> LeftOver:
    top, left = min(row for row, _ in cells), min(column for _, column in cells)
    bottom, right = max(row for row, _ in cells) + 1, max(column for _, column in cells) + 1
    return LeftOver(
        left=left / COLUMNS,
        top=top / ROWS,
        width=(right - left) / COLUMNS,
        height=(bottom - top) / ROWS,
        area=len(cells) / CELLS,
    )
