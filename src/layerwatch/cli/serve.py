"""`layerwatch serve`: the server."""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from layerwatch.cli.options import ConfigFile, DatabaseUrl, DataDir
from layerwatch.cli.typed import program
from layerwatch.core.errors import UserError

if TYPE_CHECKING:
    from layerwatch.config import Settings
    from layerwatch.storage import Database


def command(
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on (127.0.0.1). 0.0.0.0 lets your network reach it."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on (8080). 0: any free port.", min=0, max=65535)
    ] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    database: DatabaseUrl = None,
    public_url: Annotated[
        str | None, typer.Option(help="URL under which clients reach this server: https://print.example.org.")
    ] = None,
    fallback_url: Annotated[
        str | None, typer.Option(help="Second URL in answers (default: the public one).")
    ] = None,
    region: Annotated[str | None, typer.Option(help="Name of this region (local).")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error (info).")] = None,
    workers: Annotated[
        str | None, typer.Option(help="Worker processes: a number, or auto for one per core (1).")
    ] = None,
    watch: Annotated[
        Path | None,
        typer.Option(help="Also watch the printers of this file; no key needed. See docs/watch.md."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object when ready, and log in JSON.")
    ] = False,
) -> None:
    """Run the server.

    It serves the detection API, its reference at /docs, and the console, from one process with an embedded
    database. Ctrl-C or SIGTERM finishes accepted requests, then exits.

    Every setting can also be given in a TOML file (--config) or in a LAYERWATCH_* variable.
    """
    from layerwatch.config import load
    from layerwatch.serving.sockets import listen_for

    with _errors_of_the_start():
        if watch is not None:
            from layerwatch.serving.own_watcher import check_config

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
            workers=workers,
            log_format="json" if as_json else None,
        )
        listeners = listen_for(settings.processes, settings.host, settings.port)
    # With --port 0 the port is known only now, and the URLs that are given out depend on it.
    settings = settings.model_copy(update={"port": listeners[0].getsockname()[1]})
    if len(listeners) > 1:
        raise typer.Exit(run_workers(settings, listeners, as_json=as_json, watch=watch))
    raise typer.Exit(run(settings, listeners[0], as_json=as_json, watch=watch))


def run(
    settings: Settings, listener: socket.socket, *, as_json: bool = False, watch: Path | None = None
) -> int:
    """Serve on an open socket until stopped, with a watcher beside; the exit status."""
    from layerwatch.serving import gc_tuning

    gc_tuning.hold()
    from layerwatch.app import create_app
    from layerwatch.serving.own_watcher import CONFIG_FILE, OwnWatcher
    from layerwatch.serving.server import serve
    from layerwatch.telemetry.logging import configure

    def own_watcher(database: Database) -> OwnWatcher:
        return OwnWatcher(watch or settings.data_dir / CONFIG_FILE, settings, database)

    configure(settings.log_level, settings.log_format)
    with _errors_of_the_start():
        app = create_app(settings, own_watcher=own_watcher)
        # Before listening begins, so that what is wrong is said in one line and not from inside a server.
        app.state.services.database.migrate()
    with app.state.services.own_watcher.beside():
        _greet(settings, app.state.services.database, as_json=as_json)
        return serve(app, listener)


def run_workers(
    settings: Settings, listeners: list[socket.socket], *, as_json: bool = False, watch: Path | None = None
) -> int:
    """As `run`, by a process for each socket."""
    from layerwatch.serving.supervisor import Supervisor
    from layerwatch.storage import Database
    from layerwatch.telemetry.logging import configure

    configure(settings.log_level, settings.log_format)
    with _errors_of_the_start():
        settings.secrets()
        database = Database(settings.database_url, threads=1)
        database.migrate()

    def ready() -> None:
        _greet(settings, database, as_json=as_json)

    try:
        with _watching(watch, settings, database):
            return Supervisor(settings, listeners, ready=ready).run()
    finally:
        database.close()


@contextmanager
def _errors_of_the_start() -> Iterator[None]:
    """What keeps the server from starting ends the command with one line and exit status 2."""
    from layerwatch.config import ConfigError

    try:
        yield
    except (UserError, OSError, ValueError) as error:
        raise ConfigError(str(error)) from error


@contextmanager
def _watching(watch: Path | None, settings: Settings, database: Database) -> Iterator[None]:
    if watch is None:
        yield
        return
    from layerwatch.serving.own_watcher import OwnWatcher

    with OwnWatcher(watch, settings, database).beside():
        yield


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
    out.print(f"Layerwatch listens on [bold]{escape(settings.own_url)}[/]   (stop with Ctrl-C)")
    for line in _elsewhere(settings):
        out.print(line, highlight=False)
    out.print(f"  API reference  {escape(str(where['docs']))}")
    out.print(f"  Data           {escape(str(settings.data_dir))}")
    out.print(f"  Console        {escape(str(where['console']))}", highlight=False)
    if not has_key:
        out.print("\nNo API key exists yet. Make one, in another terminal:")
        out.print(f"  [bold]{escape(_keys_command(settings))}[/]", highlight=False)


def _elsewhere(settings: Settings) -> list[str]:
    """What other machines need to know of a server that listens everywhere without a public URL."""
    if not settings.listens_everywhere or settings.public_url or settings.trust_host_header:
        return []
    from layerwatch.api.local_address import network_address

    address = network_address()
    lines = [f"  Other machines http://{address}:{settings.port}"] if address is not None else []
    return [
        *lines,
        "  [yellow]warning[/]: no --public-url. Answers contain the address of this machine that the "
        "client used, which does not work behind a proxy or in a container: set --public-url there.",
    ]


def _console_link(settings: Settings, database: Any) -> str:
    """Where the console is; on one's own machine with a link that signs the operator in, once."""
    import ipaddress
    from datetime import UTC, datetime

    from layerwatch.identity.users import operator_link

    try:
        own_machine = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        own_machine = settings.host == "localhost"
    if not own_machine:
        return f"{settings.own_url}/console/"
    return str(database.transact(operator_link, settings.own_url, datetime.now(UTC)))


def _keys_command(settings: Settings) -> str:
    words = [program(), "keys", "create", "--name", "me"]
    from layerwatch.config import default_data_dir

    if settings.data_dir != default_data_dir().absolute():
        words += ["--data-dir", str(settings.data_dir)]
    return shlex.join(words)


def _has_key(database: Any) -> bool:
    from layerwatch.keys.repository import any_in_use

    with database.read() as session:
        return any_in_use(session)
