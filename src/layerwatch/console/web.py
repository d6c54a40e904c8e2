"""What every page shares: who visits, what they may do, and the proof that a form is theirs.

A page is a plain function `(Visit) -> Response`, declared with what it needs:

    @pages.get("/keys", Needs.READ_ONLY)
    def show(visit: Visit) -> Response: ...

Everything else is done here, once, for all of them: session, role, form token, limits on the form's size,
security headers, errors as pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from http import HTTPStatus
from urllib.parse import urlsplit

import anyio.to_thread
import structlog
from sqlalchemy.exc import IntegrityError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from layerwatch.billing import BillingError
from layerwatch.billing import NotFound as BillingNotFound
from layerwatch.console.forms import FormTooLarge, SentForm, check_form, read_form, read_upload
from layerwatch.console.render import render
from layerwatch.console.visit import BASE as BASE
from layerwatch.console.visit import FORM_COOKIE as FORM_COOKIE
from layerwatch.console.visit import SECRET_COOKIE as SECRET_COOKIE
from layerwatch.console.visit import SESSION_COOKIE as SESSION_COOKIE
from layerwatch.console.visit import ConsoleServices as ConsoleServices
from layerwatch.console.visit import Signed
from layerwatch.console.visit import Visit as Visit
from layerwatch.console.visit import from_field as from_field
from layerwatch.console.visit import required as required
from layerwatch.identity import BadInput, IdentityError, NotAllowed, NotFound, SignInRefused, sessions
from layerwatch.identity.models import Account, Membership, User
from layerwatch.identity.roles import Role, role_in
from layerwatch.notify import NotifyError
from layerwatch.notify.errors import NotFound as NotifyNotFound
from layerwatch.pacing import Throttled
from layerwatch.services import Services
from layerwatch.storage import StorageUnavailable

log = structlog.get_logger(__name__)

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self';"
    " img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Needs(Enum):
    """What a visitor has to be for a page."""

    NOTHING = "nothing"
    SIGNED_IN = "signed in"
    READ_ONLY = "read-only"
    MEMBER = "member"
    OWNER = "owner"
    OPERATOR = "operator"


Handler = Callable[[Visit], Response]


@dataclass(frozen=True, slots=True)
class Page:
    """A declared page."""

    method: str
    path: str
    needs: Needs
    handler: Handler
    back: Handler | None = None
    """For a form: the page that it is on, which is shown again when the form is refused."""
    takes_file: bool = False
    """For a form: whether it carries a file."""


@dataclass(slots=True)
class Pages:
    """Declared pages of one theme."""

    all: list[Page] = field(default_factory=list)

    def get(self, path: str, needs: Needs) -> Callable[[Handler], Handler]:
        """Declare a page that only shows."""
        return self._declare("GET", path, needs, None)

    def post(
        self, path: str, needs: Needs, back: Handler | None = None, *, takes_file: bool = False
    ) -> Callable[[Handler], Handler]:
        """Declare a form's target. back: the page that the form is on."""
        return self._declare("POST", path, needs, back, takes_file)

    def _declare(
        self, method: str, path: str, needs: Needs, back: Handler | None, takes_file: bool = False
    ) -> Callable[[Handler], Handler]:
        def keep(handler: Handler) -> Handler:
            self.all.append(Page(method, path, needs, handler, back, takes_file))
            return handler

        return keep


def routes(pages: Iterable[Page], desk: ConsoleServices) -> list[Route]:
    """The pages as routes of an ASGI application."""
    return [Route(page.path, _endpoint(page, desk), methods=[page.method]) for page in pages]


def _endpoint(page: Page, desk: ConsoleServices) -> Callable[[Request], object]:
    async def endpoint(request: Request) -> Response:
        try:
            if page.takes_file:
                return await _answer_upload(page, request, desk)
            form = await read_form(request) if page.method == "POST" else SentForm()
        except FormTooLarge:
            return await anyio.to_thread.run_sync(_oversized, request, desk)
        return await anyio.to_thread.run_sync(_answer, page, request, desk, form)

    return endpoint


