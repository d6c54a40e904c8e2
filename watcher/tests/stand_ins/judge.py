"""A judge whose verdicts a test writes: at which second of a print what is seen."""

from __future__ import annotations

from typing import Any, Callable, Optional

from layerwatch_sdk.clock import AsyncClock
from layerwatch_sdk.errors import LayerwatchError
from layerwatch_sdk.models import (
    BedCheck,
    Context,
    Detail,
    Inspection,
    NextInterval,
    PrintLabels,
    PrintPosition,
)

HEALTHY, SUSPECT, WARN, PAUSE = (
    (9, 5, False, False),
    (4, 45, False, False),
    (3, 60, True, False),
    (1, 97, True, True),
)
Verdict = tuple[int, int, bool, bool]


def inspection(
    verdict: Verdict, interval: int = 20, received_at: float = 0.0, condition: str = "ok"
) -> Inspection:
    quality, score, warning, pause = verdict
    detail = Detail("spaghetti" if warning else None, {}, (), condition, "scripted", {})
    return Inspection(
        NextInterval(interval, interval, interval),
        quality,
        warning,
        pause,
        score,
        detail=detail,
        received_at=received_at,
    )


class ScriptedInspector:
    """The calls of `AsyncClient`. `verdict(seconds since the context was opened)` says what is seen.

    learns: after the feedback `resumed` or `false_alarm`, a context stays healthy, as the service's does.
    """

    def __init__(
        self,
        clock: AsyncClock,
        verdict: Callable[[float], Verdict],
        *,
        learns: bool = True,
        interval: int = 20,
    ) -> None:
        self.clock = clock
        self.verdict = verdict
        self.learns = learns
        self.interval = interval
        self.opened: list[tuple[float, int, int]] = []
        self.seen: list[float] = []
        self.feedback_received: list[str] = []
        self.condition = "ok"
        self.labels: list[Optional[PrintLabels]] = []
        self.positions: list[Optional[PrintPosition]] = []
        self.trouble: Optional[LayerwatchError] = None
        self.beds: Callable[[], BedCheck] = lambda: BedCheck(True)
        self.bed_checks: list[tuple[str, Optional[str], bool]] = []
        self._taught: set[str] = set()

    async def create_context(
        self, warning_level: int = 3, pause_level: int = 3, *, labels: Optional[PrintLabels] = None
    ) -> Context:
        if self.trouble is not None:
            raise self.trouble
        self.labels.append(labels)
        self.opened.append((self.clock.monotonic(), warning_level, pause_level))
        return Context(f"c{len(self.opened)}", "http://x/1", "http://x/2", warning_level, pause_level)

    async def process(
        self,
        context: Context,
        jpeg: bytes,
        *,
        detail: bool = False,
        camera: Optional[str] = None,
        position: Optional[PrintPosition] = None,
        idempotency_key: Optional[str] = None,
    ) -> Inspection:
        if self.trouble is not None:
            raise self.trouble
        now = self.clock.monotonic()
        self.seen.append(now)
        self.positions.append(position)
        opened = self.opened[int(context.context_id[1:]) - 1][0]
        verdict = HEALTHY if context.context_id in self._taught else self.verdict(now - opened)
        return inspection(verdict, self.interval, now, self.condition)

    async def feedback(self, context: Context, kind: str, **details: Any) -> None:
        self.feedback_received.append(kind)
        if self.learns:
            self._taught.add(context.context_id)

    async def check_bed(
        self, jpeg: bytes, printer: str, *, camera: Optional[str] = None, empty: bool = False
    ) -> BedCheck:
        if self.trouble is not None:
            raise self.trouble
        self.bed_checks.append((printer, camera, empty))
        return self.beds()

    async def close(self) -> None:
        pass
