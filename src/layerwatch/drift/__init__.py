"""Have the pictures, the scores or the alarms changed? For each model, kind of camera and printer.

`counts` holds what is counted and how two windows are compared, `monitor` counts on a running server and
writes to the table of `models` by `repository`, `overview` is what people see.
"""

from layerwatch.drift.counts import DriftCounts, population_stability
from layerwatch.drift.monitor import DriftMonitor, Sighting

__all__ = ["DriftCounts", "DriftMonitor", "Sighting", "population_stability"]
