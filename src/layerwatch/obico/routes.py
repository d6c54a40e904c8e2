"""Obico's ML API, for tools that already use it: inspect the picture at this address.

Its form is public: `GET /p/?img=URL` answers `{"detections": [["failure", confidence, [x, y, w, h]], …]}`,
the box's centre and size in pixels of the picture; `GET /debug/image?img=URL` answers the picture with its
boxes drawn; `GET /hc/` answers `ok`. A bearer token is optional; a wrong one gets an empty 401. One picture
at a time, without a print's memory: no verdict, no pacing, no account, no bill. Off unless `obico_api` is
set; what may be fetched is in `layerwatch.core.egress`.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import time
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from layerwatch.core.egress import Reachable
from layerwatch.obico.fetch import Fetcher, FetchFailed, host_of
from layerwatch.obico.query import image_url
from layerwatch.pacing import Throttled
from layerwatch.services import Services
from layerwatch.vision.errors import Busy, ImageDecodeError
from layerwatch.vision.evidence import Condition, Evidence
from layerwatch.vision.jpeg.header import read_header
from layerwatch.vision.overlay import draw_overlay

log = structlog.get_logger(__name__)

LABEL = "failure"
"""The only label that the tools know; what kind of failure it is stands beside, in `kind`."""

NO_ACCOUNT = 0
"""The account id of these calls in the queue. Real accounts start at 1."""

MAX_CONCURRENT_FETCHES = 16
"""Concurrent fetches. A picture that does not arrive blocks its slot for `fetch.FETCH_TIMEOUT_S`."""

_QUERY_CHARACTERS = "%:/?#[]@!$&'()*+,;="
"""What stays as it is in the query of a redirect."""

_SIDEWAYS = {5, 6, 7, 8}
"""EXIF orientations in which width and height change places."""


class DropIn:
    """What the routes need beside the server's services."""

    def __init__(self, token: str, fetcher: Fetcher) -> None:
        self._token = token.encode()
        self.fetcher = fetcher
        self.fetching = 0

    def knows(self, authorization: str | None) -> bool:
        """Whether the header carries the token, if there is one."""
        if not self._token:
            return True
        scheme, _, given = (authorization or "").partition(" ")
        same = hmac.compare_digest(given.strip().encode("latin-1"), self._token)
        return scheme.lower() == "bearer" and same


