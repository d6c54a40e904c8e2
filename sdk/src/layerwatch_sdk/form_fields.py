"""What a program knows of a print, as the fields that are sent."""

from __future__ import annotations

from typing import Dict, Optional

from layerwatch_sdk.models import (
    PrintLabels,
    PrintPosition,
)

MAX_LABEL = 120
"""Characters of a text that people see."""


def label_fields(labels: Optional[PrintLabels]) -> Dict[str, str]:
    """The labels as fields of createcontext."""
    if labels is None:
        return {}
    texts = {"Name": labels.name, "Printer": labels.printer, "Camera": labels.camera, "File": labels.file}
    return {name: _label(text) for name, text in texts.items() if text and _label(text)}


def position_fields(position: Optional[PrintPosition]) -> Dict[str, str]:
    """The position as form fields of process."""
    if position is None:
        return {}
    fields: Dict[str, str] = {}
    if position.layer is not None and position.layer >= 0:
        fields["layer"] = str(position.layer)
    if position.layers is not None and position.layers >= 0:
        fields["layers"] = str(position.layers)
    if position.progress is not None and 0 <= position.progress <= 1:
        fields["progress"] = f"{position.progress:.4f}"
    if position.state and _label(position.state):
        fields["state"] = _label(position.state)
    return fields


def _label(text: str) -> str:
    return "".join(c for c in text if c.isprintable()).strip()[:MAX_LABEL]
