"""First run on one's own machine: find or enter a printer, try it, watch it in the server itself."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio.from_thread
from starlette.responses import Response

from layerwatch.console.live_prints import CONDITIONS
from layerwatch.console.own_machine import Draft, Drafts, is_own_machine
from layerwatch.console.registry import Needs, Pages
from layerwatch.console.visit import Visit
from layerwatch.core.errors import UserError
from layerwatch.core.languages import gettext as _
from layerwatch.core.languages import marked
from layerwatch.identity import BadInput, NotFound
from layerwatch.vision.errors import VisionError
from layerwatch.vision.evidence import Evidence
from layerwatch_watcher.notifications.pictures import fitted
from layerwatch_watcher.setup import discovery, trial
from layerwatch_watcher.setup.target import Mode, Target
from layerwatch_watcher.setup.values import LOGINS
from layerwatch_watcher.watching.address_tables import camera_table_of, printer_table_of
from layerwatch_watcher.watching.check import Finding
from layerwatch_watcher.watching.toml_reader import ConfigError

pages = Pages()
drafts = Drafts()


@pages.get("/first-run", Needs.OWNER)
def show(visit: Visit) -> Response:
    """What is watched, what was entered, and what came of trying it."""
    _check_own_machine(visit)
    draft, watcher = drafts.of(visit.token or ""), visit.services.own_watcher
    assert watcher is not None
    return visit.page(
        "first_run.html",
        draft=draft,
        picture=b64encode(draft.picture).decode(),
        watched=_watched(watcher.path),
        running=watcher.running,
        path=str(watcher.path),
        seconds=int(discovery.SEARCH_S),
    )


@pages.post("/first-run/find", Needs.OWNER, show)
def find(visit: Visit) -> Response:
    """Search the local network, because somebody asked for it."""
    _check_own_machine(visit)
    with _one_at_a_time():
        found, missed = asyncio.run(discovery.search())
    drafts.keep(visit.token or "", Draft(found=found, searched=missed))
    return visit.go("/first-run")


@pages.post("/first-run/try", Needs.OWNER, show)
def try_out(visit: Visit) -> Response:
    """Try printer and camera, and look at the picture."""
    _check_own_machine(visit)
    before = drafts.of(visit.token or "")
    values = _values(visit, before)
    fields = {name: _field(visit, name) for name in ("printer", "serial", "camera")}
    fields = {name: text for name, text in fields.items() if "@" not in text}  # an address may hold a login
    draft = Draft(before.found, before.searched, fields, values)
    draft.findings = _findings(partial(trial.try_printers, {"printer": values["printer"]}), visit)
    pictures = [finding.picture for finding in draft.findings if finding.picture is not None]
    if pictures:
        draft.condition = _condition(visit, pictures[0])
        draft.picture = asyncio.run(_small(pictures[0]))
        draft.findings = [Finding(one.subject, one.ok, one.what, one.hint) for one in draft.findings]
    drafts.keep(visit.token or "", draft)
    return visit.go("/first-run")


@pages.post("/first-run/test", Needs.OWNER, show)
def test(visit: Visit) -> Response:
    """Send a test message with a picture."""
    _check_own_machine(visit)
    draft = drafts.of(visit.token or "")
    if not draft.notifies:
        raise BadInput(_("Enter an address for messages first."), field="notify")
    draft.findings = _findings(partial(trial.try_channels, draft.values), visit)
    drafts.keep(visit.token or "", draft)
    return visit.go("/first-run")


@pages.post("/first-run/start", Needs.OWNER, show)
def start(visit: Visit) -> Response:
    """Write the watcher's file, or add to it, and watch."""
    _check_own_machine(visit)
    draft, watcher = drafts.of(visit.token or ""), visit.services.own_watcher
    assert watcher is not None
    if not draft.good:
        raise BadInput(_("Try the printer and the camera first: only what works is watched."))
    values = dict(draft.values)
    try:
        target = Target(watcher.path, Mode.ADD if watcher.path.exists() else Mode.NEW)
        if target.has_channels:
            values.pop("notify", None)
        (printer,) = values["printer"]
        target.write({**values, "printer": [{**printer, "name": target.free_name(printer["name"])}]})
        watcher.restart()
    except (ConfigError, UserError, OSError) as error:
        raise BadInput(f"{watcher.path}: {error}") from error
    with visit.services.database.write() as session:
        visit.note(session, "watching started", printer["name"])
    drafts.forget(visit.token or "")
    return visit.go("/", "watching")


def _check_own_machine(visit: Visit) -> None:
    """Raise NotFound where the page does not exist, which is everywhere but on one's own machine."""
    if not is_own_machine(visit):
        raise NotFound(_("Page not found."))


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Raise BadInput while something else is being tried: a trial holds a thread for up to 90 s."""
    if not drafts.trying.acquire(blocking=False):
        raise BadInput(_("Something is being tried already. Wait a minute."))
    try:
        yield
    finally:
        drafts.trying.release()


def _values(visit: Visit, draft: Draft) -> dict[str, Any]:
    """The watcher's values that the form stands for. Raises BadInput, naming the field."""
    chosen = _field(visit, "found")
    if chosen.isdecimal() and int(chosen) < len(draft.found):
        printer = draft.found[int(chosen)].table()
    elif address := _field(visit, "printer"):
        try:
            printer = printer_table_of(address)
        except ConfigError as error:
            message = str(error).removeprefix("--printer: ")
            raise BadInput(f"{message[0].upper()}{message[1:]}", field="printer") from error
    else:
        printer = {"name": "camera"}
    if camera := _field(visit, "camera"):
        printer["camera"] = camera_table_of(camera)
    elif "kind" not in printer:
        raise BadInput(_("Enter a camera's address, or choose a printer."), field="camera")
    if "kind" in printer:
        name, _help = LOGINS[printer["kind"]]
        if secret := _field(visit, "secret"):
            printer[name] = secret
        if printer["kind"] == "bambu" and (serial := _field(visit, "serial")):
            printer["serial"] = serial
    values: dict[str, Any] = {"printer": [printer]}
    if notify := _field(visit, "notify"):
        values["notify"] = {"apprise": [{"url": notify}]}
    return values


def _field(visit: Visit, name: str) -> str:
    """A text as it is. `env:` and `file:` name other places in the watcher's file; a browser must not."""
    value = visit.form.get(name, "").strip()
    if value.startswith(("env:", "file:")) or len(value) > 500 or not value.isprintable():
        raise BadInput(_("This cannot be used here."), field=name)
    return value


def _findings(tried: Callable[[Path], AsyncIterator[Finding]], visit: Visit) -> list[Finding]:
    """Run a search in bounded time, on its own event loop."""

    async def gather() -> list[Finding]:
        return [finding async for finding in tried(visit.services.settings.data_dir)]

    with _one_at_a_time():
        try:
            return asyncio.run(gather())
        except ConfigError as error:
            raise BadInput(str(error)) from error


async def _small(picture: bytes) -> bytes:
    return await fitted(picture) or b""


def _condition(visit: Visit, picture: bytes) -> str:
    """Whether the detector can judge by such a picture, in words."""

    async def judge() -> Evidence:
        return await visit.services.vision.ainspect(picture)

    try:
        evidence = anyio.from_thread.run(judge)
    except VisionError:
        return marked("The detector cannot read this picture.")
    return CONDITIONS.get(evidence.condition.value, marked("Good to judge by."))


def _watched(path: Path) -> list[str]:
    """The names of the printers in the watcher's file."""
    if not path.exists():
        return []
    try:
        return [printer.name for printer in Target(path, Mode.ADD).printers]
    except ConfigError:
        return []
