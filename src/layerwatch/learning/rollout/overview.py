"""Models and steps as people see them: on the command line and on the operators' page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from layerwatch.learning.rollout.models import StepRow
from layerwatch.learning.rollout.plan import PACKAGED, RolloutPlan
from layerwatch.learning.rollout.registry import NOTICE, ModelRegistry


def role(plan: RolloutPlan, model: str, at: datetime) -> str:
    """What a model does now: active, shadow 10 %, canary 10 %, or nothing."""
    candidate = plan.candidate()
    if candidate is not None and candidate.model == model:
        return f"{candidate.stage} {candidate.share:.0%}"
    if plan.active(at) == model:
        return "active"
    return "active in a moment" if plan.active(at + NOTICE) == model else ""


def models_table(registry: ModelRegistry, at: datetime) -> list[dict[str, Any]]:
    """A row for each model, the packaged one first."""
    plan = registry.plan()
    rows: list[dict[str, Any]] = [
        {
            "model": PACKAGED,
            "role": role(plan, PACKAGED, at),
            "version": "",
            "added_at": "",
            "note": "ships with Layerwatch",
        }
    ]
    return rows + [
        {
            "model": row.sha256,
            "role": role(plan, row.sha256, at),
            "version": row.version,
            "added_at": row.added_at.isoformat(timespec="seconds"),
            "note": row.note,
        }
        for row in registry.models()
    ]


def step_line(step: StepRow) -> dict[str, Any]:
    """A step of the history."""
    if step.rolled_back_at is not None:
        outcome = f"rolled back: {step.reason}"
    else:
        outcome = "ended" if step.until is not None else ""
    return {
        "id": step.id,
        "since": step.since.isoformat(timespec="seconds"),
        "stage": step.stage,
        "model": step.model,
        "share": step.share,
        "by": step.taken_by,
        "outcome": outcome,
        "ended_by": step.ended_by or "",
    }


def trial_tallies(registry: ModelRegistry) -> list[dict[str, Any]]:
    """What each node saw of the newest step that has figures: its trial, under way or over."""
    for step in reversed(registry.steps()):
        found = registry.tallies(step.id)
        if found:
            return [
                {
                    "step": step.id,
                    "node": row.node,
                    "pictures": row.pictures,
                    "errors": row.errors,
                    "candidate_alarms": row.candidate_alarms,
                    "reference_alarms": row.reference_alarms,
                    "only_candidate": row.only_candidate,
                    "only_reference": row.only_reference,
                    "candidate_ms": round(row.candidate_ms, 1),
                    "reference_ms": round(row.reference_ms, 1),
                }
                for row in found
            ]
    return []
