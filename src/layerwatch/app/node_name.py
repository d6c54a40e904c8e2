"""The name of a serving process among all nodes."""

from __future__ import annotations

import hashlib
import socket

from layerwatch.config import Settings


def node_name(settings: Settings, slot: str) -> str:
    """The same for each process that follows another in the same place."""
    place = f"{socket.gethostname()} {settings.data_dir} {settings.port} {slot}".rstrip()
    return f"{settings.region}-{hashlib.sha256(place.encode()).hexdigest()[:16]}"
