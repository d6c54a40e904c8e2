"""The models of a running server: each print's own, changed without a restart and without a lost call."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import structlog

from layerwatch.learning.rollout.comparison import Pair, PairedComparison, Tally
from layerwatch.learning.rollout.plan import PACKAGED, RolloutPlan, Trial
from layerwatch.vision.errors import Busy, ImageDecodeError
from layerwatch.vision.evidence import Evidence
from layerwatch.vision.inspector import Inspector

log = structlog.get_logger(__name__)

FIRST_PAIRS = 30
LATER_SHARE = 0.1
"""Outside of a shadow every picture is compared until there are so many pairs, then this share."""

RETRY_S = 60.0
"""Until a model that could not be opened is tried again."""


OpenModel = Callable[[str], Inspector]
"""SHA-256 of a model → what looks with it. Blocks; raises LearningError, ModelError or StorageError."""


@dataclass(slots=True)
class _Loaded:
    """A model in memory. calls: under way.  retired: closed as soon as there are none."""

    inspector: Inspector
    calls: int = 0
    retired: bool = False


class LiveModels:
    """Looks at each picture with the model of its print. An `Inspector` that looks with the active one.

    base: the packaged model, always there. It answers, too, where another model fails, so that a bad model
    costs no call.  open_model: None where models can't be changed.  now: the server's clock.
    """

    def __init__(
        self,
        base: Inspector,
        open_model: OpenModel | None,
        now: Callable[[], datetime],
        rng: random.Random | None = None,
    ) -> None:
        self._open = open_model
        self._now = now
        self._rng = rng or random.Random()
        self._lock = threading.Lock()
        self._models = {PACKAGED: _Loaded(base)}
        self._refused: dict[str, float] = {}
        self._plan = RolloutPlan()
        self._trial: Trial | None = None
        self._comparison = PairedComparison()
        self._pair: asyncio.Task[None] | None = None

    @property
    def can_change(self) -> bool:
        """Whether other models than the packaged one may be used here."""
        return self._open is not None

    @property
    def model_version(self) -> str:
        """The version of the active model."""
        return self._models[self._usable(self._plan.active(self._now()))].inspector.model_version

    @property
    def plan(self) -> RolloutPlan:
        """The plan that is followed."""
        return self._plan

    @property
    def trial(self) -> Trial | None:
        """What is compared now."""
        return self._trial

    @property
    def compared(self) -> str | None:
        """A name of at most 64 characters for the two models that are compared; None while there are none."""
        trial = self._trial
        return None if trial is None else f"{trial.candidate[:31]} {trial.reference[:31]}"

    def tally(self) -> Tally:
        """The figures of the trial under way."""
        return self._comparison.tally()

    async def ainspect(self, jpeg: bytes, deadline: float | None = None) -> Evidence:
        """Look with the active model, for a picture that belongs to no print. Raises as `Vision.ainspect`."""
        return await self._answer(self._usable(self._plan.active(self._now())), jpeg, deadline, "")

    async def inspect_print(
        self, jpeg: bytes, deadline: float | None, context_id: str, opened_at: datetime
    ) -> Evidence:
        """Look with the print's model; now and then, and without a wait, with the one it is compared with.

        Raises as `Vision.ainspect`.
        """
        model = self._plan.model_for(context_id, opened_at, self._models.__contains__)
        evidence = await self._answer(model, jpeg, deadline, context_id)
        trial = self._trial
        if trial is not None and self._compares(trial, model):
            self._pair = asyncio.create_task(self._look_again(trial, model, jpeg, context_id, evidence))
        return evidence

    async def second_opinion(self, jpeg: bytes, judged_by: str | None) -> Evidence | None:
        """What the other one of the two compared models sees in a picture; None while none are compared.

        judged_by: version of the model that has judged it. Raises as `Vision.ainspect`.
        """
        trial = self._trial
        if trial is None:
            return None
        with self._held(trial.candidate) as candidate, self._held(trial.reference) as reference:
            other = reference if judged_by == candidate.model_version else candidate
            return await other.ainspect(jpeg)

    def follow(self, plan: RolloutPlan) -> None:
        """Open what the plan needs, follow it, and close what no print needs any more. Blocks for seconds."""
        now = self._now()
        needed = plan.needed(now) if self._open is not None else []
        for name in needed:
            if name not in self._models and self._refused.get(name, 0.0) < time.monotonic():
                self._load(name)
        trial = plan.trial(now)
        if trial is not None and not {trial.candidate, trial.reference} <= self._models.keys():
            trial = None
        with self._lock:
            if trial != self._trial:
                self._comparison = PairedComparison()
            self._plan, self._trial = plan, trial
            retired = [
                self._models.pop(name) for name in list(self._models) if name not in (PACKAGED, *needed)
            ]
            for loaded in retired:
                loaded.retired = True
            idle = [loaded for loaded in retired if loaded.calls == 0]
        for loaded in idle:
            loaded.inspector.close()

    def fault(self) -> tuple[int, str] | None:
        """The step whose model must be taken back, and why."""
        if self._trial is None:
            return None
        why = self._comparison.fault()
        return None if why is None else (self._trial.step.id, why)

    def close(self) -> None:
        """Close every model."""
        for loaded in self._models.values():
            loaded.inspector.close()

    def _usable(self, name: str) -> str:
        return name if name in self._models else PACKAGED

    def _load(self, name: str) -> None:
        assert self._open is not None
        try:
            opened = self._open(name)
        except Exception as error:  # whatever is wrong with it: prints go on with the one before
            self._refused[name] = time.monotonic() + RETRY_S
            log.error("model_refused", model=name[:12], why=str(error))
            return
        with self._lock:
            self._models[name] = _Loaded(opened)
        log.info("model_loaded", model=name[:12], version=opened.model_version)

    @contextmanager
    def _held(self, name: str) -> Iterator[Inspector]:
        """A model that is not closed before the block ends."""
        with self._lock:
            loaded = self._models.get(name) or self._models[PACKAGED]
            loaded.calls += 1
        try:
            yield loaded.inspector
        finally:
            with self._lock:
                loaded.calls -= 1
                last = loaded.retired and loaded.calls == 0
            if last:  # it waits for its threads, which have nothing to do
                threading.Thread(target=loaded.inspector.close, daemon=True).start()

    async def _answer(self, name: str, jpeg: bytes, deadline: float | None, context_id: str) -> Evidence:
        with self._held(name) as inspector:
            try:
                return await inspector.ainspect(jpeg, deadline)
            except ImageDecodeError:
                raise
            except Exception as error:  # Busy, too: a slow model's queue is full before the packaged one's
                if name == PACKAGED:
                    raise
                failed = not isinstance(error, Busy)
                if failed:
                    log.error("model_failed", model=name[:12], why=str(error))
        with self._held(PACKAGED) as inspector:
            evidence = await inspector.ainspect(jpeg, deadline)
        trial = self._trial
        if failed and trial is not None and trial.candidate == name:
            self._comparison.add(
                Pair(context_id, None, evidence.failure_probability, 0.0, evidence.detector_ms)
            )
        return evidence

    def _compares(self, trial: Trial, model: str) -> bool:
        """Whether this picture is one of the sample. One at a time, so that it takes at most one core."""
        if self._pair is not None and not self._pair.done():
            return False
        if model not in (trial.candidate, trial.reference):
            return False
        shadow = trial.step.stage == "shadow"
        if model == trial.reference and not shadow:
            return False  # a print outside of the canary
        share = trial.share if shadow or len(self._comparison) < FIRST_PAIRS else LATER_SHARE
        return self._rng.random() < share

    async def _look_again(
        self, trial: Trial, model: str, jpeg: bytes, context_id: str, first: Evidence
    ) -> None:
        """Look with the other of the two, and note both answers."""
        other = trial.reference if model == trial.candidate else trial.candidate
        probability: float | None = None
        spent = 0.0
        try:
            with self._held(other) as inspector:
                second = await inspector.ainspect(jpeg)
            probability, spent = second.failure_probability, second.detector_ms
        except Busy:
            return
        except Exception as error:
            if other == trial.reference:
                return
            log.error("model_failed", model=other[:12], why=str(error))
        if trial is not self._trial:
            return
        if other == trial.candidate:
            pair = Pair(context_id, probability, first.failure_probability, spent, first.detector_ms)
        else:
            assert probability is not None
            pair = Pair(context_id, first.failure_probability, probability, first.detector_ms, spent)
        self._comparison.add(pair)
