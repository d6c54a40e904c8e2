"""Which of a context's two URLs to use: stay with what works, change over when it fails.

The contract names the cases: change on network failures and on the service's own failures; never for bad
requests, keys, payments or limits, because the other URL would say the same. Having changed, stay. The
primary URL is tried again after half an hour, because the service may have had a reason to name it first;
each time it still fails, the wait doubles.
"""

from __future__ import annotations

from typing import Tuple

from layerwatch_sdk.errors import (
    BackendThrottled,
    ContextLost,
    LayerwatchError,
    NoAnswer,
    ServerError,
)

RETURN_AFTER_SECONDS = 1800.0
"""How long to stay on the fallback before the primary is tried again. Chosen, not tuned: long enough that a
primary that stays down costs one slow call in about fifty."""

RETURN_AFTER_MAX_SECONDS = 4 * 3600.0

THROTTLED_BEFORE_CHANGE = 2
"""A URL that says "too busy, come back in n seconds" lives, so it is asked once more before changing over."""


class Route:
    """The two URLs of one context, and which of them is in use. Not for two threads at once."""

    def __init__(self, primary: str, fallback: str) -> None:
        self._urls: Tuple[str, str] = (primary, fallback)
        self._current = 0
        self._throttled = 0
        self._changed_at = 0.0
        self._return_after = RETURN_AFTER_SECONDS
        self._probing = False

    @property
    def on_fallback(self) -> bool:
        """Whether the fallback URL is in use."""
        return self._current == 1

    def url(self, now: float) -> str:
        """The URL for the next try; `now` in seconds of the client's monotonic clock."""
        if self._current == 1 and not self._probing and now - self._changed_at >= self._return_after:
            self._probing = True
            self._current = 0
        return self._urls[self._current]

    def worked(self, now: float) -> None:
        """The last try got the service's answer."""
        self._throttled = 0
        if self._probing and self._current == 0:
            self._probing = False
            self._return_after = RETURN_AFTER_SECONDS

    def failed(self, error: LayerwatchError, now: float) -> None:
        """The last try failed with `error`; change over if that may help."""
        if not self._may_help(error):
            return
        self._throttled = 0
        if self._current == 0:
            if self._probing:
                self._return_after = min(2 * self._return_after, RETURN_AFTER_MAX_SECONDS)
            self._current, self._changed_at, self._probing = 1, now, False
        else:
            self._current = 0

    def _may_help(self, error: LayerwatchError) -> bool:
        if isinstance(error, ContextLost):
            return False
        if isinstance(error, BackendThrottled) or (error.status == 503 and error.retry_after is not None):
            self._throttled += 1
            return self._throttled >= THROTTLED_BEFORE_CHANGE
        return isinstance(error, (NoAnswer, ServerError))

    def __repr__(self) -> str:
        return f"Route(on_fallback={self.on_fallback})"
