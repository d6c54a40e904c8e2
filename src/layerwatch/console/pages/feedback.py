"""The account's feedback and its pictures: what is kept, and its deletion."""

from __future__ import annotations

from sqlalchemy import select
from starlette.responses import Response

from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import Visit
from layerwatch.identity import NotFound
from layerwatch.learning.deletion import BATCH, Deleted, delete_feedback, remove_pictures
from layerwatch.learning.models import FeedbackRow

pages = Pages()

SHOWN = 100
"""The newest feedback of the account; older feedback is deleted with the button for all of it."""


@pages.get("/feedback", Needs.READ_ONLY)
def show(visit: Visit) -> Response:
    """The newest feedback first."""
    with visit.services.database.read() as session:
        found = session.scalars(
            select(FeedbackRow)
            .where(FeedbackRow.account_id == visit.account_id)
            .order_by(FeedbackRow.id.desc())
            .limit(SHOWN)
        )
        rows = [
            {
                "id": row.id,
                "kind": row.kind.replace("_", " "),
                "at": row.at,
                "context": row.context_id[:12],
                "has_picture": row.picture is not None,
            }
            for row in found
        ]
    return visit.page("feedback.html", rows=rows, days=visit.services.settings.feedback_days)


@pages.get("/feedback/{feedback_id}/picture", Needs.READ_ONLY)
def picture(visit: Visit) -> Response:
    """The picture that is kept with one feedback."""
    with visit.services.database.read() as session:
        row = session.get(FeedbackRow, visit.number("feedback_id"))
        name = None if row is None or row.account_id != visit.account_id else row.picture
    return picture_file(visit, name)


@pages.post("/feedback/{feedback_id}/delete", Needs.MEMBER, show)
def delete_one(visit: Visit) -> Response:
    """Delete one feedback and its picture."""
    number = visit.number("feedback_id")
    with visit.services.database.write() as session:
        deleted = delete_feedback(session, ids=[number], account_id=visit.account_id)
        if not deleted.rows:
            raise NotFound("No such feedback.")
        visit.note(session, "feedback deleted", str(number))
    return _deleted(visit, deleted)


@pages.post("/feedback/delete", Needs.OWNER, show)
def delete_all(visit: Visit) -> Response:
    """Delete all feedback of the account, with its pictures."""
    rows, pictures = 0, set[str]()
    more = True
    while more:
        with visit.services.database.write() as session:
            deleted = delete_feedback(session, account_id=visit.account_id)
            more = deleted.rows == BATCH
            rows, pictures = rows + deleted.rows, pictures | deleted.pictures
            if not more:
                visit.note(session, "feedback deleted", f"all: {rows}")
    return _deleted(visit, Deleted(rows, frozenset(pictures)))


def picture_file(visit: Visit, name: str | None) -> Response:
    """An example's picture. Raises NotFound when there is none here."""
    if name is None:
        raise NotFound("No such picture.")
    try:
        content = visit.services.examples.path(name).read_bytes()
    except OSError as gone:
        raise NotFound("This picture is not on this node.") from gone
    return Response(content, media_type="image/jpeg")


def _deleted(visit: Visit, deleted: Deleted) -> Response:
    remove_pictures(visit.services.database, visit.services.examples, deleted.pictures)
    return visit.go("/feedback", "feedback-deleted")
