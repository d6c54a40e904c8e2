"""Training that continues from a detector's weights, above stride 8; what lies below is frozen."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn

from layerwatch_train.model import Detector
from layerwatch_train.train import Weights, keep_freed_memory

B = TypeVar("B")

_WARM_STEPS = 100
_KEEP_EVERY = 150
"""Steps between checkpoints."""


class Schedule(Protocol):
    """Steps, learning rates (of the trunk from stride 8 on, and of the heads), weight decay, and the decay
    of the averaged weights."""

    @property
    def steps(self) -> int: ...
    @property
    def trunk_rate(self) -> float: ...
    @property
    def head_rate(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def average(self) -> float: ...
    @property
    def seed(self) -> int: ...


class Features(NamedTuple):
    """A batch's features at strides 8 (frozen), 16 and 32."""

    low: Tensor
    fine: Tensor
    coarse: Tensor


class FineTuning(ABC, Generic[B]):
    """A training under way on batches of type B; `average` are the weights that count.

    extra: a part beside the detector that is trained with it, at its own rate, and thrown away.
    """

    def __init__(
        self,
        schedule: Schedule,
        first: Weights,
        variant: str,
        extra: nn.Module | None = None,
        extra_rate: float = 0.0,
    ):
        self.schedule, self.step = schedule, 0
        model = Detector(variant)
        model.load_state_dict(first)
        self.model = model.to(memory_format=torch.channels_last)
        self.model.trunk.stem.requires_grad_(False)
        self.model.trunk.lower.requires_grad_(False)
        self.extra = extra if extra is not None else nn.Module()
        self.average = {name: value.detach().clone() for name, value in model.state_dict().items()}
        upper = [*model.trunk.middle.parameters(), *model.trunk.upper.parameters()]
        parts = [upper, list(model.heads.parameters()), list(self.extra.parameters())]
        self.rates = [schedule.trunk_rate, schedule.head_rate, extra_rate]
        self.parameters = [p for part in parts for p in part]
        self.optimizer = torch.optim.AdamW(
            [{"params": part} for part in parts], weight_decay=schedule.weight_decay
        )

    @abstractmethod
    def loss(self, batch: B) -> Tensor:
        """The loss of a batch, with gradients."""

    def features(self, images: Tensor) -> Features:
        """images: [B, 3, S, S] float, 0..255."""
        trunk = self.model.trunk
        with torch.no_grad():
            low = trunk.lower(trunk.stem((images - 127.0) / 128.0))
        fine = trunk.middle(low)
        return Features(low, fine, trunk.upper(fine))

    def learn(self, batch: B) -> float:
        """One step; returns its loss."""
        schedule = self.schedule
        rise = min(1.0, (self.step + 1) / min(_WARM_STEPS, schedule.steps))
        fall = 0.5 + 0.5 * math.cos(math.pi * self.step / schedule.steps)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * rise * fall
        self.model.train()
        loss = self.loss(batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.parameters, 5.0)
        self.optimizer.step()
        decay = min(schedule.average, (1 + self.step) / (10 + self.step))
        for name, value in self.model.state_dict().items():
            self.average[name].lerp_(value, 1 - decay)
        self.step += 1
        return float(loss.detach())

    def keep(self, path: Path) -> None:
        """Write a checkpoint."""
        parts = {name: getattr(self, name).state_dict() for name in ("model", "extra", "optimizer")}
        torch.save({**parts, "average": self.average, "step": self.step}, path.with_suffix(".part"))
        path.with_suffix(".part").rename(path)

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint."""
        kept = torch.load(path, weights_only=True)
        for name in ("model", "extra", "optimizer"):
            getattr(self, name).load_state_dict(kept[name])
        self.average, self.step = kept["average"], kept["step"]


def fit(
    training: FineTuning[B],
    batches: Callable[[int], B],
    path: Path,
    log: Callable[[str], None],
    progress: Callable[[int], None] = lambda step: None,
) -> Weights:
    """Train to the last step, writing checkpoints to `path`; continues from the one there. Returns the
    averaged weights.

    batches: the batch of a step.  progress: called with the number of steps done.
    """
    keep_freed_memory()
    if path.is_file():
        training.resume(path)
    said, steps = time.monotonic(), training.schedule.steps
    progress(training.step)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(batches, training.step)
        while training.step < steps:
            now, coming = coming.result(), pool.submit(batches, training.step + 1)
            loss = training.learn(now)
            progress(training.step)
            if time.monotonic() - said > 60:
                said = time.monotonic()
                log(f"step {training.step} of {steps}, loss {loss:.3f}")
            if training.step % _KEEP_EVERY == 0 or training.step == steps:
                training.keep(path)
    return training.average
