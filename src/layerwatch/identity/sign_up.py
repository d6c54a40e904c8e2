"""Signing up, and verifying that the address is theirs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from layerwatch.core.languages import gettext as _
from layerwatch.identity import audit, mail_limits, passwords, rate_limit, repository
from layerwatch.identity.audit import Actor
from layerwatch.identity.errors import BadInput
from layerwatch.identity.models import User
from layerwatch.identity.one_time_links import Purpose, new_link, use_link
from layerwatch.identity.roles import Role, set_role
from layerwatch.identity.service import account_name as valid_account_name
from layerwatch.identity.service import create_account, email_address
from layerwatch.identity.users import Visitor, find_user
from layerwatch.notify.mail import Mail


def check(email: str, password: str, name: str) -> None:
    """Raise BadInput for an address, a password or an account's name that is refused."""
    passwords.check_strength(password, email_address(email))
    if name:
        valid_account_name(name)


def guard(session: Session, visitor: Visitor, now: datetime) -> None:
    """Count a sign-up from a network. Raises RateLimited."""
    rate_limit.take(session, f"sign-up {visitor.network}", rate_limit.PER_NETWORK, now)


def sign_up(
    session: Session,
    email: str,
    hashed: str,
    account_name: str,
    base_url: str,
    visitor: Visitor,
    now: datetime,
) -> Mail:
    """Make a user with their own account, on free usage only. Returns the mail to send.

    hashed: of the password. For an address that has a user already nothing is made, and the mail says so:
    the page that the visitor sees is the same. Raises BadInput, RateLimited.
    """
    address = email_address(email)
    mail_limits.take(session, address, now)
    if find_user(session, address) is not None:
        return Mail(
            address,
            "Layerwatch: you have an account already",
            "Somebody, probably you, tried to sign up with this address, which has an account already.\n"
            f"Sign in: {base_url}/console/sign-in\nForgot the password: {base_url}/console/forgot\n",
        )
    user = repository.new_user(session, address, now, password=hashed)
    account = create_account(
        session, account_name or address[:120], now, free_only=True, billing_email=address
    )
    set_role(session, account.id, user.id, Role.OWNER)
    audit.record(session, Actor.of(user, visitor.address), "signed up", account.name, now, account.id)
    return _verification_mail(session, user, base_url, now)


def verification_mail(session: Session, user: User, base_url: str, now: datetime) -> Mail:
    """The mail that verifies a user's address, sent again. Raises RateLimited."""
    mail_limits.take(session, user.email, now)
    return _verification_mail(session, user, base_url, now)


def _verification_mail(session: Session, user: User, base_url: str, now: datetime) -> Mail:
    token = new_link(session, user, Purpose.VERIFY, now)
    return Mail(
        user.email,
        "Layerwatch: is this your address?",
        f"Open this link within three days and sign in to say yes:\n\n{base_url}/console/verify?link={token}"
        "\n\nIf you did not sign up, do nothing.\n",
    )


def verify(session: Session, token: str, user_id: int, now: datetime) -> None:
    """Use a verification link as the user who is signed in. Raises BadInput.

    A link alone verifies nothing: opened by the owner of an address with which somebody else signed up, it
    would open the other's user, with the other's password.
    """
    if use_link(session, token, Purpose.VERIFY, now).id != user_id:
        raise BadInput(_("This link is for another user. Sign out, then open it again."))
    user = repository.get_user(session, user_id)
    user.verified_at = user.verified_at or now
