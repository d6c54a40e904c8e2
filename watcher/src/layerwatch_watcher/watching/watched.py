"""A printer as the configuration has it."""

from __future__ import annotations

from dataclasses import dataclass, field

from layerwatch_watcher.cameras.base import Camera
from layerwatch_watcher.printers.base import Printer
from layerwatch_watcher.watching.policy import Policy
from layerwatch_watcher.watching.print_session import Levels


@dataclass(frozen=True)
class Watched:
    """`min_interval`: seconds between two pictures, at least.  `camera_name`: what people call the camera."""

    name: str
    printer: Printer
    camera: Camera
    policy: Policy = field(default_factory=Policy)
    levels: Levels = field(default_factory=Levels)
    min_interval: float = 0.0
    camera_name: str = "camera"
