"""Signing up, signing in, verifying an address, resetting a password, inviting members."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from layerwatch.identity import audit, passwords, rate_limit, sessions, totp
from layerwatch.identity.audit import Actor
from layerwatch.identity.errors import SignInRefused
from layerwatch.identity.models import User
from layerwatch.identity.one_time_links import Purpose, new_link, use_link
from layerwatch.identity.roles import Role, set_role
from layerwatch.identity.service import account_name, create_account, email_address, local_account
from layerwatch.notify.mail import Mail

OPERATOR = "operator@localhost"
"""The user that an installation makes for whoever holds its sign-in link."""

WRONG = "E-mail address or password is wrong."


@dataclass(frozen=True, slots=True)
class Visitor:
    """The browser that asks: its IP address and what it calls itself."""

    address: str
    agent: str


def find_user(session: Session, email: str) -> User | None:
    """The user of an e-mail address, or None."""
    return session.scalars(select(User).where(User.email == email.strip().lower())).one_or_none()


def check_sign_up(email: str, password: str, name: str) -> None:
    """Raise BadInput for an address, a password or an account's name that cannot be taken."""
    passwords.check_strength(password, email_address(email))
    if name:
        account_name(name)


def guard_sign_up(session: Session, visitor: Visitor, now: datetime) -> None:
    """Count a sign-up from an address. Raises SignInRefused for too many."""
    rate_limit.take(session, f"sign-up {visitor.address}", rate_limit.PER_ADDRESS, now)


def sign_up(
    session: Session,
    email: str,
    hashed: str,
    account_name: str,
    base_url: str,
    visitor: Visitor,
    now: datetime,
) -> Mail:
    """Make a user with an account of their own, on free usage only. Returns the mail to send.

    hashed: of the password. For an address that has a user already nothing is made, and the mail says so:
    the page that the visitor sees is the same. Raises BadInput.
    """
    address = email_address(email)
    if find_user(session, address) is not None:
        return Mail(
            address,
            "Layerwatch: you have an account already",
            "Somebody, probably you, tried to sign up with this address, which has an account already.\n"
            f"Sign in: {base_url}/console/sign-in\nForgot the password: {base_url}/console/forgot\n",
        )
    user = new_user(session, address, now, password=hashed)
    account = create_account(session, account_name or address, now, free_only=True, billing_email=address)
    set_role(session, account.id, user.id, Role.OWNER)
    audit.record(session, Actor.of(user, visitor.address), "signed up", account.name, now, account.id)
    return verification_mail(session, user, base_url, now)


def verification_mail(session: Session, user: User, base_url: str, now: datetime) -> Mail:
    """The mail that shows whether an address is the user's."""
    token = new_link(session, user, Purpose.VERIFY, now)
    return Mail(
        user.email,
        "Layerwatch: is this your address?",
        f"Open this link within three days to say yes:\n\n{base_url}/console/verify?link={token}\n\n"
        "If you did not sign up, do nothing.\n",
    )


