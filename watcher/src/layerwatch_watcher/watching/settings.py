"""The watcher's configuration: one TOML file, or what stands for it on the command line."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Mapping, Optional
from urllib.parse import urlsplit

from layerwatch_watcher.notifications.dispatch import QuietHours
from layerwatch_watcher.watching.policy import Action, BeforePrint, Policy
from layerwatch_watcher.watching.print_session import Levels
from layerwatch_watcher.watching.toml_reader import ConfigError, Table

SERVER_VARIABLES = ("LAYERWATCH_SERVER", "LAYERWATCH_URL")
KEY_VARIABLES = ("LAYERWATCH_KEY", "LAYERWATCH_API_KEY")


@dataclass(frozen=True)
class PrinterSettings:
    """One [[printer]]: checked where it could be, the rest still as a table for the builders."""

    name: str
    table: Table
    cameras: tuple[Table, ...]
    """None: the printer's own camera."""
    policy: Policy
    levels: Levels
    min_interval: float
    camera_only: bool = False
    """There is no printer to ask or to pause: people are notified."""


@dataclass(frozen=True)
class NotifySettings:
    """[notify]: when to tell, and the channels' tables."""

    quiet: Optional[QuietHours] = None
    digest: Optional[timedelta] = None
    webhooks: tuple[Table, ...] = ()
    apprise: tuple[Table, ...] = ()
    mqtt: Optional[Table] = None


@dataclass(frozen=True)
class WatcherSettings:
    """All of it. An empty `server` means: judge in this process, where that is possible."""

    server: str
    key: str
    printers: tuple[PrinterSettings, ...]
    notify: NotifySettings
    journal: Optional[Path] = None
    state: Optional[Path] = None
    """Folder for what a restart needs; None: the platform's usual one."""
    quick: bool = False
    """Take pictures as soon as the server allows, not as seldom as it recommends."""
    remote: bool = False
    """Carry out what people ask for in the server's console."""


def read_file(path: Path) -> WatcherSettings:
    """The configuration in a TOML file. Raises ConfigError, naming the place."""
    try:
        import tomllib
    except ImportError:  # before Python 3.11
        try:
            import tomli as tomllib  # type: ignore[import-not-found,no-redef,unused-ignore]
        except ImportError:
            raise ConfigError(
                "reading a TOML file on this Python needs tomli: pip install 'layerwatch-watcher'"
            ) from None
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    return read(values, path.resolve().parent)


def read(values: Mapping[str, Any], folder: Path) -> WatcherSettings:
    """The configuration in a TOML document's values; relative paths start at `folder`. Raises ConfigError."""
    top = Table(values, "", folder)
    server = top.text("server", _first(SERVER_VARIABLES))
    key = top.secret("key", _first(KEY_VARIABLES))
    if server and not key:
        raise top.wrong(
            "key", "is missing: the server needs one (make it with: layerwatch keys create --name NAME)"
        )
    dry_run = top.flag("dry_run", False)
    journal, state = top.path("log"), top.path("state")
    quick = top.choice("pace", ("recommended", "quick"), "recommended") == "quick"
    remote = top.flag("remote", bool(server) and _on_this_machine(server))
    common = _policy(
        top.table("policy"), Policy(dry_run=dry_run, before_print=_before_print(top, BeforePrint.OFF))
    )
    levels = Levels(top.whole("warning_level", 3, 1, 5), top.whole("pause_level", 3, 1, 5))
    interval = top.duration("interval", 0.0) or 0.0
    printers = tuple(_printer(table, common, levels, interval) for table in top.tables("printer"))
    notify = _notify(top.table("notify"))
    top.done()
    if not printers:
        raise ConfigError(
            "no printer: add one as [[printer]], with name, kind and url, or with name and camera"
        )
    names = [printer.name for printer in printers]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two printers are called {name}; give each its own name")
    return WatcherSettings(server, key, printers, notify, journal, state, quick, remote)


def _on_this_machine(server: str) -> bool:
    """Whether a server's address is this machine's own."""
    host = urlsplit(server).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _first(variables: tuple[str, ...]) -> str:
    return next((os.environ[name] for name in variables if os.environ.get(name)), "")


