"""The answer when a page refuses: the form again where that helps, else a page that says why."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from sqlalchemy.exc import IntegrityError
from starlette.requests import Request
from starlette.responses import Response

from layerwatch.billing import BillingError
from layerwatch.billing import NotFound as BillingNotFound
from layerwatch.console.registry import Page
from layerwatch.console.render import render
from layerwatch.console.security_headers import harden
from layerwatch.console.visit import ConsoleServices, Visit
from layerwatch.console.visitor import visit_of
from layerwatch.core.languages import gettext as _
from layerwatch.core.languages import marked, use
from layerwatch.identity import IdentityError, NotAllowed, NotFound, SignInRefused
from layerwatch.notify import NotifyError
from layerwatch.notify.errors import NotFound as NotifyNotFound
from layerwatch.storage import StorageUnavailable

log = structlog.get_logger(__name__)

TITLES = {
    400: marked("That did not work"),
    403: marked("Not allowed"),
    404: marked("Not found"),
    409: marked("Changed meanwhile"),
    413: marked("Too large"),
    429: marked("Too many tries"),
    500: marked("Server error"),
    503: marked("Not available"),
}


def error_page(status: int, message: str, visit: Visit | None = None) -> Response:
    """A page that says what went wrong, with the menu if the visitor is known and signed in."""
    values = {"title": _(TITLES.get(status, HTTPStatus(status).phrase)), "message": message}
    if visit is None:
        return render("error.html", status, {**values, "me": None})
    return visit.page("error.html", status, **values)


def refusal(page: Page, visit: Visit | None, error: Exception) -> Response:
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
        message = _("Somebody did the same at the same moment. Load the page and try again.")
        return error_page(409, message, visit)
    if isinstance(error, StorageUnavailable):
        response = error_page(503, _("The database does not answer just now. Try again in a moment."), visit)
        response.headers["Retry-After"] = "5"
        return response
    log.error("console_crash", page=page.path, exc_info=error)
    return error_page(500, _("Something went wrong on our side."), visit)


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


def no_such_page(request: Request, desk: ConsoleServices, status: int) -> Response:
    """The 404 page, with the menu if the visitor is signed in."""
    visit = visit_of(request, desk)  # which knows the language, too
    response = error_page(status, _("Page not found."), visit)
    harden(response)
    return response


def oversized(request: Request, desk: ConsoleServices) -> Response:
    """The answer to a form that is too large to be read."""
    visit = visit_of(request, desk)
    response = error_page(413, _("This form is too large."), visit)
    harden(response)
    return response


def busy(visit: Visit) -> Response:
    """The answer to a picture for which there is no memory now."""
    use(visit.language)
    response = error_page(
        503, _("The server has too many pictures to look at just now. Try again soon."), visit
    )
    response.headers["Retry-After"] = "10"
    harden(response)
    return response
