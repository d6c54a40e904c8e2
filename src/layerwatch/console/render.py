"""Templates and static files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from layerwatch import __version__
from layerwatch.billing.money import MICRO_PER_DOLLAR
from layerwatch.console.course_chart import span
from layerwatch.console.messages import MESSAGES
from layerwatch.core.languages import gettext as _
from layerwatch.core.languages import language, ngettext, number, us_dollars
from layerwatch.prints import PrintProgress

STATIC = Path(__file__).with_name("static")
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_A_YEAR = "public, max-age=31536000, immutable"


def render(template: str, status: int, values: Mapping[str, Any]) -> Response:
    """A page from a template; every value is escaped."""
    return HTMLResponse(_environment().get_template(template).render(values), status)


def render_text(template: str, values: Mapping[str, Any]) -> str:
    """A part of a page from a template; every value is escaped."""
    return _environment().get_template(template).render(values)


async def static_file(request: Request) -> Response:
    """A stylesheet, script or picture of the console, named with its hash so that browsers cache it."""
    files = _static()
    name = request.path_params["name"]
    if name not in files:
        return Response("not found", 404)
    content, mark = files[name]
    cache_for = _A_YEAR if request.query_params.get("v") == mark else "no-cache"
    headers = {"Cache-Control": cache_for, "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type=_TYPES[Path(name).suffix], headers=headers)


def static_url(name: str) -> str:
    """The address of a static file, with its hash."""
    return f"/console/static/{name}?v={_static()[name][1]}"


@cache
def _static() -> dict[str, tuple[bytes, str]]:
    found = {}
    for path in STATIC.iterdir():
        if path.suffix in _TYPES:
            content = path.read_bytes()
            found[path.name] = content, hashlib.sha256(content).hexdigest()[:12]
    return found


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("layerwatch.console"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(_, ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.globals |= {
        "static": static_url,
        "version": __version__,
        "said": MESSAGES,
        "language": language,
    }
    environment.filters |= {
        "cents": lambda amount: us_dollars(Decimal(amount) / 100),
        "dollars": lambda amount: us_dollars(Decimal(amount) / MICRO_PER_DOLLAR),
        "number": number,
        # Unlike `_("…")` in a template, whose text is trusted HTML: the result is escaped.
        "translated": _,
        "day": lambda at: f"{at.astimezone(UTC):%Y-%m-%d}" if at else "–",  # noqa: RUF001
        "moment": moment,
        "minute": lambda at: f"{at.astimezone(UTC):%Y-%m-%d %H:%M}" if at else _("never"),
        "second": lambda at: f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        "hour": lambda at: f"{at.astimezone(UTC):%H:%M} UTC",
        "epoch": lambda at: int(at.timestamp()),
        "ago": ago,
        "age": age,
        "progress": progress,
        "share": share,
        "span": span,
        "percent": percent,
        "evidence": evidence,
        "within": within,
    }
    return environment


def moment(at: datetime | None, seconds: bool = False) -> Markup:
    """A time as HTML: in UTC, which the console's script turns into the reader's zone. Not for attributes."""
    if at is None:
        return Markup.escape(_("never"))
    utc = at.astimezone(UTC)
    shown = f"{utc:%Y-%m-%d %H:%M:%S}" if seconds else f"{utc:%Y-%m-%d %H:%M}"
    return Markup('<time datetime="{:%Y-%m-%dT%H:%M:%SZ}" data-local="{}">{} UTC</time>').format(
        utc, "second" if seconds else "minute", shown
    )


def share(part: float) -> str:
    """A share in percent, cut and not rounded: what is less than whole never reads 100 %."""
    return "100 %" if part >= 1.0 else f"{number(int(part * 10_000) / 100)} %"


def percent(part: float) -> str:
    """A probability in percent; what is possible never reads 0 %, nor what is not certain 100 %."""
    if part < 0.01:
        return _("under 1 %")
    return _("over 99 %") if part > 0.99 else f"{100 * part:.0f} %"


def evidence(nats: float) -> str:
    """How far a picture moved the belief, in words and nats (1 nat: the odds times 2.7)."""
    if abs(nats) < 0.15:
        return _("hardly at all")
    strength = _("strongly") if abs(nats) >= 1.5 else _("clearly") if abs(nats) >= 0.6 else _("a little")
    moved = f"{'+' if nats > 0 else ''}{number(round(nats, 1))}"
    if nats > 0:
        return _("%(strength)s towards a failure (%(nats)s nats)", strength=strength, nats=moved)
    return _("%(strength)s away from a failure (%(nats)s nats)", strength=strength, nats=moved)


def within(limit_ms: int | None, calls: int) -> str:
    """A time of which only an upper bound is known."""
    if limit_ms is None:
        return _("over 2 s") if calls else _("no calls")
    return f"{limit_ms} ms" if limit_ms < 1000 else f"{limit_ms // 1000} s"


def age(at: datetime, now: datetime) -> Markup:
    """How long ago as HTML, which the console's scripts keep counting."""
    return Markup('<time data-ago="{}">{}</time>').format(int(at.timestamp()), ago(at, now))


def progress(reported: PrintProgress) -> str:
    """What the printer reports: layer, share and state; empty if it reports nothing."""
    parts = []
    if reported.layer is not None and reported.layers is not None:
        parts.append(_("layer %(layer)s of %(layers)s", layer=reported.layer, layers=reported.layers))
    elif reported.layer is not None:
        parts.append(_("layer %(layer)s", layer=reported.layer))
    if reported.progress is not None:
        parts.append(f"{100 * reported.progress:.0f} %")
    if reported.state:
        parts.append(reported.state)
    return " · ".join(parts)


def ago(span: timedelta | datetime, now: datetime | None = None) -> str:
    """How long ago, as a person says it."""
    if isinstance(span, datetime):
        span = (now or datetime.now(UTC)) - span
    seconds = max(0, int(span.total_seconds()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
