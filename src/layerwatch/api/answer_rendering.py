"""The JSON objects of answers: of Process in its two forms, and of usage."""

from __future__ import annotations

from typing import Any

from layerwatch.billing.account_usage import AccountUsage
from layerwatch.billing.money import MICRO_PER_DOLLAR
from layerwatch.contexts import Answer
from layerwatch.vision.bed import BedCheck
from layerwatch.vision.evidence import Condition

MAX_LEFT_OVERS = 16
"""Places in the answer to a bed check, the largest."""

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


def render_bed(checked: BedCheck) -> dict[str, Any]:
    """The JSON object of a bed check."""
    return {
        "Bed": checked.answer.value,
        "Reason": checked.reason or None,
        "LeftOvers": [
            {
                "Left": round(one.left, 4),
                "Top": round(one.top, 4),
                "Width": round(one.width, 4),
                "Height": round(one.height, 4),
                "Area": round(one.area, 4),
            }
            for one in checked.left_overs[:MAX_LEFT_OVERS]
        ],
    }


def render_usage(used: AccountUsage) -> dict[str, Any]:
    """The JSON object of an account's usage."""
    return {
        "Month": str(used.month),
        "Calls": used.calls,
        "FreeCalls": used.free_calls,
        "FreeCallsLeft": used.free_calls_left,
        "FreeOnly": used.free_only,
        "Tier": {
            "Number": used.tier_number,
            "UpTo": used.tier.up_to,
            "MicroDollarsPerCall": used.tier.micro_dollars,
        },
        "SpendMicroDollars": used.micro_dollars,
        "SpendDollars": used.micro_dollars / MICRO_PER_DOLLAR,
        "ProjectedCalls": used.projected_calls,
        "ProjectedMicroDollars": used.projected_micro_dollars,
        "ProjectedDollars": used.projected_micro_dollars / MICRO_PER_DOLLAR,
        "TestCallsToday": used.test_calls_today,
        "TestCallsLeftToday": used.test_calls_left_today,
        "ResetsAt": used.month.end.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
