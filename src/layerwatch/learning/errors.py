"""What the improve room raises: one class, its message says what is wrong and what to do."""

from __future__ import annotations

from layerwatch.core.errors import UserError


class LearningError(UserError):
    """A feedback, an example or a model cannot be taken; the message says why."""
