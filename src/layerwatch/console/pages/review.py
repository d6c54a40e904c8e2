"""The review queue: pictures that people gave feedback on, labelled by the operator for training."""

from __future__ import annotations

from starlette.responses import Response

from layerwatch.console.pages.feedback import picture_file
from layerwatch.console.web import Needs, Pages, Visit
from layerwatch.identity import BadInput, NotFound
from layerwatch.learning.deletion import delete_feedback, remove_pictures
from layerwatch.learning.errors import LearningError
from layerwatch.learning.models import FeedbackRow
from layerwatch.learning.service import LABELS, queue
from layerwatch.learning.service import review as label_picture
from layerwatch.vision.evidence import KINDS

pages = Pages()


@pages.get("/review", Needs.OPERATOR)
def show(visit: Visit) -> Response:
    """The most surprising pictures first."""
    with visit.services.database.read() as session:
        rows = [
            {
                "id": row.id,
                "kind": row.kind.replace("_", " "),
                "at": row.at,
                "probability": row.failure_probability,
            }
            for row in queue(session, 24)
        ]
    return visit.page("review.html", rows=rows, kinds=KINDS)


@pages.get("/review/{feedback_id}/picture", Needs.OPERATOR)
def picture(visit: Visit) -> Response:
    """The picture that the feedback is about."""
    with visit.services.database.read() as session:
        row = session.get(FeedbackRow, visit.number("feedback_id"))
        name = None if row is None else row.picture
    return picture_file(visit, name)


@pages.post("/review/{feedback_id}", Needs.OPERATOR)
def label(visit: Visit) -> Response:
    """Label one picture."""
    chosen, kind = visit.form.get("label", ""), visit.form.get("failure_type") or None
    if chosen not in LABELS:
        raise BadInput("There is no such label.")
    try:
        with visit.services.database.write() as session:
            label_picture(
                session,
                visit.number("feedback_id"),
                label=chosen,
                failure_type=kind,
                by=visit.me.email,
                at=visit.clock,
            )
    except LearningError as wrong:
        raise BadInput(str(wrong)) from wrong
    return visit.go("/review", "reviewed")


@pages.post("/review/{feedback_id}/delete", Needs.OPERATOR)
def delete(visit: Visit) -> Response:
    """Delete one feedback and its picture."""
    number = visit.number("feedback_id")
    with visit.services.database.write() as session:
        deleted = delete_feedback(session, ids=[number])
        if not deleted.rows:
            raise NotFound("No such feedback.")
        visit.note(session, "feedback deleted", str(number))
    remove_pictures(visit.services.database, visit.services.examples, deleted.pictures)
    return visit.go("/review", "feedback-deleted")
