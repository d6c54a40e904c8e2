"""All SQL of models and their roll-out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from layerwatch.learning.rollout.comparison import Tally
from layerwatch.learning.rollout.models import ComparisonRow, ModelRow, StepRow
from layerwatch.learning.rollout.plan import RolloutPlan, RolloutStage, RolloutStep

MAX_STEPS = 200
"""Steps that a plan is made of, the newest: years of them."""


def models(session: Session) -> Sequence[ModelRow]:
    """Every model that was added, oldest first."""
    return session.scalars(select(ModelRow).order_by(ModelRow.added_at, ModelRow.sha256)).all()


def find_model(session: Session, sha256: str) -> ModelRow | None:
    """The model of this file."""
    return session.get(ModelRow, sha256)


def add_model(
    session: Session, sha256: str, *, version: str, size: int, note: str, at: datetime, by: str
) -> ModelRow:
    """Add a model whose file is in the store."""
    row = ModelRow(sha256=sha256, version=version, size=size, note=note, added_at=at, added_by=by)
    session.add(row)
    session.flush()
    return row


def steps(session: Session, limit: int = MAX_STEPS) -> Sequence[StepRow]:
    """The newest steps, oldest of them first."""
    rows = session.scalars(select(StepRow).order_by(StepRow.since.desc(), StepRow.id.desc()).limit(limit))
    return rows.all()[::-1]


def load_plan(session: Session) -> RolloutPlan:
    """What nodes follow."""
    return RolloutPlan(
        tuple(
            RolloutStep(
                id=row.id,
                stage=RolloutStage(row.stage),
                model=row.model,
                share=row.share,
                since=row.since,
                until=row.until,
                rolled_back=row.rolled_back_at is not None,
            )
            for row in steps(session)
        )
    )


def add_step(
    session: Session, stage: RolloutStage, model: str, share: float, *, since: datetime, by: str
) -> StepRow:
    """Take a step, and end the shadow or canary that ran before it."""
    session.execute(
        update(StepRow)
        .where(StepRow.stage != RolloutStage.FULL, StepRow.until.is_(None), StepRow.rolled_back_at.is_(None))
        .values(until=since, ended_by=by)
    )
    row = StepRow(stage=stage, model=model, share=share, since=since, taken_by=by)
    session.add(row)
    session.flush()
    return row


def roll_back(session: Session, step_id: int, *, at: datetime, by: str, reason: str) -> bool:
    """Take a step back, and with it the canaries of its model; False if it was already, or if it ended."""
    values = {"rolled_back_at": at, "ended_by": by, "reason": reason[:200]}
    model = session.scalars(
        update(StepRow)
        .where(StepRow.id == step_id, StepRow.rolled_back_at.is_(None), StepRow.until.is_(None))
        .values(**values)
        .returning(StepRow.model)
    ).first()
    if model is None:
        return False
    canaries = (
        StepRow.model == model,
        StepRow.stage == RolloutStage.CANARY,
        StepRow.rolled_back_at.is_(None),
    )
    session.execute(update(StepRow).where(*canaries).values(**values))
    return True


def write_tally(session: Session, step_id: int, node: str, tally: Tally, at: datetime) -> None:
    """Write what a node has seen of a trial so far, in place of its last figures."""
    session.merge(ComparisonRow(step_id=step_id, node=node, updated_at=at, **asdict(tally)))


def tallies(session: Session, step_id: int) -> Sequence[ComparisonRow]:
    """What each node saw of a step's trial."""
    found = select(ComparisonRow).where(ComparisonRow.step_id == step_id).order_by(ComparisonRow.node)
    return session.scalars(found).all()
