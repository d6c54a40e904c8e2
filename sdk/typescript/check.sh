#!/bin/sh
# Makes a TypeScript client from the server's OpenAPI document and compiles it. Needs node 20 and the registry once.
# PYTHON: an interpreter with layerwatch installed (default: the repository's .venv).
set -eu
cd "$(dirname "$0")"
"${PYTHON:-../../.venv/bin/python}" - > openapi.json <<'PY'
import json

from fastapi import FastAPI

from layerwatch.api import openapi, routes

app = FastAPI()
app.include_router(routes.router)
print(json.dumps(openapi.document(app)))
PY
[ -d node_modules ] || npm ci --no-audit --no-fund
npm run --silent check
echo "the TypeScript client compiles"
