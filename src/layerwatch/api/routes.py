"""The calls of the wire contract. What clients may send and get is described in `openapi.json`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from layerwatch.api import request_parsing
from layerwatch.api.answer_rendering import condition_header, render, render_usage
from layerwatch.api.auth import authenticate
from layerwatch.api.bed_check import bed_check
from layerwatch.api.errors import bad_args, translate
from layerwatch.api.local_address import url_used
from layerwatch.api.multipart import Upload, read_upload
from layerwatch.api.process_gate import admit, retry_after
from layerwatch.billing import check_allowance, check_not_blocked, is_limited
from layerwatch.billing.account_usage import account_usage
from layerwatch.contexts import Answer, Call, Outcome
from layerwatch.drift import Sighting
from layerwatch.learning.recent import RecentPicture
from layerwatch.pacing import Throttled
from layerwatch.prints import PrintProgress, events
from layerwatch.prints.moments import Moment
from layerwatch.prints.recorder import RecordedPicture
from layerwatch.services import Services
from layerwatch.storage import StorageUnavailable
from layerwatch.telemetry import tracing
from layerwatch.telemetry.metrics import Metrics
from layerwatch.vision.bed import bed_view
from layerwatch.vision.errors import Busy
from layerwatch.vision.evidence import Evidence

BASE = "/api/gadget/v1"


async def createcontext(request: Request) -> JSONResponse:
    """Open a context for a print. Free."""
    services = _services(request)
    at = services.clock.now()
    caller = await authenticate(request, services, at)
    request_parsing.dialect(request.headers.get("x-api-version"), caller.dialect)
    fields = await _json(request)
    levels = request_parsing.confidence_levels(fields)
    labels = request_parsing.print_labels(fields)
    context = services.ids.new(caller.account_id, levels, at, services.settings.region)
    await services.prints.keep(context.id, context.account_id, context.opened_at, context.expires_at, labels)
    services.metrics.opened()
    own, fallback = _urls(request, services)
    return JSONResponse(
        {
            "ContextId": context.id,
            "ProcessRequestUrl": f"{own}{BASE}/process/{context.id}",
            "FallbackProcessRequestUrl": f"{fallback}{BASE}/process/{context.id}",
        }
    )


async def process(request: Request) -> JSONResponse:
    """Inspect one picture of a print. One successful call is one billed inspection."""
    services = _services(request)
    at = services.clock.now()
    caller = await authenticate(request, services, at)
    context_id, detail = request.path_params["context_id"], request.query_params.get("detail")
    try:
        call = admit(services, caller, context_id, request.headers.get, detail, at)
        answer, repeated = await _inspect(request, services, call)
    except (Throttled, Busy, StorageUnavailable) as busy:
        raise translate(busy, retry_after(services, at)) from busy
    _count(services.metrics, answer, repeated)
    request.state.condition = answer.condition
    return JSONResponse(render(answer, call.dialect, call.detail), headers=condition_header(answer))


def _count(metrics: Metrics, answer: Answer, repeated: bool) -> None:
    if repeated:
        metrics.repeated()
        return
    metrics.inspected(
        "pause" if answer.pause else "warning" if answer.warning else "none",
        answer.condition,
        suspicious=answer.suspicious,
        interval=answer.interval.recommended,
    )


async def _inspect(request: Request, services: Services, call: Call) -> tuple[Answer, bool]:
    """The answer, and whether it is a repeat. What can be refused is refused before the body is read."""

    def allowed(session: Session) -> None:
        check_allowance(session, call.caller, call.at, services.terms.books)

    with tracing.span("admit"):
        stored = await services.contexts.admit(call, allowed if is_limited(call.caller) else None)
    if stored is not None:
        return stored, True
    check_not_blocked(call.caller)
    with services.admission.upload(call.caller.account_id) as held:
        with tracing.span("upload"):
            upload = await _upload(request, held.add)
        with services.admission.place(call.caller.account_id):
            deadline = time.monotonic() + services.settings.queue_deadline
            evidence = await services.vision.inspect_print(
                upload.jpeg, deadline, call.context.id, call.context.opened_at
            )
        call = call.with_upload(upload.camera, upload.progress.to_json())
        outcome = await services.contexts.conclude(call, evidence)
        if outcome.opens:
            view = await asyncio.to_thread(bed_view, upload.jpeg)
            await services.printers.keep_opening(call.context.id, evidence.thumbnail, view)
        if not outcome.repeated:
            alarmed = outcome.answer.warning or outcome.answer.pause
            picture = RecentPicture(upload.jpeg, evidence, call.seconds, alarmed)
            services.recent.put(call.context.id, picture)
            services.print_recorder.saw(_seen(call, outcome, evidence, upload.progress), picture)
            services.drift.saw(_sighting(call, outcome, evidence))
    return outcome.answer, outcome.repeated


def _sighting(call: Call, outcome: Outcome, evidence: Evidence) -> Sighting:
    assert outcome.verdict is not None
    return Sighting(
        call.context.id,
        call.context.account_id,
        evidence.model_version,
        evidence.camera_kind,
        evidence.failure_probability,
        outcome.verdict.condition.value,
        outcome.answer.warning or outcome.answer.pause,
    )


def _seen(call: Call, outcome: Outcome, evidence: Evidence, progress: PrintProgress) -> RecordedPicture:
    """What the print's page will show of an inspection."""
    assert outcome.verdict is not None and outcome.explanation is not None
    return RecordedPicture(
        context_id=call.context.id,
        account_id=call.context.account_id,
        opened_at=call.context.opened_at,
        at=call.at,
        moment=Moment.of(
            call.seconds, evidence, outcome.verdict, outcome.explanation, halted=progress.halted
        ),
        progress=call.progress,
    )


