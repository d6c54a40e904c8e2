"""The synchronous client."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Optional, Set, Type, TypeVar

from layerwatch_sdk import calls
from layerwatch_sdk.clock import Clock, SystemClock
from layerwatch_sdk.errors import LayerwatchError
from layerwatch_sdk.models import BedCheck, Context, Feedback, Inspection, PrintLabels, PrintPosition, Usage
from layerwatch_sdk.picture import Picture
from layerwatch_sdk.retry import Retry
from layerwatch_sdk.settings import Settings, Timeouts, Traceparent
from layerwatch_sdk.transport import Cancellation, Http, Verify

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class Client:
    """Talks to the service. Safe to share between threads; one is enough for many printers.

    ::

        with Client("prod_…", "https://layerwatch.example") as client:
            context = client.create_context()
            inspection = client.process(context, jpeg)

    api_key, base_url: default to LAYERWATCH_API_KEY and LAYERWATCH_URL, then http://127.0.0.1:8080.
    api_version: 1 or 2 asks for that dialect; None leaves it to the key. Either is understood.
    retry, timeouts: how patient a call is.
    clock: time, for tests.  transport: an httpx transport, for tests; closed with the client.
    verify: False, or an ssl.SSLContext, for a server with its own certificate authority.
    traceparent: called before each request; gives the W3C traceparent to pass on, or None.

    Raises ValueError when a setting is wrong. Calls raise `LayerwatchError`s (see `layerwatch_sdk.errors`).
    """

    def __init__(
        self,
        api_key: Optional[str] = None,
        base_url: Optional[str] = None,
        *,
        api_version: Optional[int] = None,
        retry: Optional[Retry] = None,
        timeouts: Optional[Timeouts] = None,
        clock: Optional[Clock] = None,
        transport: Optional[httpx.BaseTransport] = None,
        verify: Verify = True,
        traceparent: Optional[Traceparent] = None,
    ) -> None:
        self.settings = Settings.checked(api_key, base_url, api_version, retry, timeouts, traceparent)
        self.clock: Clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._under_way: Set[Cancellation] = set()
        self._http = Http(self.settings.timeouts, transport, verify)

    def create_context(
        self,
        warning_level: int = 3,
        pause_level: int = 3,
        *,
        labels: Optional[PrintLabels] = None,
        cancellation: Optional[Cancellation] = None,
    ) -> Context:
        """Open a context for one print. Free.

        warning_level, pause_level: 1 (soonest) to 5 (only when most certain).
        labels: what the account's people see of the print.
        Raises ValueError for another level, or a LayerwatchError.
        """
        now = self.clock.monotonic
        plan = calls.create_context(self.settings, warning_level, pause_level, now, labels)
        return self._carry_out(plan, cancellation)

    def process(
        self,
        context: Context,
        jpeg: Picture,
        *,
        detail: bool = False,
        camera: Optional[str] = None,
        position: Optional[PrintPosition] = None,
        idempotency_key: Optional[str] = None,
        cancellation: Optional[Cancellation] = None,
    ) -> Inspection:
        """Have one picture judged; a success is one billed inspection.

        jpeg: a JPEG or a camera's MJPEG frame, at most 6,291,456 bytes.
        detail: also ask what is seen and where.
        camera: a name for the camera, where several watch one print.
        position: where the print is, for people to see.
        idempotency_key: the picture's own key, a UUID, so that a repeat of this call is not billed again;
            made up if not given. Tries inside one call share one key anyway.
        cancellation: lets another thread end the call.

        Raises PictureError before sending what the service would refuse, ContextLost when a new context is
        needed, or another LayerwatchError. The next call must wait for `Inspection.next_interval`.
        """
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
        return self._carry_out(plan, cancellation)

    def feedback(
        self,
        context: Context,
        kind: str,
        *,
        failure_kind: Optional[str] = None,
        comment: Optional[str] = None,
        share_images: Optional[bool] = None,
        cancellation: Optional[Cancellation] = None,
    ) -> None:
        """Send what a person says of the print; the arguments are those of `Feedback`. Free.

        An extension of the contract; a server without it answers `BadArgs` with status 404. Raises ValueError
        for an unknown kind.
        """
        given = Feedback(kind, failure_kind, comment, share_images)
        self._carry_out(calls.feedback(self.settings, context, given, self.clock.monotonic), cancellation)

    def check_bed(
        self,
        jpeg: Picture,
        printer: str,
        *,
        camera: Optional[str] = None,
        empty: bool = False,
        cancellation: Optional[Cancellation] = None,
    ) -> BedCheck:
        """Compare a picture with how this printer's bed looks when it is empty; one billed inspection.

        printer, camera: as in `PrintLabels`.
        empty: this picture shows the empty bed; it replaces what was known.

        Raises PictureError before sending what the service would refuse, or a LayerwatchError.
        An extension of the contract; a server without it answers `BadArgs` with status 404.
        """
        now = self.clock.monotonic
        plan = calls.check_bed(self.settings, jpeg, printer, now, camera=camera, empty=empty)
        return self._carry_out(plan, cancellation)

    def usage(self, *, cancellation: Optional[Cancellation] = None) -> Usage:
        """What the key's account has used of the current month, and what that costs. Free.

        An extension of the contract; a server without it answers `BadArgs` with status 404.
        """
        return self._carry_out(calls.usage(self.settings, self.clock.monotonic), cancellation)

    def close(self) -> None:
        """Close every connection. Calls under way end with ClientClosed; later ones are refused with it."""
        with self._lock:
            under_way = list(self._under_way)
        for cancellation in under_way:
            cancellation.cancel()
        self._http.close()

    def _carry_out(self, plan: calls.Plan[T], given: Optional[Cancellation]) -> T:
        cancellation = given or Cancellation()
        with self._lock:
            self._under_way.add(cancellation)
        try:
            step = next(plan)
            while True:
                if isinstance(step, calls.Pause):
                    self.clock.sleep(step.seconds, cancellation.event)
                    cancellation.check()
                    step = plan.send(None)
                    continue
                try:
                    reply = self._http.send(step, cancellation)
                except LayerwatchError as error:
                    step = plan.throw(error)
                else:
                    step = plan.send(replace(reply, at=self.clock.monotonic()))
        except StopIteration as finished:
            result: T = finished.value
            return result
        finally:
            plan.close()
            with self._lock:
                self._under_way.discard(cancellation)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.settings!r})"
