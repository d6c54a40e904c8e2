"""API keys: make, see, disable."""

from __future__ import annotations

from starlette.responses import Response

from layerwatch.billing.usage import last_used
from layerwatch.console.web import BASE, SECRET_COOKIE, Needs, Pages, Visit
from layerwatch.keys import create_key, disable_key, list_keys

pages = Pages()


@pages.get("/keys", Needs.READ_ONLY)
def show(visit: Visit) -> Response:
    """The account's keys."""
    response = _page(visit, new=visit.shown_once())
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


@pages.post("/keys/{key_id}/disable", Needs.MEMBER, show)
def disable(visit: Visit) -> Response:
    """Disable a key, for ever."""
    with visit.services.database.write() as session:
        key = disable_key(session, visit.account_id, visit.number("key_id"), visit.now)
        visit.note(session, "key disabled", f"{key.id} {key.name}")
    return visit.go("/keys", "key-disabled")


def _page(visit: Visit, *, new: str = "") -> Response:
    with visit.services.database.read() as session:
        used = last_used(session, visit.account_id)
        rows = [
            {
                "id": key.id,
                "name": key.name,
                "shown": f"{key.prefix}…{key.last_four}",
                "test": key.test,
                "dialect": key.dialect,
                "addresses": key.addresses.split(),
                "created_at": key.created_at,
                "disabled_at": key.disabled_at,
                "last_used": used.get(key.id),
            }
            for key in list_keys(session, visit.account_id)
        ]
    return visit.page("keys.html", keys=rows, new=new, url=visit.reachable_url)
