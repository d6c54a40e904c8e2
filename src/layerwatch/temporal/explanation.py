"""Why a print is judged as it is after a picture, for people who ask."""

from __future__ import annotations

from dataclasses import dataclass

from layerwatch.temporal.baseline import probability
from layerwatch.temporal.belief import Belief
from layerwatch.temporal.state import PrintState, camera_name


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the model believes of the print after a picture.

    failing, excursion: probabilities, 0..1; healthy is the rest.
    evidence: nats by which the picture moved the log odds of failing; 0 for one that moved nothing.
    usual: the failure probability, 0..1, that this camera usually shows; None before its first picture.
    """

    failing: float
    excursion: float
    evidence: float
    usual: float | None


def explain(before: PrintState | None, after: PrintState, camera: str) -> Explanation:
    """The explanation of a step from one state to the next. before: None for a new print."""
    belief = before.belief if before is not None else Belief()
    name = camera_name(camera)
    known = next((one for one in after.cameras if one.name == name), None)
    return Explanation(
        failing=after.belief.failing,
        excursion=after.belief.excursion,
        evidence=after.belief.log_odds - belief.log_odds,
        usual=None if known is None else probability(known.picture.mean),
    )
