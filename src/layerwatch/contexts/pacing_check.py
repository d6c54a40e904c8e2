"""When a call comes too soon after the last answer."""

from __future__ import annotations

import math
from datetime import datetime

from layerwatch.contexts.errors import TooSoon

JITTER_SHARE = 0.10
JITTER_SECONDS = 2.0
"""A client times from the moment it got the answer, so a call may come this much early: 10 % of the
interval or 2 s, the larger."""

CLOCK_SET_BACK = 5.0
"""Seconds by which the last answer may seem to lie in the future (nodes' clocks differ by less). Beyond that
the clock was set back, and waiting for it to catch up could stop a print's watch for hours."""


def check(inspected_at: datetime, interval: float, at: datetime, now: datetime) -> None:
    """Raise TooSoon if a call that came at `at` came before `interval` seconds after the last answer, less
    jitter. now: of the check; a slow upload comes long before it."""
    if (now - inspected_at).total_seconds() < -CLOCK_SET_BACK:
        return
    passed = (at - inspected_at).total_seconds()
    if passed < interval - max(JITTER_SECONDS, JITTER_SHARE * interval):
        raise TooSoon(max(1, math.ceil(interval - max(0.0, passed))))
