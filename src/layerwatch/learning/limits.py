"""How much feedback is taken: of one print, and of one account in a day."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from layerwatch.learning import repository
from layerwatch.learning.errors import FeedbackLimitReached

FEEDBACK_PER_PRINT = 20
FEEDBACK_PER_DAY = 200
PICTURE_BYTES_PER_DAY = 64 * 2**20
"""Pictures of an account beyond this are not stored; the feedback counts all the same."""

DAY = timedelta(days=1)


def check(session: Session, account_id: int, context_id: str, at: datetime) -> None:
    """Raises FeedbackLimitReached when the print or its account has given all the feedback that it may."""
    if repository.count_of_print(session, context_id) >= FEEDBACK_PER_PRINT:
        raise FeedbackLimitReached(f"At most {FEEDBACK_PER_PRINT} feedbacks for one print.", DAY)
    given = repository.given_since(session, account_id, at - DAY)
    if given.first is not None and given.feedback >= FEEDBACK_PER_DAY:
        raise FeedbackLimitReached(
            f"At most {FEEDBACK_PER_DAY} feedbacks of one account in 24 hours.", given.first + DAY - at
        )


def picture_bytes_left(session: Session, account_id: int, at: datetime) -> int:
    """How many more bytes of pictures may be kept for the account now."""
    return PICTURE_BYTES_PER_DAY - repository.given_since(session, account_id, at - DAY).picture_bytes
