"""What the printer reports of its job, as it came with the last picture."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True, slots=True)
class PrintProgress:
    """layer: the current one.  layers: how many there are.  progress: the share done, 0..1.
    state: in the printer's words, at most 120 characters."""

    layer: int | None = None
    layers: int | None = None
    progress: float | None = None
    state: str | None = None

    @property
    def halted(self) -> bool:
        """Whether the printer says that it is paused, or pausing."""
        return self.state is not None and "paus" in self.state.casefold()

    def to_json(self) -> str | None:
        """As compact JSON, without what is absent; None where everything is."""
        known = {name: value for name, value in asdict(self).items() if value is not None}
        return json.dumps(known, ensure_ascii=False, separators=(",", ":")) if known else None

    @classmethod
    def from_json(cls, text: str | None) -> PrintProgress:
        """Read what `to_json` wrote, also by a later version."""
        known = json.loads(text) if text else {}
        return cls(**{field.name: known.get(field.name) for field in fields(cls)})
