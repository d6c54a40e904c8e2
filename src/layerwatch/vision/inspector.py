"""The seam between what asks about pictures and what looks at them."""

from __future__ import annotations

from typing import Protocol

from layerwatch.vision.evidence import Evidence


class Inspector(Protocol):
    """What looks at pictures: `vision.Vision`, `learning.rollout.LiveModels`, or a test's double."""

    @property
    def model_version(self) -> str: ...

    async def ainspect(self, jpeg: bytes, deadline: float | None = None) -> Evidence: ...

    def close(self) -> None: ...
