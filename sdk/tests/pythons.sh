#!/bin/sh
# The SDK's and the watcher's tests on other Pythons than the server's: the oldest that the SDK is for, and the newest found here.
#
#   sdk/tests/pythons.sh                 python3.9 and python3.13 (or 3.14), from PATH or pyenv
#   sdk/tests/pythons.sh /opt/py39/bin/python
#   SDK_ONLY=1 sdk/tests/pythons.sh      the SDK alone on python3.9, as CI does
#
# Environments are kept in var/pythons. Without python3.9 it fails: what was not tried is not known to work.
set -eu
cd "$(dirname "$0")/../.."

find_python() { # find_python 3.9: its path, if it is here
    for candidate in "$(command -v "python$1" 2>/dev/null || true)" \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
        if [ -x "$candidate" ] && "$candidate" -c '' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

if [ $# -eq 0 ]; then
    oldest=$(find_python 3.9)
    [ -n "$oldest" ] || { echo "no python3.9 here: name one as argument"; exit 1; }
    newest=$(find_python 3.14)
    set -- "$oldest" "${newest:-$(find_python 3.13)}"
    [ -z "${SDK_ONLY:-}" ] || set -- "$oldest"
fi

for python in "$@"; do
    [ -n "$python" ] || continue
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    environment=var/pythons/$version
    if [ ! -f "$environment/ready" ]; then
        "$python" -m venv --clear "$environment"
        "$environment/bin/python" -m pip install -q --disable-pip-version-check -e ./sdk -e './watcher[images,video]' \
            pytest pytest-asyncio pytest-timeout hypothesis trustme starlette uvicorn
        touch "$environment/ready"
    fi
    echo "The SDK and the watcher on Python $version"
    # The end-to-end tests and the real printer software need the server, which is for newer Pythons.
    "$environment/bin/python" -m pytest -q --confcutdir=sdk -p no:cacheprovider sdk/tests
    [ -z "${SDK_ONLY:-}" ] || continue
    "$environment/bin/python" -m pytest -q --confcutdir=watcher -p no:cacheprovider watcher/tests \
        --ignore=watcher/tests/real --ignore=watcher/tests/watching/test_end_to_end.py --ignore=watcher/tests/watching/test_remote.py
done
