"""The OpenAPI 3.1 document, and the page that shows it."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from layerwatch import __version__
from layerwatch.api.openapi_examples import BODIES

_REFERENCE = "#/components/schemas/{model}"

INTRODUCTION = """
Watches a 3D print through its webcam. Open a context for a print, post a JPEG every NextProcessIntervalSec,
and act on WarningSuggested and PauseSuggested. Every call carries `X-API-Key`; every answer `X-Request-Id`.
Success is exactly 200; every refusal is an object with `ErrorType` and `ErrorDetails`.
""".strip()


def install(app: FastAPI) -> None:
    """Serve /openapi.json and /docs. The page needs nothing from elsewhere."""
    app.openapi = lambda: document(app)  # type: ignore[method-assign]

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(_page(app, str(request.base_url).rstrip("/")))


def document(app: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title="Layerwatch",
            version=__version__,
            openapi_version="3.1.0",
            description=INTRODUCTION,
            routes=app.routes,
        )
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        for model in BODIES:
            schema = model.model_json_schema(ref_template=_REFERENCE)
            schemas.update(schema.pop("$defs", {}))
            schemas[model.__name__] = schema
        made["components"]["securitySchemes"] = {
            "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"}
        }
        app.openapi_schema = made
    return app.openapi_schema


def _page(app: FastAPI, base: str) -> str:
    environment = Environment(
        loader=PackageLoader("layerwatch.api"), autoescape=select_autoescape(), trim_blocks=True
    )
    environment.filters["pretty"] = lambda value: json.dumps(value, indent=2)
    return environment.get_template("docs.html").render(document=document(app), base=base)
