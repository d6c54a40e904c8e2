"""What the student is trained with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phase:
    """One training, from the weights that the phase before left. Rates fall as a cosine to nothing."""

    steps: int
    trunk_rate: float
    """Learning rate from stride 8 on; what is below stays as it is."""
    head_rate: float
    kept_rendered: float
    """Share of rendered prints among the samples whose tokens are kept."""
    stills: float = 0.0
    """Share of each batch that is rendered stills without the teacher's answers: their labels are exact."""
    small: float = 0.0
    """Share of views in which the picture may be shown at half of its size."""
    weight_decay: float = 0.02
    average: float = 0.998
    """Decay of the averaged weights."""
    seed: int = 0


PHASES = (
    Phase(900, 2e-4, 5e-4, kept_rendered=0.12),
    Phase(1000, 1e-4, 3e-4, kept_rendered=0.03, stills=0.2, small=0.3),
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything tuned. One setting of each phase was tried; see the model card."""

    size: int = 320
    phases: tuple[Phase, ...] = PHASES
    batch: int = 32
    feature_rate: float = 2e-3
    """Of the layer that foretells the teacher's units, which is thrown away."""
    own: float = 1 / 3
    """Share of the first detector's answers in what is asked for; the rest is the teacher's."""
    own_rendered: float = 0.5
    """The same for rendered prints, of which the teacher has seen few."""
    labels: float = 0.3
    """Weight of the labels beside the answers."""
    map_weight: float = 2.0
    stills_weight: float = 0.6
    """Weight of the labels of rendered stills."""
    features: float = 0.5
    """Weight of foretelling the units of the teacher's first head, cell by cell."""
    kinds_weight: float = 0.25
    view_weight: float = 0.1
    look: float = 0.6
    """Share of samples whose light, lens and sensor are changed."""
    teacher_steps: int = 140
    teacher_seeds: int = 3
    judged_stills: int = 1000
    """Rendered stills of other seeds that the calibration is fitted on, too."""
    seed: int = 0
