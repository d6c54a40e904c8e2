"""The public status page, as HTML and as JSON, without sign-in.

It is computed at most once in `CACHE_S` seconds for all visitors, and shows nothing that helps an
attacker: no addresses, nodes, accounts or versions.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from layerwatch.console.render import render
from layerwatch.console.security_headers import HEADERS
from layerwatch.core.languages import negotiated, using
from layerwatch.services import Services
from layerwatch.status.notes import shown_notes
from layerwatch.status.report import Status, status
from layerwatch.storage import StorageError

CACHE_S = 15.0
"""Seconds for which an answer is cached, here and by clients and proxies."""


def install(app: Starlette, services: Services) -> None:
    """Put `/status` and `/status.json` into an application."""
    board = _Board(services)
    app.add_route("/status", board.page, methods=["GET", "HEAD"], include_in_schema=False)
    app.add_route("/status.json", board.data, methods=["GET", "HEAD"], include_in_schema=False)


class _Board:
    """The two pages, rendered from the cached status."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._known: Status | None = None
        self._asked = float("-inf")
        self._notes: list[tuple[datetime, str, datetime | None]] = []
        self._away = False
        self._asking = asyncio.Lock()

    async def page(self, request: Request) -> Response:
        """For people."""
        await self._ask()
        with using(negotiated(request.headers.get("accept-language", ""))):
            response = render("status.html", 200, self._values())
        return _cacheable(request, response)

    async def data(self, request: Request) -> Response:
        """For programs; see docs/operations.md."""
        await self._ask()
        known = self._known
        payload = {
            "At": known.at if known else None,
            "Verdict": self._values()["verdict"],
            "Database": "away" if self._away else "there",
            "Regions": [_in_wire_case(asdict(region)) for region in known.regions] if known else [],
            "Notes": [{"At": at, "Text": text, "EndedAt": ended_at} for at, text, ended_at in self._notes],
            "Incidents": [_in_wire_case(asdict(one)) for one in known.incidents] if known else [],
        }
        body = json.dumps(payload, default=_as_text)
        return _cacheable(request, Response(body, media_type="application/json"))

    async def _ask(self) -> None:
        """Refresh the status when it is due. The last one is kept while the database is away."""
        async with self._asking:
            if time.monotonic() - self._asked < CACHE_S:
                return
            try:
                self._known, self._notes = await self._services.gateway.read_async(_look, datetime.now(UTC))
                self._away = False
            except StorageError:
                self._away = True
            self._asked = time.monotonic()

    def _values(self) -> dict[str, Any]:
        known = self._known
        regions = known.regions if known else ()
        down = [region.name for region in regions if region.state == "down"]
        troubled = [region.name for region in regions if region.trouble]
        if self._away:
            verdict = "away"
        elif regions and len(down) == len(regions):
            verdict = "down"
        elif down:
            verdict = "partly down"
        elif troubled:
            verdict = "troubled"
        else:
            verdict = "up"
        return {
            "status": known,
            "notes": self._notes,
            "verdict": verdict,
            "here": self._services.settings.region,
        }


def _look(session: Session, now: datetime) -> tuple[Status, list[tuple[datetime, str, datetime | None]]]:
    notes = [(note.at, note.text, note.ended_at) for note in shown_notes(session, now)]
    return status(session, now), notes


def _cacheable(request: Request, response: Response) -> Response:
    mark = f'"{hashlib.sha256(bytes(response.body)).hexdigest()[:20]}"'
    headers = {**HEADERS, "Cache-Control": f"public, max-age={CACHE_S:.0f}", "ETag": mark}
    headers["Vary"] = "Accept-Language"
    if request.headers.get("if-none-match") == mark:
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return response


def _in_wire_case(values: dict[str, Any]) -> dict[str, Any]:
    """Keys as in the API's answers: `up_24h` is `Up24h`."""
    return {
        "".join(word[:1].upper() + word[1:] for word in key.split("_")): (
            [_in_wire_case(one) for one in value] if key == "days" else value
        )
        for key, value in values.items()
    }


def _as_text(value: object) -> str:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    raise TypeError(type(value).__name__)
