"""Signing in and out, signing up, verifying an address, choosing a new password."""

from __future__ import annotations

from starlette.responses import Response

from layerwatch.billing import Month
from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import BASE, FORM_COOKIE, SESSION_COOKIE, Visit, from_field
from layerwatch.core.languages import gettext as _
from layerwatch.identity import NotFound, passwords, sessions, users
from layerwatch.identity import sign_up as registration
from layerwatch.identity.one_time_links import Purpose, user_of
from layerwatch.identity.repository import get_user
from layerwatch.identity.service import STANDARD

pages = Pages()


@pages.get("/sign-in", Needs.NOTHING)
def sign_in_form(visit: Visit) -> Response:
    """The form for e-mail and password."""
    if visit.signed and visit.signed.complete:
        return visit.go("/")
    return sign_in_page(visit)


def sign_in_page(visit: Visit) -> Response:
    """The page with the form for e-mail and password, and the provider's button."""
    return visit.page(
        "sign_in.html",
        next=_wanted(visit),
        sign_up=visit.services.settings.sign_up == "open",
        provider=visit.provider_name,
    )


@pages.post("/sign-in", Needs.NOTHING, sign_in_page)
def sign_in(visit: Visit) -> Response:
    """Check e-mail and password; on to the one-time code if the user has one."""
    database, key = visit.services.database, visit.services.secrets.sessions
    candidate = database.transact(users.look_up, visit.form.get("email", ""), visit.visitor, key, visit.now)
    # Outside of any transaction: hashing is slow on purpose, and nobody should wait behind it.
    right = passwords.is_right(visit.form.get("password", ""), candidate.stored)
    begun = database.transact(users.sign_in, candidate, right, visit.visitor, visit.now)
    return welcome(visit, begun)


@pages.get("/code", Needs.NOTHING)
def code_form(visit: Visit) -> Response:
    """The form for the one-time code."""
    if visit.signed is None or visit.signed.complete:
        return visit.go("/")
    return visit.page("code.html", next=_wanted(visit))


@pages.post("/code", Needs.NOTHING, code_form)
def code(visit: Visit) -> Response:
    """Check the one-time code."""
    if visit.signed is None or visit.token is None or visit.signed.complete:
        return visit.go("/sign-in")
    me, token = visit.signed, visit.token
    database, key = visit.services.database, visit.services.secrets.sessions
    database.transact(
        lambda session: users.guard_second_step(
            session, get_user(session, me.user_id), visit.visitor, key, visit.now
        )
    )
    with from_field("code"), database.write() as session:
        begun = users.second_step(
            session, me.user_id, visit.form.get("code", ""), key, visit.visitor, visit.now
        )
        sessions.end(session, token)
    return welcome(visit, begun)


@pages.post("/sign-out", Needs.NOTHING)
def sign_out(visit: Visit) -> Response:
    """End the session, on the server too."""
    if visit.token:
        token = visit.token
        visit.services.database.transact(sessions.end, token)
    response = visit.go("/sign-in", "signed-out")
    response.delete_cookie(SESSION_COOKIE, path=BASE)
    response.delete_cookie(FORM_COOKIE, path=BASE)
    return response


@pages.get("/enter", Needs.NOTHING)
def enter_form(visit: Visit) -> Response:
    """Ask before the link is used: chats and mail scanners open links, too, and it works once."""
    link = visit.query("link")
    with visit.services.database.read() as session:
        user_of(session, link, Purpose.SIGN_IN, visit.now)
    return visit.page("enter.html", link=link)


@pages.post("/enter", Needs.NOTHING)
def enter(visit: Visit) -> Response:
    """Sign in by the link that `layerwatch serve` prints."""
    link = visit.form.get("link", "")
    begun = visit.services.database.transact(users.enter, link, visit.visitor, visit.now)
    return welcome(visit, begun)


@pages.get("/sign-up", Needs.NOTHING)
def sign_up_form(visit: Visit) -> Response:
    """The form for a new account, where strangers may have one."""
    _open_for_strangers(visit)
    return _sign_up_page(visit)


