"""Who visits: the session cookie of a request, and what its user may do."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.requests import Request

from layerwatch.console.visit import FORM_COOKIE, SESSION_COOKIE, ConsoleServices, Signed, Visit
from layerwatch.core.languages import negotiated, use
from layerwatch.identity import sessions
from layerwatch.identity.repository import account_or_none, get_user, membership
from layerwatch.identity.roles import role_in
from layerwatch.services import Services
from layerwatch.storage import StorageUnavailable


def signed_in(token: str | None, services: Services, now: datetime) -> Signed | None:
    """Who is signed in with this session cookie, if anybody is."""
    if not token:
        return None
    with services.database.read() as session:
        row = sessions.find(session, token, now)
        if row is None:
            return None
        user = get_user(session, row.user_id)
        account = None if row.account_id is None else account_or_none(session, row.account_id)
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
            language=user.language or "",
            visiting=user.operator
            and account is not None
            and membership(session, user.id, account.id) is None,
        )
        stale = now - row.seen_at > sessions.LAST_SEEN_RESOLUTION
    if stale:
        services.database.transact(sessions.touch, token, now)
    return signed


def visit_of(request: Request, desk: ConsoleServices) -> Visit | None:
    """The visit of a request that no page handles; None where the database does not say who it is."""
    now, cookie = datetime.now(UTC), request.cookies.get(SESSION_COOKIE)
    try:
        signed = signed_in(cookie, desk.services, now)
    except StorageUnavailable:
        use(negotiated(request.headers.get("accept-language", "")))
        return None
    token = cookie if signed is not None else None
    visit = Visit(request, desk, {}, token, signed, request.cookies.get(FORM_COOKIE, ""), now)
    use(visit.language)
    return visit
