"""What a session needs of a client: `AsyncClient`, or anything of its shape, like a detector in-process."""

from __future__ import annotations

from typing import Optional, Protocol

from layerwatch_sdk.clock import AsyncClock
from layerwatch_sdk.models import Context, Inspection, PrintLabels, PrintPosition


class Inspector(Protocol):
    """Opens a context for a print and judges its pictures. All calls raise LayerwatchError.

    clock: the clock that the pacing goes by.
    """

    clock: AsyncClock

    async def create_context(
        self, warning_level: int = 3, pause_level: int = 3, *, labels: Optional[PrintLabels] = None
    ) -> Context:
        """Open a context for a new print. Levels 1 (sooner) to 5 (only when more certain)."""
        ...

    async def process(
        self,
        context: Context,
        jpeg: bytes,
        *,
        detail: bool = False,
        camera: Optional[str] = None,
        position: Optional[PrintPosition] = None,
        idempotency_key: Optional[str] = None,
    ) -> Inspection:
        """Judge one JPEG of the print."""
        ...

    async def feedback(
        self,
        context: Context,
        kind: str,
        *,
        failure_kind: Optional[str] = None,
        comment: Optional[str] = None,
        share_images: Optional[bool] = None,
    ) -> None:
        """Teach the context's baseline what a person says of the print. See `Feedback`."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
