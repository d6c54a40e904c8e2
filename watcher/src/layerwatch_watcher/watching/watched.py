"""A printer as the configuration has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from layerwatch_watcher.cameras.base import Camera
from layerwatch_watcher.printers.base import Printer
from layerwatch_watcher.watching.policy import Policy
from layerwatch_watcher.watching.print_session import Levels


@dataclass(frozen=True)
class Watched:
    """cameras: at least one, by what people call it.  min_interval: minimum seconds between two pictures of
    one camera."""

    name: str
    printer: Printer
    cameras: Mapping[str, Camera]
    policy: Policy = field(default_factory=Policy)
    levels: Levels = field(default_factory=Levels)
    min_interval: float = 0.0
