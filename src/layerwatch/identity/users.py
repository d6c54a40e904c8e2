"""Users: signing in, resetting a password."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from layerwatch.core.languages import gettext as _
from layerwatch.core.languages import marked
from layerwatch.identity import audit, devices, mail_limits, rate_limit, repository, sessions, totp
from layerwatch.identity.audit import Actor
from layerwatch.identity.errors import BadInput, NotFound, SignInRefused
from layerwatch.identity.models import User
from layerwatch.identity.one_time_links import Purpose, new_link, use_link
from layerwatch.identity.roles import Role, set_role
from layerwatch.identity.service import local_account
from layerwatch.notify.mail import Mail

OPERATOR = "operator@localhost"
"""The user that an installation makes for its operator, who signs in by a link."""

WRONG = marked("E-mail address or password is wrong.")


@dataclass(frozen=True, slots=True)
class Visitor:
    """The browser that asks: its IP address, what it calls itself, and its cookies."""

    address: str
    agent: str
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def network(self) -> str:
        """The network that its tries are counted for."""
        return rate_limit.network(self.address)


def find_user(session: Session, email: str) -> User | None:
    """The user of an e-mail address, or None."""
    return repository.user_by_email(session, email.strip().lower())


def list_users(session: Session, searched: str, limit: int) -> list[User]:
    """Users whose address contains a text, by address. limit: at most this many."""
    return list(repository.search_users(session, searched.lower(), limit))


def guard_new_password(session: Session, visitor: Visitor, now: datetime) -> None:
    """Count a password chosen by a link: estimating and hashing one takes a tenth of a second.

    Raises RateLimited.
    """
    rate_limit.take(session, f"new password {visitor.network}", rate_limit.PER_NETWORK, now)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a sign-in has to be checked against; the check itself runs outside of any transaction."""

    email: str
    stored: str | None


def look_up(session: Session, email: str, visitor: Visitor, key: bytes, now: datetime) -> Candidate:
    """First step of a sign-in: count the try. key: signs device cookies. Raises RateLimited.

    Counted before the password is checked, and a right one counts too: concurrent tries cannot slip past.
    """
    address = email.strip().lower()[:254]
    user = find_user(session, address)
    device = devices.known_device(visitor.cookies, user, key, now)
    if device is not None:
        rate_limit.take(session, f"sign-in device {device}", rate_limit.PER_USER, now)
    else:
        network = visitor.network
        rate_limit.take(session, f"sign-in network {network}", rate_limit.PER_NETWORK, now)
        rate_limit.take(session, f"sign-in {network} {address}", rate_limit.PER_USER, now)
        rate_limit.take(session, f"sign-in user {address}", rate_limit.PER_USER_ANYWHERE, now)
    return Candidate(address, None if user is None else user.password)


def sign_in(
    session: Session, candidate: Candidate, right: bool, visitor: Visitor, now: datetime
) -> sessions.NewSession:
    """Last step of a sign-in. Raises SignInRefused, in the same words for an unknown user."""
    user = find_user(session, candidate.email)
    if not right or user is None or user.password != candidate.stored:
        raise SignInRefused(_(WRONG))
    return begin(session, user, visitor, now, how="password")


def second_step(
    session: Session, user_id: int, code: str, key: bytes, visitor: Visitor, now: datetime
) -> sessions.NewSession:
    """The one-time or recovery code after the password: a complete session, under a new token.

    Raises SignInRefused.
    """
    # Held, so that of two tries with one code at the same moment one is too late.
    user = repository.locked_user(session, user_id)
    if user is None:
        raise SignInRefused(WRONG)
    kind = totp.check(session, user, code, key, now)
    audit.record(session, Actor.of(user, visitor.address), "signed in", f"password and {kind}", now)
    return sessions.begin(session, user, now, address=visitor.address, agent=visitor.agent, complete=True)


