"""The state of the current print in a small file, with which a restarted watcher continues.

Without it a restart in mid-print would start from nothing: a new context without the print's baseline, and a
second pause for what a person has checked and resumed. The file contains no secrets: no key, no password,
no address with a login.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Tuple

from layerwatch_sdk.models import FEEDBACK_KINDS, Context
from layerwatch_watcher.cameras.addresses import redact
from layerwatch_watcher.printers.base import PrinterStatus
from layerwatch_watcher.watching.print_lifecycle import WENT_BACK_S
from layerwatch_watcher.watching.watch_state import BedStep, WatchState, read_state

log = logging.getLogger("layerwatch_watcher")

VERSION = 3
CONTEXT_LIFETIME_S = 14 * 24 * 3600.0
"""Seconds that a context lives on the service; older checkpoints are ignored."""
MAX_WAIT_S = 300.0
"""No kept interval is waited for longer: the machine's clock may have been set in between."""


@dataclass(frozen=True)
class KeptSession:
    """The session of one camera. context_id is empty if it had no context that outlives the process.

    next_at: no picture may go to the service before; seconds since 1970.
    untold: feedback that the service has not got yet.
    """

    context_id: str = ""
    process_url: str = ""
    fallback_url: str = ""
    next_at: float = 0.0
    untold: Tuple[str, ...] = ()

    def wait(self, now: float) -> float:
        """Seconds until a picture may go to the service."""
        return min(max(0.0, self.next_at - now), MAX_WAIT_S)


@dataclass(frozen=True)
class Checkpoint:
    """A print as it was at `at`, in seconds since 1970 by the machine's clock.

    monotonic: the same moment on the watcher's clock, which the moments in `state` are of.
    job, file, elapsed: as in `PrinterStatus`; they show whether a print is this one.
    server, warning_level, pause_level: where and how it is judged.  sessions: by the camera's name.
    enabled: whether the watching is switched on.
    state: what was done to the print, as the watcher holds it.
    """

    at: float
    monotonic: float = 0.0
    job: Optional[str] = None
    file: Optional[str] = None
    elapsed: Optional[float] = None
    server: str = ""
    warning_level: int = 3
    pause_level: int = 3
    sessions: Mapping[str, KeptSession] = field(default_factory=dict)
    enabled: bool = True
    in_print: bool = True
    state: WatchState = field(default_factory=WatchState)

    def state_on(self, now: float, monotonic: float) -> WatchState:
        """The state, its moments on a clock that reads `monotonic` at `now`."""
        return self.state.moved(monotonic - max(0.0, now - self.at) - self.monotonic)

    def is_of(self, status: PrinterStatus, now: float) -> bool:
        """Whether the print that `status` shows at `now` is the one of this checkpoint.

        Where the printer numbers its prints, the number decides. Elsewhere it must be the same file, and its
        print time must fit: a print that has lasted longer than we were away began before that. One that
        could have begun meanwhile counts as new: treating a known print as new costs one needless pause,
        treating a new print as already handled costs the print.
        """
        away = max(0.0, now - self.at)
        if not self.in_print or away > CONTEXT_LIFETIME_S:
            return False
        if self.job is not None and status.job is not None:
            return self.job == status.job
        if self.file != status.file:
            return False
        began = (self.elapsed or 0.0) < WENT_BACK_S and (status.elapsed or 0.0) < away + WENT_BACK_S
        if began and (self.state.untouched or self.state.bed is BedStep.HELD):
            # Nothing has been done to it that another print must not inherit. One that was held for its bed
            # and resumed meanwhile is not held again, even if it could be another one.
            return True
        if self.elapsed is None or status.elapsed is None:
            return False
        gained = status.elapsed - self.elapsed
        if gained < -WENT_BACK_S:
            return False
        stood_since = gained < WENT_BACK_S and status.state.standing
        return status.elapsed > away or stood_since

    def session(self, camera: str, server: str, warning_level: int, pause_level: int) -> KeptSession:
        """The camera's session, without its context if that is of another server or of other levels."""
        kept = self.sessions.get(camera, KeptSession())
        if (self.server, self.warning_level, self.pause_level) != (server, warning_level, pause_level):
            return replace(kept, context_id="", untold=())
        return kept


