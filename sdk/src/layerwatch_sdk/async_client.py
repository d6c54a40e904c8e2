"""The asynchronous client: the same calls, rules and errors as `Client`, for asyncio."""

from __future__ import annotations

from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Optional, Type, TypeVar

from layerwatch_sdk import calls
from layerwatch_sdk.clock import AsyncClock, AsyncSystemClock
from layerwatch_sdk.errors import LayerwatchError
from layerwatch_sdk.models import BedCheck, Context, Feedback, Inspection, PrintLabels, PrintPosition, Usage
from layerwatch_sdk.picture import Picture
from layerwatch_sdk.retry import Retry
from layerwatch_sdk.settings import Settings, Timeouts, Traceparent
from layerwatch_sdk.transport import AsyncHttp, Verify

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class AsyncClient:
    """Talks to the service from asyncio; one is enough for a farm.

    ::

        async with AsyncClient("prod_…", "https://layerwatch.example") as client:
            context = await client.create_context()
            inspection = await client.process(context, jpeg)

    The settings are those of `Client`. A call is cancelled by cancelling its task.
    """

    def __init__(
        self,
        api_key: Optional[str] = None,
        base_url: Optional[str] = None,
        *,
        api_version: Optional[int] = None,
        retry: Optional[Retry] = None,
        timeouts: Optional[Timeouts] = None,
        clock: Optional[AsyncClock] = None,
        transport: Optional[httpx.AsyncBaseTransport] = None,
        verify: Verify = True,
        traceparent: Optional[Traceparent] = None,
    ) -> None:
        self.settings = Settings.checked(api_key, base_url, api_version, retry, timeouts, traceparent)
        self.clock: AsyncClock = clock or AsyncSystemClock()
        self._http = AsyncHttp(self.settings.timeouts, transport, verify)

    async def create_context(
        self, warning_level: int = 3, pause_level: int = 3, *, labels: Optional[PrintLabels] = None
    ) -> Context:
        """Open a context for one print. See `Client.create_context`."""
        now = self.clock.monotonic
        plan = calls.create_context(self.settings, warning_level, pause_level, now, labels)
        return await self._carry_out(plan)

    async def process(
        self,
        context: Context,
        jpeg: Picture,
        *,
        detail: bool = False,
        camera: Optional[str] = None,
        position: Optional[PrintPosition] = None,
        idempotency_key: Optional[str] = None,
    ) -> Inspection:
        """Have one picture judged; a success is one billed inspection. See `Client.process`."""
        plan = calls.process(
            self.settings,
            context,
            jpeg,
            self.clock.monotonic,
            detail=detail,
            camera=camera,
            position=position,
            idempotency_key=idempotency_key,
        )
        return await self._carry_out(plan)

    async def feedback(
        self,
        context: Context,
        kind: str,
        *,
        failure_kind: Optional[str] = None,
        comment: Optional[str] = None,
        share_images: Optional[bool] = None,
    ) -> None:
        """Send what a person says of the print. See `Client.feedback`."""
        given = Feedback(kind, failure_kind, comment, share_images)
        await self._carry_out(calls.feedback(self.settings, context, given, self.clock.monotonic))

    async def check_bed(
        self, jpeg: Picture, printer: str, *, camera: Optional[str] = None, empty: bool = False
    ) -> BedCheck:
        """Compare a picture with how this printer's bed looks when it is empty. See `Client.check_bed`."""
        now = self.clock.monotonic
        return await self._carry_out(
            calls.check_bed(self.settings, jpeg, printer, now, camera=camera, empty=empty)
        )

    async def usage(self) -> Usage:
        """What the key's account has used of the current month. See `Client.usage`."""
        return await self._carry_out(calls.usage(self.settings, self.clock.monotonic))

    async def close(self) -> None:
        """Close every connection. Later calls are refused with ClientClosed."""
        await self._http.close()

    async def _carry_out(self, plan: calls.Plan[T]) -> T:
        try:
            step = next(plan)
            while True:
                if isinstance(step, calls.Pause):
                    await self.clock.sleep(step.seconds)
                    step = plan.send(None)
                    continue
                try:
                    reply = await self._http.send(step)
                except LayerwatchError as error:
                    step = plan.throw(error)
                else:
                    step = plan.send(replace(reply, at=self.clock.monotonic()))
        except StopIteration as finished:
            result: T = finished.value
            return result
        finally:
            plan.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncClient({self.settings!r})"
