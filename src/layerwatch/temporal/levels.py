"""Confidence levels: how sure to be before a warning or a pause."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Levels:
    """The client's confidence levels, 1 (sooner) to 5 (only when more certain). Raises ValueError outside."""

    warning: int = 3
    pause: int = 3

    def __post_init__(self) -> None:
        for name in ("warning", "pause"):
            level = getattr(self, name)
            if isinstance(level, bool) or not isinstance(level, int) or not 1 <= level <= 5:
                raise ValueError(f"the {name} level must be a whole number from 1 to 5, not {level!r}")
