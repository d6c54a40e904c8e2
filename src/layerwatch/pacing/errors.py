"""What the fleet refuses."""

from __future__ import annotations


class Throttled(Exception):
    """Too busy to answer in time. Nothing was done; the client should retry after its next interval."""
