"""Obico's ML API, for tools that already speak it: look at the picture at this address.

Its form is public: `GET /p/?img=URL` answers `{"detections": [["failure", confidence, [x, y, w, h]], …]}`,
the box's centre and size in pixels of the picture; `GET /hc/` answers `ok`. A bearer token is optional.
One picture at a time, without a print's memory: no verdict, no pacing, no account, no bill. Off unless
`obico_api` is set; what may be fetched stands in `layerwatch.core.egress`.
"""

from __future__ import annotations

import hmac
import ipaddress
import time
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse

from layerwatch.core.egress import Reachable
from layerwatch.obico.fetch import Fetcher, FetchFailed
from layerwatch.pacing import Throttled
from layerwatch.services import Services
from layerwatch.vision.errors import Busy, ImageDecodeError
from layerwatch.vision.evidence import Condition, Evidence
from layerwatch.vision.jpeg.header import read_header

log = structlog.get_logger(__name__)

LABEL = "failure"
"""The only label that the tools know; what kind of failure it is stands beside, in `kind`."""

NOBODY = 0
"""The account under which these calls queue. Accounts are numbered from 1."""

FETCHES = 16
"""Pictures fetched at once. One that does not come holds its place for `fetch.SECONDS`."""

_SIDEWAYS = {5, 6, 7, 8}
"""EXIF orientations in which width and height change places."""

router = APIRouter(include_in_schema=False)


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


class Refused(Exception):
    """No detection. `outcome` is a word for the metrics."""

    def __init__(
        self, outcome: str, status: int, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.status = status
        self.headers = headers


def install(app: FastAPI, services: Services) -> None:
    """Add the routes. Raises ValueError when the listed hosts cannot be read."""
    settings = services.settings
    token = settings.obico_token.get_secret_value()
    app.state.obico = DropIn(token, Fetcher(Reachable.parse(settings.obico_hosts)))
    app.include_router(router)
    if not token and not _own_machine(settings.host):
        log.warning(
            "obico_api_open", why="anybody who reaches this port may use it; set LAYERWATCH_OBICO_TOKEN"
        )


@router.get("/hc/")
async def healthy() -> PlainTextResponse:
    """It runs."""
    return PlainTextResponse("ok")


@router.get("/p/")
async def predict(request: Request) -> JSONResponse:
    """What is seen in the picture at `img`."""
    services: Services = request.app.state.services
    try:
        evidence, size = await _look(request, services, request.app.state.obico)
    except Refused as refused:
        services.metrics.dropped_in(refused.outcome)
        message = {"detections": [], "message": str(refused)}
        return JSONResponse(message, refused.status, refused.headers)
    answer = render(evidence, *size)
    unfit = evidence.condition is not Condition.OK
    services.metrics.dropped_in("unfit" if unfit else "failure" if answer["detections"] else "clear")
    return JSONResponse(answer)


async def _look(request: Request, services: Services, drop_in: DropIn) -> tuple[Evidence, tuple[int, int]]:
    if not drop_in.knows(request.headers.get("authorization")):
        challenge = {"WWW-Authenticate": "Bearer"}
        raise Refused("no_token", 401, "The bearer token is missing or wrong.", challenge)
    url = request.query_params.get("img")
    if not url:
        raise Refused("bad_address", 422, "Say which picture: /p/?img=URL.")
    try:
        services.admission.check(NOBODY)
        if drop_in.fetching >= FETCHES:
            raise Throttled(f"{FETCHES} pictures are being fetched")
        with services.admission.upload() as held:
            drop_in.fetching += 1
            try:
                jpeg = await drop_in.fetcher.picture(url, held.add)
            finally:
                drop_in.fetching -= 1
            with services.admission.place(NOBODY):
                evidence = await services.vision.ainspect(
                    jpeg, time.monotonic() + services.settings.queue_deadline
                )
            header = read_header(jpeg)
    except FetchFailed as failed:
        raise Refused(failed.outcome, 400, str(failed)) from failed
    except ImageDecodeError as error:
        raise Refused("not_a_picture", 400, str(error)) from error
    except (Throttled, Busy) as busy:
        raise Refused("busy", 503, "Too busy just now; try again.", {"Retry-After": "10"}) from busy
    size = (header.width, header.height)
    return evidence, size[::-1] if header.orientation in _SIDEWAYS else size


def render(evidence: Evidence, width: int, height: int) -> dict[str, Any]:
    """The answer for a picture of so many pixels, upright. Unfit pictures have no detections, and say why.

    Confidence is the box's: the highest probability in the detector's map there, 0.5 to 1 as a rule.
    """
    fit = evidence.condition is Condition.OK
    boxes = evidence.boxes if fit else ()
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