async def _answer_upload(page: Page, request: Request, desk: ConsoleServices) -> Response:
    """A form with a file: read only from those who are signed in, within the memory for uploads."""
    visit = await anyio.to_thread.run_sync(_visit_of, request, desk)
    if visit is None or visit.signed is None or visit.signed.account_id is None:
        return await anyio.to_thread.run_sync(_answer, page, request, desk, SentForm())
    try:
        with desk.services.admission.upload(visit.signed.account_id) as held:
            form = await read_upload(request, held.add)
            return await anyio.to_thread.run_sync(_answer, page, request, desk, form)
    except Throttled:
        return await anyio.to_thread.run_sync(_busy, visit)


def _busy(visit: Visit) -> Response:
    response = error_page(503, "The server has too many pictures to look at just now. Try again soon.", visit)
    response.headers["Retry-After"] = "10"
    _harden(response)
    return response


def _answer(page: Page, request: Request, desk: ConsoleServices, form: SentForm) -> Response:
    now = datetime.now(UTC)
    form_cookie = request.cookies.get(FORM_COOKIE, "")
    fresh = not 20 <= len(form_cookie) <= 100
    if fresh:
        form_cookie = sessions.new_form_cookie()
    visit = None
    try:
        cookie = request.cookies.get(SESSION_COOKIE)
        signed = signed_in(cookie, desk.services, now)
        token = cookie if signed is not None else None
        visit = Visit(request, desk, form.fields, token, signed, form_cookie, now, file=form.file)
        response = _checked(page, visit)
    except Exception as error:
        response = _refusal(page, visit, error)
    _harden(response)
    if fresh and page.needs is Needs.NOTHING and page.method == "GET":
        secure = desk.services.settings.own_url.startswith("https://") or request.url.scheme == "https"
        response.set_cookie(FORM_COOKIE, form_cookie, path=BASE, secure=secure, httponly=True, samesite="lax")
    return response


def _refusal(page: Page, visit: Visit | None, error: Exception) -> Response:
    """The answer to what a page raised: the form again where that helps, else a page that says why."""
    if isinstance(error, (NotFound, BillingNotFound, NotifyNotFound)):
        return error_page(404, str(error), visit)
    if isinstance(error, NotAllowed):
        return error_page(403, str(error), visit)
    if isinstance(error, SignInRefused):
        wait = error.retry_after
        response = _again(page, visit, error, 429 if wait else 403)
        if wait:
            response.headers["Retry-After"] = str(wait)
        return response
    if isinstance(error, (IdentityError, BillingError, NotifyError)):
        return _again(page, visit, error, 400)
    if isinstance(error, IntegrityError):
        message = "Somebody did the same at the same moment. Load the page and try again."
        return error_page(409, message, visit)
    if isinstance(error, StorageUnavailable):
        response = error_page(503, "The database does not answer just now. Try again in a moment.", visit)
        response.headers["Retry-After"] = "5"
        return response
    log.error("console_crash", page=page.path, exc_info=error)
    return error_page(500, "Something went wrong on our side.", visit)


def _again(page: Page, visit: Visit | None, error: Exception, status: int) -> Response:
    """The form's page with what was sent and what is wrong with it, or a page that only says so."""
    if page.back is None or visit is None:
        return error_page(status, str(error), visit)
    try:
        response = page.back(visit.refused(error))
    except (IdentityError, BillingError, NotifyError, StorageUnavailable):  # the page is not to be had either
        return error_page(status, str(error), visit)
    response.status_code = status
    return response


def _harden(response: Response) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")


def no_such_page(request: Request, desk: ConsoleServices, status: int) -> Response:
    """The 404 page, with the menu if the visitor is signed in."""
    response = error_page(status, "Page not found.", _visit_of(request, desk))
    _harden(response)
    return response


def _oversized(request: Request, desk: ConsoleServices) -> Response:
    response = error_page(413, "This form is too large.", _visit_of(request, desk))
    _harden(response)
    return response


