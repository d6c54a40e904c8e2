"""Fleet: how much this node can do, how often prints may come, and whom it must refuse.

Load is shed by longer intervals first (`Pacer`), by refusing last (`Admission`).
"""

from layerwatch.fleet.admission import Admission
from layerwatch.fleet.capacity import Capacity
from layerwatch.fleet.errors import Throttled
from layerwatch.fleet.load import LiveLoad
from layerwatch.fleet.pacing import Bounds, Pacer, Plan

__all__ = ["Admission", "Bounds", "Capacity", "LiveLoad", "Pacer", "Plan", "Throttled"]
