"""The detectors of the installation: what is active, what is tried, and the way back."""

from __future__ import annotations

from starlette.responses import Response

from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import Visit
from layerwatch.core.languages import gettext as _
from layerwatch.drift.overview import drift_table, printers_table
from layerwatch.identity import BadInput
from layerwatch.learning.errors import LearningError
from layerwatch.learning.rollout.models import StepRow
from layerwatch.learning.rollout.overview import models_table, step_line, trial_tallies

pages = Pages()

MAX_STEPS = 30
"""Steps that the page shows, the newest."""


@pages.get("/models", Needs.OPERATOR)
def show(visit: Visit) -> Response:
    """Every model, the trial under way with its figures, drift, and the history."""
    registry = visit.services.models
    rows, steps = models_table(registry, visit.clock), registry.steps()
    with visit.services.database.read() as session:
        drift, printers = drift_table(session, visit.clock), printers_table(session, visit.clock)
    return visit.page(
        "models.html",
        models=rows,
        tallies=trial_tallies(registry),
        steps=[step_line(step) for step in reversed(steps)][:MAX_STEPS],
        drift=drift,
        printers=printers,
        can_change=visit.services.vision.can_change,
        running=visit.services.vision.model_version,
    )


@pages.post("/models/rollback", Needs.OPERATOR, show)
def rollback(visit: Visit) -> Response:
    """Take the newest step back."""
    try:
        step = visit.services.models.roll_back(at=visit.clock, by=visit.me.email)
    except LearningError as wrong:
        raise BadInput(str(wrong)) from wrong
    return _taken(visit, step, "model rolled back")


@pages.post("/models/{model}", Needs.OPERATOR, show)
def step(visit: Visit) -> Response:
    """Shadow or canary a model with a share, or promote it."""
    registry, model = visit.services.models, visit.path("model")
    what, by = visit.form.get("step", ""), visit.me.email
    try:
        if what == "promote":
            taken = registry.promote(model, at=visit.clock, by=by)
        elif what in ("shadow", "canary"):
            take = registry.shadow if what == "shadow" else registry.canary
            taken = take(model, _share(visit), at=visit.clock, by=by)
        else:
            raise BadInput(_("There is no such step."))
    except LearningError as wrong:
        raise BadInput(str(wrong)) from wrong
    return _taken(visit, taken, f"model {what}")


def _taken(visit: Visit, step: StepRow, action: str) -> Response:
    with visit.services.database.write() as session:
        visit.note(session, action, step.model[:12])
    return visit.go("/models", "model-step")


def _share(visit: Visit) -> float:
    text = visit.form.get("share", "").strip().removesuffix("%").strip()
    try:
        return float(text) / 100
    except ValueError:
        raise BadInput(_("A share is a number of percent, for example 10."), field="share") from None
