"""The review queue: pictures that people gave feedback on, labelled by the operator for training."""

from __future__ import annotations

from typing import Any

import anyio.from_thread
from starlette.responses import Response

from layerwatch.console.live_prints import map_drawing
from layerwatch.console.pages.feedback import picture_file
from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import Visit
from layerwatch.identity import BadInput, NotFound
from layerwatch.learning.deletion import delete_feedback, remove_pictures
from layerwatch.learning.errors import LearningError
from layerwatch.learning.models import FeedbackRow
from layerwatch.learning.service import LABELS, newest_reviewed, queue
from layerwatch.learning.service import review as label_picture
from layerwatch.vision.errors import VisionError
from layerwatch.vision.evidence import KINDS

pages = Pages()


MAX_QUEUED = 24
SHOWN_REVIEWED = 100


@pages.get("/review", Needs.OPERATOR)
def show(visit: Visit) -> Response:
    """One picture at a time, the most surprising first; `id` chooses another, also one that has a label."""
    wanted = visit.query("id") or str(visit.request.path_params.get("feedback_id", ""))
    with visit.services.database.read() as session:
        waiting = [_row(row) for row in queue(session, MAX_QUEUED)]
        chosen = None
        if wanted.isdecimal() and len(wanted) < 19:
            found = session.get(FeedbackRow, int(wanted))
            chosen = _row(found) if found is not None and found.picture is not None else None
    row = chosen or (waiting[0] if waiting else None)
    others = [one for one in waiting if row is None or one["id"] != row["id"]]
    later = [one for one in others if row is not None and _place(waiting, one) > _place(waiting, row)]
    following = (later or others)[:1]
    return visit.page(
        "review.html",
        row=row,
        queue=others[:12],
        next=following[0]["id"] if following else None,
        waiting=len(waiting),
        most=MAX_QUEUED,
        kinds=KINDS,
    )


@pages.get("/review/history", Needs.OPERATOR)
def history(visit: Visit) -> Response:
    """Recently labelled pictures, for corrections."""
    with visit.services.database.read() as session:
        rows = [_row(row) for row in newest_reviewed(session, SHOWN_REVIEWED)]
    return visit.page("review_history.html", rows=rows)


@pages.get("/review/{feedback_id}/picture", Needs.OPERATOR)
def picture(visit: Visit) -> Response:
    """The picture that the feedback is about."""
    with visit.services.database.read() as session:
        row = session.get(FeedbackRow, visit.number("feedback_id"))
        name = None if row is None else row.picture
    return picture_file(visit, name)


@pages.get("/review/{feedback_id}/map", Needs.OPERATOR)
def failure_map(visit: Visit) -> Response:
    """Where the detector sees a failure in the picture now."""
    with visit.services.database.read() as session:
        row = session.get(FeedbackRow, visit.number("feedback_id"))
        name = None if row is None else row.picture
    path = None if name is None else visit.services.examples.path(name)
    if path is None or not path.exists():
        raise NotFound("No such picture.")
    try:
        evidence = anyio.from_thread.run(visit.services.vision.ainspect, path.read_bytes())
    except VisionError as error:
        raise NotFound("The picture cannot be judged just now.") from error
    return Response(map_drawing(evidence), media_type="image/svg+xml")


@pages.post("/review/{feedback_id}", Needs.OPERATOR, show)
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
            detail = f"{visit.number('feedback_id')} {chosen} {kind or ''}".rstrip()
            visit.note(session, "picture labelled", detail)
    except LearningError as wrong:
        raise BadInput(str(wrong)) from wrong
    return visit.go("/review", "reviewed")


@pages.post("/review/{feedback_id}/delete", Needs.OPERATOR, show)
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


def _row(row: FeedbackRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind.replace("_", " "),
        "at": row.at,
        "probability": row.failure_probability,
        "model": row.model_version,
        "label": row.label,
        "failure_type": row.failure_type,
        "by": row.reviewed_by,
        "reviewed_at": row.reviewed_at,
    }


def _place(rows: list[dict[str, Any]], row: dict[str, Any]) -> int:
    """Where a row is in the queue; before all of them if it is not in it."""
    return next((place for place, one in enumerate(rows) if one["id"] == row["id"]), -1)
