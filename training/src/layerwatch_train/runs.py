"""A run of the training: how much of everything, where the pictures are, and where results go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from layerwatch_train import samples, train
from layerwatch_train.index import Picture, read_index
from layerwatch_train.student.recipe import PHASES
from layerwatch_train.student.recipe import Recipe as StudentRecipe
from layerwatch_train.teacher.recipe import Recipe as TeacherRecipe
from layerwatch_train.teacher.recipe import TeacherPlan


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything. The defaults made the committed model."""

    recipe: train.Recipe = field(default_factory=train.Recipe)
    rendered: int = 16_000
    path_traced: int = 6_000
    """Room for path-traced pictures, which `python -m layerwatch_train.path_traced` makes."""
    folds: int = 5
    bank: int = 4_000
    """Samples kept at once; on a GPU as many as fit."""
    ablation_steps: int = 120
    ablation_batch: int = 32
    """A twenty-ninth of the samples of a training: what two processor cores can do in hours for all lines."""
    ablation_folds: tuple[int, ...] = (0, 2)
    workers: int = 2
    teacher: TeacherPlan = field(default_factory=TeacherPlan)
    student: StudentRecipe = field(default_factory=StudentRecipe)
    seed: int = 1
    minutes: float | None = None
    """Ends each training run after that time, however many steps were made."""


QUICK = Plan(
    recipe=train.Recipe(size=128, steps=4, batch=8),
    rendered=24,
    path_traced=2,
    folds=2,
    bank=64,
    ablation_steps=2,
    ablation_batch=8,
    ablation_folds=(0,),
    teacher=TeacherPlan(size=64, block=2, samples=64, seeds=1, recipe=TeacherRecipe(steps=2, batch=8)),
    student=StudentRecipe(
        size=64,
        phases=tuple(replace(phase, steps=2) for phase in PHASES),
        batch=8,
        teacher_steps=2,
        teacher_seeds=1,
        judged_stills=8,
    ),
)
"""Everything once, in a few minutes, for a model of no use."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Where the pictures are and where results go."""

    data: Path
    out: Path
    plan: Plan
    log: Callable[[str], None]

    def pictures(self) -> list[Picture]:
        return read_index(self.data)

    def images(self) -> NDArray[np.uint8]:
        """[N, S, S, 3] of every picture of the index, as it is."""
        return samples.decode_all(self.data, self.out / "pictures.npy", self.plan.workers)

    def device(self) -> torch.device:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def dropped(self) -> frozenset[str]:
        """Files listed in `RUNS/dropped.txt`, one a line: what a person struck out after `clean`."""
        path = self.out / "dropped.txt"
        return frozenset(path.read_text(encoding="utf-8").split()) if path.is_file() else frozenset()
