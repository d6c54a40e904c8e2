"""The gate of the Process call: what its head says, and whether there is room for its picture.

The route and the load shedder pass the same gate, so that both refuse the same calls with the same answer.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from layerwatch.api import request_parsing
from layerwatch.contexts import Call
from layerwatch.keys import Caller
from layerwatch.services import Services


def admit(
    services: Services,
    caller: Caller,
    context_id: str,
    header: Callable[[str], str | None],
    detail: str | None,
    at: datetime,
) -> Call:
    """The call that a head makes, if a picture that comes now can be judged in time.

    header: a header's value by its name in lower case.  detail: of the query.
    Raises ApiError and ContextLost for what is wrong with the call, which goes first, and Throttled.
    """
    call = Call(
        context=services.ids.read(context_id, caller.account_id, at),
        caller=caller,
        at=at,
        key=request_parsing.idempotency_key(header("idempotency-key")),
        dialect=request_parsing.dialect(header("x-api-version"), caller.dialect),
        detail=request_parsing.wants_detail(detail),
    )
    services.admission.check(caller.account_id)
    return call


def retry_after(services: Services, at: datetime) -> int:
    """Seconds until a refused live print should call again: overload is shed by longer intervals."""
    plan = services.pacer.plan(False, at)
    services.pacer.called(plan, False, at)
    return plan.recommended
