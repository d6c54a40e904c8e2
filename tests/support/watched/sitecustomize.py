"""In every Python process of a test run: note each secret that Layerwatch makes, and copy what it logs.

Python imports a module of this name at its start, before anything else; `secret_watch` puts this folder onto
PYTHONPATH, so that servers that tests start do it too. Nothing happens unless LW_TEST_WATCH names a folder.
The functions that make secrets are wrapped when their module is imported, so that processes which never do
pay nothing.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.abc
import importlib.machinery
import json
import os
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

FOLDER = "LW_TEST_WATCH"
SHORTEST = 10
"""Shorter secrets (a wrong password `x`) would match unrelated text."""


def note(kind: str, secret: object) -> None:
    """Keep that this is a secret."""
    if isinstance(secret, bytes):
        note(kind, secret.hex())
        secret = secret.decode("utf-8", "ignore")
    if isinstance(secret, str) and len(secret) >= SHORTEST:
        _append("secrets", json.dumps([kind, secret]))


def note_log(line: str) -> None:
    """Keep what was logged. A test of a full disk, below which no file may grow, loses these lines."""
    with contextlib.suppress(OSError):
        _append("log", line)


def _append(name: str, line: str) -> None:
    with open(os.path.join(os.environ[FOLDER], name), "ab") as file:  # noqa: PTH118, PTH123  (cheap to import)
        file.write(line.encode("utf-8", "backslashreplace") + b"\n")


def _wrap(owner: Any, name: str, see: Callable[..., None]) -> None:
    """Have `see(result, *arguments)` called after each call of a function."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*given: Any, **named: Any) -> Any:
        result = original(*given, **named)
        see(result, *given, *named.values())
        return result

    setattr(owner, name, wrapped)


def _results(kind: str) -> Callable[..., None]:
    return lambda result, *_: note(kind, result)


def _keys(module: ModuleType) -> None:
    _wrap(module, "new_key_text", _results("API key"))


def _passwords(module: ModuleType) -> None:
    _wrap(module, "hash_password", lambda result, password: note("password", password))
    _wrap(module, "is_right", lambda result, password, _: note("password", password))


def _totp(module: ModuleType) -> None:
    _wrap(module, "secret_of", _results("one-time-code secret"))


def _recovery_codes(module: ModuleType) -> None:
    _wrap(module, "renew", lambda codes, *_: [note("recovery code", code) for code in codes])


def _devices(module: ModuleType) -> None:
    _wrap(module, "new_cookie", _results("device cookie"))


def _sessions(module: ModuleType) -> None:
    _wrap(module, "form_token", _results("form token"))


def _provider(module: ModuleType) -> None:
    _wrap(module.Flow, "_part", _results("OpenID Connect state, nonce or verifier"))


def _mail(module: ModuleType) -> None:
    _wrap(
        module.SmtpMailer,
        "__init__",
        lambda _, __, url, *___: note("SMTP password", unquote(urlsplit(url).password or "")),
    )


def _installation(module: ModuleType) -> None:
    _wrap(module, "_read", _results("installation's secret"))
    for name in ("context_ids", "api_keys", "sessions"):
        _wrap(module.Secrets, "derive", lambda keys, *_, name=name: note(name, getattr(keys, name)))


def _settings(module: ModuleType) -> None:
    _wrap(module.SecretStr, "get_secret_value", _results("setting"))


def _tokens(module: ModuleType) -> None:
    _wrap(module, "token_urlsafe", _results("session or link secret"))


def _webhooks(module: ModuleType) -> None:
    _wrap(module, "new_secret", _results("webhook secret"))


def _log(module: ModuleType) -> None:
    original = module.configure

    @functools.wraps(original)
    def configure(level: str = "info", form: Any = "auto", **bound: Any) -> None:
        original(level, form, **bound)
        _copy_logs(level)

    module.configure = configure  # type: ignore[attr-defined]


def _copy_logs(level: str) -> None:
    """Copy each event of structlog, also below the level, and what the standard library's loggers say."""
    import logging
    import traceback

    import structlog

    numbers = logging.getLevelNamesMapping()

    def copy(_: Any, method: str, event: Any) -> Any:
        shown = dict(event)
        if shown.pop("exc_info", None):
            shown["traceback"] = traceback.format_exc()
        note_log(f"{method} {shown!r}")
        if (
            numbers.get({"exception": "ERROR", "warn": "WARNING"}.get(method, method.upper()), 50)
            < numbers[level.upper()]
        ):
            raise structlog.DropEvent
        return event

    first, *others = structlog.get_config()["processors"]
    structlog.configure(
        processors=[first, copy, *others], wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG)
    )

    class Copy(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            note_log(self.format(record))

    logging.getLogger().addHandler(Copy())


WATCHED = {
    "secrets": _tokens,
    "pydantic.types": _settings,
    "layerwatch.core.secrets": _installation,
    "layerwatch.telemetry.logging": _log,
    "layerwatch.keys.key_format": _keys,
    "layerwatch.notify.mail": _mail,
    "layerwatch.notify.signature": _webhooks,
    "layerwatch.identity.devices": _devices,
    "layerwatch.identity.passwords": _passwords,
    "layerwatch.identity.recovery_codes": _recovery_codes,
    "layerwatch.identity.oidc.flow": _provider,
    "layerwatch.identity.sessions": _sessions,
    "layerwatch.identity.totp": _totp,
}
"""What is wrapped in which module, once it is imported."""


class _AfterImport(importlib.abc.MetaPathFinder):
    """Lets the usual finders find a watched module, and wraps it once it was run."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        watch = WATCHED.get(name)
        if watch is None:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                _wrap(spec.loader, "exec_module", lambda _, module: watch(module))
                return spec
        return None


def install() -> None:
    """Begin to watch, once in a process (two would ask each other). What is imported is wrapped now."""
    if any(type(finder).__name__ == _AfterImport.__name__ for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _AfterImport())
    for name, watch in WATCHED.items():
        if name in sys.modules:
            watch(sys.modules[name])


if os.environ.get(FOLDER):
    install()
