"""Failures by name: which there are, how often each is drawn, and how to make one."""

from __future__ import annotations

from layerwatch.simulator.defects import (
    BedNotClear,
    LayerShift,
    NozzleBlob,
    Runout,
    Stringing,
    UnderExtrusion,
    Warping,
)
from layerwatch.simulator.geometry import Points
from layerwatch.simulator.loose import Spaghetti
from layerwatch.simulator.loosening import Detachment, KnockedOver, PickedUp, SupportCollapse
from layerwatch.simulator.processes import FAILURES, Failure
from layerwatch.simulator.randomness import Rng, choose
from layerwatch.simulator.slicer import Print

_CLASSES: dict[str, type[Failure]] = {
    kind.name: kind
    for kind in (
        Spaghetti,
        Detachment,
        Warping,
        LayerShift,
        NozzleBlob,
        Stringing,
        UnderExtrusion,
        Runout,
        SupportCollapse,
        KnockedOver,
        PickedUp,
        BedNotClear,
    )
}


def random_failure_name(rng: Rng) -> str:
    weights = dict.fromkeys(FAILURES, 1.0) | {
        "spaghetti": 6.0,
        "detachment": 3.0,
        "knocked_over": 1.5,
        "bed_not_clear": 0.4,
    }
    return choose(rng, weights)


def make_failure(name: str, rng: Rng, print_: Print, colours: Points, onset: float) -> Failure:
    """Raises ValueError for a name not in `FAILURES`."""
    if name not in _CLASSES:
        raise ValueError(f"unknown failure {name!r}; known: {', '.join(FAILURES)}")
    return _CLASSES[name](rng, print_, colours, onset)
