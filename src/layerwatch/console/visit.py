"""One request to the console: who visits, what they sent, and the answers that a page can give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from layerwatch.console.live_feed import LiveFeeds
from layerwatch.console.render import render
from layerwatch.core.languages import gettext as _
from layerwatch.core.languages import negotiated
from layerwatch.identity import BadInput, IdentityError, NotFound, devices, sessions
from layerwatch.identity.audit import Actor, record
from layerwatch.identity.oidc.flow import Provider
from layerwatch.identity.repository import get_user
from layerwatch.identity.roles import Role
from layerwatch.identity.users import Visitor
from layerwatch.notify.mail import Mail, Mailer, MailError
from layerwatch.services import Services

log = structlog.get_logger(__name__)

BASE = "/console"
SESSION_COOKIE = "layerwatch_session"
FORM_COOKIE = "layerwatch_form"
SECRET_COOKIE = "layerwatch_once"


@dataclass(frozen=True, slots=True)
class ConsoleServices:
    """What all pages work with."""

    services: Services
    post_room: Executor
    feeds: LiveFeeds
    provider: Provider | None
    """None: users sign in with e-mail and password only."""


@dataclass(frozen=True, slots=True)
class Signed:
    """Who is signed in, and the account that they work in."""

    user_id: int
    email: str
    operator: bool
    verified: bool
    complete: bool
    account_id: int | None
    account_name: str
    role: Role | None
    language: str = ""
    """The one that the user has chosen; empty: the browser's."""
    visiting: bool = False
    """Whether an operator works in an account that they are not a member of."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a form was refused. action: its path.  field: the one at fault; empty if none is."""

    action: str
    field: str
    message: str


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
    file: bytes = b""
    """The file of a form that carries one."""
    problem: Problem | None = None
    """What was wrong with the form that was sent, where its page is shown again because of that."""

    @property
    def services(self) -> Services:
        """The services of the server."""
        return self.desk.services

    def refused(self, error: Exception) -> Visit:
        """The same visit, for showing the form's page again with what was wrong."""
        action = self.request.url.path.removeprefix(BASE)
        return replace(self, problem=Problem(action, getattr(error, "field", ""), str(error)))

    def kept(self, action: str, name: str, default: str = "") -> str:
        """What a field shows: what was sent, if this form was refused."""
        return self.form.get(name, default) if self.problem and self.problem.action == action else default

    def wrong(self, action: str, name: str) -> str:
        """What was wrong with a form's field; empty if nothing."""
        problem = self.problem
        at = problem is not None and problem.action == action and problem.field == name
        return problem.message if at and problem is not None else ""

    @property
    def language(self) -> str:
        """The reader's language: the one that the user has chosen, else the one that the browser asks for."""
        chosen = self.signed.language if self.signed is not None else ""
        return chosen or negotiated(self.request.headers.get("accept-language", ""))

    @property
    def visitor(self) -> Visitor:
        """The browser."""
        client = self.request.client
        agent = self.request.headers.get("user-agent", "")
        return Visitor(client.host if client else "", agent, self.request.cookies)

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
                _("Verify your e-mail address first. The settings of your sign-in send the mail again.")
            )

    @property
    def account_id(self) -> int:
        """The account that the user works in. For pages that need a role."""
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
    def reachable_url(self) -> str:
        """The server's address for commands that a visitor copies: from the settings, or the browser.

        Not for what others read: a browser can send any host.
        """
        url = self.request.url
        return self.services.settings.public_url or f"{url.scheme}://{url.netloc}"

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
            raise NotFound(_("Page not found."))
        return int(text)

    def page(self, template: str, status: int = 200, **values: object) -> Response:
        """A page from a template."""
        values |= {"visit": self, "me": self.signed, "form_token": self.form_token}
        return render(template, status, values)

    def go(self, path: str, said: str = "", **query: str) -> Response:
        """Send the browser to another page; `said` names a message of `messages.MESSAGES` to show there."""
        query = {**query, **({"said": said} if said else {})}
        return RedirectResponse(BASE + path + ("?" + urlencode(query) if query else ""), 303)

    def send(self, mail: Mail) -> None:
        """Post a mail without waiting: a page's time tells nothing of who exists."""
        self.desk.post_room.submit(_post, self.services.mailer, mail)

    @property
    def form_token(self) -> str:
        """What this browser's forms must carry."""
        return sessions.form_token(self.form_subject, self.services.secrets.sessions)

    @property
    def form_subject(self) -> str:
        """What a form is bound to: the browser's session, and the account that the page showed.

        So a form does nothing in an account that the user switched to since, in another tab.
        """
        account = self.signed.account_id if self.signed is not None else None
        return f"{self.token or self.form_cookie} {account or ''}"

    @property
    def secure(self) -> bool:
        """Whether cookies are for https only."""
        return self.base_url.startswith("https://") or self.request.url.scheme == "https"

    def with_session(self, response: Response, token: str) -> Response:
        """Give the browser its session cookie."""
        response.set_cookie(
            SESSION_COOKIE,
            token,
            max_age=int(sessions.MAX_LIFETIME.total_seconds()),
            path=BASE,
            secure=self.secure,
            httponly=True,
            samesite="lax",
        )
        return response

    def show_once(self, response: Response, page: str, secret: str) -> Response:
        """Hand a new secret to the page that the response leads to, which reads it with `shown_once`.

        Loading that page again then neither shows the secret nor makes another one. It travels in a
        cookie of one minute, bound to the session and account.
        """
        proof = sessions.form_token(f"{self.form_subject} once {secret}", self.services.secrets.sessions)
        response.set_cookie(
            SECRET_COOKIE,
            f"{proof}.{secret}",
            max_age=60,
            path=BASE + page,
            secure=self.secure,
            httponly=True,
            samesite="strict",
        )
        return response

    def shown_once(self) -> str:
        """The secret that was handed to this page; empty if none was."""
        proof, _, secret = self.request.cookies.get(SECRET_COOKIE, "").partition(".")
        subject = f"{self.form_subject} once {secret}"
        return secret if sessions.is_form_token(proof, subject, self.services.secrets.sessions) else ""

    def with_known_device(self, response: Response, user_id: int) -> Response:
        """Let the browser show from now on that this user signed in with it."""
        with self.services.database.read() as session:
            user = get_user(session, user_id)
            value = devices.new_cookie(user, self.services.secrets.sessions, self.now)
        response.set_cookie(
            devices.cookie_name(user_id),
            value,
            max_age=int(devices.LIFETIME.total_seconds()),
            path=BASE,
            secure=self.secure,
            httponly=True,
            samesite="lax",
        )
        return response

    def note(self, session: object, action: str, detail: str = "") -> None:
        """An entry in the account's audit log."""
        record(session, self.actor, action, detail, self.now, self.me.account_id)  # type: ignore[arg-type]


def _post(mailer: Mailer, mail: Mail) -> None:
    try:
        mailer.send(mail)
    except MailError as error:
        log.warning("mail_not_sent", subject=mail.subject, reason=str(error))


def required(visit: Visit, name: str, what: str) -> str:
    """A field that a form must have. Raises BadInput."""
    value = visit.form.get(name, "").strip()
    if not value:
        raise BadInput(_("%(what)s is missing.", what=what), field=name)
    return value


@contextmanager
def from_field(name: str) -> Iterator[None]:
    """Whatever is refused in the block, is refused because of this field of the form."""
    try:
        yield
    except IdentityError as wrong:
        wrong.field = name
        raise
