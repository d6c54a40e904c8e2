"""From the evidence of a picture to the answer: the print's next state, the verdict, the planned interval."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import structlog

from layerwatch import temporal
from layerwatch.contexts.answer import Answer, describe
from layerwatch.contexts.call import Call, Outcome
from layerwatch.contexts.context_id import Context
from layerwatch.contexts.repository import Found, Moved
from layerwatch.pacing.pacer import Pacer
from layerwatch.telemetry import tracing
from layerwatch.temporal import PrinterMemory, PrintState, StateFormatError
from layerwatch.vision.evidence import Evidence

log = structlog.get_logger(__name__)


def judge(
    before: PrintState | None,
    call: Call,
    evidence: Evidence,
    memory: PrinterMemory | None = None,
    *,
    pacer: Pacer,
    now: datetime,
) -> tuple[Outcome, Moved]:
    """The outcome of a call on a print whose state was `before`, and what it leaves behind.

    memory: of the printer, for a print that begins.
    """
    with tracing.span("temporal"):
        state, verdict = temporal.step(
            before, evidence, call.seconds, call.context.levels, call.camera, memory
        )
        explanation = temporal.explain(before, state, call.camera)
    plan = pacer.plan(verdict.suspicious, now)
    answer = Answer(
        interval=plan,
        quality=verdict.quality,
        score=verdict.score,
        warning=verdict.warning,
        pause=verdict.pause,
        suspicious=verdict.suspicious,
        kind=verdict.kind,
        condition=verdict.condition.value,
        detail=describe(evidence, verdict) if call.detail else None,
    )
    moved = Moved(
        state=state.to_bytes(),
        inspected_at=now,
        interval_ms=1000 * (plan.minimum if call.dialect == 2 else plan.recommended),
        camera=call.camera or None,
        answer=replace(answer, detail=None).to_json(),
        progress=call.progress,
    )
    return Outcome(answer, False, verdict=verdict, explanation=explanation), moved


def unpack(found: Found, context: Context) -> PrintState | None:
    """The stored state; None, a fresh start, when it is another version's: better than no watch at all."""
    try:
        return PrintState.from_bytes(found.state)
    except StateFormatError as error:
        log.warning("print_state_unreadable", context=context.id[:12], why=str(error))
        return None
