"""The review queue: pictures that people gave feedback on, labelled by the operator for training."""

from __future__ import annotations

from starlette.responses import Response

from layerwatch.console.web import Needs, Pages, Visit
from layerwatch.identity import BadInput, NotFound
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
    if name is None:
        raise NotFound("There is no such picture.")
    path = visit.services.examples.path(name)
    try:
        content = path.read_bytes()
    except OSError as gone:
        raise NotFound("This picture is gone.") from gone
    return Response(content, media_type="image/jpeg")


@pages.post("/review/{feedback_id}", Needs.OPERATOR)
def label(visit: Visit) -> Response:
    """Label one picture."""
    chosen, kind = visit.form.get("label", ""), visit.form.get("failure_type") or None
    if chosen not in LABELS:
        raise BadInput("There is no such label.")
    try:
        with visit.services.database.begin() as session:
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
