"""The table of API keys."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text
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
    retires_at: Mapped[datetime | None] = mapped_column(index=True)
    """From then on it counts as disabled: it was replaced by another one."""


class RequestRow(Base):
    """A call that was made with a key; of a busy key some only."""

    __tablename__ = "request_log"
    __table_args__ = (Index(None, "key_id", "id"), Index(None, "at"))

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    key_id: Mapped[int] = mapped_column(ForeignKey("api_keys.id"))
    at: Mapped[datetime]
    call: Mapped[str] = mapped_column(String(20))
    status: Mapped[int]
    error: Mapped[str | None] = mapped_column(String(60))
    """The ErrorType."""
    request_id: Mapped[str] = mapped_column(String(32))
    ms: Mapped[int]
    condition: Mapped[str | None] = mapped_column(String(12))
    """As in X-Picture-Condition."""


class KeyOutcomeHour(Base):
    """How many calls of a key had one outcome in one hour (UTC), by how long they took."""

    __tablename__ = "key_hours"

    key_id: Mapped[int] = mapped_column(ForeignKey("api_keys.id"), primary_key=True)
    hour: Mapped[int] = mapped_column(primary_key=True, index=True)
    """Hours since 1970."""
    outcome: Mapped[str] = mapped_column(String(60), primary_key=True)
    """`ok`, or the ErrorType."""
    within_50: Mapped[int]
    within_100: Mapped[int]
    within_200: Mapped[int]
    within_500: Mapped[int]
    within_1000: Mapped[int]
    within_2000: Mapped[int]
    longer: Mapped[int]
    """Calls by latency: `within_200` counts those of 100 to 200 ms, and so on."""

    @property
    def by_latency(self) -> list[int]:
        """The counts, fastest first."""
        return [
            self.within_50,
            self.within_100,
            self.within_200,
            self.within_500,
            self.within_1000,
            self.within_2000,
            self.longer,
        ]
