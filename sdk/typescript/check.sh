#!/bin/sh
# Makes a TypeScript client from the API's OpenAPI document and compiles it. Needs node 20 and the registry once.
set -eu
cd "$(dirname "$0")"
[ -d node_modules ] || npm ci --no-audit --no-fund
npm run --silent check
echo "the TypeScript client compiles"
