"""Recent prints, and what is kept of their pictures."""

from __future__ import annotations

from starlette.responses import Response

from layerwatch.console.print_list import SHOWS, ListView, list_prints
from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import Visit
from layerwatch.identity.repository import get_account
from layerwatch.identity.roles import Role
from layerwatch.prints import picture_repository
from layerwatch.prints.kept_pictures import delete_copies

pages = Pages()


@pages.get("/prints", Needs.READ_ONLY)
def show(visit: Visit) -> Response:
    """Recent prints with what became of them."""
    with visit.services.database.read() as session:
        listed = list_prints(
            session, visit.account_id, ListView.parse(visit.request.query_params), visit.clock
        )
        keeps = get_account(session, visit.account_id).keep_pictures
        kept_bytes = picture_repository.kept_bytes(session, account_id=visit.account_id)
    settings = visit.services.settings
    return visit.page(
        "print_list.html",
        listed=listed,
        shows=SHOWS,
        keeps=keeps,
        kept_mb=kept_bytes / 1e6,
        pictures_mb=settings.pictures_mb,
        pictures_days=settings.pictures_days,
        prints_days=settings.prints_days,
        owns=visit.me.role is Role.OWNER,
        now=visit.clock,
    )


@pages.post("/prints/keep-pictures", Needs.OWNER, show)
def keep_pictures(visit: Visit) -> Response:
    """Begin or cease to keep small copies of the account's pictures."""
    on = visit.form.get("keep") == "on"
    with visit.services.database.write() as session:
        get_account(session, visit.account_id).keep_pictures = on
        visit.note(session, "keep pictures", "on" if on else "off")
    visit.services.print_recorder.refresh()
    return visit.go("/prints", "saved")


@pages.post("/prints/delete-pictures", Needs.OWNER, show)
def delete_all_pictures(visit: Visit) -> Response:
    """Delete every kept picture of the account."""
    number = delete_copies(visit.services.database, visit.services.objects, account_id=visit.account_id)
    with visit.services.database.write() as session:
        visit.note(session, "kept pictures deleted", f"all: {number}")
    return visit.go("/prints", "pictures-deleted")


@pages.post("/prints/{context_id}/delete-pictures", Needs.MEMBER, show)
def delete_pictures(visit: Visit) -> Response:
    """Delete the kept pictures of one print."""
    context_id = visit.path("context_id")
    number = delete_copies(
        visit.services.database, visit.services.objects, account_id=visit.account_id, context_ids=[context_id]
    )
    with visit.services.database.write() as session:
        visit.note(session, "kept pictures deleted", f"{context_id[:12]}: {number}")
    return visit.go(f"/prints/{context_id}", "pictures-deleted")
