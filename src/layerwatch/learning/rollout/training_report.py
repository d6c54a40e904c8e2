"""What the trainer found out about a candidate: its figures travel inside the model file."""

from __future__ import annotations

import json

from layerwatch.learning.errors import LearningError

MAX_BYTES = 256 * 1024
"""Of a report. The largest sensible one has a few kilobytes."""

BETTER = "better"
MAX_REASON = 400


def check_report(text: str) -> None:
    """Accept a model without a report, and one whose report says that it is better than the detector that its
    training began with. Raises LearningError for any other.

    text: the metadata `layerwatch.report`, JSON with `verdict` and `why`.
    """
    if not text:
        return
    try:
        if len(text) > MAX_BYTES:
            raise ValueError("too long")
        report = json.loads(text)
        verdict, why = report["verdict"], [str(reason) for reason in report["why"]]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise LearningError("the training report inside this model is damaged: train it again") from error
    if verdict != BETTER:
        raise LearningError(
            f"its training report says {str(verdict)[:20]!r}: {'; '.join(why)[:MAX_REASON]}. Keep the active "
            "model, or use --force"
        )
