"""Simulated prints as a webcam sees them, with the truth attached: numpy and Pillow only, deterministic by
seed.

One print over time::

    simulation = Simulation(7, "spaghetti", "bedslinger", duration=7200, size=(640, 480))
    simulation.onset                      # second at which it begins to fail, None for a healthy print
    frame = simulation.frame(3600.0)      # .rgb (H, W, 3) uint8, .jpeg(), .truth
    frame.truth.severity, frame.truth.kind, frame.truth.mask, frame.truth.boxes
    for frame in simulation.frames(interval=30.0): ...
    simulation.truth(3600.0)              # the same without rendering: no mask, no boxes; about 0.1 ms

Training pictures, each another scene, odd seeds failed and even ones healthy::

    for frame in stills(seed0=0, count=1000): ...
    still(41)                             # the picture of one seed, for work in several processes

A truth's mask is (H, W) uint8: 0 where nothing is wrong, else 1 + the index in `LABELS`, which are the
detector's kinds. `KIND_OF` maps the simulator's finer `FAILURES` to them. Everything here is simulated and
says so; the pictures replace real ones where those are missing but not in an evaluation.
"""

from layerwatch.simulator.geometry import SHAPES
from layerwatch.simulator.nuisances import NUISANCES
from layerwatch.simulator.plates import random_print
from layerwatch.simulator.processes import FAILURES, KIND_OF, LABELS
from layerwatch.simulator.simulation import Simulation
from layerwatch.simulator.stills import still, stills
from layerwatch.simulator.truth import Frame, Truth, TruthBox
from layerwatch.simulator.viewpoints import VIEWPOINTS
from layerwatch.simulator.worlds import WORLDS

__all__ = [
    "FAILURES",
    "KIND_OF",
    "LABELS",
    "NUISANCES",
    "SHAPES",
    "VIEWPOINTS",
    "WORLDS",
    "Frame",
    "Simulation",
    "Truth",
    "TruthBox",
    "random_print",
    "still",
    "stills",
]
