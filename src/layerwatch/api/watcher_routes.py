"""What a watcher asks for: actions that people asked for in the console. Beside the wire contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from layerwatch.acting import Report
from layerwatch.acting.exchange import MAX_WAIT_S
from layerwatch.api import request_parsing
from layerwatch.api.auth import authenticate
from layerwatch.api.errors import bad_args
from layerwatch.contexts import ContextError
from layerwatch.identity.audit import Actor
from layerwatch.services import Services

PATH = "/api/watcher/v1/actions"
MAX_PRINTS = MAX_RESULTS = 200
MAX_TEXT = 400


async def actions(request: Request) -> JSONResponse:
    """Take what became of actions, and hand out new ones as soon as there are any. Free."""
    services: Services = request.app.state.services
    at = services.clock.now()
    caller = await authenticate(request, services, at)
    body = await request_parsing.read_body(request.headers.get("content-length"), request.stream())
    fields = request_parsing.parse_object(body)
    prints, reports, wait_s = _prints(fields), _reports(fields), _wait(fields)
    own = {}
    for context_id, can in prints.items():
        try:
            own[services.ids.read(context_id, caller.account_id, at).id] = can
        except ContextError:  # expired, or another account's: it has no actions here
            continue
    address = request.client.host if request.client else ""
    orders = await services.watchers.exchange(
        caller.account_id,
        Actor(None, f"watcher, key {caller.prefix}", address),
        own,
        reports,
        at=at,
        wait_s=wait_s,
        gone=request.is_disconnected,
    )
    return JSONResponse(
        {
            "Actions": [
                {
                    "ActionId": order.id,
                    "ContextId": order.context_id,
                    "Kind": order.kind,
                    "AskedBy": order.who,
                    "ExpiresInSec": round(order.expires_in, 1),
                }
                for order in orders
            ]
        },
        headers={"Cache-Control": "no-store"},
    )


def _prints(fields: Mapping[str, Any]) -> dict[str, list[str]]:
    return {
        _text(item, "ContextId"): [word for word in item.get("Can") or () if isinstance(word, str)]
        for item in _objects(fields, "Prints", MAX_PRINTS)
    }


def _reports(fields: Mapping[str, Any]) -> list[Report]:
    reports = []
    for item in _objects(fields, "Results", MAX_RESULTS):
        done = item.get("Done")
        if not isinstance(done, bool):
            raise bad_args("Done must be true or false.")
        reason = "" if item.get("Reason") is None else _text(item, "Reason")
        reports.append(Report(_text(item, "ActionId"), done, "".join(filter(str.isprintable, reason))))
    return reports


def _wait(fields: Mapping[str, Any]) -> float:
    value = fields.get("WaitSec", 0)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MAX_WAIT_S:
        raise bad_args(f"WaitSec must be a number from 0 to {MAX_WAIT_S:g}.")
    return float(value)


def _objects(fields: Mapping[str, Any], name: str, most: int) -> list[Mapping[str, Any]]:
    value = fields.get(name) or []
    if not isinstance(value, list) or len(value) > most or not all(isinstance(one, dict) for one in value):
        raise bad_args(f"{name} must be a list of at most {most} objects.")
    for one in value:
        if not isinstance(one.get("Can") or [], list):
            raise bad_args("Can must be a list.")
    return value


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise bad_args(f"{name} must be a string of at most {MAX_TEXT} characters.")
    return value


ROUTES = [Route(PATH, actions, methods=["POST"])]
