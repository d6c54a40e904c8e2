"""The account's feedback and its pictures: what is kept, and its deletion."""

from __future__ import annotations

from collections import defaultdict

from starlette.responses import Response

from layerwatch.console.live_prints import FEEDBACK_WORDS
from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import Visit
from layerwatch.core.languages import gettext as _
from layerwatch.identity import NotFound
from layerwatch.identity.repository import shares_pictures
from layerwatch.learning import LearningError, repository
from layerwatch.learning.deletion import BATCH, Deleted, delete_feedback
from layerwatch.learning.examples import ExampleName
from layerwatch.learning.service import name_of

pages = Pages()

SHOWN = 100
"""The newest feedback of the account; older feedback is deleted with the button for all of it."""


@pages.get("/feedback", Needs.READ_ONLY)
def show(visit: Visit) -> Response:
    """The newest feedback first."""
    with visit.services.database.read() as session:
        found = repository.feedback_of_account(session, visit.account_id, SHOWN)
        pictures = defaultdict[int, list[int]](list)
        for one in repository.examples_of(session, [row.id for row in found]):
            pictures[one.feedback_id].append(one.id)
        shares = shares_pictures(session, visit.account_id)
        rows = [
            {
                "id": row.id,
                "words": FEEDBACK_WORDS[row.kind],
                "type": row.reported_type,
                "comment": row.comment,
                "at": row.at,
                "context": row.context_id[:12],
                "pictures": pictures[row.id],
            }
            for row in found
        ]
    days = visit.services.settings.feedback_days
    return visit.page("feedback.html", rows=rows, days=days, shares_pictures=shares)


@pages.get("/feedback/{example_id}/picture", Needs.READ_ONLY)
def picture(visit: Visit) -> Response:
    """A picture that is kept with feedback."""
    with visit.services.database.read() as session:
        row = repository.find_example(session, visit.number("example_id"))
        name = None if row is None or row.account_id != visit.account_id else name_of(row)
    return picture_file(visit, name)


@pages.post("/feedback/{feedback_id}/delete", Needs.MEMBER, show)
def delete_one(visit: Visit) -> Response:
    """Delete one feedback and its pictures."""
    number = visit.number("feedback_id")
    with visit.services.database.write() as session:
        deleted = delete_feedback(session, now=visit.clock, ids=[number], account_id=visit.account_id)
        if not deleted.rows:
            raise NotFound(_("No such feedback."))
        visit.note(session, "feedback deleted", str(number))
    return _deleted(visit, deleted)


@pages.post("/feedback/delete", Needs.OWNER, show)
def delete_all(visit: Visit) -> Response:
    """Delete all feedback of the account, with its pictures."""
    rows, pictures = 0, set[ExampleName]()
    more = True
    while more:
        with visit.services.database.write() as session:
            deleted = delete_feedback(session, now=visit.clock, account_id=visit.account_id)
            more = deleted.rows == BATCH
            rows, pictures = rows + deleted.rows, pictures | deleted.pictures
            if not more:
                visit.note(session, "feedback deleted", f"all: {rows}")
    return _deleted(visit, Deleted(rows, frozenset(pictures)))


def picture_file(visit: Visit, name: ExampleName | None) -> Response:
    """An example's picture. Raises NotFound when there is none."""
    if name is None:
        raise NotFound(_("No such picture."))
    try:
        content = visit.services.examples.get(name)
    except LearningError as gone:
        raise NotFound(_("This picture is missing.")) from gone
    return Response(content, media_type="image/jpeg")


def _deleted(visit: Visit, deleted: Deleted) -> Response:
    visit.services.examples.delete(deleted.pictures)
    return visit.go("/feedback", "feedback-deleted")