def verify(session: Session, token: str, now: datetime) -> User:
    """Take a verification link. Raises BadInput."""
    user = use_link(session, token, (Purpose.VERIFY,), now)
    user.verified_at = user.verified_at or now
    return user


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a sign-in has to be checked against; the check itself runs outside of any transaction."""

    email: str
    stored: str | None


def look_up(session: Session, email: str, visitor: Visitor, now: datetime) -> Candidate:
    """First step of a sign-in: limits. Raises SignInRefused for too many tries."""
    address = email.strip().lower()[:254]
    # Counted before the password is checked, and a right one counts too: tries that run side by side
    # cannot slip past.
    rate_limit.take(session, f"address {visitor.address}", rate_limit.PER_ADDRESS, now)
    rate_limit.take(session, f"user {address}", rate_limit.PER_USER, now)
    user = find_user(session, address)
    return Candidate(address, None if user is None else user.password)


def sign_in(
    session: Session, candidate: Candidate, right: bool, visitor: Visitor, now: datetime
) -> sessions.NewSession:
    """Last step of a sign-in. Raises SignInRefused, in the same words for an unknown user."""
    user = find_user(session, candidate.email)
    if not right or user is None or user.password != candidate.stored:
        raise SignInRefused(WRONG)
    return begin(session, user, visitor, now, how="password")


def second_step(
    session: Session, user_id: int, code: str, key: bytes, visitor: Visitor, now: datetime
) -> sessions.NewSession:
    """The one-time code after the password: a whole session, under a new token. Raises SignInRefused."""
    # Held, so that of two tries with one code at the same moment one is too late.
    user = session.get_one(User, user_id, with_for_update=True, populate_existing=True)
    totp.check(user, code, key, now)
    audit.record(session, Actor.of(user, visitor.address), "signed in", "password and code", now)
    return sessions.begin(session, user, now, address=visitor.address, agent=visitor.agent, complete=True)


def guard_second_step(session: Session, user: User, now: datetime) -> None:
    """Count a try at a one-time code. Raises SignInRefused for too many."""
    rate_limit.take(session, f"code {user.id}", rate_limit.PER_USER, now)


def forgot(session: Session, email: str, base_url: str, visitor: Visitor, now: datetime) -> Mail | None:
    """The mail with a link to a new password; None, and nobody is told, when there is no such user."""
    rate_limit.take(session, f"forgot {visitor.address}", rate_limit.PER_USER, now)
    rate_limit.take(session, f"forgot {email.strip().lower()[:254]}", rate_limit.PER_USER, now)
    user = find_user(session, email)
    if user is None or user.email == OPERATOR:
        return None
    token = new_link(session, user, Purpose.RESET, now)
    return Mail(
        user.email,
        "Layerwatch: a new password",
        "Open this link within an hour to choose a new password:\n\n"
        f"{base_url}/console/reset?link={token}\n\n"
        "If you did not ask for it, do nothing: your password stays as it is.\n",
    )


def reset(session: Session, token: str, password: str, visitor: Visitor, now: datetime) -> User:
    """Choose a password by a link. Every session of the user ends. Raises BadInput."""
    user = use_link(session, token, (Purpose.RESET, Purpose.INVITE), now)
    set_password(session, user, password)
    if user.verified_at is None:
        # The link came by mail. Whoever signed up with the address before may have been somebody else, and
        # keeps no way in.
        user.verified_at = now
        totp.switch_off(user)
    audit.record(session, Actor.of(user, visitor.address), "password reset", "", now)
    return user


def set_password(session: Session, user: User, password: str, keep: str | None = None) -> None:
    """A new password; every other session of the user ends. Raises BadInput."""
    passwords.check_strength(password, user.email)
    user.password = passwords.hash_password(password)
    sessions.end_all(session, user, keep)


def invite(
    session: Session, account_id: int, account_name: str, email: str, role: Role, base_url: str, now: datetime
) -> Mail:
    """Make somebody a member. Returns the mail to send: with a link to a password if they are new."""
    address = email_address(email)
    user = find_user(session, address)
    new = user is None
    if user is None:
        user = new_user(session, address, now, password=None)
    set_role(session, account_id, user.id, role)
    if new:
        token = new_link(session, user, Purpose.INVITE, now)
        how = f"Choose a password within seven days:\n\n{base_url}/console/reset?link={token}\n"
    else:
        how = f"Sign in: {base_url}/console/sign-in\n"
    return Mail(
        address,
        f"Layerwatch: you were invited to {account_name}",
        f"You are now a member of {account_name} ({role.value}). {how}",
    )


def operator_link(session: Session, base_url: str, now: datetime) -> str:
    """A link that signs the operator in once, for the console of whoever runs the server.

    Makes the operator's user and the free local account if there are none.
    """
    user = find_user(session, OPERATOR)
    if user is None:
        user = new_user(session, OPERATOR, now, password=None)
        user.operator = True
        user.verified_at = now
    account = local_account(session, now)
    set_role(session, account.id, user.id, Role.OWNER)
    return f"{base_url}/console/enter?link={new_link(session, user, Purpose.SIGN_IN, now)}"


def enter(session: Session, token: str, visitor: Visitor, now: datetime) -> sessions.NewSession:
    """Sign in by a one-time link. Raises BadInput."""
    user = use_link(session, token, (Purpose.SIGN_IN,), now)
    return begin(session, user, visitor, now, how="link")


def begin(session: Session, user: User, visitor: Visitor, now: datetime, *, how: str) -> sessions.NewSession:
    """Begin a session of a user who proved who they are; half-open if they have one-time codes on."""
    complete = user.totp_since is None
    if complete:
        audit.record(session, Actor.of(user, visitor.address), "signed in", how, now)
    return sessions.begin(session, user, now, address=visitor.address, agent=visitor.agent, complete=complete)


def new_user(session: Session, email: str, now: datetime, password: str | None) -> User:
    """Add a user whose address is not verified. Raises IntegrityError if there is one."""
    user = User(
        email=email,
        verified_at=None,
        password=password,
        operator=False,
        totp_nonce=None,
        totp_since=None,
        totp_step=0,
        subject=None,
        created_at=now,
    )
    session.add(user)
    session.flush()
    return user
