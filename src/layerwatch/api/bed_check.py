"""The bed check: is this printer's bed clear?"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse

from layerwatch.api import request_parsing
from layerwatch.api.answer_rendering import CONDITION_HEADER, render_bed
from layerwatch.api.auth import authenticate
from layerwatch.api.errors import bad_args, translate
from layerwatch.api.multipart import UploadedForm, read_form
from layerwatch.api.process_gate import retry_after
from layerwatch.billing import check_allowance, check_not_blocked, count_inspection, is_limited
from layerwatch.keys import Caller
from layerwatch.pacing import Throttled
from layerwatch.printers.repository import PrinterKey
from layerwatch.printers.service import check_bed, teach_bed
from layerwatch.services import Services
from layerwatch.storage import StorageUnavailable
from layerwatch.vision.bed import BedAnswer, BedCheck, bed_view
from layerwatch.vision.errors import Busy
from layerwatch.vision.evidence import Condition, Evidence


async def bed_check(request: Request) -> JSONResponse:
    """Compare a picture with the printer's empty bed. One successful call is one billed inspection."""
    services: Services = request.app.state.services
    at = services.clock.now()
    caller = await authenticate(request, services, at)
    try:
        checked, condition = await _check(request, services, caller, at)
    except (Throttled, Busy, StorageUnavailable) as busy:
        raise translate(busy, retry_after(services, at)) from busy
    return JSONResponse(render_bed(checked), headers={CONDITION_HEADER: condition.word})


async def _check(
    request: Request, services: Services, caller: Caller, at: datetime
) -> tuple[BedCheck, Condition]:
    books = services.terms.books
    services.admission.check(caller.account_id)
    if is_limited(caller):
        await services.gateway.read_async(check_allowance, caller, at, books)
    check_not_blocked(caller)
    with services.admission.upload(caller.account_id) as held:
        headers = request.headers
        form = await read_form(
            headers.get("content-type"),
            headers.get("content-length"),
            request.stream(),
            held.add,
            request_parsing.BED_FIELDS,
        )
        printer, camera = request_parsing.bed_labels(form.fields)
        teaches = request_parsing.shows_empty_bed(form.fields)
        evidence, view = await _inspect(services, caller, form)
    key = PrinterKey(caller.account_id, printer, camera)
    unfit = _unfit(evidence)
    if unfit and teaches:
        raise bad_args(f"This picture cannot be learned from: {unfit}. Send a clear one of the empty bed.")

    def conclude(session: Session) -> BedCheck:
        if unfit:
            checked = BedCheck(BedAnswer.CANNOT_SAY, reason=unfit)
        else:
            checked = (teach_bed if teaches else check_bed)(session, key, view, at)
        count_inspection(session, caller, at, books)
        return checked

    return await services.gateway.write_async(conclude), evidence.condition


async def _inspect(services: Services, caller: Caller, form: UploadedForm) -> tuple[Evidence, bytes]:
    with services.admission.place(caller.account_id):
        deadline = time.monotonic() + services.settings.queue_deadline
        evidence = await services.vision.ainspect(form.jpeg, deadline)
    return evidence, await asyncio.to_thread(bed_view, form.jpeg)


def _unfit(evidence: Evidence) -> str:
    """Why a picture cannot be compared; empty for one that can."""
    if evidence.condition is Condition.OK:
        return ""
    return f"its condition is {evidence.condition.word}"
