"""The frame that every page stands in: who visits, what they may, and that a form is really theirs.

A page is a plain function `(Visit) -> Response`, declared with what it needs:

    @pages.get("/keys", Needs.READ_ONLY)
    def show(visit: Visit) -> Response: ...

Everything else is done here, once, for all of them: session, role, form token, limits on the form's size,
security headers, errors as pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode, urlsplit

import anyio.to_thread
import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from layerwatch.billing import BillingError
from layerwatch.billing import NotFound as BillingNotFound
from layerwatch.billing.payments import Payments
from layerwatch.console.render import render
from layerwatch.identity import BadInput, IdentityError, NotAllowed, NotFound, SignInRefused, sessions
from layerwatch.identity.audit import Actor, record
from layerwatch.identity.models import Account, User
from layerwatch.identity.oidc.flow import Provider
from layerwatch.identity.roles import Role, role_in
from layerwatch.identity.users import Visitor
from layerwatch.notify.mail import Mail, Mailer, MailError
from layerwatch.services import Services
from layerwatch.storage import StorageUnavailable

log = structlog.get_logger(__name__)

BASE = "/console"
SESSION_COOKIE = "layerwatch_session"
FORM_COOKIE = "layerwatch_form"
MOST_FORM_BYTES = 64 * 1024
MOST_FIELDS = 100

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


@dataclass(frozen=True, slots=True)
class ConsoleServices:
    """What all pages work with."""

    services: Services
    mailer: Mailer
    post_room: Executor
    payments: Payments
    provider: Provider | None
    """None: users sign in with e-mail and password only."""


@dataclass(frozen=True, slots=True)
class Signed:
    """Who is signed in, and the account that they look at."""

    user_id: int
    email: str
    operator: bool
    verified: bool
    complete: bool
    account_id: int | None
    account_name: str
    role: Role | None


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to the console."""

    request: Request
    desk: ConsoleServices
    form: Mapping[str, str]
    token: str | None
    """The session cookie, if it is a live session's."""
    signed: Signed | None
    form_cookie: str
    now: datetime
    """The real time: sessions and links do not run with an accelerated print clock."""

    @property
    def services(self) -> Services:
        """The services of the server."""
        return self.desk.services

    @property
    def visitor(self) -> Visitor:
        """The browser."""
        client = self.request.client
        return Visitor(client.host if client else "", self.request.headers.get("user-agent", ""))

    @property
    def me(self) -> Signed:
        """Who is signed in. For pages that need it."""
        assert self.signed is not None
        return self.signed

    def need_verified(self) -> None:
        """Raise BadInput for a user whose address was not shown to be theirs.

        They might have signed up with somebody else's: nothing may begin in that name, nor any mail go out,
        that would still be there once the owner of the address has taken the user over.
        """
        if not self.me.verified:
            raise BadInput(
                "Verify your e-mail address first. The settings of your sign-in send the mail again."
            )

    @property
    def account_id(self) -> int:
        """The account that is looked at. For pages that need a role."""
        assert self.signed is not None and self.signed.account_id is not None
        return self.signed.account_id

    @property
    def actor(self) -> Actor:
        """Who acts, for the audit log."""
        return Actor(self.me.user_id, self.me.email, self.visitor.address)

    @property
    def clock(self) -> datetime:
        """The service's time, in which prints and usage are counted."""
        return self.services.clock.now()

    @property
    def base_url(self) -> str:
        """Where links in mails lead: from the settings, never from what the browser sent."""
        return self.services.settings.own_url

    @property
    def provider_name(self) -> str:
        """What the button of the OpenID Connect provider says; empty if there is none."""
        return self.desk.provider.name if self.desk.provider is not None else ""

    def query(self, name: str) -> str:
        """A query parameter; empty if absent."""
        return self.request.query_params.get(name, "")

    def path(self, name: str) -> str:
        """A path parameter."""
        return str(self.request.path_params[name])

    def number(self, name: str) -> int:
        """A path parameter that is a number. Raises NotFound."""
        text = self.path(name)
        if not text.isdecimal() or len(text) > 18:
            raise NotFound("There is no such page.")
        return int(text)

    def page(self, template: str, status: int = 200, **values: object) -> Response:
        """A page from a template."""
        values |= {"visit": self, "me": self.signed, "form_token": self.form_token}
        return render(template, status, values)

    def go(self, path: str, said: str = "", **query: str) -> Response:
        """Send the browser to another page; `said` names a message of `messages.SAID` to show there."""
        query = {**query, **({"said": said} if said else {})}
        return RedirectResponse(BASE + path + ("?" + urlencode(query) if query else ""), 303)

    def send(self, mail: Mail) -> None:
        """Post a mail without waiting: a page's time tells nothing of who exists."""
        self.desk.post_room.submit(_post, self.desk.mailer, mail)

    @property
    def form_token(self) -> str:
        """What this browser's forms must carry."""
        return sessions.form_token(self.token or self.form_cookie, self.services.secrets.sessions)

    @property
    def secure(self) -> bool:
        """Whether cookies are for https only."""
        return self.base_url.startswith("https://") or self.request.url.scheme == "https"

    def with_session(self, response: Response, token: str) -> Response:
        """Give the browser its session cookie."""
        response.set_cookie(
            SESSION_COOKIE,
            token,
            max_age=int(sessions.LONGEST.total_seconds()),
            path=BASE,
            secure=self.secure,
            httponly=True,
            samesite="lax",
        )
        return response

    def note(self, session: object, action: str, detail: str = "") -> None:
        """An entry in the account's audit log."""
        record(session, self.actor, action, detail, self.now, self.me.account_id)  # type: ignore[arg-type]


