"""Usage: day by day, by key, what it costs so far, and the export."""

from __future__ import annotations

from starlette.responses import Response

from layerwatch.billing import Month
from layerwatch.billing.account_usage import projected_calls
from layerwatch.billing.contracts import book_for
from layerwatch.billing.invoices import preview
from layerwatch.billing.usage import days, export_csv, hours
from layerwatch.console.chart import bar_chart
from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import Visit
from layerwatch.core.languages import gettext as _
from layerwatch.identity import BadInput
from layerwatch.identity.repository import get_account

pages = Pages()


@pages.get("/usage", Needs.READ_ONLY)
def show(visit: Visit) -> Response:
    """A month of the account."""
    month = month_of(visit)
    with visit.services.database.read() as session:
        account = get_account(session, visit.account_id)
        draft = preview(session, account, month, visit.services.terms)
        month_days = days(session, visit.account_id, month)
        keys: dict[tuple[int, str, str, bool], int] = {}
        for row in hours(session, visit.account_id, month):
            of = (row.key_id, row.key_name, row.key_shown, row.test)
            keys[of] = keys.get(of, 0) + row.calls
        free_only, limit = account.free_only, account.spend_limit
        book = book_for(session, account.id, account.price_book, month, visit.services.terms.books)
    this_month = Month.of(visit.clock)
    forecast = projected_calls(draft.calls, month, visit.clock) if month == this_month else None
    stops = [book.free_calls if free_only else None, None if limit is None else book.calls_within(limit)]
    for most in stops:
        if forecast is not None and most is not None:
            forecast = max(draft.calls, min(forecast, most))  # later calls are refused
    return visit.page(
        "usage.html",
        month=month,
        this_month=this_month,
        forecast=forecast,
        forecast_cost=None if forecast is None else book.cost(forecast),
        limit=limit,
        draft=draft,
        free_only=free_only,
        chart=bar_chart([(str(day.day.day), day.calls) for day in month_days], _("inspections")),
        test_calls=sum(day.test_calls for day in month_days),
        keys=sorted(keys.items(), key=lambda item: -item[1]),
    )


@pages.get("/usage.csv", Needs.READ_ONLY)
def export(visit: Visit) -> Response:
    """The month by hour and key."""
    month = month_of(visit)
    with visit.services.database.read() as session:
        text = export_csv(session, visit.account_id, month)
    name = f"layerwatch-usage-{month}.csv"
    return Response(
        text,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def month_of(visit: Visit) -> Month:
    """The month that the address names, or this one."""
    text = visit.query("month")
    try:
        return Month.parse(text) if text else Month.of(visit.clock)
    except ValueError as wrong:
        raise BadInput(str(wrong)) from wrong
