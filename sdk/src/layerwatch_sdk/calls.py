"""The calls as plans: what to send and when to wait, without I/O.

A plan is a generator. It yields a `Request` and is sent the `Reply` (or has a `NoAnswer` thrown into it), or
it yields a `Pause`. `Client` and `AsyncClient` only carry plans out, so the two cannot differ in their rules.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from typing import Callable, Generator, Optional, TypeVar, Union
from urllib.parse import urlsplit

from layerwatch_sdk import answers
from layerwatch_sdk.errors import ClientClosed, LayerwatchError, NoAnswer, ServerError
from layerwatch_sdk.form_fields import label_fields, position_fields
from layerwatch_sdk.models import BedCheck, Context, Feedback, Inspection, PrintLabels, PrintPosition, Usage
from layerwatch_sdk.picture import Picture, checked_picture
from layerwatch_sdk.retry import Retry
from layerwatch_sdk.routing import Route
from layerwatch_sdk.settings import Settings
from layerwatch_sdk.wire import PREFIX, Reply, Request

T = TypeVar("T")
log = logging.getLogger("layerwatch_sdk")


@dataclass(frozen=True)
class Pause:
    """A step of a plan: wait this many seconds."""

    seconds: float


Plan = Generator[Union[Request, Pause], Optional[Reply], T]


def create_context(
    settings: Settings,
    warning_level: int,
    pause_level: int,
    now: Callable[[], float],
    labels: Optional[PrintLabels] = None,
) -> Plan[Context]:
    """Open a context. Free, so a repeat after a lost answer costs nothing."""
    checked_level("warning_level", warning_level)
    checked_level("pause_level", pause_level)
    url = settings.base_url + PREFIX + "/createcontext"
    request = Request(
        url,
        settings.headers(),
        json_body={
            "WarningConfidenceLevel": warning_level,
            "PauseConfidenceLevel": pause_level,
            **label_fields(labels),
        },
    )
    secure = settings.base_url.startswith("https:")
    return _tried(
        settings,
        Route(url, url),
        lambda _url: request,
        lambda reply: answers.read_context(reply, warning_level, pause_level, secure=secure),
        now,
    )


def process(
    settings: Settings,
    context: Context,
    picture: Picture,
    now: Callable[[], float],
    *,
    detail: bool = False,
    camera: Optional[str] = None,
    position: Optional[PrintPosition] = None,
    idempotency_key: Optional[str] = None,
) -> Plan[Inspection]:
    """Have one picture judged. Every try of it carries one idempotency key, so it is billed once at most."""
    data = checked_picture(picture)
    headers = settings.headers({"Idempotency-Key": _checked_key(idempotency_key or str(uuid.uuid4()))})
    fields = position_fields(position)
    if camera is not None:
        fields["camera"] = camera

    def request(url: str) -> Request:
        if detail:
            url += ("&" if "?" in url else "?") + "detail=1"
        return Request(url, headers, picture=data, fields=fields)

    return _tried(settings, context.route, request, answers.read_inspection, now)


def feedback(settings: Settings, context: Context, given: Feedback, now: Callable[[], float]) -> Plan[None]:
    """Send what a person says of the print. Free."""

    def request(url: str) -> Request:
        # The same server that judges the pictures: its URL differs in one word of the path.
        head, found, _ = url.partition(f"{PREFIX}/process/")
        base = head if found else settings.base_url
        return Request(
            f"{base}{PREFIX}/feedback/{context.context_id}", settings.headers(), json_body=given.fields()
        )

    return _tried(settings, context.route, request, answers.read_acknowledgement, now)


def check_bed(
    settings: Settings,
    picture: Picture,
    printer: str,
    now: Callable[[], float],
    *,
    camera: Optional[str] = None,
    empty: bool = False,
) -> Plan[BedCheck]:
    """Compare a picture with a printer's empty bed. A repeat after a lost answer is billed again."""
    url = settings.base_url + PREFIX + "/bedcheck"
    fields = {"printer": printer}
    if camera is not None:
        fields["camera"] = camera
    if empty:
        fields["empty"] = "true"
    request = Request(url, settings.headers(), picture=checked_picture(picture), fields=fields)
    return _tried(settings, Route(url, url), lambda _url: request, answers.read_bed_check, now)


def usage(settings: Settings, now: Callable[[], float]) -> Plan[Usage]:
    """What the key's account has used of the month. Free."""
    url = settings.base_url + PREFIX + "/usage"
    request = Request(url, settings.headers(), method="GET")
    return _tried(settings, Route(url, url), lambda _url: request, answers.read_usage, now)


def _tried(
    settings: Settings,
    route: Route,
    build: Callable[[str], Request],
    read: Callable[[Reply], T],
    now: Callable[[], float],
) -> Plan[T]:
    """Send, read, and on failure wait, change over and send again, by the rules of `Retry` and `Route`."""
    tries, unheard = 0, False
    retry: Retry = settings.retry
    while True:
        tries += 1
        request = build(route.url(now()))
        try:
            reply = yield request
            if reply is None:
                raise RuntimeError("a plan's request was not given its reply")
            result = read(settings.scrubbed(reply))
        except ClientClosed:
            raise
        except LayerwatchError as error:
            unheard = unheard or isinstance(error, NoAnswer)
            error.maybe_judged = unheard
            error.address = request.origin
            if isinstance(error, (NoAnswer, ServerError)):
                route.failed(error, now())
            else:
                route.worked(now())
            delay = retry.delay(error, tries)
            where = urlsplit(request.url).hostname
            if delay is None:
                log.debug("call to %s failed after %d tries: %s", where, tries, error)
                raise
            log.info("call to %s failed, trying again in %.1f s: %s", where, delay, error)
            yield Pause(delay)
        else:
            route.worked(now())
            return result


def checked_level(name: str, level: int) -> int:
    """The level, if it is one. Raises ValueError."""
    if type(level) is not int or not 1 <= level <= 5:
        raise ValueError(f"{name} is an integer from 1 (soonest) to 5 (most certain), not {level!r}")
    return level


def _checked_key(key: str) -> str:
    try:
        return str(uuid.UUID(key))
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError("an idempotency key is a UUID: str(uuid.uuid4()) makes one") from error
