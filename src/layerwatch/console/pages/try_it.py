"""Try it: what the detector sees in a picture, without a key or a print."""

from __future__ import annotations

import time
from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import quote

import anyio.from_thread
from starlette.responses import Response

from layerwatch.console.live_prints import CONDITIONS, map_drawing
from layerwatch.console.registry import Needs, Pages
from layerwatch.console.security_headers import HEADERS
from layerwatch.console.visit import Visit
from layerwatch.core.languages import gettext as _
from layerwatch.identity import BadInput, rate_limit
from layerwatch.pacing import Throttled
from layerwatch.prints.kept_pictures import scaled
from layerwatch.vision.errors import Busy, ImageDecodeError
from layerwatch.vision.evidence import Condition, Evidence

pages = Pages()

PICTURES_PER_WINDOW = 60
"""Of one account in 15 minutes: they are free, and each costs as much as a billed one."""
SIDE = 960

_BLOBS = {
    "Content-Security-Policy": HEADERS["Content-Security-Policy"] + "; media-src blob:",
}
"""So that the page's script can take pictures out of a video, in the browser."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What was seen in a picture. picture, heat: `data:` addresses.  kinds: the likeliest first."""

    picture: str
    heat: str
    evidence: Evidence
    kinds: list[tuple[str, float]]
    condition: str


@pages.get("/try", Needs.MEMBER)
def show(visit: Visit) -> Response:
    """The form, and how the same is done by the API."""
    return _page(visit, None)


@pages.post("/try", Needs.MEMBER, show, takes_file=True)
def look(visit: Visit) -> Response:
    """Look at one picture. With `part` only the result is answered, for the page's script."""
    tried = _look(visit)
    if visit.form.get("part"):
        return visit.page("_tried.html", tried=tried)
    return _page(visit, tried)


def _look(visit: Visit) -> Tried:
    if not visit.file:
        raise BadInput(_("Choose a JPEG picture."), field="picture")
    visit.services.database.transact(
        rate_limit.take, f"try {visit.account_id}", PICTURES_PER_WINDOW, visit.now, what=_("pictures")
    )
    try:
        evidence = anyio.from_thread.run(_inspect, visit)
        picture = scaled(visit.file, SIDE)
    except ImageDecodeError as wrong:
        raise BadInput(str(wrong), field="picture") from wrong
    except (Throttled, Busy) as busy:
        raise BadInput(_("The server has too many pictures to look at just now. Try again soon.")) from busy
    kinds = sorted(evidence.kind_probabilities().items(), key=lambda one: -one[1])
    return Tried(
        picture=f"data:image/jpeg;base64,{b64encode(picture).decode()}",
        heat=f"data:image/svg+xml,{quote(map_drawing(evidence))}",
        evidence=evidence,
        kinds=[(kind.replace("_", " "), value) for kind, value in kinds if value >= 0.01][:4],
        condition="" if evidence.condition is Condition.OK else CONDITIONS[evidence.condition.value],
    )


async def _inspect(visit: Visit) -> Evidence:
    services = visit.services
    with services.admission.place(visit.account_id):
        deadline = time.monotonic() + services.settings.queue_deadline
        return await services.vision.ainspect(visit.file, deadline)


def _page(visit: Visit, tried: Tried | None) -> Response:
    response = visit.page("try.html", tried=tried, url=visit.reachable_url, limit=PICTURES_PER_WINDOW)
    response.headers.update(_BLOBS)
    return response