class DetectionRefused(Exception):
    """No detection. `outcome` is a word for the metrics."""

    def __init__(
        self, outcome: str, status: int, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.status = status
        self.headers = headers

    def response(self) -> Response:
        """The HTTP answer. An empty page, as the tools know it, to a wrong token: some of them take any JSON
        with a list of detections for a picture without failure."""
        if self.status == 401:
            return HTMLResponse("", 401, self.headers)
        return JSONResponse({"detections": [], "message": str(self)}, self.status, self.headers)


@dataclass(frozen=True, slots=True)
class InspectedPicture:
    """An inspected picture. width, height: its pixels, upright.  drawn: a JPEG, where it was asked for."""

    evidence: Evidence
    width: int
    height: int
    drawn: bytes


def install(app: Starlette, services: Services) -> None:
    """Add the routes. Raises ValueError when the listed hosts cannot be read."""
    settings = services.settings
    token = settings.obico_token.get_secret_value()
    app.state.obico = DropIn(token, Fetcher(Reachable.parse(settings.obico_hosts)))
    app.routes.extend(ROUTES)
    if not token and not _own_machine(settings.host):
        log.warning(
            "obico_api_open",
            why="anybody who reaches this port may fetch pictures and see them; set LAYERWATCH_OBICO_TOKEN",
        )


async def healthy(_: Request) -> PlainTextResponse:
    """It runs."""
    return PlainTextResponse("ok")


async def with_slash(request: Request) -> RedirectResponse:
    """The tools' addresses end in a slash; the query stays as it was sent."""
    query = quote(request.scope["query_string"], safe=_QUERY_CHARACTERS)
    return RedirectResponse(request.url.path + "/" + ("?" + query if query else ""), 308)


async def predict(request: Request) -> Response:
    """What is seen in the picture at `img`."""
    try:
        seen = await _inspect(request)
    except DetectionRefused as refused:
        return refused.response()
    return JSONResponse(render(seen.evidence, seen.width, seen.height))


async def draw(request: Request) -> Response:
    """The picture at `img` with the boxes that `/p/` reports, as a JPEG."""
    try:
        seen = await _inspect(request, drawn=True)
    except DetectionRefused as refused:
        return refused.response()
    return Response(seen.drawn, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


async def _inspect(request: Request, *, drawn: bool = False) -> InspectedPicture:
    """Fetch and inspect the picture that the request names, and count what came of it. Raises Refused."""
    services: Services = request.app.state.services
    url = image_url(request.scope["query_string"].decode("latin-1"))
    try:
        seen = await _fetch_and_detect(request, services, url, drawn=drawn)
    except DetectionRefused as refused:
        services.metrics.dropped_in(refused.outcome)
        log.warning("obico_picture_failed", outcome=refused.outcome, host=host_of(url), why=str(refused))
        raise
    services.metrics.dropped_in(_outcome(seen.evidence))
    return seen


async def _fetch_and_detect(
    request: Request, services: Services, url: str, *, drawn: bool
) -> InspectedPicture:
    drop_in: DropIn = request.app.state.obico
    if not drop_in.knows(request.headers.get("authorization")):
        challenge = {"WWW-Authenticate": "Bearer"}
        raise DetectionRefused("no_token", 401, "The bearer token is missing or wrong.", challenge)
    if not url:
        raise DetectionRefused("bad_address", 422, f"Say which picture: {request.url.path}?img=URL.")
    try:
        if drop_in.fetching >= MAX_CONCURRENT_FETCHES:
            raise Throttled(f"{MAX_CONCURRENT_FETCHES} pictures are being fetched")
        with services.admission.upload(NO_ACCOUNT) as held:
            drop_in.fetching += 1
            try:
                jpeg = await drop_in.fetcher.picture(url, held.add)
            finally:
                drop_in.fetching -= 1
            with services.admission.place(NO_ACCOUNT):
                evidence = await services.vision.ainspect(
                    jpeg, time.monotonic() + services.settings.queue_deadline
                )
                overlay = await asyncio.to_thread(draw_overlay, jpeg, _fit(evidence)) if drawn else b""
            header = read_header(jpeg)
    except FetchFailed as failed:
        raise DetectionRefused(failed.outcome, 400, str(failed)) from failed
    except ImageDecodeError as error:
        raise DetectionRefused("not_a_picture", 400, str(error)) from error
    except (Throttled, Busy) as busy:
        raise DetectionRefused("busy", 503, "Too busy just now; try again.", {"Retry-After": "10"}) from busy
    size = (header.width, header.height)
    width, height = size[::-1] if header.orientation in _SIDEWAYS else size
    return InspectedPicture(evidence, width, height, overlay)


def _fit(evidence: Evidence) -> Evidence:
    """The evidence, without boxes where the picture is not fit to judge by."""
    return evidence if evidence.condition is Condition.OK else replace(evidence, boxes=())


def _outcome(evidence: Evidence) -> str:
    if evidence.condition is not Condition.OK:
        return "unfit"
    return "failure" if evidence.boxes else "clear"


def render(evidence: Evidence, width: int, height: int) -> dict[str, Any]:
    """The answer for a picture of this size, upright. Unfit pictures have no detections, and say why.

    Confidence is the box's: the highest probability in the detector's map there, 0.5 to 1 as a rule.
    """
    fit = evidence.condition is Condition.OK
    boxes = _fit(evidence).boxes
    return {
        "detections": [
            [
                LABEL,
                round(box.probability, 4),
                [
                    round((box.left + box.width / 2) * width, 1),
                    round((box.top + box.height / 2) * height, 1),
                    round(box.width * width, 1),
                    round(box.height * height, 1),
                ],
            ]
            for box in boxes
        ],
        "condition": str(evidence.condition),
        "failure_probability": round(evidence.failure_probability, 4) if fit else None,
        "kind": boxes[0].kind if boxes else None,
    }


def _own_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


ROUTES = [
    Route("/hc/", healthy, methods=["GET"]),
    Route("/hc", with_slash, methods=["GET"]),
    Route("/p", with_slash, methods=["GET"]),
    Route("/p/", predict, methods=["GET"]),
    Route("/debug/image", draw, methods=["GET"]),
]
