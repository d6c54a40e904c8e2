"""The looking at one print: begun, held, gone on with, and always in the print's one context."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Awaitable, Callable, Optional, Tuple

from layerwatch_sdk.models import Context
from layerwatch_watcher.cameras.base import Camera
from layerwatch_watcher.printers.base import Printer
from layerwatch_watcher.watching.inspector import Inspector
from layerwatch_watcher.watching.policy import Policy
from layerwatch_watcher.watching.print_session import Levels, Look, Looking

START_AGAIN_SECONDS = 300.0
"""After a trouble that ended the looking (a refused key, a wrong camera setting), try again so late."""


@dataclass(frozen=True)
class Watched:
    """A printer as the configuration has it. `min_interval`: seconds between two pictures, at least."""

    name: str
    printer: Printer
    camera: Camera
    policy: Policy = field(default_factory=Policy)
    levels: Levels = field(default_factory=Levels)
    min_interval: float = 0.0


class Gaze:
    """Looks at one print after the other. on_look and server: as for `Looking`."""

    def __init__(
        self, watched: Watched, judge: Inspector, on_look: Callable[[Look], Awaitable[None]], server: str
    ) -> None:
        self._watched = watched
        self._judge = judge
        self._clock = judge.clock
        self._on_look = on_look
        self._server = server
        self._looking: Optional[Looking] = None
        self._context: Optional[Context] = None
        self._due = 0.0
        self._untold: Tuple[str, ...] = ()
        self._again_at = 0.0

    @property
    def on(self) -> bool:
        """Whether it looks, or is held."""
        return self._looking is not None

    @property
    def context(self) -> Optional[Context]:
        """The print's context, once it has one."""
        return self._looking.session.context if self._looking is not None else self._context

    @property
    def due_in(self) -> float:
        """Seconds until the next picture may be sent."""
        if self._looking is not None:
            return self._looking.session.due_in
        return max(0.0, self._due - self._clock.monotonic())

    @property
    def untold(self) -> Tuple[str, ...]:
        """Feedback that the service was not yet told."""
        return self._looking.session.untold if self._looking is not None else self._untold

    def turn_to(
        self, context: Optional[Context] = None, first_after: float = 0.0, untold: Tuple[str, ...] = ()
    ) -> None:
        """From now on it is another print, which has a context already if the watcher was restarted."""
        self._context, self._untold = context, untold
        self._due = self._clock.monotonic() + first_after

    def start(self) -> None:
        """Look, in the print's context."""
        self._looking = Looking(
            self._watched.camera,
            self._judge,
            self._on_look,
            levels=self._watched.levels,
            server=self._server,
            min_interval=self._watched.min_interval,
            context=self._context,
            first_after=max(0.0, self._due - self._clock.monotonic()),
        )
        for kind in self._untold:
            self._looking.session.feedback(kind)
        self._looking.session.start()

    def failed(self) -> None:
        """There was no inspection. If that ended the looking, it begins again some time later."""
        self._again_at = self._clock.monotonic() + START_AGAIN_SECONDS

    async def start_again(self) -> None:
        """Look again some time after a trouble that ended the looking: somebody may have mended it."""
        if self._looking is None or self._looking.session.state not in ("stopped", "failed"):
            return
        if self._clock.monotonic() >= self._again_at:
            await self.stop()
            self.start()

    async def stop(self) -> None:
        """Look no more, until the next start."""
        looking = self._looking
        if looking is not None:
            await looking.session.stop()
            self._context, self._untold = looking.session.context, looking.session.untold
            self._due = self._clock.monotonic() + looking.session.due_in
            self._looking = None

    def hold(self) -> None:
        """Take no pictures for now."""
        if self._looking is not None:
            self._looking.session.pause()

    def go_on(self, *, tell: bool) -> None:
        """Take pictures again. tell: the service learns that a person has looked."""
        if self._looking is not None:
            self._looking.session.resume(tell=tell)
        elif tell:
            self._untold = (*self._untold, "resumed")

    def feedback(self, kind: str) -> None:
        """Tell the service what a person says."""
        if self._looking is not None:
            self._looking.session.feedback(kind)
