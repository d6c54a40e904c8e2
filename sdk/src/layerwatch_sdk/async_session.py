"""A print watched from an asyncio task: the rules of `InspectionSession`, without a thread."""

from __future__ import annotations

import asyncio
import inspect
import logging
from types import TracebackType
from typing import Any, Awaitable, Callable, Optional, Tuple, Type, Union

from layerwatch_sdk import loop, steps
from layerwatch_sdk.calls import checked_level
from layerwatch_sdk.errors import CallbackError, LayerwatchError
from layerwatch_sdk.inspector import Inspector
from layerwatch_sdk.models import Context, Feedback, Inspection, PrintLabels, PrintPosition
from layerwatch_sdk.picture import Picture

AsyncImageCallback = Callable[[], Union[Optional[Picture], Awaitable[Optional[Picture]]]]
AsyncStateCallback = Callable[[Inspection], object]
AsyncErrorCallback = Callable[[LayerwatchError], object]

log = logging.getLogger("layerwatch_sdk")


class AsyncInspectionSession:
    """Watches one print from a task of the running event loop.

    The arguments and the behaviour are those of `InspectionSession`; callbacks may be plain functions or
    coroutine functions. Methods are to be called from the event loop's own thread.

    client: an `AsyncClient`, or anything of its shape (`layerwatch_sdk.inspector.Inspector`).
    """

    def __init__(
        self,
        client: Inspector,
        on_image: AsyncImageCallback,
        on_state: Optional[AsyncStateCallback] = None,
        on_error: Optional[AsyncErrorCallback] = None,
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
        self._wake: Optional[asyncio.Event] = None
        self._task: Optional[asyncio.Task[None]] = None
        self._started = False

    @property
    def state(self) -> str:
        """One of "new", "running", "paused", "stopped" and "failed" (see `error`)."""
        if not self._started:
            return "new"
        if self._task is None or self._task.done():
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
        """Begin to watch, in a task. Raises RuntimeError the second time, or without a running event loop."""
        if self._started:
            raise RuntimeError("a session is for one print and starts once; make a new one")
        running = asyncio.get_running_loop()
        self._started = True
        self._wake = asyncio.Event()
        self._task = running.create_task(self._run())

    def pause(self) -> None:
        """Take and send no pictures until `resume`. A call in progress finishes."""
        self._loop.paused = True
        self._rouse()

    def resume(self, *, tell: Optional[bool] = None) -> None:
        """Continue, still respecting the service's last interval. `tell`: see `InspectionSession.resume`."""
        self._loop.resume(tell)
        self._rouse()

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
        self._loop.give_feedback(Feedback(kind, failure_kind, comment, share_images))
        self._rouse()

    async def stop(self) -> None:
        """End the session for good, and a call or callback that is under way.

        Called from a callback, it returns at once and the task ends after the callback.
        """
        self._loop.stopping = True
        self._started = True
        self._rouse()
        task = self._task
        if task is None or task is asyncio.current_task():
            return
        task.cancel()
        await asyncio.wait([task])

    async def wait(self) -> None:
        """Wait until the session has ended."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def _rouse(self) -> None:
        if self._wake is not None:
            self._wake.set()

    async def _run(self) -> None:
        steps = self._loop.run()
        try:
            step = next(steps)
            while True:
                try:
                    result = await self._do(step)
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
            await self._report(self._loop.error)
        finally:
            steps.close()

    async def _do(self, step: steps.Step) -> Union[Context, Inspection, Picture, None]:
        if isinstance(step, steps.Wait):
            await self._sleep(step.seconds)
        elif isinstance(step, steps.TellState):
            await self._call("state", self._on_state, step.inspection)
        elif isinstance(step, steps.TellError):
            await self._report(step.error)
        elif isinstance(step, steps.TakePicture):
            try:
                picture = self._on_image()
                return await picture if inspect.isawaitable(picture) else picture
            except Exception as error:
                raise CallbackError(f"the image callback failed: {error}", callback="image") from error
        elif isinstance(step, steps.OpenContext):
            return await self._client.create_context(*self._levels, labels=self._labels)
        elif isinstance(step, steps.Inspect):
            return await self._client.process(
                step.context,
                step.jpeg,
                detail=self._detail,
                camera=self._camera,
                position=self._position(),
                idempotency_key=step.idempotency_key,
            )
        else:
            await self._client.feedback(step.context, **vars(step.given))
        return None

    async def _sleep(self, seconds: Optional[float]) -> None:
        assert self._wake is not None
        waits = [asyncio.ensure_future(self._wake.wait())]
        if seconds is not None:
            waits.append(asyncio.ensure_future(self._client.clock.sleep(seconds)))  # type: ignore[arg-type]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in waits:
                waiting.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        self._wake.clear()

    async def _call(self, name: str, callback: Optional[Callable[[Any], object]], value: object) -> None:
        if callback is None:
            return
        try:
            result = callback(value)
            if inspect.isawaitable(result):
                await result
        except Exception as error:
            failure = CallbackError(f"the {name} callback failed: {error}", callback=name)
            failure.__cause__ = error
            await self._report(failure)

    async def _report(self, error: LayerwatchError) -> None:
        log.warning("session: %s", error)
        if self._on_error is None:
            return
        try:
            result = self._on_error(error)
            if inspect.isawaitable(result):
                await result
        except Exception:
            log.exception("the error callback failed")

    async def __aenter__(self) -> AsyncInspectionSession:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        await self.stop()

    def __repr__(self) -> str:
        return f"AsyncInspectionSession(state={self.state!r})"
