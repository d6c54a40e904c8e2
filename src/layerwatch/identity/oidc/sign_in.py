"""Which user somebody is who signed in at the OpenID Connect provider.

A user is recognised by what the provider calls them, never again by e-mail once that is known. An address
alone opens only a user that has no other way in: one with a password, with a provider's name, or the operator
has to connect it, signed in as before. So neither a provider that gives an
address to somebody new, nor a stranger who signed up with it beforehand, gets at anything.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from layerwatch.core.languages import gettext as _
from layerwatch.identity import audit, invitations, repository, sessions, sign_up, users
from layerwatch.identity.audit import Actor
from layerwatch.identity.errors import BadInput, SignInRefused
from layerwatch.identity.models import User
from layerwatch.identity.oidc.flow import Person
from layerwatch.identity.roles import Role, set_role
from layerwatch.identity.service import create_account, email_address
from layerwatch.identity.users import Visitor


def enter(
    session: Session, person: Person, *, strangers: bool, visitor: Visitor, now: datetime
) -> sessions.NewSession:
    """Sign somebody in. strangers: whether somebody new gets an account, on free usage only.

    Where they do not, an invited address gets a user without an account; the mailed link makes the member.
    One-time codes are asked for as after a password. Raises SignInRefused; the message says what to do.
    """
    user = repository.user_by_subject(session, person.subject)
    if user is None:
        if person.email is None:
            raise SignInRefused(_("The provider does not say that your e-mail address was verified."))
        known = users.find_user(session, person.email)
        if known is None:
            user = _sign_up(session, person.email, strangers, visitor, now)
        elif known.password is None and known.subject is None and not known.operator:
            user = known
        else:
            raise SignInRefused(
                _(
                    "There is a user with your e-mail address already. Sign in as before, then connect the"
                    " provider under Your sign-in."
                )
            )
        user.subject = person.subject
        user.verified_at = user.verified_at or now
    return users.begin(session, user, visitor, now, how="provider")


def connect(session: Session, user: User, person: Person, visitor: Visitor, now: datetime) -> None:
    """Let a user sign in at the provider from now on, whatever their address there. Raises BadInput."""
    if user.verified_at is None:
        raise BadInput(_("Verify your e-mail address first."))
    other = repository.user_by_subject(session, person.subject)
    if other is not None and other.id != user.id:
        raise BadInput(_("Your sign-in at the provider is connected with another user here already."))
    user.subject = person.subject
    audit.record(session, Actor.of(user, visitor.address), "provider connected", "", now)


def disconnect(session: Session, user: User, visitor: Visitor, now: datetime) -> None:
    """Disconnect the provider. Raises BadInput if the user has no other way to sign in."""
    if user.password is None and not user.operator:
        raise BadInput(_("Set a password first: you have no other way to sign in."))
    user.subject = None
    audit.record(session, Actor.of(user, visitor.address), "provider disconnected", "", now)


def _sign_up(session: Session, email: str, strangers: bool, visitor: Visitor, now: datetime) -> User:
    address = email_address(email)
    if not strangers and not invitations.is_invited(session, address, now):
        raise SignInRefused(
            _("Your e-mail address was not invited here. Ask the operator or an account's owner.")
        )
    sign_up.guard(session, visitor, now)
    user = repository.new_user(session, address, now, password=None)
    if not strangers:
        return user
    account = create_account(session, user.email[:120], now, free_only=True, billing_email=user.email)
    set_role(session, account.id, user.id, Role.OWNER)
    audit.record(session, Actor.of(user, visitor.address), "signed up", account.name, now, account.id)
    return user
