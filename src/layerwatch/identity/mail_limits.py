"""Limits on mails that somebody can cause: nobody floods an inbox, and no account sends in bulk."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from layerwatch.core.languages import gettext as _
from layerwatch.identity import rate_limit

PER_RECIPIENT_HOUR = 5
PER_RECIPIENT_DAY = 15
"""Mails to one address, whatever they are about."""
PER_ACCOUNT_DAY = 30
"""Mails that an account's people cause: invitations, and spend alerts that they set up."""

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def take(session: Session, recipient: str, now: datetime, account_id: int | None = None) -> None:
    """Count a mail, in the transaction that makes its link. Raises RateLimited, and nothing is counted.

    Addresses without a user are counted like any other, so that a refusal does not reveal who has one.
    """
    if account_id is not None:
        rate_limit.take(
            session, f"mail account {account_id}", PER_ACCOUNT_DAY, now, window=_DAY, what=_("mails today")
        )
    subject, what = f"mail to {recipient.strip().lower()[:254]}", "mails to this address"
    rate_limit.take(session, subject, PER_RECIPIENT_HOUR, now, window=_HOUR, what=what)
    rate_limit.take(session, subject, PER_RECIPIENT_DAY, now, window=_DAY, what=what)