async def feedback(request: Request) -> JSONResponse:
    """Say what is true of the print now, so that the next pictures are judged better. Free."""
    services = _services(request)
    at = services.clock.now()
    caller = await authenticate(request, services, at)
    context = services.ids.read(request.path_params["context_id"], caller.account_id, at)
    fields = await _json(request)
    kind, details = request_parsing.feedback(fields)
    apply = partial(services.contexts.apply_feedback, context, kind, idempotent_undo=True)
    taken = await services.feedback.record(
        apply,
        account_id=caller.account_id,
        context_id=context.id,
        kind=kind,
        at=at,
        note=events.feedback_note(context.id, caller.account_id, at, kind, f"API key {caller.prefix}…"),
        details=details,
    )
    if not taken.seen:
        raise bad_args("This context has no inspection yet to give feedback on.")
    return JSONResponse({"ContextId": context.id, "Kind": fields["Kind"], "ImagesKept": taken.pictures})


async def usage(request: Request) -> JSONResponse:
    """The current month of the key's account. Free."""
    services = _services(request)
    at = services.clock.now()
    caller = await authenticate(request, services, at)
    used = await services.gateway.read_async(account_usage, caller, at, services.terms.books)
    return JSONResponse(render_usage(used), headers={"Cache-Control": "no-store"})


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def _json(request: Request) -> Mapping[str, Any]:
    body = await request_parsing.read_body(request.headers.get("content-length"), request.stream())
    return request_parsing.parse_object(body)


async def _upload(request: Request, hold: Any) -> Upload:
    headers = request.headers
    return await read_upload(
        headers.get("content-type"), headers.get("content-length"), request.stream(), hold
    )


def _urls(request: Request, services: Services) -> tuple[str, str]:
    """The two URLs given out, without path: of the region with the most capacity to spare, and of another.

    Without a public URL, a server that listens everywhere names the address that the caller used. The Host
    header counts only in an installation of one region, and where the operator said so.
    """
    settings = services.settings
    own = settings.own_url
    if settings.listens_everywhere and not settings.public_url:
        own = url_used(request.scope) or own
    if settings.trust_host_header and request.headers.get("host"):
        own = str(request.base_url).rstrip("/")
    chosen = services.router.choose()
    if chosen is None or {region.name for region in chosen} == {settings.region}:
        return own, settings.fallback_url or own
    first, second = chosen
    return first.url, settings.fallback_url or second.url


ROUTES = [
    Route(f"{BASE}/process/{{context_id}}", process, methods=["POST"]),
    Route(f"{BASE}/createcontext", createcontext, methods=["POST"]),
    Route(f"{BASE}/feedback/{{context_id}}", feedback, methods=["POST"]),
    Route(f"{BASE}/bedcheck", bed_check, methods=["POST"]),
    Route(f"{BASE}/usage", usage, methods=["GET"]),
]
"""Every one has its path in `openapi.json`. The one that is called most comes first."""