def _printer(table: Table, common: Policy, levels: Levels, interval: float) -> PrinterSettings:
    name = table.text("name")
    if not name or len(name) > 64 or not name.isprintable():
        raise table.wrong("name", "must have 1 to 64 visible characters")
    camera_only = not table.has("kind")
    policy = _policy(table.table("policy"), _without_stops(common) if camera_only else common)
    policy = replace(policy, before_print=_before_print(table, policy.before_print))
    if camera_only and policy.before_print is not BeforePrint.OFF:
        raise table.wrong(
            "before_print",
            "needs a printer, kind and url: with only a camera a print is noticed when its head is moving",
        )
    if camera_only and policy != _without_stops(policy):
        raise table.wrong("policy", "can only notify or run a command: without kind nothing can be paused")
    return PrinterSettings(
        name=name,
        cameras=_cameras(table),
        policy=policy,
        camera_only=camera_only,
        levels=Levels(
            table.whole("warning_level", levels.warning, 1, 5), table.whole("pause_level", levels.pause, 1, 5)
        ),
        min_interval=table.duration("interval", interval) or 0.0,
        table=table,
    )


def _cameras(table: Table) -> tuple[Table, ...]:
    """One `camera` table, or several: [[printer.camera]]."""
    if table.holds_list("camera"):
        return tuple(table.tables("camera"))
    one = table.table("camera")
    return () if one is None else (one,)


def _before_print(table: Table, default: BeforePrint) -> BeforePrint:
    return BeforePrint(table.choice("before_print", tuple(mode.value for mode in BeforePrint), default.value))


def _policy(table: Optional[Table], common: Policy) -> Policy:
    if table is None:
        return common
    heaters = common.heaters_off_after
    if table.has("heaters_off_after"):
        value = table.raw("heaters_off_after")
        # `false` takes back what the common policy says.
        heaters = None if value is False else Table({"t": value}, table.place, Path()).duration("t")
    policy = Policy(
        on_warning=_actions(table, "on_warning", common.on_warning),
        on_pause=_actions(table, "on_pause", common.on_pause),
        gcode=table.texts("gcode", common.gcode),
        command=table.texts("command", common.command),
        heaters_off_after=heaters,
        before_print=common.before_print,
        dry_run=table.flag("dry_run", common.dry_run),
    )
    table.done()
    wanted = (*policy.on_warning, *policy.on_pause)
    if Action.GCODE in wanted and not policy.gcode:
        raise table.wrong("gcode", 'is missing: the action "gcode" needs lines, such as ["M117 look at me"]')
    if Action.COMMAND in wanted and not policy.command:
        raise table.wrong("command", 'is missing: the action "command" needs a program and its arguments')
    return policy


def _without_stops(policy: Policy) -> Policy:
    """What is left of a policy where only a camera is known."""
    possible = (Action.NOTIFY, Action.COMMAND)
    return replace(
        policy,
        on_warning=tuple(action for action in policy.on_warning if action in possible),
        on_pause=tuple(action for action in policy.on_pause if action in possible),
        heaters_off_after=None,
        before_print=BeforePrint.OFF,
    )


def _actions(table: Table, name: str, default: tuple[Action, ...]) -> tuple[Action, ...]:
    words = table.texts(name, tuple(action.value for action in default))
    for word in words:
        if word not in Action._value2member_map_:
            raise table.wrong(name, f"{word!r} is not one of {', '.join(action.value for action in Action)}")
    return tuple(Action(word) for word in words)


def _notify(table: Optional[Table]) -> NotifySettings:
    if table is None:
        return NotifySettings()
    quiet = table.text("quiet_hours", "")
    digest = table.duration("digest")
    settings = NotifySettings(
        quiet=_quiet(table, quiet) if quiet else None,
        digest=timedelta(seconds=digest) if digest else None,
        webhooks=tuple(table.tables("webhook")),
        apprise=tuple(table.tables("apprise")),
        mqtt=table.table("mqtt"),
    )
    table.done()
    return settings


def _quiet(table: Table, text: str) -> QuietHours:
    try:
        return QuietHours.parse(text)
    except ValueError:
        raise table.wrong("quiet_hours", f'must be written like "22:00-07:00", not {text!r}') from None