def may_be_kept(context: Context) -> bool:
    """Whether it outlives this process, and has no login in its addresses."""
    urls = (context.process_url, context.fallback_url)
    return all(url.startswith(("http://", "https://")) and redact(url) == url for url in urls)


class CheckpointStore:
    """The file of one printer. Reads it once, at the start.

    path: the file; None keeps nothing.  now: the machine's clock, seconds since 1970.
    A file that cannot be read or written is reported in the log; the watching continues without it.
    """

    def __init__(self, path: Optional[Path] = None, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self.now = now
        self._warned = False
        self.kept = self._read()

    def _read(self) -> Optional[Checkpoint]:
        if self._path is None:
            return None
        try:
            return _checkpoint(json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            log.warning("%s cannot be used (%s); the current print is treated as new", self._path, error)
            return None

    def write(self, checkpoint: Checkpoint, *, durable: bool = False) -> None:
        """Put `checkpoint` in the place of the old one, all of it or nothing.

        durable: on the disk when this returns. A killed process loses nothing either way, a power cut might.
        """
        if self._path is None:
            return
        text = json.dumps({"version": VERSION, **asdict(checkpoint)}, ensure_ascii=False)
        new = self._path.with_name(f".{self._path.name}.new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            if not self._warned:
                log.warning(
                    "%s cannot be written (%s): after a restart the print will be treated as new; "
                    "choose another folder with --state",
                    self._path,
                    error.strerror,
                )
            self._warned = True

    def forget(self, *, enabled: bool) -> None:
        """The print is over. Only that the watching was switched off is kept."""
        self.kept = None
        if not enabled:
            self.write(Checkpoint(self.now(), enabled=False, in_print=False), durable=True)
        elif self._path is not None:
            with suppress(OSError):
                self._path.unlink()


def _checkpoint(values: Any) -> Checkpoint:
    """A checkpoint from its JSON, of this version or the one before. Raises ValueError for anything else."""
    if not isinstance(values, dict) or values.get("version") not in (2, VERSION):
        raise ValueError("not a checkpoint of a known version")
    # The version before knew one camera, and had its session among the rest.
    sessions = {"camera": values} if values["version"] == 2 else values.get("sessions")
    if not isinstance(sessions, dict):
        raise ValueError("a value of the wrong type")
    plain = {one.name: values[one.name] for one in fields(Checkpoint) if one.name in values}
    made = Checkpoint(
        **{
            **plain,
            "state": read_state(values.get("state")),
            "sessions": {name: _session(one) for name, one in sessions.items()},
        }
    )
    numbers = (made.at, made.monotonic, made.warning_level, made.pause_level)
    good = (
        all(isinstance(one, (int, float)) for one in numbers)
        and (made.elapsed is None or isinstance(made.elapsed, (int, float)))
        and isinstance(made.server, str)
        and all(one is None or isinstance(one, str) for one in (made.job, made.file))
        and all(isinstance(one, bool) for one in (made.enabled, made.in_print))
    )
    if not good:
        raise ValueError("a value of the wrong type")
    return made


def _session(values: Any) -> KeptSession:
    if not isinstance(values, dict):
        raise ValueError("a value of the wrong type")
    made = KeptSession(**{one.name: values[one.name] for one in fields(KeptSession) if one.name in values})
    good = (
        all(isinstance(one, str) for one in (made.context_id, made.process_url, made.fallback_url))
        and isinstance(made.next_at, (int, float))
        and isinstance(made.untold, (list, tuple))
        and all(one in FEEDBACK_KINDS for one in made.untold)
    )
    if not good:
        raise ValueError("a value of the wrong type")
    return replace(made, untold=tuple(made.untold))


def default_folder() -> Path:
    """Where a user's programs keep their state: systemd's StateDirectory, or as the platform has it (XDG)."""
    if os.environ.get("STATE_DIRECTORY"):
        return Path(os.environ["STATE_DIRECTORY"].split(":")[0]) / "prints"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "layerwatch" / "prints"


def file_of(folder: Path, name: str, printer: Mapping[str, object]) -> Path:
    """The file of the printer called `name`; another printer of that name, elsewhere, has another file."""
    which = "\n".join([name, *(str(printer.get(part) or "") for part in ("kind", "url", "host", "serial"))])
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "printer"
    return folder / f"{slug}-{hashlib.sha256(which.encode()).hexdigest()[:8]}.json"
