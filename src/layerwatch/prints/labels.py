"""The names that a client gives a print when it opens the context."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class PrintLabels:
    """Each a clean name (`core.text.clean_name`) of at most 120 characters, or None."""

    name: str | None = None
    printer: str | None = None
    camera: str | None = None
    file: str | None = None

    def __bool__(self) -> bool:
        """Whether there is any."""
        return any(getattr(self, field.name) is not None for field in fields(self))
