"""One print seen through all cameras of its printer: an inspection session, and so a context, for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Awaitable, Callable, Optional, Set, Tuple

from layerwatch_sdk.models import Context, PrintLabels, PrintPosition
from layerwatch_watcher.watching.inspector import Inspector
from layerwatch_watcher.watching.print_session import Look, PrintSession
from layerwatch_watcher.watching.verdicts import ABOUT_ALARM
from layerwatch_watcher.watching.watched import Watched

KeptOfCamera = Tuple[Optional[Context], float, Tuple[str, ...]]
"""What is known of a print and camera: context, seconds until the next picture, feedback still to be sent."""


class PrintCameras:
    """Starts, holds and stops the sessions of one print together. sessions: by the camera's name."""

    def __init__(self, sessions: Mapping[str, PrintSession]) -> None:
        self._sessions = dict(sessions)
        self._warning: Set[str] = set()

    def __iter__(self) -> Iterator[Tuple[str, PrintSession]]:
        return iter(self._sessions.items())

    @property
    def on(self) -> bool:
        """Whether the print is being watched, or the watching is held."""
        return any(session.on for session in self._sessions.values())

    def looked(self, look: Look) -> None:
        """Record which cameras see a failure: a verdict on an alarm is theirs."""
        if look.inspection is not None and look.condition == "ok":
            seen = look.inspection.warning_suggested or look.inspection.pause_suggested
            (self._warning.add if seen else self._warning.discard)(look.camera)

    def start(self) -> None:
        """Take pictures, each camera in its own context."""
        for session in self._sessions.values():
            if not session.on:
                session.start()

    async def start_again(self) -> None:
        """Restart the sessions that a problem has ended, some time after it."""
        for session in self._sessions.values():
            await session.start_again()

    async def stop(self) -> None:
        """Stop taking pictures until the next start."""
        for session in self._sessions.values():
            await session.stop()

    def hold(self) -> None:
        """Suspend taking pictures."""
        for session in self._sessions.values():
            session.hold()

    def resume(self) -> None:
        """Resume taking pictures."""
        for session in self._sessions.values():
            session.resume()

    def checked(self) -> None:
        """A person has checked the print and gone on with it, which every context should know."""
        for session in self._sessions.values():
            session.checked()

    def feedback(self, verdict: str) -> None:
        """Queue a person's feedback for every camera; about an alarm, for those that see a failure."""
        alarmed = self._warning if verdict in ABOUT_ALARM else set()
        for name in alarmed or self._sessions:
            self._sessions[name].feedback(verdict)


def open_sessions(
    watched: Watched,
    inspector: Inspector,
    looked: Callable[[Look], Awaitable[None]],
    *,
    file: Optional[str],
    position: Callable[[], Optional[PrintPosition]],
    server: str,
    kept: Callable[[str], KeptOfCamera],
) -> PrintCameras:
    """A session for each camera of a printer, not yet started.

    file: that is printed.  position: where the print is.  kept: what is known of the print by camera.
    """
    sessions = {}
    for name, camera in watched.cameras.items():
        context, first_after, untold = kept(name)
        sessions[name] = PrintSession(
            camera,
            inspector,
            looked,
            levels=watched.levels,
            server=server,
            min_interval=watched.min_interval,
            labels=PrintLabels(file, watched.name, name, file),
            position=position,
            context=context,
            first_after=first_after,
            untold=untold,
        )
    return PrintCameras(sessions)
