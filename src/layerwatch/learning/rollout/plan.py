"""Which model looks at which print: decided from the steps that people took, the same way on every node.

A step makes a model active (`full`), gives it a share of the prints that begin from then on (`canary`), or
has it score live pictures beside the active one without effect (`shadow`). A print keeps the model that it
began with, and nothing is stored for that: its id says when it began, and a hash of the id decides whether it
belongs to a canary's share. Only a step that was rolled back loses its prints, to the model before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from layerwatch.contexts.context_id import LIFETIME

PACKAGED = "packaged"
"""The name of the model that ships inside the package; it can always be gone back to."""

PROBATION = timedelta(hours=1)
"""For so long after it was made active a model is compared with the one before it."""

MAX_LOADED = 3
"""Models that a node holds beside the packaged one. Prints of older ones go on with the active model."""


class RolloutStage(StrEnum):
    """How much a step lets its model do."""

    SHADOW = "shadow"
    CANARY = "canary"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class RolloutStep:
    """One step of a roll-out.

    share: of the live pictures (shadow) or of the new prints (canary), 0..1; 1 for full.
    since: when it takes effect.  until: when a shadow or canary ended; None while it runs.
    rolled_back: whether its model was found bad: nothing uses the step any more.
    """

    id: int
    stage: RolloutStage
    model: str
    share: float
    since: datetime
    until: datetime | None = None
    rolled_back: bool = False

    def runs(self, at: datetime) -> bool:
        """Whether it has an effect at this time."""
        return not self.rolled_back and self.since <= at and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class Trial:
    """Two models that are compared on the same live pictures because of a step.

    share: of the pictures that are compared, 0..1.
    """

    step: RolloutStep
    candidate: str
    reference: str
    share: float


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """All steps, oldest first."""

    steps: tuple[RolloutStep, ...] = ()

    def active(self, at: datetime) -> str:
        """The model of prints that begin now, outside of a canary."""
        return next((step.model for step in self._fulls(at)), PACKAGED)

    def model_for(
        self, context_id: str, opened_at: datetime, usable: Callable[[str], bool] = lambda _: True
    ) -> str:
        """The model of a print. usable: whether this node can run a model; others are passed over."""
        for step in reversed(self.steps):
            if not step.runs(opened_at) or not usable(step.model):
                continue
            if step.stage is RolloutStage.FULL:
                return step.model
            if step.stage is RolloutStage.CANARY and in_share(context_id, step):
                return step.model
        return PACKAGED

    def candidate(self) -> RolloutStep | None:
        """The shadow or canary that runs, or is about to."""
        for step in reversed(self.steps):
            if step.stage is not RolloutStage.FULL and not step.rolled_back and step.until is None:
                return step
        return None

    def trial(self, at: datetime) -> Trial | None:
        """What is to be compared on live pictures now, if anything."""
        step = self.candidate()
        if step is not None and step.runs(at):
            share = step.share if step.stage is RolloutStage.SHADOW else 1.0
            return Trial(step, step.model, self.active(at), share)
        fulls = list(self._fulls(at))
        if not fulls or at - fulls[0].since > PROBATION:
            return None
        return Trial(fulls[0], fulls[0].model, fulls[1].model if len(fulls) > 1 else PACKAGED, 1.0)

    def needed(self, at: datetime) -> list[str]:
        """The models that live prints or a trial may need, most important first, without the packaged one."""
        names: dict[str, None] = {}
        if (candidate := self.candidate()) is not None:
            names[candidate.model] = None
        for step in reversed(self.steps):
            if step.rolled_back or (step.until is not None and step.until < at - LIFETIME):
                continue
            names[step.model] = None
            if step.stage is RolloutStage.FULL and step.since < at - LIFETIME:
                break  # every print that lives began after it
        names.pop(PACKAGED, None)
        return list(names)[:MAX_LOADED]

    def without(self, step_id: int) -> RolloutPlan:
        """The plan after this step was rolled back."""
        return RolloutPlan(
            tuple(replace(step, rolled_back=True) if step.id == step_id else step for step in self.steps)
        )

    def _fulls(self, at: datetime) -> Iterator[RolloutStep]:
        return (step for step in reversed(self.steps) if step.stage is RolloutStage.FULL and step.runs(at))


def in_share(context_id: str, step: RolloutStep) -> bool:
    """Whether a print belongs to a canary's share: the same on every node, another in each canary."""
    digest = hashlib.sha256(f"{step.id} {context_id}".encode()).digest()
    return int.from_bytes(digest[:8]) < step.share * 2**64
