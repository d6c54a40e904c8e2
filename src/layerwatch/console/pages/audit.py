"""The audit log: of an account for its owners, of the whole installation for its operator."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.responses import Response

from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import Visit
from layerwatch.core.text import escape_unsafe
from layerwatch.identity.audit import Filter, actions, filtered

pages = Pages()

SHOWN = 100
EXPORTED = 10_000


@pages.get("/audit", Needs.OWNER)
def own(visit: Visit) -> Response:
    """Who did what in this account."""
    return _page(visit, visit.account_id)


@pages.get("/audit.csv", Needs.OWNER)
def export_own(visit: Visit) -> Response:
    """The same for a spreadsheet."""
    return _csv(visit, visit.account_id)


@pages.get("/operator/audit", Needs.OPERATOR)
def whole(visit: Visit) -> Response:
    """Who did what in the whole installation."""
    return _page(visit, None)


@pages.get("/operator/audit.csv", Needs.OPERATOR)
def export_whole(visit: Visit) -> Response:
    """The same for a spreadsheet."""
    return _csv(visit, None)


def _page(visit: Visit, account_id: int | None) -> Response:
    wanted = _filter(visit, account_id)
    with visit.services.database.read() as session:
        found = filtered(session, wanted, SHOWN + 1)
        rows = [_row(entry) for entry in found]
        known = actions(session, account_id)
    return visit.page(
        "audit.html",
        entries=rows[:SHOWN],
        whole=account_id is None,
        path="/console/operator/audit" if account_id is None else "/console/audit",
        asked={name: visit.query(name) for name in ("who", "action", "from", "to", "account")},
        actions=known,
        next=rows[SHOWN - 1]["id"] if len(rows) > SHOWN else None,
        query=str(visit.request.query_params),
        most=EXPORTED,
    )


def _csv(visit: Visit, account_id: int | None) -> Response:
    with visit.services.database.read() as session:
        rows = [_row(entry) for entry in filtered(session, _filter(visit, account_id), EXPORTED)]
    out = io.StringIO(newline="")
    table = csv.writer(out)
    table.writerow(("at", "account", "who", "address", "action", "detail"))
    for row in rows:
        at = row["at"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        cells = (row["who"], row["address"], row["action"], row["detail"])
        table.writerow((at, row["account_id"] or "", *map(_cell, cells)))
    return Response(
        out.getvalue(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="layerwatch-audit.csv"'},
    )


def _cell(text: str) -> str:
    """Text that a spreadsheet does not take for a formula."""
    text = escape_unsafe(text)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def _filter(visit: Visit, account_id: int | None) -> Filter:
    before, account = visit.query("before"), visit.query("account")
    if account_id is None and account.isdecimal() and len(account) < 19:
        account_id = int(account)
    end = _day(visit.query("to"))
    return Filter(
        account_id=account_id,
        who=visit.query("who").strip()[:254],
        action=visit.query("action")[:60],
        since=_day(visit.query("from")),
        until=None if end is None else end + timedelta(days=1),
        before=int(before) if before.isdecimal() and len(before) < 19 else None,
    )


def _day(text: str) -> datetime | None:
    """The beginning of a day (UTC); None for an invalid date."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None


def _row(entry: Any) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": entry.at,
        "account_id": entry.account_id,
        "who": entry.who,
        "address": entry.address,
        "action": entry.action,
        "detail": entry.detail,
    }
