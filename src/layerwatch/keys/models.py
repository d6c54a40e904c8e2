"""The table of API keys."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from layerwatch.storage import Base, RowId


class ApiKey(Base):
    """An API key. Its text is not here: only its keyed hash, and what lets its owner recognise it."""

    __tablename__ = "api_keys"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    prefix: Mapped[str] = mapped_column(String(12))
    """The first characters, `prod_Ab3`."""
    last_four: Mapped[str] = mapped_column(String(4))
    name: Mapped[str] = mapped_column(String(120))
    test: Mapped[bool]
    dialect: Mapped[int]
    """Form of NextProcessIntervalSec: 1 an int, 2 an object."""
    addresses: Mapped[str] = mapped_column(Text)
    """Networks it may be used from, separated by spaces; empty: any."""
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