def guard_second_step(session: Session, user: User, visitor: Visitor, key: bytes, now: datetime) -> None:
    """Count a try at a one-time code. Raises RateLimited.

    This step follows the right password, so all unknown browsers share one small limit: six digits would not
    last against many networks. A known browser has a count to itself, so its user is not locked out.
    """
    device = devices.known_device(visitor.cookies, user, key, now)
    subject = f"code device {device}" if device is not None else f"code {user.id}"
    rate_limit.take(session, subject, rate_limit.PER_USER, now)


def forgot(
    session: Session, email: str, base_url: str, visitor: Visitor, key: bytes, now: datetime
) -> Mail | None:
    """The mail with a link to a new password; None when there is no such user. Raises RateLimited.

    A known browser has a count to itself: others that ask for links cannot keep its user from getting one.
    """
    user = find_user(session, email)
    device = devices.known_device(visitor.cookies, user, key, now)
    if device is not None:
        rate_limit.take(session, f"forgot device {device}", rate_limit.PER_USER, now)
    else:
        rate_limit.take(session, f"forgot {visitor.network}", rate_limit.PER_USER, now)
        mail_limits.take(session, email, now)
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


def reset(session: Session, token: str, hashed: str, visitor: Visitor, now: datetime) -> User:
    """Choose a password by a link; hashed: of one that `passwords.check_strength` accepts.

    Every session of the user ends. Raises BadInput.
    """
    user = use_link(session, token, Purpose.RESET, now)
    prove_address(session, user, now)
    set_password(session, user, hashed)
    audit.record(session, Actor.of(user, visitor.address), "password reset", "", now)
    return user


def prove_address(session: Session, user: User, now: datetime) -> None:
    """A link that was mailed to the user's address came back.

    The person who signed up with the address may have been somebody else: their one-time codes end here, and
    the caller sets a new password, which ends their sessions.
    """
    if user.verified_at is None:
        user.verified_at = now
        totp.switch_off(session, user)


def set_password(session: Session, user: User, hashed: str, keep: str | None = None) -> None:
    """A new password; every other session of the user ends. hashed: as in `reset`."""
    user.password = hashed
    sessions.end_all(session, user, keep)


def reset_codes(session: Session, user_id: int, actor: Actor, now: datetime) -> Mail:
    """Switch a user's one-time codes off for them: phone and recovery codes are lost. Returns a mail to them.

    For the operator, who made sure of the person. Every session of the user ends. Raises NotFound, BadInput.
    """
    user = repository.user_or_none(session, user_id)
    if user is None:
        raise NotFound(_("No such user."))
    if user.totp_since is None:
        raise BadInput(_("This user has no one-time codes switched on."))
    totp.switch_off(session, user)
    sessions.end_all(session, user)
    audit.record(session, actor, "one-time codes reset", user.email, now)
    return Mail(
        user.email,
        "Layerwatch: one-time codes switched off",
        "The operator switched off the one-time codes of your sign-in. Your password stays as it is.\n"
        "Set them up again under Your sign-in. If you did not ask for this, write to the operator.\n",
    )


def operator_link(session: Session, base_url: str, now: datetime) -> str:
    """A link that signs the operator in once, for the console of their own server.

    Makes the operator's user and the free local account if there are none.
    """
    user = find_user(session, OPERATOR)
    if user is None:
        user = repository.new_user(session, OPERATOR, now, password=None, operator=True)
        user.verified_at = now
    account = local_account(session, now)
    set_role(session, account.id, user.id, Role.OWNER)
    return f"{base_url}/console/enter?link={new_link(session, user, Purpose.SIGN_IN, now)}"


def enter(session: Session, token: str, visitor: Visitor, now: datetime) -> sessions.NewSession:
    """Sign in by a one-time link. Raises BadInput."""
    user = use_link(session, token, Purpose.SIGN_IN, now)
    return begin(session, user, visitor, now, how="link")


def begin(session: Session, user: User, visitor: Visitor, now: datetime, *, how: str) -> sessions.NewSession:
    """Begin a session of a user who proved who they are; half-open if they have one-time codes on."""
    complete = user.totp_since is None
    if complete:
        audit.record(session, Actor.of(user, visitor.address), "signed in", how, now)
    return sessions.begin(session, user, now, address=visitor.address, agent=visitor.agent, complete=complete)
