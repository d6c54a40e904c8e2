"""The pages as routes.

What all of them share is done here, once: session, role, the proof that a form is theirs, limits on the
form's size, security headers, errors as pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from layerwatch.console.error_pages import busy, oversized, refusal
from layerwatch.console.forms import FormTooLarge, SentForm, check_form, read_form, read_upload
from layerwatch.console.registry import Needs, Page
from layerwatch.console.security_headers import harden
from layerwatch.console.visit import BASE, FORM_COOKIE, SESSION_COOKIE, ConsoleServices, Visit
from layerwatch.console.visitor import signed_in, visit_of
from layerwatch.core.languages import gettext as _
from layerwatch.core.languages import negotiated, use
from layerwatch.identity import BadInput, NotAllowed, NotFound, sessions
from layerwatch.identity.roles import Role
from layerwatch.pacing import Throttled


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
            return await anyio.to_thread.run_sync(oversized, request, desk)
        return await anyio.to_thread.run_sync(_answer, page, request, desk, form)

    return endpoint


async def _answer_upload(page: Page, request: Request, desk: ConsoleServices) -> Response:
    """A form with a file: read only from those who are signed in, within the memory for uploads."""
    visit = await anyio.to_thread.run_sync(visit_of, request, desk)
    if visit is None or visit.signed is None or visit.signed.account_id is None:
        return await anyio.to_thread.run_sync(_answer, page, request, desk, SentForm())
    try:
        with desk.services.admission.upload(visit.signed.account_id) as held:
            form = await read_upload(request, held.add)
            return await anyio.to_thread.run_sync(_answer, page, request, desk, form)
    except Throttled:
        return await anyio.to_thread.run_sync(busy, visit)


def _answer(page: Page, request: Request, desk: ConsoleServices, form: SentForm) -> Response:
    now = datetime.now(UTC)
    form_cookie = request.cookies.get(FORM_COOKIE, "")
    fresh = not 20 <= len(form_cookie) <= 100
    if fresh:
        form_cookie = sessions.new_form_cookie()
    visit = None
    use(negotiated(request.headers.get("accept-language", "")))
    try:
        cookie = request.cookies.get(SESSION_COOKIE)
        signed = signed_in(cookie, desk.services, now)
        token = cookie if signed is not None else None
        visit = Visit(request, desk, form.fields, token, signed, form_cookie, now, file=form.file)
        use(visit.language)
        response = _checked(page, visit)
    except Exception as error:
        response = refusal(page, visit, error)
    harden(response)
    if fresh and page.needs is Needs.NOTHING and page.method == "GET":
        secure = desk.services.settings.own_url.startswith("https://") or request.url.scheme == "https"
        response.set_cookie(FORM_COOKIE, form_cookie, path=BASE, secure=secure, httponly=True, samesite="lax")
    return response


def _checked(page: Page, visit: Visit) -> Response:
    signed = visit.signed
    unknown = page.needs is not Needs.NOTHING and (signed is None or not signed.complete)
    if page.method == "POST" and not unknown:
        check_form(visit)
    sent = [visit.request.url.path, *visit.request.query_params.values(), *visit.form.values()]
    if any("\0" in text for text in sent):
        raise BadInput(_("The request contains a NUL character."))  # PostgreSQL rejects it in any text
    if unknown:
        return _to_sign_in(visit, page)
    if page.needs is Needs.NOTHING or signed is None:
        return page.handler(visit)
    if page.needs is Needs.OPERATOR and not signed.operator:
        # As if it did not exist: other users do not learn which pages the operator has.
        raise NotFound(_("Page not found."))
    if page.needs in _ROLES:
        if signed.account_id is None or signed.role is None:
            raise NotAllowed(
                _("You are not a member of any account. Open the link in the mail of an invitation.")
            )
        if not signed.role.reaches(_ROLES[page.needs]):
            raise NotAllowed(
                _(
                    "This needs the role %(needed)s; yours is %(held)s.",
                    needed=_(page.needs.value),
                    held=_(signed.role.value),
                )
            )
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
