"""Signing in and out, signing up, verifying an address, choosing a new password."""

from __future__ import annotations

from starlette.responses import Response

from layerwatch.accounts import AccountsError, BadInput, NotFound, SignInRefused, passwords, sessions, users
from layerwatch.accounts.links import Purpose, user_of
from layerwatch.accounts.models import User
from layerwatch.console.web import BASE, FORM_COOKIE, SESSION_COOKIE, Needs, Pages, Visit

pages = Pages()


@pages.get("/sign-in", Needs.NOTHING)
def sign_in_form(visit: Visit) -> Response:
    """The form for e-mail and password."""
    if visit.signed and visit.signed.complete:
        return visit.go("/")
    return _sign_in_page(visit)


@pages.post("/sign-in", Needs.NOTHING)
def sign_in(visit: Visit) -> Response:
    """Check e-mail and password; on to the one-time code if the user has one."""
    database = visit.parts.database
    try:
        candidate = database.transact(
            lambda session: users.look_up(session, visit.form.get("email", ""), visit.visitor, visit.now)
        )
        # Outside of any transaction: hashing is slow on purpose, and nobody should wait behind it.
        right = passwords.is_right(visit.form.get("password", ""), candidate.stored)
        begun = database.transact(
            lambda session: users.sign_in(session, candidate, right, visit.visitor, visit.now)
        )
    except SignInRefused as refused:
        response = _sign_in_page(visit, str(refused), 429 if refused.retry_after else 403)
        if refused.retry_after:
            response.headers["Retry-After"] = str(refused.retry_after)
        return response
    return _welcome(visit, begun)


@pages.get("/code", Needs.NOTHING)
def code_form(visit: Visit) -> Response:
    """The form for the one-time code."""
    if visit.signed is None or visit.signed.complete:
        return visit.go("/")
    return visit.page("code.html", error="", next=_next(visit.query("next")))


@pages.post("/code", Needs.NOTHING)
def code(visit: Visit) -> Response:
    """Check the one-time code."""
    if visit.signed is None or visit.token is None or visit.signed.complete:
        return visit.go("/sign-in")
    me, token = visit.signed, visit.token
    database, key = visit.parts.database, visit.parts.secrets.sessions
    try:
        database.transact(
            lambda session: users.guard_second_step(session, session.get_one(User, me.user_id), visit.now)
        )
        with database.begin() as session:
            user = session.get_one(User, me.user_id)
            begun = users.second_step(
                session, user, visit.form.get("code", ""), key, visit.visitor, visit.now
            )
            sessions.end(session, token)
    except SignInRefused as refused:
        status = 429 if refused.retry_after else 403
        return visit.page("code.html", status, error=str(refused), next=_next(visit.form.get("next", "")))
    return _welcome(visit, begun)


@pages.post("/sign-out", Needs.NOTHING)
def sign_out(visit: Visit) -> Response:
    """End the session, on the server too."""
    if visit.token:
        token = visit.token
        visit.parts.database.transact(lambda session: sessions.end(session, token))
    response = visit.go("/sign-in", "signed-out")
    response.delete_cookie(SESSION_COOKIE, path=BASE)
    response.delete_cookie(FORM_COOKIE, path=BASE)
    return response


@pages.get("/enter", Needs.NOTHING)
def enter(visit: Visit) -> Response:
    """Sign in by the link that `layerwatch serve` prints."""
    link = visit.query("link")
    begun = visit.parts.database.transact(
        lambda session: users.enter(session, link, visit.visitor, visit.now)
    )
    return _welcome(visit, begun)


@pages.get("/sign-up", Needs.NOTHING)
def sign_up_form(visit: Visit) -> Response:
    """The form for a new account, where strangers may have one."""
    _open_for_strangers(visit)
    return visit.page("sign_up.html", error="", email="", name="")


@pages.post("/sign-up", Needs.NOTHING)
def sign_up(visit: Visit) -> Response:
    """Make a user and an account, and send the mail that verifies the address."""
    _open_for_strangers(visit)
    email, name = visit.form.get("email", ""), visit.form.get("name", "")
    password = visit.form.get("password", "")
    try:
        with visit.parts.database.begin() as session:
            mail = users.sign_up(session, email, password, name, visit.base_url, visit.visitor, visit.now)
    except BadInput as wrong:
        return visit.page("sign_up.html", 400, error=str(wrong), email=email, name=name)
    visit.send(mail)
    return visit.go("/sign-in", "check-mail")


@pages.get("/verify", Needs.NOTHING)
def verify(visit: Visit) -> Response:
    """Take the link of a verification mail."""
    link = visit.query("link")
    visit.parts.database.transact(lambda session: users.verify(session, link, visit.now))
    return visit.go("/" if visit.signed else "/sign-in", "verified")


@pages.get("/forgot", Needs.NOTHING)
def forgot_form(visit: Visit) -> Response:
    """The form for a link to a new password."""
    return visit.page("forgot.html")


@pages.post("/forgot", Needs.NOTHING)
def forgot(visit: Visit) -> Response:
    """Send the link, if there is such a user; the page is the same if there is none."""
    email = visit.form.get("email", "")
    mail = visit.parts.database.transact(
        lambda session: users.forgot(session, email, visit.base_url, visit.visitor, visit.now)
    )
    if mail is not None:
        visit.send(mail)
    return visit.go("/sign-in", "check-mail")


@pages.get("/reset", Needs.NOTHING)
def reset_form(visit: Visit) -> Response:
    """The form for a new password, behind a link."""
    link = visit.query("link")
    with visit.parts.database.read() as session:
        user_of(session, link, (Purpose.RESET, Purpose.INVITE), visit.now)
    return visit.page("reset.html", link=link, error="")


@pages.post("/reset", Needs.NOTHING)
def reset(visit: Visit) -> Response:
    """Set the new password; every session of the user ends."""
    link, password = visit.form.get("link", ""), visit.form.get("password", "")
    try:
        with visit.parts.database.begin() as session:
            users.reset(session, link, password, visit.visitor, visit.now)
    except AccountsError as wrong:
        return visit.page("reset.html", 400, link=link, error=str(wrong))
    return visit.go("/sign-in", "password-set")


def _welcome(visit: Visit, begun: sessions.NewSession) -> Response:
    """On to the page that was asked for, or the one-time code; always under the new session's cookie."""
    wanted = _next(visit.form.get("next", ""))
    if begun.complete:
        response = visit.go(wanted.removeprefix(BASE) or "/")
    else:
        response = visit.go("/code", **({"next": wanted} if wanted else {}))
    if visit.token:
        old = visit.token
        visit.parts.database.transact(lambda session: sessions.end(session, old))
    response.delete_cookie(FORM_COOKIE, path=BASE)
    return visit.with_session(response, begun.token)


def _sign_in_page(visit: Visit, error: str = "", status: int = 200) -> Response:
    wanted = _next(visit.query("next") or visit.form.get("next", ""))
    return visit.page(
        "sign_in.html",
        status,
        error=error,
        email=visit.form.get("email", ""),
        next=wanted,
        sign_up=visit.parts.settings.sign_up == "open",
    )


def _next(path: str) -> str:
    """A page of ours to go on to; empty for anything else."""
    return path if path.startswith(BASE + "/") and "\\" not in path and "//" not in path else ""


def _open_for_strangers(visit: Visit) -> None:
    if visit.parts.settings.sign_up != "open":
        raise NotFound("Sign-up is closed here. Ask the operator for an account.")
