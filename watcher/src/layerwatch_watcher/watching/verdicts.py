"""What a person may say of a print that is being watched."""

from __future__ import annotations

VERDICTS = ("false_alarm", "correct_alarm", "missed_failure", "good")
"""The service's words for it; see `layerwatch_sdk.models.FEEDBACK_KINDS`."""

ABOUT_ALARM = frozenset({"false_alarm", "correct_alarm"})
"""Verdicts about the cameras that see a failure, if any does."""

CALMING = frozenset({"false_alarm", "good"})
"""Verdicts after which what is seen now is not reported again."""
