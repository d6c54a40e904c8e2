"""Tables of accounts, users, sessions, and the audit log."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from layerwatch.storage import Base, RowId


class Account(Base):
    """Who is metered and billed: one developer, company or household."""

    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    price_book: Mapped[str] = mapped_column(String(60))
    """A book of the price-book file; a contract of the account's own goes before it."""
    free_only: Mapped[bool]
    """Stop at the end of the free allowance instead of billing."""
    blocked_from: Mapped[datetime | None]
    """From then on Process calls are refused, for an invoice that is overdue past its grace."""
    billing_email: Mapped[str | None] = mapped_column(String(254))
    billing_name: Mapped[str | None] = mapped_column(String(120))
    """Whom invoices are addressed to; None: the account's name."""
    billing_address: Mapped[str | None] = mapped_column(String(400))
    """Street and place, one line each."""
    billing_country: Mapped[str | None] = mapped_column(String(2))
    """ISO 3166 code, two capital letters."""
    tax_id: Mapped[str | None] = mapped_column(String(40))
    payment_ready: Mapped[bool] = mapped_column(default=False)
    """A way to pay is set up, so that the account may leave free usage only."""
    stripe_customer: Mapped[str | None] = mapped_column(String(80))
    spend_limit: Mapped[int | None]
    """Micro-dollars of a month beyond which Process calls are refused; None: no limit."""
    spend_limit_reported: Mapped[str | None] = mapped_column(String(7))
    """The last month in which it was reported that the limit was reached."""
    keep_pictures: Mapped[bool] = mapped_column(default=False)
    """Keep small copies of its prints' pictures."""
    share_pictures: Mapped[bool] = mapped_column(default=False)
    """Consent: keep pictures with feedback, for review and training."""
    created_at: Mapped[datetime]


class User(Base):
    """A person who signs in to the console."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    """In lower case."""
    verified_at: Mapped[datetime | None]
    """When the address was shown to be theirs."""
    password: Mapped[str | None] = mapped_column(String(200))
    """Argon2id hash; None: signs in by link or provider only."""
    operator: Mapped[bool]
    """Runs the whole installation."""
    totp_nonce: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    """The one-time-code secret is derived from this and the installation's secret."""
    totp_since: Mapped[datetime | None]
    """When one-time codes were switched on; None: they are not asked for."""
    totp_step: Mapped[int]
    """The last time step whose code was used: no code works twice."""
    subject: Mapped[str | None] = mapped_column(String(255), unique=True)
    """The person's name at the OpenID Connect provider."""
    suspended_at: Mapped[datetime | None] = mapped_column(default=None)
    """Since when the operator lets them not sign in."""
    language: Mapped[str | None] = mapped_column(String(8), default=None)
    """The language of their pages; None: the browser's."""
    working_account_id: Mapped[int | None] = mapped_column(default=None)
    """The account they last switched to; used at sign-in if they are still a member."""
    created_at: Mapped[datetime]


class Membership(Base):
    """What a user may do in an account."""

    __tablename__ = "memberships"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True, index=True)
    role: Mapped[str] = mapped_column(String(12))
    """`roles.Role`."""


class Invitation(Base):
    """An offer of a membership. It gives nothing until the link in its mail is accepted."""

    __tablename__ = "invitations"
    __table_args__ = (UniqueConstraint("account_id", "email"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    """Hash of the secret in the link."""
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    email: Mapped[str] = mapped_column(String(254), index=True)
    """Where the link was sent, in lower case."""
    role: Mapped[str] = mapped_column(String(12))
    """`roles.Role`."""
    invited_by: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class RecoveryCode(Base):
    """Signs in once in place of a one-time code. Its text is not stored, only its keyed hash."""

    __tablename__ = "recovery_codes"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)


class WebSession(Base):
    """A browser that is signed in. The cookie's text is not here, only its hash."""

    __tablename__ = "web_sessions"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    """The account that the user works in."""
    complete: Mapped[bool]
    """False between the password and the one-time code."""
    address: Mapped[str] = mapped_column(String(45))
    agent: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class OneTimeLink(Base):
    """A link that was sent or shown, good once. Its text is not here, only its hash."""

    __tablename__ = "one_time_links"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    purpose: Mapped[str] = mapped_column(String(12))
    expires_at: Mapped[datetime] = mapped_column(index=True)


class Attempt(Base):
    """How often something that can be guessed was tried in a stretch of time."""

    __tablename__ = "attempts"

    subject: Mapped[str] = mapped_column(String(80), primary_key=True)
    window: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int]


class AccountNote(Base):
    """What operators note on an account; its people do not see it."""

    __tablename__ = "account_notes"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    at: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(254))
    text: Mapped[str] = mapped_column(String(1000))


class AuditEntry(Base):
    """Who did what, when, from where."""

    __tablename__ = "audit"
    __table_args__ = (Index(None, "account_id", "id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    at: Mapped[datetime]
    account_id: Mapped[int | None]
    user_id: Mapped[int | None]
    who: Mapped[str] = mapped_column(String(254))
    """The user's e-mail address then, or `command line`."""
    address: Mapped[str] = mapped_column(String(45))
    action: Mapped[str] = mapped_column(String(60))
    detail: Mapped[str] = mapped_column(String(500))
