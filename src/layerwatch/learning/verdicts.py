"""What a client may say of a print: its verdict, and what goes with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from layerwatch.learning.errors import LearningError
from layerwatch.temporal import TEACHERS, UNDO
from layerwatch.vision.evidence import KINDS

MISSED: Final = "missed"
CORRECT_ALARM: Final = "correct_alarm"

VERDICTS: tuple[str, ...] = tuple(sorted(TEACHERS.keys() - {UNDO}))
"""What is kept for review: every verdict that a print learns from, but not taking one back."""

FAILED: frozenset[str] = frozenset({MISSED, CORRECT_ALARM})
"""Verdicts that say that the print failed."""

ALIASES: dict[str, str] = {"missed_failure": MISSED}
"""Another name on the wire, and the verdict that it means."""

NAMES: tuple[str, ...] = tuple(sorted([*TEACHERS, *ALIASES]))
"""Every name that a client may send."""

MAX_COMMENT = 500
"""Characters of a comment."""


@dataclass(frozen=True, slots=True)
class FeedbackDetails:
    """What may go with a verdict. Raises LearningError for an unknown kind of failure or a long comment.

    failure_type: one of `vision.evidence.KINDS`.  comment: at most `MAX_COMMENT` characters.
    share_images: False: no picture is kept of this feedback, whatever the account's consent.
    """

    failure_type: str | None = None
    comment: str | None = None
    share_images: bool = True

    def __post_init__(self) -> None:
        if self.failure_type is not None and self.failure_type not in KINDS:
            raise LearningError(f"kind of failure {self.failure_type!r}: use one of {', '.join(KINDS)}")
        if self.comment is not None and len(self.comment) > MAX_COMMENT:
            raise LearningError(f"a comment has at most {MAX_COMMENT} characters")


def verdict_of(name: str) -> str:
    """The verdict of a name on the wire, `undo` included. Raises LearningError for an unknown one."""
    verdict = ALIASES.get(name, name)
    if verdict not in TEACHERS:
        raise LearningError(f"feedback {name[:40]!r} is not known: use one of {', '.join(NAMES)}")
    return verdict
