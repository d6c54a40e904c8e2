"""The two forms in which clients expect the answer of Process."""

from __future__ import annotations

from typing import Any

from layerwatch.contexts import Answer
from layerwatch.vision.evidence import Condition

CONDITION_HEADER = "X-Picture-Condition"


def condition_header(answer: Answer) -> dict[str, str]:
    """The header that says whether the picture was fit to judge the print by."""
    return {CONDITION_HEADER: Condition(answer.condition).word}


def render(answer: Answer, dialect: int, detail: bool) -> dict[str, Any]:
    """The JSON object of an answer. dialect: 1 (interval as an int) or 2 (as an object)."""
    body: dict[str, Any] = {
        "NextProcessIntervalSec": answer.interval.recommended,
        "PrintQuality": answer.quality,
        "WarningSuggested": answer.warning,
        "PauseSuggested": answer.pause,
        "Score": answer.score,
    }
    if dialect == 2:
        body["NextProcessIntervalSec"] = {
            "Minimum": answer.interval.minimum,
            "Recommended": answer.interval.recommended,
        }
        body["FasterInspectionSuggested"] = answer.suspicious
    if detail and answer.detail is not None:
        body["Detail"] = answer.detail
    return body