def _visit_of(request: Request, desk: ConsoleServices) -> Visit | None:
    """The visit of a request that no page handles; None where the database does not say who it is."""
    now, cookie = datetime.now(UTC), request.cookies.get(SESSION_COOKIE)
    try:
        signed = signed_in(cookie, desk.services, now)
    except StorageUnavailable:
        return None
    token = cookie if signed is not None else None
    return Visit(request, desk, {}, token, signed, request.cookies.get(FORM_COOKIE, ""), now)


def _checked(page: Page, visit: Visit) -> Response:
    signed = visit.signed
    unknown = page.needs is not Needs.NOTHING and (signed is None or not signed.complete)
    if page.method == "POST" and not unknown:
        check_form(visit)
    sent = [visit.request.url.path, *visit.request.query_params.values(), *visit.form.values()]
    if any("\0" in text for text in sent):
        raise BadInput("The request contains a NUL character.")  # PostgreSQL rejects it in any text
    if unknown:
        return _to_sign_in(visit, page)
    if page.needs is Needs.NOTHING or signed is None:
        return page.handler(visit)
    if page.needs is Needs.OPERATOR and not signed.operator:
        # As if it did not exist: other users do not learn which pages the operator has.
        raise NotFound("Page not found.")
    if page.needs in _ROLES:
        if signed.account_id is None or signed.role is None:
            raise NotAllowed(
                "You are not a member of any account. Open the link in the mail of an invitation."
            )
        if not signed.role.reaches(_ROLES[page.needs]):
            raise NotAllowed(f"This needs the role {page.needs.value}; yours is {signed.role.value}.")
    return page.handler(visit)


def _to_sign_in(visit: Visit, page: Page) -> Response:
    """To the sign-in, and from there back to the page: for a form, the one that it was sent from."""
    url = visit.request.url
    if page.method == "POST":
        url = url.replace(path=f"{BASE}/", query="")
        came_from = urlsplit(visit.request.headers.get("referer", ""))
        if came_from.netloc == url.netloc and came_from.path.startswith(BASE + "/"):
            url = url.replace(path=came_from.path, query=came_from.query)
    wanted = f"{url.path}?{url.query}" if url.query else url.path
    if visit.signed is not None:
        return visit.go("/code", next=wanted)
    ended = SESSION_COOKIE in visit.request.cookies
    return visit.go("/sign-in", "sign-in-ended" if ended else "", next=wanted)


_ROLES = {Needs.READ_ONLY: Role.READ_ONLY, Needs.MEMBER: Role.MEMBER, Needs.OWNER: Role.OWNER}


def signed_in(token: str | None, services: Services, now: datetime) -> Signed | None:
    """Who is signed in with this session cookie, if anybody is."""
    if not token:
        return None
    with services.database.read() as session:
        row = sessions.find(session, token, now)
        if row is None:
            return None
        user = session.get_one(User, row.user_id)
        account = None if row.account_id is None else session.get(Account, row.account_id)
        role = None if account is None else role_in(session, user, account.id)
        signed = Signed(
            user_id=user.id,
            email=user.email,
            operator=user.operator,
            verified=user.verified_at is not None,
            complete=row.complete,
            account_id=account.id if account is not None and role else None,
            account_name=account.name if account is not None and role else "",
            role=role,
            visiting=user.operator
            and account is not None
            and session.get(Membership, (user.id, account.id)) is None,
        )
        stale = now - row.seen_at > sessions.LAST_SEEN_RESOLUTION
    if stale:
        services.database.transact(sessions.touch, token, now)
    return signed


def error_page(status: int, message: str, visit: Visit | None = None) -> Response:
    """A page that says what went wrong, with the menu if the visitor is known and signed in."""
    values = {"title": HTTPStatus(status).phrase, "message": message}
    if visit is None:
        return render("error.html", status, {**values, "me": None})
    return visit.page("error.html", status, **values)
