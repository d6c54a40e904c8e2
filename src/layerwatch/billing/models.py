"""Tables of usage, contracts, invoices, payments and spend alerts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
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


class Closing(Base):
    """A month of one account that is closed: nothing is added to it any more."""

    __tablename__ = "closings"

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    month: Mapped[str] = mapped_column(String(7), primary_key=True)
    calls: Mapped[int]
    invoice_id: Mapped[int | None] = mapped_column(ForeignKey("invoices.id"))
    """None: there was nothing to pay."""
    closed_at: Mapped[datetime]


class Invoice(Base):
    """An invoice as it was issued. Never changed afterwards: credit notes and payments refer to it."""

    __tablename__ = "invoices"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    number: Mapped[str] = mapped_column(String(20), unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    month: Mapped[str] = mapped_column(String(7))
    seller: Mapped[str] = mapped_column(Text)
    buyer: Mapped[str] = mapped_column(Text)
    """Name and address of either side, as they were then, one line each."""
    quote: Mapped[str] = mapped_column(Text)
    """JSON, as `Quote.as_json`: calls, exact micro-dollars, tiers."""
    cents: Mapped[int]
    """The total with tax; the net amount was rounded once."""
    tax: Mapped[str | None] = mapped_column(Text)
    """`taxes.Tax`, as JSON; None: no tax."""
    pay_to: Mapped[str | None] = mapped_column(Text)
    """How to pay it, as it was printed, one line each."""
    issued_at: Mapped[datetime]
    due_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    """When nothing was left to pay."""
    mailed_at: Mapped[datetime | None]
    payment_asked_at: Mapped[datetime | None]
    """When the payment provider was last asked to charge it."""
    stripe_id: Mapped[str | None] = mapped_column(String(80), unique=True)


class CreditNote(Base):
    """Takes back an invoice or a part of it."""

    __tablename__ = "credit_notes"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    number: Mapped[str] = mapped_column(String(20), unique=True)
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoices.id"), index=True)
    cents: Mapped[int]
    reason: Mapped[str] = mapped_column(String(500))
    issued_at: Mapped[datetime]


class Payment(Base):
    """Money received for an invoice."""

    __tablename__ = "payments"
    __table_args__ = (UniqueConstraint("method", "reference"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoices.id"), index=True)
    cents: Mapped[int]
    method: Mapped[str] = mapped_column(String(20))
    reference: Mapped[str] = mapped_column(String(120))
    """The bank's or provider's number of it; the same payment is never booked twice."""
    received_at: Mapped[datetime]


class Counter(Base):
    """The last number given out, so that invoices are numbered without gaps."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    value: Mapped[int]


class PaymentEvent(Base):
    """An event of the payment provider that was taken: a repeat of it does nothing."""

    __tablename__ = "payment_events"

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    kind: Mapped[str] = mapped_column(String(80))
    taken_at: Mapped[datetime]


class SpendAlert(Base):
    """Notify somebody once a month when an account's spending reaches an amount."""

    __tablename__ = "spend_alerts"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    micro_dollars: Mapped[int]
    email: Mapped[str | None] = mapped_column(String(254))
    channel_id: Mapped[int | None] = mapped_column(ForeignKey("notify_channels.id"))
    """A webhook that was made with the alert, before channels existed: it gets this alert only. None: every
    channel that gets `spend.reached` does."""
    mailed_month: Mapped[str | None] = mapped_column(String(7))
    posted_month: Mapped[str | None] = mapped_column(String(7))
    """The last months for which the mail was delivered and the channels were notified."""
