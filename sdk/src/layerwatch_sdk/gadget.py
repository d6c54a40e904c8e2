"""`GadgetInspectionSession`, as users of the older Gadget SDK know it: change one import.

Same constructor, callbacks, error types, methods and attributes, built on `InspectionSession`. It differs
where the older one did harm or could not know better:

- the server is `base_url` or LAYERWATCH_URL, since it is your own;
- it changes to the fallback URL only where that may help, and a lost context is replaced by a new one;
- a failed call is tried again at once with the same idempotency key, so a lost answer is not billed twice;
- a key that the service refuses for good ends the session (`isRunning` becomes False) after `on_error`;
- `stop` returns at once, not after the interval.
"""

from __future__ import annotations

import inspect
import threading
from typing import Callable, Optional

from layerwatch_sdk.client import Client
from layerwatch_sdk.errors import ApiError, CallbackError, LayerwatchError, NotJpeg, PictureTooLarge
from layerwatch_sdk.loop import MIN_INTERVAL_S
from layerwatch_sdk.models import Inspection
from layerwatch_sdk.session import InspectionSession

FIRST_INTERVAL_SECONDS = 60
"""What `SleepIntervalSec` shows before the first answer, as the older SDK did."""


class GadgetInspectionSession:
    """Watches one print from a thread of its own.

    apiKey: the API key.
    minProcessingIntervalSec: least seconds between pictures; 0 leaves it to the service.
    on_new_image_request: takes nothing, returns a JPEG's bytes, or None when there is no picture just now.
    on_state_update: takes (printQuality 1..10, warningSuggested, pauseSuggested, score 0..100). A callback
        that takes three values gets (score, warningSuggested, pauseSuggested), as in the first versions.
    on_error: takes (errorType, errorDetails): an ErrorType of the API, or one of the two below.
    warningConfidenceLevel, pauseConfidenceLevel: 1 (soonest) to 5 (most certain); None is 3.
    base_url: the service; by default LAYERWATCH_URL, then http://127.0.0.1:8080.
    client: a client to use instead of making one from apiKey and base_url; it stays yours to close.

    Raises ValueError when an argument is missing or wrong.
    """

    ErrorTypeInternal = "OE_SDK_ERROR"
    ErrorTypeCallbackFailure = "OE_SDK_CALLBACK_EXCEPTION"

    def __init__(
        self,
        apiKey: str,
        minProcessingIntervalSec: int = 0,
        on_new_image_request: Optional[Callable[[], Optional[bytes]]] = None,
        on_state_update: Optional[Callable[..., object]] = None,
        on_error: Optional[Callable[[str, str], object]] = None,
        warningConfidenceLevel: Optional[int] = None,
        pauseConfidenceLevel: Optional[int] = None,
        *,
        base_url: Optional[str] = None,
        client: Optional[Client] = None,
    ) -> None:
        if not apiKey and client is None:
            raise ValueError("apiKey must be given")
        if on_new_image_request is None:
            raise ValueError("on_new_image_request must be given")
        if on_state_update is None:
            raise ValueError("on_state_update must be given")
        if minProcessingIntervalSec < 0:
            raise ValueError("minProcessingIntervalSec must be zero or more seconds")
        self.minProcessingIntervalSec = minProcessingIntervalSec
        self.warningConfidenceLevel = warningConfidenceLevel
        self.pauseConfidenceLevel = pauseConfidenceLevel
        self.on_new_image_request = on_new_image_request
        self.on_state_update = on_state_update
        self.on_error = on_error
        self._own_client = client is None
        self._client = client or Client(apiKey, base_url)
        try:
            self._session = InspectionSession(
                self._client,
                lambda: self.on_new_image_request(),
                self._tell_state,
                self._tell_error,
                warning_level=3 if warningConfidenceLevel is None else warningConfidenceLevel,
                pause_level=3 if pauseConfidenceLevel is None else pauseConfidenceLevel,
                min_interval=max(MIN_INTERVAL_S, minProcessingIntervalSec),
                daemon=False,  # as the older SDK: a script may start a session and come to its end
            )
        except ValueError:
            self._close()
            raise

    def start(self) -> None:
        """Begin to watch. Raises RuntimeError the second time: a session is for one print."""
        self._session.start()

    def pause(self) -> None:
        """Send no pictures until `resume`."""
        self._session.pause()

    def resume(self, tell: Optional[bool] = None) -> None:
        """Continue to send pictures.

        tell: whether to report that a person resumed the print, so that what is in view now is not paused
            again; by default after a suggested pause. Pass False where your program resumes by itself.
        """
        self._session.resume(tell=tell)

    def stop(self) -> None:
        """End for good. Waits for the thread, unless called from a callback."""
        if self._session.stop(None):
            self._close()

    @property
    def apiKey(self) -> str:
        """The API key."""
        return self._client.settings.key.reveal()

    @property
    def hasRan(self) -> bool:
        """Whether it was started."""
        return self._session.state != "new"

    @property
    def isRunning(self) -> bool:
        """Whether it was started and has not ended."""
        return self._session.state in ("running", "paused")

    @property
    def isPaused(self) -> bool:
        """Whether it is paused."""
        return self._session.paused

    @property
    def thread(self) -> Optional[threading.Thread]:
        """The session's thread, or None when there is none."""
        return self._session.thread

    @property
    def ContextId(self) -> Optional[str]:
        """The context's id, or None before there is one."""
        context = self._session.context
        return None if context is None else context.context_id

    @property
    def ProcessRequestUrl(self) -> Optional[str]:
        """The context's primary URL, or None before there is one."""
        context = self._session.context
        return None if context is None else context.process_url

    @property
    def ProcessRequestFallbackUrl(self) -> Optional[str]:
        """The context's fallback URL, or None before there is one."""
        context = self._session.context
        return None if context is None else context.fallback_url

    @property
    def UseFallbackUrl(self) -> bool:
        """Whether the fallback URL is in use."""
        context = self._session.context
        return context is not None and context.route.on_fallback

    @property
    def SleepIntervalSec(self) -> int:
        """Seconds between the last answer and the next picture."""
        last = self._session.last
        interval = FIRST_INTERVAL_SECONDS if last is None else last.next_interval.seconds
        return max(MIN_INTERVAL_S, interval, self.minProcessingIntervalSec)

    def _tell_state(self, inspection: Inspection) -> None:
        warning, pause = inspection.warning_suggested, inspection.pause_suggested
        if _takes_three(self.on_state_update):
            self.on_state_update(inspection.score, warning, pause)
        else:
            self.on_state_update(inspection.print_quality, warning, pause, inspection.score)

    def _tell_error(self, error: LayerwatchError) -> None:
        if self.on_error is None:
            return
        if isinstance(error, ApiError):
            self.on_error(error.error_type, error.details)
        elif isinstance(error, CallbackError):
            self.on_error(self.ErrorTypeCallbackFailure, error.message)
        elif isinstance(error, NotJpeg):
            self.on_error("OE_IMAGE_DECODE_FAILED", error.message)
        elif isinstance(error, PictureTooLarge):
            self.on_error("OE_BAD_ARGS", error.message)
        else:
            self.on_error(self.ErrorTypeInternal, error.message)

    def _close(self) -> None:
        if self._own_client:
            self._client.close()

    def __repr__(self) -> str:
        return f"GadgetInspectionSession(state={self._session.state!r})"


def _takes_three(callback: Callable[..., object]) -> bool:
    """Whether the callback takes exactly three values by position."""
    try:
        signature = inspect.signature(callback)
    except (TypeError, ValueError):  # some built-in callables have none
        return False

    def fits(values: int) -> bool:
        try:
            signature.bind(*range(values))
        except TypeError:
            return False
        return True

    return fits(3) and not fits(4)
