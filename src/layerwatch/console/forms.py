"""Forms that browsers send: read within bounds, and proven to come from a page of ours."""

from __future__ import annotations

import io
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from layerwatch.console.visit import Visit
from layerwatch.core.languages import gettext as _
from layerwatch.identity import NotAllowed, sessions

MAX_FORM_BYTES = 64 * 1024
MAX_FORM_FIELDS = 100
MAX_FILE_BYTES = 6 * 1024 * 1024
"""Of the one file that some forms carry: as much as a picture of the API."""


class FormTooLarge(Exception):
    """A form has more bytes than any of ours."""


@dataclass(frozen=True, slots=True)
class SentForm:
    """What a form carried. file: the one file's bytes; empty without one."""

    fields: dict[str, str] = field(default_factory=dict)
    file: bytes = b""


async def read_form(request: Request) -> SentForm:
    """The fields of a form without files. Raises FormTooLarge."""
    body = await _body(request, MAX_FORM_BYTES, lambda _: None)
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS)
    except ValueError:
        return SentForm()
    return SentForm(dict(pairs))


async def read_upload(request: Request, hold: Callable[[int], None]) -> SentForm:
    """The fields and the one file of a form; both stay in memory. What is malformed carries nothing.

    hold: called with each chunk's size before it is buffered; may refuse by raising. Raises FormTooLarge.
    """
    body = await _body(request, MAX_FILE_BYTES + MAX_FORM_BYTES, hold)

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body
        yield b""

    parser = MultiPartParser(request.headers, stream(), max_files=1, max_fields=MAX_FORM_FIELDS)
    parser.spool_max_size = MAX_FILE_BYTES + MAX_FORM_BYTES  # never to the disk
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError):
        return SentForm()
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    files = [value for value in form.values() if isinstance(value, UploadFile)]
    content = await files[0].read() if files else b""
    await form.close()
    if len(content) > MAX_FILE_BYTES:
        raise FormTooLarge
    return SentForm(fields, content)


def check_form(visit: Visit) -> None:
    """Raise NotAllowed for a form that another site made the browser send."""
    headers = visit.request.headers
    foreign = headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is not None:
        hosts = {headers.get("host", ""), urlsplit(visit.base_url).netloc}
        foreign = foreign or urlsplit(origin).netloc not in hosts
    given = visit.form.get("form_token", "")
    if foreign or not sessions.is_form_token(given, visit.form_subject, visit.services.secrets.sessions):
        raise NotAllowed(
            _(
                "This form is out of date: you signed in again, or you work in another account by now."
                " Go back, load the page again, and repeat it."
            )
        )


async def _body(request: Request, limit: int, hold: Callable[[int], None]) -> bytes:
    body = io.BytesIO()
    async for part in request.stream():
        if body.tell() + len(part) > limit:
            raise FormTooLarge
        hold(len(part))
        body.write(part)
    return body.getvalue()
