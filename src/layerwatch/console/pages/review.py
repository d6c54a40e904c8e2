"""The review: pictures that people gave feedback on, labelled for training.

A reviewer sees a picture, what the client said and what the model thought; no account, printer or print.
"""

from __future__ import annotations

from typing import Any

import anyio.from_thread
from sqlalchemy.orm import Session
from starlette.responses import Response

from layerwatch.console.live_prints import map_drawing
from layerwatch.console.pages.feedback import picture_file
from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import Visit
from layerwatch.core.languages import gettext as _
from layerwatch.identity import BadInput, NotFound
from layerwatch.learning.deletion import delete_feedback
from layerwatch.learning.errors import LearningError
from layerwatch.learning.queue import queue
from layerwatch.learning.repository import Example, Reviewed
from layerwatch.learning.repository import history as reviews
from layerwatch.learning.review import LABELS, find, reviewed_by
from layerwatch.learning.review import review as label_picture
from layerwatch.learning.service import name_of
from layerwatch.vision.errors import VisionError
from layerwatch.vision.evidence import KINDS

pages = Pages()


MAX_QUEUED = 24
SHOWN_REVIEWED = 100


@pages.get("/review", Needs.OPERATOR)
def show(visit: Visit) -> Response:
    """One picture at a time, the most instructive first; `id` chooses another, also one that has a label."""
    wanted = visit.query("id") or str(visit.request.path_params.get("example_id", ""))
    with visit.services.database.read() as session:
        waiting = [_shown(one) for one in queue(session, MAX_QUEUED, reviewer=_blind(visit))]
        chosen = None
        if wanted.isdecimal() and len(wanted) < 19:
            chosen = _chosen(session, visit, int(wanted))
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
        two_people=visit.services.settings.review_two_people,
    )


@pages.get("/review/history", Needs.OPERATOR)
def history(visit: Visit) -> Response:
    """Who labelled what, for corrections."""
    with visit.services.database.read() as session:
        rows = [_entry(one) for one in reviews(session, SHOWN_REVIEWED, reviewer=_blind(visit))]
    return visit.page("review_history.html", rows=rows)


@pages.get("/review/{example_id}/picture", Needs.OPERATOR)
def picture(visit: Visit) -> Response:
    """The picture itself."""
    return picture_file(visit, name_of(_find(visit).row))


@pages.get("/review/{example_id}/map", Needs.OPERATOR)
def failure_map(visit: Visit) -> Response:
    """Where the detector sees a failure in the picture now."""
    try:
        jpeg = visit.services.examples.get(name_of(_find(visit).row))
        evidence = anyio.from_thread.run(visit.services.vision.ainspect, jpeg)
    except (LearningError, VisionError) as error:
        raise NotFound(_("The picture cannot be judged just now.")) from error
    return Response(map_drawing(evidence), media_type="image/svg+xml")


@pages.post("/review/{example_id}", Needs.OPERATOR, show)
def label(visit: Visit) -> Response:
    """Label one picture."""
    chosen, kind = visit.form.get("label", ""), visit.form.get("failure_type") or None
    if chosen not in LABELS:
        raise BadInput(_("There is no such label."))
    number = visit.number("example_id")
    try:
        with visit.services.database.write() as session:
            label_picture(
                session,
                number,
                label=chosen,
                failure_type=kind,
                by=visit.me.email[:120],
                at=visit.clock,
                two_people=visit.services.settings.review_two_people,
            )
            visit.note(session, "picture labelled", f"{number} {chosen} {kind or ''}".rstrip())
    except LearningError as wrong:
        raise BadInput(str(wrong)) from wrong
    return visit.go("/review", "reviewed")


@pages.post("/review/{example_id}/delete", Needs.OPERATOR, show)
def delete(visit: Visit) -> Response:
    """Delete a picture with its feedback and that feedback's other pictures."""
    number = _find(visit).feedback.id
    with visit.services.database.write() as session:
        deleted = delete_feedback(session, now=visit.clock, ids=[number])
        if not deleted.rows:
            raise NotFound(_("No such feedback."))
        visit.note(session, "feedback deleted", str(number))
    visit.services.examples.delete(deleted.pictures)
    return visit.go("/review", "feedback-deleted")


def _find(visit: Visit) -> Example:
    try:
        with visit.services.database.read() as session:
            found = find(session, visit.number("example_id"))
            session.expunge_all()
            return found
    except LearningError as gone:
        raise NotFound(_("No such picture.")) from gone


def _chosen(session: Session, visit: Visit, number: int) -> dict[str, Any] | None:
    try:
        example = find(session, number)
    except LearningError:
        return None
    mine = reviewed_by(session, number, visit.me.email[:120])
    return _shown(example) | {"mine": mine.label if mine else None}


def _blind(visit: Visit) -> str | None:
    """The reviewer, where two people have to agree and none may see the other's label before."""
    return visit.me.email[:120] if visit.services.settings.review_two_people else None


def _shown(example: Example) -> dict[str, Any]:
    row, feedback = example
    return {
        "id": row.id,
        "kind": feedback.kind.replace("_", " "),
        "reported_type": feedback.reported_type,
        "comment": feedback.comment,
        "at": feedback.at,
        "probability": row.failure_probability,
        "second": row.second_probability,
        "model": row.model_version,
        "label": row.label,
        "failure_type": row.failure_type,
        "mine": None,
    }


def _entry(one: Reviewed) -> dict[str, Any]:
    return {
        "id": one.example.id,
        "kind": one.verdict.replace("_", " "),
        "label": one.review.label,
        "failure_type": one.review.failure_type,
        "by": one.review.by,
        "at": one.review.at,
        "counts": one.example.label == one.review.label,
    }


def _place(rows: list[dict[str, Any]], row: dict[str, Any]) -> int:
    """Where a row is in the queue; before all of them if it is not in it."""
    return next((place for place, one in enumerate(rows) if one["id"] == row["id"]), -1)
