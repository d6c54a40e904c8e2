"""One Process call, as far as a context cares, and what it came to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from layerwatch.contexts.answer import Answer
from layerwatch.contexts.context_id import Context
from layerwatch.contexts.repository import Found
from layerwatch.keys import Caller
from layerwatch.temporal import Explanation, Verdict


@dataclass(frozen=True, slots=True)
class Call:
    """One Process call, as far as a context cares. at: when it arrived."""

    context: Context
    caller: Caller
    at: datetime
    key: str | None
    """Idempotency-Key, in canonical form."""
    dialect: int
    detail: bool
    camera: str = ""
    progress: str | None = None
    """`prints.PrintProgress`, as JSON."""

    @property
    def seconds(self) -> float:
        """Seconds of print time since the context was opened, at least 0."""
        return max(0.0, (self.at - self.context.opened_at).total_seconds())

    def with_upload(self, camera: str, progress: str | None) -> Call:
        """The same call, with the camera and the printer's report that its upload names."""
        return replace(self, camera=camera, progress=progress)

    def with_levels(self, found: Found | None) -> Call:
        """The same call, at the levels that a person has set for the print since it was opened, if any."""
        if found is None or found.levels is None:
            return self
        return replace(self, context=replace(self.context, levels=found.levels))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a Process call came to. repeated: the answer was stored by an earlier call of the same key.
    opens: this is the first judged picture of a print whose printer has a name.
    verdict, explanation: what the answer is made of, and why; None for a repeat.
    """

    answer: Answer
    repeated: bool
    opens: bool = False
    verdict: Verdict | None = None
    explanation: Explanation | None = None
