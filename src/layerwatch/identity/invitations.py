"""Invitations: an owner offers a membership; it begins when the person accepts it.

Accepting takes the link in the mail, a signed-in user with a verified address, and a confirmation on the
page. Somebody who signed up with the invited address without owning it has no link. The invited person keeps
working in the account that they chose.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from layerwatch.core.languages import gettext as _
from layerwatch.identity import audit, invitation_repository, mail_limits, repository, sessions, users
from layerwatch.identity.audit import Actor
from layerwatch.identity.errors import BadInput, NotFound
from layerwatch.identity.models import Account, Invitation
from layerwatch.identity.one_time_links import digest
from layerwatch.identity.roles import Role, members_of, set_role
from layerwatch.identity.service import email_address
from layerwatch.identity.users import Visitor
from layerwatch.notify.mail import Mail

LIFETIME = timedelta(days=7)
MAX_PENDING = 50
"""Invitations of an account that wait for an answer."""


def invite(
    session: Session, account_id: int, email: str, role: Role, *, by: int, base_url: str, now: datetime
) -> Mail:
    """Offer a membership. Returns the mail to send; the link of an earlier offer stops working.

    by: the user who invites. Raises BadInput for somebody who is a member already or too many that wait,
    RateLimited for too many mails.
    """
    address = email_address(email)
    if any(user.email == address for user, _ in members_of(session, account_id)):
        raise BadInput(_("This person is a member already. Change the role in the list of members."))
    account, inviter = repository.get_account(session, account_id), repository.get_user(session, by)
    mail_limits.take(session, address, now, account_id)
    invitation_repository.delete_replaced(session, account_id, address, now)
    if invitation_repository.number_of(session, account_id) >= MAX_PENDING:
        raise BadInput(_("At most %(most)s invitations can wait. Withdraw one first.", most=MAX_PENDING))
    token = secrets.token_urlsafe(32)
    invitation_repository.add(
        session,
        digest=digest(token),
        account_id=account_id,
        email=address,
        role=role.value,
        invited_by=by,
        now=now,
        expires_at=now + LIFETIME,
    )
    return Mail(
        address,
        f"Layerwatch: invitation to {account.name}",
        f"{inviter.email} invites you to the account {account.name} ({role.value}).\n\n"
        f"Accept within seven days:\n\n{base_url}/console/invitation?link={token}\n\n"
        "Nothing changes unless you accept. If you do not know the sender, ignore this mail.\n",
    )


def pending(session: Session, account_id: int, now: datetime) -> list[Invitation]:
    """Invitations of an account that can still be accepted, oldest first."""
    return list(invitation_repository.pending(session, account_id, now))


def withdraw(session: Session, account_id: int, invitation_id: int) -> str:
    """Delete an invitation; its address. Raises NotFound."""
    withdrawn = invitation_repository.delete_one(session, invitation_id, account_id)
    if withdrawn is None:
        raise NotFound(_("No such invitation."))
    return withdrawn[0]


def is_invited(session: Session, email: str, now: datetime) -> bool:
    """Whether an invitation to this address can still be accepted."""
    return invitation_repository.is_pending(session, email, now)


def find_invitation(session: Session, token: str, now: datetime) -> Invitation:
    """The invitation behind a link. Raises BadInput for one that is used, withdrawn or expired."""
    found = invitation_repository.by_digest(session, digest(token))
    if found is None or found.expires_at < now:
        raise BadInput(_("This invitation is used, withdrawn or expired. Ask for a new one."))
    return found


def accept(session: Session, token: str, user_id: int, visitor: Visitor, now: datetime) -> Account:
    """Make the signed-in user a member. Returns the account; what they work in stays as it is.

    A member keeps the role they have. Raises BadInput for an unverified user or a link that does not work.
    """
    user = repository.get_user(session, user_id)
    if user.verified_at is None:
        raise BadInput(_("Verify your own e-mail address first, then open the invitation again."))
    invitation = find_invitation(session, token, now)
    account_id = invitation.account_id
    used = invitation_repository.delete_one(session, invitation.id, account_id)
    if used is None:
        raise BadInput(_("This invitation is used. Ask for a new one."))
    address, role = used
    if repository.membership(session, user.id, account_id) is None:
        set_role(session, account_id, user.id, Role(role))
    audit.record(
        session,
        Actor.of(user, visitor.address),
        "invitation accepted",
        f"{address} {role}",
        now,
        account_id,
    )
    return repository.get_account(session, account_id)


def can_join(session: Session, invitation: Invitation) -> bool:
    """Whether the invited address has no verified user yet, so that the link may make one."""
    user = users.find_user(session, invitation.email)
    return user is None or user.verified_at is None


def join(session: Session, token: str, hashed: str, visitor: Visitor, now: datetime) -> sessions.NewSession:
    """Make the user of the invited address and sign them in; the invitation still waits to be accepted.

    The link came by mail, so it verifies the address. If somebody signed up with it before without verifying,
    they are shut out as by a password reset. hashed: of a password that `passwords.check_strength` accepts.
    Raises BadInput.
    """
    invitation = find_invitation(session, token, now)
    if not can_join(session, invitation):
        raise BadInput(_("This address has a user already. Sign in to accept."))
    user = users.find_user(session, invitation.email)
    if user is None:
        user = repository.new_user(session, invitation.email, now, password=None)
    users.prove_address(session, user, now)
    users.set_password(session, user, hashed)
    audit.record(session, Actor.of(user, visitor.address), "joined by invitation", "", now)
    return users.begin(session, user, visitor, now, how="invitation")
