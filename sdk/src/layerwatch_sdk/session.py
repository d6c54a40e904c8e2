"""Watches a print in its own thread."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Any, Callable, Optional, Tuple, Type, Union

from layerwatch_sdk import loop, steps
from layerwatch_sdk.calls import checked_level
from layerwatch_sdk.client import Client
from layerwatch_sdk.errors import CallbackError, LayerwatchError
from layerwatch_sdk.models import Context, Feedback, Inspection, PrintLabels, PrintPosition
from layerwatch_sdk.picture import Picture
from layerwatch_sdk.transport import Cancellation

ImageCallback = Callable[[], Optional[Picture]]
StateCallback = Callable[[Inspection], object]
ErrorCallback = Callable[[LayerwatchError], object]

log = logging.getLogger("layerwatch_sdk")


class InspectionSession:
    """Watches one print: takes pictures when they are due, sends them, tells you the answers.

    ::

        session = InspectionSession(client, on_image=camera.snapshot, on_state=show)
        session.start()
        …
        session.stop()

    client: shared or not; it stays yours to close, after the session has stopped.
    on_image: takes nothing, returns a JPEG's bytes, or None when there is no picture just now.
    on_state: called with the `Inspection` after each picture.
    on_error: called with a `LayerwatchError` for each failure. The session goes on after all of them but a
        `KeyRefused`; then `error` is set and `state` is "failed".
    warning_level, pause_level: 1 (soonest) to 5 (only when most certain).
    min_interval: seconds; a longer pause than the service asks for, to spend less.
    detail, camera: as for `Client.process`.
    labels: what the account's people see of the print, as for `Client.create_context`.
    position: called for each picture, gives where the print is; must not fail.
    context: go on with this context instead of opening one.
    first_after: seconds until the first picture: what was left of the interval when the context was stored.
    daemon: whether the interpreter may exit while the session runs.

    Callbacks run in the session's thread, one at a time, and may call every method. One session is one print:
    it cannot be started twice. Raises ValueError when a setting is wrong.
    """

    def __init__(
        self,
        client: Client,
        on_image: ImageCallback,
        on_state: Optional[StateCallback] = None,
        on_error: Optional[ErrorCallback] = None,
        *,
        warning_level: int = 3,
        pause_level: int = 3,
        min_interval: float = 0.0,
        detail: bool = False,
        camera: Optional[str] = None,
        labels: Optional[PrintLabels] = None,
        position: Callable[[], Optional[PrintPosition]] = lambda: None,
        context: Optional[Context] = None,
        first_after: float = 0.0,
        daemon: bool = True,
    ) -> None:
        self._client = client
        self._on_image = on_image
        self._on_state = on_state
        self._on_error = on_error
        self._levels = (
            checked_level("warning_level", warning_level),
            checked_level("pause_level", pause_level),
        )
        self._detail = detail
        self._camera = camera
        self._labels = labels
        self._position = position
        self._loop = loop.InspectionLoop(client.clock.monotonic, min_interval, context, first_after)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._cancellation = Cancellation()
        self._daemon = daemon
        self._thread: Optional[threading.Thread] = None
        self._ended = threading.Event()

    @property
    def state(self) -> str:
        """One of "new", "running", "paused", "stopped" and "failed" (see `error`)."""
        if self._thread is None:
            return "new"
        if self._ended.is_set():
            return "failed" if self._loop.error is not None else "stopped"
        return "paused" if self._loop.paused else "running"

    @property
    def error(self) -> Optional[LayerwatchError]:
        """Why the session ended by itself, or None."""
        return self._loop.error

    @property
    def last(self) -> Optional[Inspection]:
        """The latest answer, or None."""
        return self._loop.last

    @property
    def paused(self) -> bool:
        """Whether it is paused, also before the start."""
        return self._loop.paused

    @property
    def thread(self) -> Optional[threading.Thread]:
        """The session's thread while it lives, or None."""
        thread = self._thread
        return thread if thread is not None and thread.is_alive() else None

    @property
    def context(self) -> Optional[Context]:
        """The context in use, or None."""
        return self._loop.context

    @property
    def due_in(self) -> float:
        """Seconds until the next picture may be sent: keep it with the context, as the next `first_after`."""
        return self._loop.due_in

    @property
    def untold(self) -> Tuple[str, ...]:
        """Feedback that is not yet delivered."""
        return self._loop.untold

    def start(self) -> None:
        """Begin to watch, in a thread. Raises RuntimeError the second time."""
        with self._lock:
            if self._thread is not None:
                raise RuntimeError("a session is for one print and starts once; make a new one")
            self._thread = threading.Thread(target=self._run, name="layerwatch-session", daemon=self._daemon)
            self._thread.start()

    def pause(self) -> None:
        """Take and send no pictures until `resume`. A call in progress finishes."""
        with self._lock:
            self._loop.paused = True
        self._wake.set()

    def resume(self, *, tell: Optional[bool] = None) -> None:
        """Continue, still respecting the service's last interval.

        tell: whether to report `resumed`, so that the service suggests no second pause for the same thing; by
            default if its last answer suggested a pause. Pass False if no person has checked the print.
        """
        with self._lock:
            self._loop.resume(tell)
        self._wake.set()

    def feedback(
        self,
        kind: str,
        *,
        failure_kind: Optional[str] = None,
        comment: Optional[str] = None,
        share_images: Optional[bool] = None,
    ) -> None:
        """Send what a person says of the print, also while paused. The arguments are those of `Feedback`.

        Returns at once; a failure goes to `on_error`. Raises ValueError for another kind.
        """
        given = Feedback(kind, failure_kind, comment, share_images)
        with self._lock:
            self._loop.give_feedback(given)
        self._wake.set()

    def stop(self, timeout: Optional[float] = 10.0) -> bool:
        """End the session for good, and a call that is under way.

        Waits up to `timeout` seconds for the thread to end (None: as long as it takes; only a callback that
        does not return can take long). Returns whether it has. Called from a callback, it returns False at
        once and the thread ends after the callback. Stopping twice, or before the start, does no harm.
        """
        with self._lock:
            self._loop.stopping = True
            if self._thread is None:  # never started: nothing may start it now
                self._thread = threading.Thread(target=self._run)
                self._ended.set()
                return True
        self._cancellation.cancel()
        self._wake.set()
        return self.wait(timeout)

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Wait until the session has ended, at most `timeout` seconds. Returns whether it has."""
        thread = self._thread
        if thread is None or not thread.ident:
            return self._ended.is_set()
        if thread is threading.current_thread():
            return False
        thread.join(timeout)
        return not thread.is_alive()

    def _run(self) -> None:
        steps = self._loop.run()
        try:
            step = next(steps)
            while True:
                try:
                    result = self._do(step)
                except LayerwatchError as error:
                    step = steps.throw(error)
                except Exception as error:
                    log.exception("unexpected failure in a session; it continues")
                    unexpected = LayerwatchError(f"unexpected {type(error).__name__}: {error}")
                    unexpected.__cause__ = error
                    step = steps.throw(unexpected)
                else:
                    step = steps.send(result)
        except StopIteration:
            pass
        except Exception as error:  # a clock that raises, or a mistake of ours: say so, never end in silence
            self._loop.error = LayerwatchError(f"the session failed: {type(error).__name__}: {error}")
            self._loop.error.__cause__ = error
            self._report(self._loop.error)
        finally:
            self._ended.set()

    def _do(self, step: steps.Step) -> Union[Context, Inspection, Picture, None]:
        if isinstance(step, steps.Wait):
            self._sleep(step.seconds)
        elif isinstance(step, steps.TellState):
            self._call("state", self._on_state, step.inspection)
        elif isinstance(step, steps.TellError):
            self._report(step.error)
        elif isinstance(step, steps.TakePicture):
            try:
                return self._on_image()
            except Exception as error:
                raise CallbackError(f"the image callback failed: {error}", callback="image") from error
        elif isinstance(step, steps.OpenContext):
            return self._client.create_context(
                *self._levels, labels=self._labels, cancellation=self._cancellation
            )
        elif isinstance(step, steps.Inspect):
            return self._client.process(
                step.context,
                step.jpeg,
                detail=self._detail,
                camera=self._camera,
                position=self._position(),
                idempotency_key=step.idempotency_key,
                cancellation=self._cancellation,
            )
        else:
            self._client.feedback(step.context, **vars(step.given), cancellation=self._cancellation)
        return None

    def _sleep(self, seconds: Optional[float]) -> None:
        if seconds is None:
            self._wake.wait()
        else:
            self._client.clock.sleep(seconds, self._wake)
        self._wake.clear()

    def _call(self, name: str, callback: Optional[Callable[[Any], object]], value: object) -> None:
        if callback is None:
            return
        try:
            callback(value)
        except Exception as error:
            failure = CallbackError(f"the {name} callback failed: {error}", callback=name)
            failure.__cause__ = error
            self._report(failure)

    def _report(self, error: LayerwatchError) -> None:
        log.warning("session: %s", error)
        if self._on_error is None:
            return
        try:
            self._on_error(error)
        except Exception:
            log.exception("the error callback failed")

    def __enter__(self) -> InspectionSession:
        self.start()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"InspectionSession(state={self.state!r})"
