"""Accounts, users and memberships in the database: every statement on their tables is here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from layerwatch.identity.models import Account, Membership, User


def new_account(
    session: Session,
    *,
    name: str,
    price_book: str,
    free_only: bool,
    billing_email: str | None,
    keep_pictures: bool,
    share_pictures: bool,
    now: datetime,
) -> Account:
    """Add an account."""
    account = Account(
        name=name,
        price_book=price_book,
        free_only=free_only,
        blocked_from=None,
        billing_email=billing_email,
        keep_pictures=keep_pictures,
        share_pictures=share_pictures,
        created_at=now,
    )
    session.add(account)
    session.flush()
    return account


def get_account(session: Session, account_id: int) -> Account:
    """An account that is known to exist."""
    return session.get_one(Account, account_id)


def account_or_none(session: Session, account_id: int) -> Account | None:
    """An account by its number."""
    return session.get(Account, account_id)


def locked_account(session: Session, account_id: int) -> Account | None:
    """An account as it is now, held until the transaction's end.

    On PostgreSQL a row lock that does not block metering; on SQLite a write transaction is alone anyway.
    """
    return session.get(Account, account_id, with_for_update={"key_share": True}, populate_existing=True)


def lock_members(session: Session, account_id: int) -> bool:
    """Let one transaction at a time change an account's members; False if there is no such account.

    The same lock as `locked_account`, without reading the account again.
    """
    lock = select(Account.id).where(Account.id == account_id).with_for_update(key_share=True)
    return session.scalar(lock) is not None


def accounts_named(session: Session, name: str) -> Sequence[Account]:
    """The accounts of exactly this name."""
    return session.scalars(select(Account).where(Account.name == name).order_by(Account.id)).all()


def search_accounts(session: Session, text: str, limit: int) -> Sequence[Account]:
    """The accounts with this text in their name or billing address, or this number; oldest first."""
    wanted = select(Account).order_by(Account.id).limit(limit)
    if text:
        fitting = [
            Account.name.icontains(text, autoescape=True),
            Account.billing_email.icontains(text, autoescape=True),
        ]
        if text.isdecimal() and len(text) < 19:
            fitting.append(Account.id == int(text))
        wanted = wanted.where(or_(*fitting))
    return session.scalars(wanted).all()


def all_accounts(session: Session) -> Sequence[Account]:
    """Every account, oldest first."""
    return session.scalars(select(Account).order_by(Account.id)).all()


def first_accounts(session: Session, limit: int) -> Sequence[Account]:
    """The oldest accounts, at most `limit`."""
    return session.scalars(select(Account).order_by(Account.id).limit(limit)).all()


def number_of_accounts(session: Session) -> int:
    """How many accounts there are."""
    return session.scalar(select(func.count()).select_from(Account)) or 0


def accounts_by_price_book(session: Session) -> dict[str, int]:
    """How many accounts are on each price book."""
    counted = session.execute(select(Account.price_book, func.count()).group_by(Account.price_book))
    return dict(counted.all())


def account_names(session: Session, account_ids: Iterable[int]) -> dict[int, str]:
    """The names of accounts by their numbers."""
    found = session.execute(select(Account.id, Account.name).where(Account.id.in_(set(account_ids))))
    return dict(found.all())


def account_births(session: Session) -> dict[int, datetime]:
    """When each account was made, oldest first."""
    found = session.execute(select(Account.id, Account.created_at).order_by(Account.id))
    return dict(found.all())


def accounts_keeping_pictures(session: Session) -> frozenset[int]:
    """The accounts that keep small copies of their prints' pictures."""
    return frozenset(session.scalars(select(Account.id).where(Account.keep_pictures)))


def accounts_to_report_limit(session: Session, month: str) -> Sequence[int]:
    """The accounts with a spend limit of which nothing was reported yet in this month (`2026-11`)."""
    reported = Account.spend_limit_reported
    unreported = or_(reported.is_(None), reported != month)
    wanted = select(Account.id).where(Account.spend_limit.is_not(None), unreported)
    return session.scalars(wanted.order_by(Account.id)).all()


def accounts_of_customer(session: Session, stripe_customer: str) -> Sequence[Account]:
    """The accounts that are this customer at Stripe."""
    return session.scalars(select(Account).where(Account.stripe_customer == stripe_customer)).all()


def shares_pictures(session: Session, account_id: int) -> bool:
    """Whether the account lets pictures be kept for training."""
    return bool(session.scalar(select(Account.share_pictures).where(Account.id == account_id)))


def sharing_accounts() -> Select[int]:
    """The accounts that do, as a subquery."""
    return select(Account.id).where(Account.share_pictures.is_(True))


def with_billing_email() -> Select[int]:
    """Part of a statement: the numbers of accounts with a billing address."""
    return select(Account.id).where(Account.billing_email.is_not(None))


def with_payment_method() -> Select[int]:
    """Part of a statement: the numbers of accounts with a way to pay."""
    return select(Account.id).where(Account.payment_ready.is_(True))


def new_user(
    session: Session, email: str, now: datetime, *, password: str | None, operator: bool = False
) -> User:
    """Add a user whose address is not verified. Raises IntegrityError if there is one."""
    user = User(
        email=email,
        verified_at=None,
        password=password,
        operator=operator,
        totp_nonce=None,
        totp_since=None,
        totp_step=0,
        subject=None,
        created_at=now,
    )
    session.add(user)
    session.flush()
    return user


def get_user(session: Session, user_id: int) -> User:
    """A user that is known to exist."""
    return session.get_one(User, user_id)


def user_or_none(session: Session, user_id: int) -> User | None:
    """A user by their number."""
    return session.get(User, user_id)


def locked_user(session: Session, user_id: int) -> User | None:
    """A user as they are now, held until the transaction's end."""
    return session.get(User, user_id, with_for_update=True, populate_existing=True)


def user_by_email(session: Session, email: str) -> User | None:
    """The user of an e-mail address in lower case."""
    return session.scalars(select(User).where(User.email == email)).one_or_none()


def user_by_subject(session: Session, subject: str) -> User | None:
    """The user of a name at the OpenID Connect provider."""
    return session.scalars(select(User).where(User.subject == subject)).one_or_none()


def search_users(session: Session, text: str, limit: int) -> Sequence[User]:
    """Users whose address contains a text in lower case, by address."""
    found = select(User).where(User.email.contains(text, autoescape=True))
    return session.scalars(found.order_by(User.email).limit(limit)).all()


def membership(session: Session, user_id: int, account_id: int) -> Membership | None:
    """What a user may do in an account, as the database has it now."""
    return session.get(Membership, (user_id, account_id), populate_existing=True)


def add_membership(session: Session, user_id: int, account_id: int, role: str) -> None:
    """Make a user a member. role: `roles.Role`."""
    session.add(Membership(user_id=user_id, account_id=account_id, role=role))


def accounts_of(session: Session, user_id: int) -> Sequence[tuple[Account, str]]:
    """The accounts that a user is a member of, oldest first, with their role in each."""
    rows = session.execute(
        select(Account, Membership.role)
        .join(Membership, Membership.account_id == Account.id)
        .where(Membership.user_id == user_id)
        .order_by(Account.id)
    )
    return [(account, role) for account, role in rows]


def members_of(session: Session, account_id: int) -> Sequence[tuple[User, str]]:
    """The users of an account, oldest first, with their role in it."""
    rows = session.execute(
        select(User, Membership.role)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.account_id == account_id)
        .order_by(User.id)
    )
    return [(user, role) for user, role in rows]