Handler = Callable[[Visit], Response]


@dataclass(frozen=True, slots=True)
class Page:
    """A declared page."""

    method: str
    path: str
    needs: Needs
    handler: Handler


@dataclass(slots=True)
class Pages:
    """Declared pages of one theme."""

    all: list[Page] = field(default_factory=list)

    def get(self, path: str, needs: Needs) -> Callable[[Handler], Handler]:
        """Declare a page that only shows."""
        return self._declare("GET", path, needs)

    def post(self, path: str, needs: Needs) -> Callable[[Handler], Handler]:
        """Declare a form's target."""
        return self._declare("POST", path, needs)

    def _declare(self, method: str, path: str, needs: Needs) -> Callable[[Handler], Handler]:
        def keep(handler: Handler) -> Handler:
            self.all.append(Page(method, path, needs, handler))
            return handler

        return keep


def routes(pages: Iterable[Page], desk: ConsoleServices) -> list[Route]:
    """The pages as routes of an ASGI application."""
    return [Route(page.path, _endpoint(page, desk), methods=[page.method]) for page in pages]


def _endpoint(page: Page, desk: ConsoleServices) -> Callable[[Request], object]:
    async def endpoint(request: Request) -> Response:
        form = await _read_form(request) if page.method == "POST" else {}
        if form is None:
            return error_page(413, "This form is too large.")
        return await anyio.to_thread.run_sync(_answer, page, request, desk, form)

    return endpoint


