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

    @property
    def title(self) -> str:
        """The best name that there is for the print."""
        return self.name or self.file or self.printer or self.camera or "Unnamed print"

    @property
    def place(self) -> str:
        """The printer or camera, where the title is not already that."""
        place = self.printer or self.camera or ""
        return place if place != self.title else ""

    def __bool__(self) -> bool:
        """Whether there is any."""
        return any(getattr(self, field.name) is not None for field in fields(self))
