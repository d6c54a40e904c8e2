"""What a print's session can refuse.

```
ContextError
├── ContextLost      unknown, forged, expired, or another account's: the client opens a new one
└── TooSoon          before the interval of the last answer has passed
```
"""

from __future__ import annotations


class ContextError(Exception):
    """Base of this room's errors."""


class ContextLost(ContextError):
    """There is no such context for this account. Why is for the log only, never for the client."""


class TooSoon(ContextError):
    """The call came before the last interval had passed; `retry_after` whole seconds remain (at least 1)."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"sooner than the last interval; {retry_after} s remain")
        self.retry_after = retry_after
