"""What the learning room raises; the message says what is wrong and what to do."""

from __future__ import annotations

import math
from datetime import timedelta

from layerwatch.core.errors import UserError


class LearningError(UserError):
    """A feedback, an example or a model cannot be taken; the message says why."""


class FeedbackLimitReached(LearningError):
    """A print or an account gave all the feedback that it may; `retry_after` is in seconds, at least 1."""

    def __init__(self, message: str, wait: timedelta) -> None:
        super().__init__(message)
        self.retry_after = max(1, math.ceil(wait.total_seconds()))