@pages.post("/sign-up", Needs.NOTHING, sign_up_form)
def sign_up(visit: Visit) -> Response:
    """Make a user and an account, and send the mail that verifies the address."""
    _open_for_strangers(visit)
    email, name = visit.form.get("email", ""), visit.form.get("name", "")
    password, database = visit.form.get("password", ""), visit.services.database
    database.transact(registration.guard, visit.visitor, visit.now)
    registration.check(email, password, name)
    # Outside of any transaction, as at sign-in.
    hashed = passwords.hash_password(password)
    with database.write() as session:
        mail = registration.sign_up(session, email, hashed, name, visit.base_url, visit.visitor, visit.now)
    visit.send(mail)
    return visit.go("/sign-in", "check-mail")


@pages.get("/verify", Needs.SIGNED_IN)
def verify_form(visit: Visit) -> Response:
    """Ask whether the address is theirs. A mail scanner that opens the link verifies nothing."""
    return visit.page("verify.html", link=visit.query("link"))


@pages.post("/verify", Needs.SIGNED_IN)
def verify(visit: Visit) -> Response:
    """Use the link of a verification mail."""
    link, user_id = visit.form.get("link", ""), visit.me.user_id
    visit.services.database.transact(registration.verify, link, user_id, visit.now)
    return visit.go("/", "verified")


@pages.get("/forgot", Needs.NOTHING)
def forgot_form(visit: Visit) -> Response:
    """The form for a link to a new password."""
    return visit.page("forgot.html")


@pages.post("/forgot", Needs.NOTHING, forgot_form)
def forgot(visit: Visit) -> Response:
    """Send the link, if there is such a user; the page is the same if there is none."""
    email, key = visit.form.get("email", ""), visit.services.secrets.sessions
    mail = visit.services.database.transact(
        users.forgot, email, visit.base_url, visit.visitor, key, visit.now
    )
    if mail is not None:
        visit.send(mail)
    return visit.go("/sign-in", "check-mail")


@pages.get("/reset", Needs.NOTHING)
def reset_form(visit: Visit) -> Response:
    """The form for a new password, behind a link."""
    link = visit.query("link") or visit.form.get("link", "")
    with visit.services.database.read() as session:
        user_of(session, link, Purpose.RESET, visit.now)
    return visit.page("reset.html", link=link)


@pages.post("/reset", Needs.NOTHING, reset_form)
def reset(visit: Visit) -> Response:
    """Set the new password; every session of the user ends."""
    link, password = visit.form.get("link", ""), visit.form.get("password", "")
    database = visit.services.database
    with database.read() as session:
        email = user_of(session, link, Purpose.RESET, visit.now).email
    database.transact(users.guard_new_password, visit.visitor, visit.now)
    passwords.check_strength(password, email)
    hashed = passwords.hash_password(password)
    user_id = database.transact(
        lambda session: users.reset(session, link, hashed, visit.visitor, visit.now).id
    )
    return visit.with_known_device(visit.go("/sign-in", "password-set"), user_id)


def welcome(visit: Visit, begun: sessions.NewSession, wanted: str = "") -> Response:
    """On to the page that was `wanted`, or the one-time code; always under the new session's cookie."""
    wanted = next_page(wanted or visit.form.get("next", ""))
    if begun.complete:
        response = visit.with_known_device(visit.go(wanted.removeprefix(BASE) or "/"), begun.user_id)
    else:
        response = visit.go("/code", **({"next": wanted} if wanted else {}))
    if visit.token:
        old = visit.token
        visit.services.database.transact(sessions.end, old)
    response.delete_cookie(FORM_COOKIE, path=BASE)
    return visit.with_session(response, begun.token)


def _sign_up_page(visit: Visit) -> Response:
    book = visit.services.terms.books.book(STANDARD, Month.of(visit.clock))
    return visit.page(
        "sign_up.html",
        free_calls=book.free_calls,
        provider=visit.provider_name,
    )


def next_page(path: str) -> str:
    """A page of ours to go on to; empty for anything else."""
    return path if path.startswith(BASE + "/") and "\\" not in path and "//" not in path else ""


def _wanted(visit: Visit) -> str:
    return next_page(visit.query("next") or visit.form.get("next", ""))


def _open_for_strangers(visit: Visit) -> None:
    if visit.services.settings.sign_up != "open":
        raise NotFound(_("Sign-up is closed here. Ask the operator for an account."))
