"""API keys: make, see, rename, replace, disable; and what was called with each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response

from layerwatch.billing.usage_repository import last_used
from layerwatch.console.call_charts import call_charts
from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import BASE, SECRET_COOKIE, Visit
from layerwatch.core.languages import gettext as _
from layerwatch.core.languages import marked
from layerwatch.identity import BadInput, NotFound
from layerwatch.keys import create_key, disable_key, list_keys, rename_key, rotate_key
from layerwatch.keys.models import ApiKey
from layerwatch.keys.repository import key_or_none
from layerwatch.keys.request_history import counts
from layerwatch.keys.request_recorder import KEPT, MAX_PER_KEY
from layerwatch.keys.request_repository import newest_calls

pages = Pages()

SHOWN_CALLS = 50

OVERLAPS = {
    "24": (marked("for 24 hours"), timedelta(hours=24)),
    "168": (marked("for 7 days"), timedelta(days=7)),
    "1": (marked("for 1 hour"), timedelta(hours=1)),
    "0": (marked("not at all: disable it now"), timedelta()),
}
"""For how long a replaced key goes on working, by the form's value, in hours."""


@pages.get("/keys", Needs.READ_ONLY)
def show(visit: Visit) -> Response:
    """The account's keys."""
    with visit.services.database.read() as session:
        used = last_used(session, visit.account_id)
        rows = [_row(key, used.get(key.id)) for key in list_keys(session, visit.account_id)]
    response = visit.page("keys.html", keys=rows, new=visit.shown_once(), url=visit.reachable_url)
    response.delete_cookie(SECRET_COOKIE, path=f"{BASE}/keys")
    return response


@pages.post("/keys", Needs.MEMBER, show)
def create(visit: Visit) -> Response:
    """Make a key; the page of the keys shows it, this once."""
    form = visit.form
    visit.need_verified()
    with visit.services.database.write() as session:
        new = create_key(
            session,
            visit.account_id,
            name=form.get("name", ""),
            pepper=visit.services.secrets.api_keys,
            now=visit.now,
            test=form.get("kind") == "test",
            dialect=2 if form.get("dialect") == "2" else 1,
            addresses=form.get("addresses", "").replace(",", " ").split(),
        )
        visit.note(session, "key created", f"{new.row.id} {new.row.name} {new.row.prefix}…")
    return visit.show_once(visit.go("/keys"), "/keys", new.text)


@pages.get("/keys/{key_id}", Needs.READ_ONLY)
def detail(visit: Visit) -> Response:
    """One key: how to use it, what was called with it, and its newest calls."""
    before = visit.query("before")
    by_day = visit.query("span") != "day"
    span = (7, timedelta(days=1)) if by_day else (24, timedelta(hours=1))
    with visit.services.database.read() as session:
        key = _found(session, visit)
        recorded = counts(session, key.id, visit.clock, steps=span[0], step=span[1])
        calls = newest_calls(
            session,
            key.id,
            SHOWN_CALLS + 1,
            errors_only=visit.query("show") == "errors",
            before=int(before) if before.isdecimal() and len(before) < 19 else None,
        )
        row = _row(key, last_used(session, visit.account_id).get(key.id))
        log = [_call(one) for one in calls]
    return visit.page(
        "key.html",
        key=row,
        url=visit.reachable_url,
        charts=call_charts(recorded, by_day=by_day),
        total=sum(one.calls for one in recorded),
        failed=sum(one.failed for one in recorded),
        by_day=by_day,
        calls=log[:SHOWN_CALLS],
        next=log[SHOWN_CALLS - 1]["id"] if len(log) > SHOWN_CALLS else None,
        errors_only=visit.query("show") == "errors",
        overlaps=[(value, _(words)) for value, (words, _overlap) in OVERLAPS.items()],
        kept_days=KEPT.days,
        kept_calls=MAX_PER_KEY,
    )


@pages.post("/keys/{key_id}/rename", Needs.MEMBER, detail)
def rename(visit: Visit) -> Response:
    """Give a key another name."""
    with visit.services.database.write() as session:
        key = rename_key(session, visit.account_id, visit.number("key_id"), visit.form.get("name", ""))
        visit.note(session, "key renamed", f"{key.id} {key.name}")
    return visit.go(f"/keys/{key.id}", "saved")


@pages.post("/keys/{key_id}/rotate", Needs.MEMBER, detail)
def rotate(visit: Visit) -> Response:
    """Replace a key: a new one is shown this once, the old one works for a while."""
    visit.need_verified()
    if visit.form.get("overlap", "") not in OVERLAPS:
        raise BadInput(_("Choose for how long the old key works."), field="overlap")
    _words, overlap = OVERLAPS[visit.form["overlap"]]
    with visit.services.database.write() as session:
        new = rotate_key(
            session,
            visit.account_id,
            visit.number("key_id"),
            overlap=overlap,
            pepper=visit.services.secrets.api_keys,
            now=visit.now,
        )
        visit.note(session, "key replaced", f"{visit.number('key_id')} by {new.row.id} {new.row.name}")
    return visit.show_once(visit.go("/keys"), "/keys", new.text)


@pages.post("/keys/{key_id}/disable", Needs.MEMBER, show)
def disable(visit: Visit) -> Response:
    """Disable a key permanently."""
    with visit.services.database.write() as session:
        key = disable_key(session, visit.account_id, visit.number("key_id"), visit.now)
        visit.note(session, "key disabled", f"{key.id} {key.name}")
    return visit.go("/keys", "key-disabled")


def _found(session: Any, visit: Visit) -> ApiKey:
    key: ApiKey | None = key_or_none(session, visit.number("key_id"))
    if key is None or key.account_id != visit.account_id:
        raise NotFound(_("There is no such key."))
    return key


def _row(key: ApiKey, used: datetime | None) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "shown": f"{key.prefix}…{key.last_four}",
        "test": key.test,
        "dialect": key.dialect,
        "addresses": key.addresses.split(),
        "created_at": key.created_at,
        "disabled_at": key.disabled_at,
        "retires_at": key.retires_at,
        "last_used": used,
    }


def _call(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": row.at,
        "call": row.call,
        "status": row.status,
        "error": row.error,
        "request_id": row.request_id,
        "ms": row.ms,
        "condition": (row.condition or "").replace("_", " "),
    }
