"""`layerwatch serve`: the server."""

from __future__ import annotations

import json
import shlex
import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from layerwatch.cli.typed import program
from layerwatch.errors import UserError

if TYPE_CHECKING:
    from layerwatch.config import Settings

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 20
"""Longer than the 5 s for which usual clients keep an idle connection, so that they close it, not we."""

GRACE_SECONDS = 30
"""How long calls that were accepted may take to end after SIGTERM."""


def command(
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on (127.0.0.1). 0.0.0.0 lets your network reach it."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on (8080). 0 takes any free one.", min=0, max=65535)
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the embedded database and the secret.", file_okay=False)
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings file (TOML). LAYERWATCH_* variables go before it.")
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="postgresql://USER@HOST/NAME instead of the embedded database.")
    ] = None,
    public_url: Annotated[
        str | None, typer.Option(help="URL under which clients reach this server: https://print.example.org.")
    ] = None,
    fallback_url: Annotated[
        str | None, typer.Option(help="Second URL that clients are given (the public one).")
    ] = None,
    region: Annotated[str | None, typer.Option(help="Name of this region (local).")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error (info).")] = None,
    watch: Annotated[
        Path | None,
        typer.Option(help="Watch the printers of this file too; no key is needed. See docs/watch.md."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object once it listens, and log in JSON.")
    ] = False,
) -> None:
    """Run the server.

    It serves the detection API, its reference at /docs, and the console, from one process with an embedded
    database. Ctrl-C or SIGTERM finishes what was accepted, then ends.

    Every setting can also stand in a TOML file (--config) or in a LAYERWATCH_* variable.
    """
    from layerwatch.config import load

    try:
        if watch is not None:
            from layerwatch.cli.serve_watch import check_config

            check_config(watch)
        settings = load(
            config,
            host=host,
            port=port,
            data_dir=data_dir,
            database=database,
            public_url=public_url,
            fallback_url=fallback_url,
            region=region,
            log_level=log_level,
            log_format="json" if as_json else None,
        )
        listener = listen(settings.host, settings.port)
    except (UserError, OSError) as error:
        raise _refuse(str(error)) from error
    # With --port 0 the port is known only now, and the URLs that are given out depend on it.
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    raise typer.Exit(run(settings, listener, as_json=as_json, watch=watch))


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError with a message that says what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise OSError(
            f"cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}. "
            "Choose another with --port, or see who has it with `ss -ltnp`."
        ) from error
    return listener


def run(
    settings: Settings, listener: socket.socket, *, as_json: bool = False, watch: Path | None = None
) -> int:
    """Serve on an open socket until told to stop, with a watcher beside if `watch`; the exit status."""
    import uvicorn

    from layerwatch.api.protocol import PatientProtocol
    from layerwatch.app import create_app
    from layerwatch.config import ConfigError
    from layerwatch.log import configure
    from layerwatch.storage import StorageUnavailable
    from layerwatch.vision.errors import ModelError

    configure(settings.log_level, settings.log_format)
    try:
        app = create_app(settings)
        # Before listening begins, so that what is wrong is said in one line and not from inside a server.
        app.state.parts.database.migrate()
    except (ConfigError, ModelError, StorageUnavailable, ValueError) as error:
        raise _refuse(str(error)) from error
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=PatientProtocol,
            loop="uvloop" if sys.platform != "win32" else "asyncio",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    with ExitStack() as stack:
        if watch is not None:
            from layerwatch.cli.serve_watch import watching

            stack.enter_context(watching(watch, settings, app.state.parts.database))
        _greet(settings, app.state.parts.database, as_json=as_json)
        server.run(sockets=[listener])
    return 0 if server.started else 1


def _greet(settings: Settings, database: Any, *, as_json: bool) -> None:
    """Say where it listens, and what to do next."""
    has_key = _has_key(database)
    where = {
        "url": settings.own_url,
        "docs": f"{settings.own_url}/docs",
        "data_dir": str(settings.data_dir),
        "has_key": has_key,
        "console": _console_link(settings, database),
    }
    if as_json:
        print(json.dumps(where), flush=True)
        return
    out = Console(stderr=True, soft_wrap=True)
    out.print(f"Layerwatch listens on [bold]{settings.own_url}[/]   (Ctrl-C ends it)")
    out.print(f"  API reference  {where['docs']}")
    out.print(f"  Data           {settings.data_dir}")
    out.print(f"  Console        {where['console']}", highlight=False)
    if not has_key:
        out.print("\nNo API key exists yet. Make one, in another terminal:")
        out.print(f"  [bold]{_keys_command(settings)}[/]", highlight=False)


def _console_link(settings: Settings, database: Any) -> str:
    """Where the console is; on one's own machine with a link that signs the operator in, once."""
    import ipaddress
    from datetime import UTC, datetime

    from layerwatch.accounts.users import operator_link

    try:
        own_machine = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        own_machine = settings.host == "localhost"
    if not own_machine:
        return f"{settings.own_url}/console/"
    return str(database.transact(lambda session: operator_link(session, settings.own_url, datetime.now(UTC))))


def _keys_command(settings: Settings) -> str:
    words = [program(), "keys", "create", "--name", "me"]
    from layerwatch.config import default_data_dir

    if settings.data_dir != default_data_dir().absolute():
        words += ["--data-dir", str(settings.data_dir)]
    return shlex.join(words)


def _has_key(database: Any) -> bool:
    from sqlalchemy import select

    from layerwatch.accounts.models import ApiKey

    with database.read() as session:
        return session.scalar(select(ApiKey.id).where(ApiKey.disabled_at.is_(None)).limit(1)) is not None


def _refuse(message: str) -> typer.Exit:
    Console(stderr=True).print(Text.assemble(("error: ", "red"), message), soft_wrap=True)
    return typer.Exit(2)
