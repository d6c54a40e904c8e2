"""What the heads are trained with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from layerwatch_train.teacher.head import Form


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything tuned, by out-of-fold figures alone."""

    form: Form = field(default_factory=Form)
    steps: int = 120
    batch: int = 48
    rate: float = 1e-3
    weight_decay: float = 0.05
    noise: float = 0.1
    """Standard deviation of what is added to the tokens."""
    webcam: float = 0.85
    """Share of webcam pictures, drawn evenly over printers and labels, among the samples."""
    map_weight: float = 1.0
    kinds_weight: float = 0.25
    view_weight: float = 0.1
    average: float = 0.99
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TeacherPlan:
    """How much of everything, and which block of the tower. The defaults made the committed head."""

    size: int = 336
    block: int = 9
    samples: int = 14_000
    seeds: int = 3
    recipe: Recipe = field(default_factory=Recipe)

    def seeded(self, seed: int, width: int, steps: int | None = None) -> Recipe:
        """The recipe of training number `seed`, on tokens of `width` numbers, with other `steps` if given."""
        form = replace(self.recipe.form, inputs=width)
        return replace(self.recipe, seed=seed, form=form, steps=steps or self.recipe.steps)
