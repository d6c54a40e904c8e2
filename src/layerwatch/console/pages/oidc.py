"""Signing in at the OpenID Connect provider, and connecting one's user with it."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError
from starlette.responses import RedirectResponse, Response

from layerwatch.console.pages.profile import confirm
from layerwatch.console.pages.profile import show as profile
from layerwatch.console.pages.sign_in import next_page, sign_in_page, welcome
from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import BASE, Visit
from layerwatch.core.languages import gettext as _
from layerwatch.identity import IdentityError, NotFound, SignInRefused, rate_limit
from layerwatch.identity.oidc import sign_in
from layerwatch.identity.oidc.flow import LIFETIME, Flow, Provider
from layerwatch.identity.repository import get_user

pages = Pages()

FLOW_COOKIE = "layerwatch_oidc"
_PATH = f"{BASE}/oidc"


@pages.get("/oidc/start", Needs.NOTHING)
def start(visit: Visit) -> Response:
    """Redirect to the provider. A link on another site leads to the sign-in page instead."""
    provider = _provider(visit)
    wanted = next_page(visit.query("next"))
    if visit.request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return visit.go("/sign-in", **({"next": wanted} if wanted else {}))
    flow = Flow.begin(visit.now, next=wanted)
    try:
        address = provider.address(flow, visit.services.secrets.sessions)
    except SignInRefused as refused:
        response = sign_in_page(visit.refused(refused))
        response.status_code = 503
        return response
    return _with_flow(visit, RedirectResponse(address, 303), flow)


@pages.get("/oidc/back", Needs.NOTHING)
def back(visit: Visit) -> Response:
    """Come back from the provider: signed in, connected, or neither."""
    provider = _provider(visit)
    flow = Flow.read(visit.request.cookies.get(FLOW_COOKIE, ""), visit.now)
    try:
        response = _take(visit, provider, flow)
    except IdentityError as refused:
        connects = flow is not None and flow.user_id is not None and visit.signed and visit.signed.complete
        response = (profile if connects else sign_in_page)(visit.refused(refused))
        response.status_code = 429 if isinstance(refused, SignInRefused) and refused.retry_after else 403
    response.delete_cookie(FLOW_COOKIE, path=_PATH)
    return response


@pages.post("/profile/provider", Needs.SIGNED_IN, profile)
def connect(visit: Visit) -> Response:
    """Lead to the provider, to connect the user who is signed in."""
    provider = _provider(visit)
    flow = Flow.begin(visit.now, user_id=visit.me.user_id)
    confirm(visit)
    address = provider.address(flow, visit.services.secrets.sessions)
    return _with_flow(visit, visit.page("provider.html", url=address, name=provider.name), flow)


@pages.post("/profile/provider/off", Needs.SIGNED_IN, profile)
def disconnect(visit: Visit) -> Response:
    """Disconnect the provider."""
    _provider(visit)
    confirm(visit)
    with visit.services.database.write() as session:
        sign_in.disconnect(session, get_user(session, visit.me.user_id), visit.visitor, visit.now)
    return visit.go("/profile", "provider-off")


def _take(visit: Visit, provider: Provider, flow: Flow | None) -> Response:
    key, database = visit.services.secrets.sessions, visit.services.database
    if flow is None or not flow.is_state(visit.query("state"), key):
        raise SignInRefused(_("This sign-in began in another browser or too long ago. Start again here."))
    if visit.query("error"):
        raise SignInRefused(_("%(name)s did not sign you in.", name=provider.name))
    network = visit.visitor.network
    database.transact(rate_limit.take, f"provider {network}", rate_limit.PER_NETWORK, visit.now)
    person = provider.person(flow, key, visit.query("code"), visit.query("iss"))
    if flow.user_id is not None:
        if visit.signed is None or not visit.signed.complete or visit.signed.user_id != flow.user_id:
            raise SignInRefused(_("Another user is signed in now. Start again."))
        with database.write() as session:
            user = get_user(session, flow.user_id)
            sign_in.connect(session, user, person, visit.visitor, visit.now)
        return visit.go("/profile", "provider-on")
    strangers = visit.services.settings.sign_up == "open"
    try:
        begun = database.transact(
            sign_in.enter, person, strangers=strangers, visitor=visit.visitor, now=visit.now
        )
    except IntegrityError as twice:
        raise SignInRefused(_("You signed in twice at the same moment. Try again.")) from twice
    return welcome(visit, begun, flow.next)


def _provider(visit: Visit) -> Provider:
    if visit.desk.provider is None:
        raise NotFound(_("Page not found."))
    return visit.desk.provider


def _with_flow(visit: Visit, response: Response, flow: Flow) -> Response:
    """Let the browser keep the flow. Lax: the way back is a plain link from the provider's site."""
    response.set_cookie(
        FLOW_COOKIE,
        flow.text,
        max_age=int(LIFETIME.total_seconds()),
        path=_PATH,
        secure=visit.secure,
        httponly=True,
        samesite="lax",
    )
    return response
