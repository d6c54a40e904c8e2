"""Tables of usage and contracts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from layerwatch.storage import Base, RowId


class UsageHour(Base):
    """Successful Process calls of one key in one hour (UTC).

    Several rows (`slot`) may share an hour, so that concurrent calls on one key do not queue for one
    row's lock; readers sum them.
    """

    __tablename__ = "usage_hours"
    __table_args__ = (Index("ix_usage_hours_account_id_hour", "account_id", "hour"),)

    key_id: Mapped[int] = mapped_column(ForeignKey("api_keys.id"), primary_key=True)
    hour: Mapped[int] = mapped_column(primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    test: Mapped[bool]
    """Calls of test keys are counted apart and never billed."""
    calls: Mapped[int]
    last_at: Mapped[datetime]


class Contract(Base):
    """A price book of one account's own, from a month on."""

    __tablename__ = "contracts"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    effective: Mapped[str] = mapped_column(String(7))
    """The first month it holds for, `2026-11`."""
    tiers: Mapped[str] = mapped_column(Text)
    """JSON, as `PriceBook.as_json`."""
    note: Mapped[str] = mapped_column(String(500))
    created_at: Mapped[datetime]
