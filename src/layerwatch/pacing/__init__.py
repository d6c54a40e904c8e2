"""Pacing: how much this node can do, how often prints are inspected, and when calls are refused.

Load is shed by longer intervals first (`Pacer`), by refusing last (`Admission`).
"""

from layerwatch.pacing.admission import Admission
from layerwatch.pacing.call_schedule import CallSchedule
from layerwatch.pacing.capacity import Capacity
from layerwatch.pacing.errors import Throttled
from layerwatch.pacing.pacer import Bounds, Pacer, Plan

__all__ = ["Admission", "Bounds", "CallSchedule", "Capacity", "Pacer", "Plan", "Throttled"]