def _answer(page: Page, request: Request, desk: ConsoleServices, form: Mapping[str, str]) -> Response:
    now = datetime.now(UTC)
    form_cookie = request.cookies.get(FORM_COOKIE, "")
    fresh = not 20 <= len(form_cookie) <= 100
    if fresh:
        form_cookie = sessions.new_form_cookie()
    try:
        token, signed = _who(request, desk.services, now)
        visit = Visit(request, desk, form, token, signed, form_cookie, now)
        response = _checked(page, visit)
    except (NotFound, BillingNotFound) as error:
        response = error_page(404, str(error))
    except NotAllowed as error:
        response = error_page(403, str(error))
    except SignInRefused as error:
        response = error_page(429 if error.retry_after else 403, str(error))
        if error.retry_after:
            response.headers["Retry-After"] = str(error.retry_after)
    except (IdentityError, BillingError) as error:
        response = error_page(400, str(error))
    except StorageUnavailable:
        response = error_page(503, "The database does not answer just now. Try again in a moment.")
        response.headers["Retry-After"] = "5"
    except Exception:
        log.exception("console_crash", page=page.path)
        response = error_page(500, "Something went wrong on our side.")
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    if fresh and page.needs is Needs.NOTHING and page.method == "GET":
        secure = desk.services.settings.own_url.startswith("https://") or request.url.scheme == "https"
        response.set_cookie(FORM_COOKIE, form_cookie, path=BASE, secure=secure, httponly=True, samesite="lax")
    return response


def _checked(page: Page, visit: Visit) -> Response:
    if page.method == "POST":
        _check_form(visit)
    signed = visit.signed
    if page.needs is Needs.NOTHING:
        return page.handler(visit)
    if signed is None or not signed.complete:
        if page.method == "POST":
            raise NotAllowed("You are not signed in any more.")
        path = visit.request.url.path
        return visit.go("/code" if signed else "/sign-in", **({} if signed else {"next": path}))
    if page.needs is Needs.OPERATOR and not signed.operator:
        # As if it were not there: what only the operator may see is nobody else's business.
        raise NotFound("There is no such page.")
    if page.needs in _ROLES:
        if signed.account_id is None or signed.role is None:
            raise NotAllowed("You are not a member of any account. Ask an owner to invite you.")
        if not signed.role.reaches(_ROLES[page.needs]):
            raise NotAllowed(f"This needs the role {page.needs.value}; yours is {signed.role.value}.")
    return page.handler(visit)


_ROLES = {Needs.READ_ONLY: Role.READ_ONLY, Needs.MEMBER: Role.MEMBER, Needs.OWNER: Role.OWNER}


def _who(request: Request, services: Services, now: datetime) -> tuple[str | None, Signed | None]:
    token = request.cookies.get(SESSION_COOKIE)
    if not token:
        return None, None
    with services.database.read() as session:
        row = sessions.find(session, token, now)
        if row is None:
            return None, None
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
        )
        stale = now - row.seen_at > sessions.TOUCH
    if stale:
        services.database.transact(lambda session: sessions.touch(session, token, now))
    return token, signed


def _check_form(visit: Visit) -> None:
    """Raise NotAllowed for a form that another site made the browser send."""
    headers = visit.request.headers
    foreign = headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is not None:
        hosts = {headers.get("host", ""), urlsplit(visit.base_url).netloc}
        foreign = foreign or urlsplit(origin).netloc not in hosts
    cookie = visit.token or visit.form_cookie
    given = visit.form.get("form_token", "")
    if foreign or not sessions.is_form_token(given, cookie, visit.services.secrets.sessions):
        raise NotAllowed("This form is out of date. Go back, load the page again, and repeat it.")


async def _read_form(request: Request) -> dict[str, str] | None:
    """The fields of a form; None if it is too large. Files are not taken: no page has any."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_FORM_BYTES:
            return None
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        return {}
    return dict(pairs)


def error_page(status: int, message: str) -> Response:
    """A page that says what went wrong."""
    title = HTTPStatus(status).phrase
    return render("error.html", status, {"title": title, "message": message, "me": None})


def _post(mailer: Mailer, mail: Mail) -> None:
    try:
        mailer.send(mail)
    except MailError as error:
        log.warning("mail_not_sent", subject=mail.subject, reason=str(error))


def required(visit: Visit, name: str, what: str) -> str:
    """A field that a form must have. Raises BadInput."""
    value = visit.form.get(name, "").strip()
    if not value:
        raise BadInput(f"{what} is missing.")
    return value
