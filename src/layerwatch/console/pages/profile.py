"""The user's own sign-in: password, one-time codes, other browsers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import segno
from starlette.responses import Response

from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import BASE, Visit, from_field
from layerwatch.core.languages import LANGUAGES
from layerwatch.core.languages import gettext as _
from layerwatch.identity import (
    BadInput,
    SignInRefused,
    passwords,
    rate_limit,
    recovery_codes,
    sessions,
    sign_up,
    totp,
    users,
)
from layerwatch.identity.audit import record
from layerwatch.identity.models import User
from layerwatch.identity.repository import get_user

pages = Pages()

RECENT_SIGN_IN = timedelta(minutes=15)
"""How long a sign-in counts in place of the password that a user does not have."""


@pages.get("/profile", Needs.SIGNED_IN)
def show(visit: Visit) -> Response:
    """The settings of one's own sign-in."""
    with visit.services.database.read() as session:
        user = get_user(session, visit.me.user_id)
        secret, picture = _secret(visit, user)
        values: dict[str, Any] = {
            "has_password": user.password is not None,
            "codes_on": user.totp_since is not None,
            "recovery_codes": recovery_codes.left(session, user),
            "connected": user.subject is not None,
            "provider": visit.provider_name,
            "languages": [("", _("As the browser asks for")), *LANGUAGES.items()],
            "language_chosen": user.language or "",
            "sessions": sessions.of_user(session, user, visit.token, visit.now),
        }
    return visit.page("profile.html", secret=secret, picture=picture, now=visit.now, **values)


@pages.post("/profile/password", Needs.SIGNED_IN, show)
def password(visit: Visit) -> Response:
    """A new password, behind the old one."""
    confirm(visit)
    new = visit.form.get("new", "")
    with from_field("new"):
        passwords.check_strength(new, visit.me.email)
    hashed = passwords.hash_password(new)
    with visit.services.database.write() as session:
        user = get_user(session, visit.me.user_id)
        users.set_password(session, user, hashed, keep=visit.token)
        record(session, visit.actor, "password changed", "", visit.now)
    return visit.with_known_device(visit.go("/profile", "password-changed"), visit.me.user_id)


@pages.post("/profile/language", Needs.SIGNED_IN, show)
def choose_language(visit: Visit) -> Response:
    """Choose the language of one's pages, or leave it to the browser."""
    chosen = visit.form.get("language", "")
    if chosen and chosen not in LANGUAGES:
        raise BadInput(_("There is no such language."), field="language")
    with visit.services.database.write() as session:
        get_user(session, visit.me.user_id).language = chosen or None
    return visit.go("/profile", "saved")


@pages.post("/profile/verify", Needs.SIGNED_IN, show)
def verify(visit: Visit) -> Response:
    """Send the verification mail again."""
    with visit.services.database.write() as session:
        user = get_user(session, visit.me.user_id)
        mail = sign_up.verification_mail(session, user, visit.base_url, visit.now)
    visit.send(mail)
    return visit.go("/profile", "check-mail")


@pages.post("/profile/codes", Needs.SIGNED_IN, show)
def prepare_codes(visit: Visit) -> Response:
    """Show the picture that an authenticator app reads."""
    confirm(visit)
    with visit.services.database.write() as session:
        totp.prepare(session, get_user(session, visit.me.user_id))
    return show(visit)


@pages.post("/profile/codes/confirm", Needs.SIGNED_IN, show)
def confirm_codes(visit: Visit) -> Response:
    """Switch one-time codes on after the app has shown a right one, and show the recovery codes, once."""
    _count_try(visit)
    key = visit.services.secrets.sessions
    with from_field("code"), visit.services.database.write() as session:
        user = get_user(session, visit.me.user_id)
        codes = totp.confirm(session, user, visit.form.get("code", ""), key, visit.now)
        record(session, visit.actor, "one-time codes on", "", visit.now)
    return visit.page("recovery_codes.html", codes=codes)


@pages.post("/profile/codes/recovery", Needs.SIGNED_IN, show)
def new_recovery_codes(visit: Visit) -> Response:
    """Replace the recovery codes, behind the password, and show the new ones, once."""
    confirm(visit)
    with visit.services.database.write() as session:
        user = get_user(session, visit.me.user_id)
        if user.totp_since is None:
            raise BadInput(_("One-time codes are off."))
        codes = recovery_codes.renew(session, user, visit.services.secrets.sessions)
        record(session, visit.actor, "recovery codes replaced", "", visit.now)
    return visit.page("recovery_codes.html", codes=codes)


@pages.post("/profile/codes/off", Needs.SIGNED_IN, show)
def codes_off(visit: Visit) -> Response:
    """Switch one-time codes off, behind the password."""
    confirm(visit)
    with visit.services.database.write() as session:
        totp.switch_off(session, get_user(session, visit.me.user_id))
        record(session, visit.actor, "one-time codes off", "", visit.now)
    return visit.go("/profile", "codes-off")


@pages.post("/profile/others-out", Needs.SIGNED_IN, show)
def others_out(visit: Visit) -> Response:
    """End every other session of the user."""
    with visit.services.database.write() as session:
        sessions.end_all(session, get_user(session, visit.me.user_id), keep=visit.token)
        record(session, visit.actor, "other browsers signed out", "", visit.now)
    return visit.go("/profile", "others-out")


def confirm(visit: Visit) -> None:
    """Check that it is really the user: a browser left open is not enough. Raises SignInRefused.

    A user without a password must have signed in recently. The operator on their own machine came by a link,
    which proves as much.
    """
    me = visit.me
    _count_try(visit)
    with visit.services.database.read() as session:
        user, here = get_user(session, me.user_id), sessions.find(session, visit.token, visit.now)
        password = user.password
        late = here is None or visit.now - here.created_at > RECENT_SIGN_IN
        by_provider = user.subject is not None
    if password is not None:
        if not passwords.is_right(visit.form.get("password", ""), password):
            with from_field("password"):
                raise SignInRefused(_("The password is wrong."))
    elif by_provider and late:
        raise SignInRefused(_("Sign out and in again first, to prove that it is you."))


def _count_try(visit: Visit) -> None:
    """Count a try for this session alone: guesses made elsewhere do not block its user."""
    subject = f"session {visit.token}"
    visit.services.database.transact(rate_limit.take, subject, rate_limit.PER_USER, visit.now)


_SHOWS_SECRET = ("/profile/codes", "/profile/codes/confirm")
"""Forms whose page has the secret of the one-time codes: when it is new, and after a wrong code."""


def _secret(visit: Visit, user: User) -> tuple[str, str]:
    """The secret that is being set up, and its QR code as a `data:` address; empty on any other visit."""
    path = visit.request.url.path.removeprefix(BASE)
    if path not in _SHOWS_SECRET or user.totp_nonce is None or user.totp_since is not None:
        return "", ""
    if path == "/profile/codes" and visit.problem:
        return "", ""
    key = visit.services.secrets.sessions
    picture = segno.make(totp.address_of(user, key), error="m").svg_data_uri(scale=5, border=2)
    return totp.secret_of(user, key), picture
