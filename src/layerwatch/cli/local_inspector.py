"""A judge without a server: the detector and the temporal model in this very process."""

from __future__ import annotations

import secrets

from layerwatch.learning.verdicts import verdict_of
from layerwatch.temporal import TEACHERS, Levels, PrintState, step
from layerwatch.vision import ImageDecodeError, ModelError, Vision
from layerwatch_sdk.clock import AsyncClock
from layerwatch_sdk.errors import ContextLost, ImageDecodeFailed, LayerwatchError
from layerwatch_sdk.models import (
    Box,
    Context,
    Detail,
    Inspection,
    NextInterval,
    PrintLabels,
    PrintPosition,
)

RELAXED_SECONDS = 40
SUSPICIOUS_SECONDS = 20
"""Pacing of an unloaded server, so that what a maker sees here is what a server would show."""


class LocalInspector:
    """The same calls as `layerwatch_sdk.AsyncClient`, answered in-process.

    clock: gives the seconds between a print's pictures, which the temporal model needs.
    spacing: seconds between two pictures of a recording; None paces as a server at rest does.
    Raises LayerwatchError at once if this installation has no detector.
    """

    def __init__(self, clock: AsyncClock, vision: Vision | None = None, spacing: int | None = None) -> None:
        try:
            self._vision = vision or Vision.load()
        except ModelError as error:
            raise LayerwatchError(str(error)) from None
        self.clock = clock
        self._spacing = spacing
        self._prints: dict[str, tuple[Levels, float, PrintState | None]] = {}

    async def create_context(
        self, warning_level: int = 3, pause_level: int = 3, *, labels: PrintLabels | None = None
    ) -> Context:
        """Open a context for a new print."""
        name = secrets.token_hex(16)
        levels = Levels(warning=warning_level, pause=pause_level)
        self._prints[name] = (levels, self.clock.monotonic(), None)
        return Context(name, "local:", "local:", warning_level, pause_level)

    async def process(
        self,
        context: Context,
        jpeg: bytes,
        *,
        detail: bool = False,
        camera: str | None = None,
        position: PrintPosition | None = None,
        idempotency_key: str | None = None,
    ) -> Inspection:
        """Judge one picture. Raises ImageDecodeFailed when it cannot be decoded."""
        levels, opened, state = self._found(context)
        try:
            evidence = await self._vision.ainspect(jpeg)
        except ImageDecodeError as error:
            raise ImageDecodeFailed("OE_IMAGE_DECODE_FAILED", str(error), status=400) from None
        now = self.clock.monotonic()
        state, verdict = step(state, evidence, now - opened, levels)
        self._prints[context.context_id] = (levels, opened, state)
        seconds = self._spacing or (SUSPICIOUS_SECONDS if verdict.suspicious else RELAXED_SECONDS)
        shown = Detail(
            kind=verdict.kind,
            kinds=evidence.kind_probabilities(),
            boxes=tuple(
                Box(box.kind, box.probability, box.left, box.top, box.width, box.height)
                for box in evidence.boxes
            ),
            condition=str(verdict.condition),
            model_version=evidence.model_version,
            raw={"Milliseconds": evidence.milliseconds},
        )
        return Inspection(
            next_interval=NextInterval(seconds, seconds, seconds),
            print_quality=verdict.quality,
            warning_suggested=verdict.warning,
            pause_suggested=verdict.pause,
            score=verdict.score,
            faster_inspection_suggested=verdict.suspicious,
            detail=shown if detail else None,
            received_at=now,
            condition=verdict.condition.word,
        )

    async def feedback(
        self,
        context: Context,
        kind: str,
        *,
        failure_kind: str | None = None,
        comment: str | None = None,
        share_images: bool | None = None,
    ) -> None:
        """Teach the print's baseline; no picture is kept."""
        levels, opened, state = self._found(context)
        if state is not None:
            self._prints[context.context_id] = (levels, opened, TEACHERS[verdict_of(kind)](state))

    def _found(self, context: Context) -> tuple[Levels, float, PrintState | None]:
        found = self._prints.get(context.context_id)
        if found is None:
            raise ContextLost("OE_INTERNAL_ERROR", "Failed to get context object.", status=500)
        return found

    async def close(self) -> None:
        """Stop the detector's threads."""
        self._vision.close()
