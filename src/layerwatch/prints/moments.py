"""One picture in a print's course, and its form in the tables: 12 bytes, as 16 characters of Base64."""

from __future__ import annotations

import struct
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from layerwatch.temporal import Explanation, Verdict
from layerwatch.temporal.verdict import FROM_START, MARKED, STILL_PICTURE
from layerwatch.vision.evidence import KINDS, Condition, Evidence

HOUR_S = 3600
ENTRY_CHARACTERS = 16

_ENTRY = struct.Struct("<HBBBHBBBbB")
_CONDITIONS = (*Condition,)
_NOTES = (None, FROM_START, STILL_PICTURE, MARKED)
"""These two are numbered in what is stored: add at their end only."""

_NATS = 10.0
"""Steps of the stored evidence in one nat; it is cut at 12.7."""
_UNKNOWN = 255
_WARNING, _PAUSE, _HALTED = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Moment:
    """What one picture came to.

    second: of the print's own time.  quality, score, warning, pause, kind, condition, note: as in `Verdict`.
    probability: that a failure is in view, by this picture alone.  usual: what its camera usually shows.
    failing, excursion, evidence: as in `Explanation`.  halted: the printer reported that it is paused.
    """

    second: int
    quality: int
    score: int
    warning: bool
    pause: bool
    halted: bool
    kind: str | None
    condition: Condition
    note: str | None
    probability: float
    usual: float | None
    failing: float
    excursion: float
    evidence: float

    @classmethod
    def of(
        cls, second: float, evidence: Evidence, verdict: Verdict, explanation: Explanation, *, halted: bool
    ) -> Moment:
        """The moment of a picture that was judged."""
        return cls(
            second=int(second),
            quality=verdict.quality,
            score=verdict.score,
            warning=verdict.warning,
            pause=verdict.pause,
            halted=halted,
            kind=verdict.kind,
            condition=verdict.condition,
            note=verdict.note,
            probability=evidence.failure_probability,
            usual=explanation.usual,
            failing=explanation.failing,
            excursion=explanation.excursion,
            evidence=explanation.evidence,
        )

    @property
    def hour(self) -> int:
        """The hour of print time that it belongs to."""
        return self.second // HOUR_S

    def pack(self) -> str:
        """As `ENTRY_CHARACTERS` characters, without the hour; probabilities in 255 steps."""
        flags = _WARNING * self.warning | _PAUSE * self.pause | _HALTED * self.halted
        kind = KINDS.index(self.kind) + 1 if self.kind in KINDS else 0
        packed = _ENTRY.pack(
            self.second % HOUR_S,
            self.quality | flags << 4,
            self.score,
            _CONDITIONS.index(self.condition) | kind << 4,
            _steps(self.probability, 65535),
            _UNKNOWN if self.usual is None else _steps(self.usual, 254),
            _steps(self.failing, 255),
            _steps(self.excursion, 255),
            max(-127, min(127, round(_NATS * self.evidence))),
            _NOTES.index(self.note) if self.note in _NOTES else 0,
        )
        return b64encode(packed).decode()

    @classmethod
    def unpack(cls, hour: int, entries: str) -> Iterable[Moment]:
        """The moments of an hour."""
        for fields in _ENTRY.iter_unpack(b64decode(entries)):
            second, quality, score, seen, probability, usual, failing, excursion, evidence, note = fields
            kind = seen >> 4
            yield cls(
                second=hour * HOUR_S + second,
                quality=quality & 15,
                score=score,
                warning=bool(quality >> 4 & _WARNING),
                pause=bool(quality >> 4 & _PAUSE),
                halted=bool(quality >> 4 & _HALTED),
                kind=KINDS[kind - 1] if 0 < kind <= len(KINDS) else None,
                condition=_CONDITIONS[seen & 15] if seen & 15 < len(_CONDITIONS) else Condition.OK,
                note=_NOTES[note] if note < len(_NOTES) else None,
                probability=probability / 65535,
                usual=None if usual == _UNKNOWN else usual / 254,
                failing=failing / 255,
                excursion=excursion / 255,
                evidence=evidence / _NATS,
            )


def _steps(share: float, most: int) -> int:
    return round(most * min(max(share, 0.0), 1.0)) if share == share else 0
