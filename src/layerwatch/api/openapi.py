"""The API's reference: `openapi.json`, written by hand and checked by tests, and a page that shows it."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from layerwatch.api.samples import LANGUAGES, samples


@cache
def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    parsed: dict[str, Any] = json.loads(files("layerwatch.api").joinpath("openapi.json").read_bytes())
    return parsed


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """The part of the document that `node` refers to, with the keys beside its `$ref`; else `node` itself."""
    if "$ref" not in node:
        return node
    found = document()
    for key in node["$ref"].removeprefix("#/").split("/"):
        found = found[key]
    return {**found, **node}


async def openapi_json(_: Request) -> JSONResponse:
    """For programs."""
    return JSONResponse(document())


async def docs(request: Request) -> HTMLResponse:
    """For people. The page needs nothing from elsewhere."""
    base = str(request.base_url).rstrip("/")
    page = _template().render(document=document(), base=base, languages=LANGUAGES, samples=samples)
    return HTMLResponse(page)


@cache
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("layerwatch.api"), autoescape=select_autoescape(), trim_blocks=True
    )
    environment.filters["pretty"] = lambda value: json.dumps(value, indent=2)
    environment.filters["resolve"] = resolve
    return environment.get_template("docs.html")


_COMPRESSED = [Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)]
"""There is no secret in either."""

ROUTES = [
    Route("/openapi.json", openapi_json, methods=["GET"], middleware=_COMPRESSED),
    Route("/docs", docs, methods=["GET"], middleware=_COMPRESSED),
]
