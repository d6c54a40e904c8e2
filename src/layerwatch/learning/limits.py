"""How much feedback is taken: of one print, and of one account in a day."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from layerwatch.learning.errors import FeedbackLimitReached
from layerwatch.learning.models import ExampleRow, FeedbackRow

FEEDBACK_PER_PRINT = 20
FEEDBACK_PER_DAY = 200
PICTURE_BYTES_PER_DAY = 64 * 2**20
"""Pictures of an account beyond this are not stored; the feedback counts all the same."""

DAY = timedelta(days=1)


def check(session: Session, account_id: int, context_id: str, at: datetime) -> None:
    """Raises FeedbackLimitReached when the print or its account has given all the feedback that it may."""
    of_print = session.scalar(select(func.count()).where(FeedbackRow.context_id == context_id)) or 0
    if of_print >= FEEDBACK_PER_PRINT:
        raise FeedbackLimitReached(f"At most {FEEDBACK_PER_PRINT} feedbacks for one print.", DAY)
    of_day, first = session.execute(
        select(func.count(), func.min(FeedbackRow.at)).where(_within_a_day(account_id, at))
    ).one()
    if of_day >= FEEDBACK_PER_DAY:
        raise FeedbackLimitReached(
            f"At most {FEEDBACK_PER_DAY} feedbacks of one account in 24 hours.", first + DAY - at
        )


def picture_bytes_left(session: Session, account_id: int, at: datetime) -> int:
    """How many more bytes of pictures may be kept for the account now."""
    stored = session.scalar(
        select(func.sum(ExampleRow.size))
        .join(FeedbackRow, FeedbackRow.id == ExampleRow.feedback_id)
        .where(_within_a_day(account_id, at))
    )
    return PICTURE_BYTES_PER_DAY - int(stored or 0)


def _within_a_day(account_id: int, at: datetime) -> ColumnElement[bool]:
    return and_(FeedbackRow.account_id == account_id, FeedbackRow.at > at - DAY)
