"""The shim: what users of the older Gadget SDK know, so that changing one import is enough."""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

import httpx
import pytest

from layerwatch_sdk import Client
from layerwatch_sdk.gadget import GadgetInspectionSession
from layerwatch_sdk.testing import JPEG, KEY, FakeService

Refusal = Callable[..., httpx.Response]
REAL_SECONDS = 10.0


def nothing(*_: object) -> None:
    pass


def started(session: GadgetInspectionSession) -> None:
    session.start()
    thread = session.thread
    if thread is not None:
        thread.join(REAL_SECONDS)
        assert not thread.is_alive()


def test_positional_order_and_callback_arguments(service: FakeService) -> None:
    states: List[Tuple[int, bool, bool, int]] = []
    done = threading.Event()

    def on_state(quality: int, warning: bool, pause: bool, score: int) -> None:
        states.append((quality, warning, pause, score))
        done.set()

    service.now = time.monotonic
    with service.serve() as url:
        session = GadgetInspectionSession(KEY, 0, lambda: JPEG, on_state, nothing, 1, 5, base_url=url)
        session.start()
        assert done.wait(REAL_SECONDS)
        assert session.isRunning
        session.stop()
    assert states == [(8, False, False, 5)]
    assert not session.isRunning
    assert session.thread is None


def test_the_server_comes_from_the_environment(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    with service.serve() as url:
        monkeypatch.setenv("LAYERWATCH_URL", url)
        session = GadgetInspectionSession(
            KEY, on_new_image_request=lambda: JPEG, on_state_update=lambda *_: done.set()
        )
        session.start()
        assert done.wait(REAL_SECONDS)
        session.stop()


def make(client: Client, **more: Any) -> GadgetInspectionSession:
    arguments: Dict[str, Any] = {"on_new_image_request": lambda: JPEG, "on_state_update": nothing, **more}
    return GadgetInspectionSession(KEY, client=client, **arguments)


def test_a_callback_of_three_gets_what_the_first_versions_gave(client: Client) -> None:
    states: List[Tuple[int, bool, bool]] = []

    def on_state(score: int, warning: bool, pause: bool) -> None:
        states.append((score, warning, pause))
        session.stop()

    session = make(client, on_state_update=on_state)
    started(session)
    assert states == [(5, False, False)]


@pytest.mark.parametrize(
    ("scripted", "reported"),
    [
        ((400, "OE_IMAGE_DECODE_FAILED", "Not a JPEG."), ("OE_IMAGE_DECODE_FAILED", "Not a JPEG.")),
        ((401, "OE_INVALID_API_KEY", "Unknown key."), ("OE_INVALID_API_KEY", "Unknown key.")),
        ((402, "OE_API_KEY_BLOCKED_PAYMENT_FAILED", "Pay."), ("OE_API_KEY_BLOCKED_PAYMENT_FAILED", "Pay.")),
    ],
)
def test_the_services_errors_keep_their_type_and_details(
    client: Client, wire: Any, refusal: Refusal, scripted: Any, reported: Tuple[str, str]
) -> None:
    wire.script = [None, refusal(*scripted)]
    errors: List[Tuple[str, str]] = []

    def on_error(error_type: str, details: str) -> None:
        errors.append((error_type, details))
        session.stop()

    session = make(client, on_error=on_error)
    started(session)
    assert errors == [reported]


def _raise() -> bytes:
    raise OSError("camera gone")


@pytest.mark.parametrize(
    ("image", "down", "error_type"),
    [
        (_raise, False, GadgetInspectionSession.ErrorTypeCallbackFailure),
        (lambda: b"GIF89a", False, "OE_IMAGE_DECODE_FAILED"),
        (lambda: b"\xff\xd8\xff" + bytes(7_000_000), False, "OE_BAD_ARGS"),
        (lambda: JPEG, True, GadgetInspectionSession.ErrorTypeInternal),
    ],
    ids=["camera raises", "no JPEG", "too large", "no network"],
)
def test_the_sdks_own_errors_have_the_older_names(
    client: Client, wire: Any, image: Any, down: bool, error_type: str
) -> None:
    wire.down = {"primary.test", "fallback.test"} if down else set()
    errors: List[str] = []

    def on_error(reported: str, details: str) -> None:
        errors.append(reported)
        assert details
        session.stop()

    session = make(client, on_new_image_request=image, on_error=on_error)
    started(session)
    assert errors == [error_type]


def test_the_names_of_its_own_errors() -> None:
    assert GadgetInspectionSession.ErrorTypeInternal == "OE_SDK_ERROR"
    assert GadgetInspectionSession.ErrorTypeCallbackFailure == "OE_SDK_CALLBACK_EXCEPTION"


@pytest.mark.parametrize(("least", "gap"), [(0, 20), (5, 20), (90, 90)])
def test_the_least_interval(client: Client, wire: Any, service: FakeService, least: int, gap: int) -> None:
    states = []

    def on_state(*_: object) -> None:
        states.append(session.SleepIntervalSec)
        if len(states) == 3:
            session.stop()

    session = make(client, minProcessingIntervalSec=least, on_state_update=on_state)
    started(session)
    times = wire.at[1:]
    assert all(gap <= b - a < gap + 1 for a, b in zip(times, times[1:]))
    assert states == [gap] * 3


def test_a_missing_picture_is_skipped_in_silence(client: Client, service: FakeService) -> None:
    frames: List[Optional[bytes]] = [None, JPEG]
    errors: List[object] = []

    def on_state(*_: object) -> None:
        session.stop()

    session = make(
        client,
        on_new_image_request=lambda: frames.pop(0),
        on_state_update=on_state,
        on_error=lambda *reported: errors.append(reported),
    )
    started(session)
    assert errors == []
    assert len(service.billed) == 1


def test_levels_are_passed_on_and_unset_ones_are_3(client: Client, wire: Any) -> None:
    def on_state(*_: object) -> None:
        session.stop()

    session = make(client, warningConfidenceLevel=1, on_state_update=on_state)
    started(session)
    sent = wire.requests[0].content.replace(b" ", b"")
    assert sent == b'{"WarningConfidenceLevel":1,"PauseConfidenceLevel":3}'


@pytest.mark.parametrize(
    "bad",
    [
        {"on_new_image_request": None},
        {"on_state_update": None},
        {"minProcessingIntervalSec": -1},
        {"warningConfidenceLevel": 0},
        {"pauseConfidenceLevel": 6},
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(client: Client, bad: Dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        make(client, **bad)


def test_a_key_must_be_given() -> None:
    with pytest.raises(ValueError):
        GadgetInspectionSession("", on_new_image_request=lambda: JPEG, on_state_update=nothing)


def test_its_attributes_show_its_state(client: Client, wire: Any) -> None:
    session = make(client, minProcessingIntervalSec=0)
    assert (session.hasRan, session.isRunning, session.isPaused) == (False, False, False)
    assert (session.ContextId, session.ProcessRequestUrl, session.UseFallbackUrl) == (None, None, False)
    assert session.SleepIntervalSec == 60
    assert session.apiKey == KEY
    session.pause()
    assert session.isPaused
    session.resume()
    seen: Dict[str, Any] = {}
    wire.script = [None, httpx.ConnectError("refused")]

    def on_state(*_: object) -> None:
        seen.update(
            id=session.ContextId, url=session.ProcessRequestFallbackUrl, fallback=session.UseFallbackUrl
        )
        session.stop()

    session.on_state_update = on_state  # as older users do: set after the constructor
    started(session)
    assert seen == {
        "id": "ctx0",
        "url": "http://fallback.test/api/gadget/v1/process/ctx0",
        "fallback": True,
    }
    assert session.hasRan
    assert KEY not in repr(session)


def test_starts_once(client: Client) -> None:
    session = make(client)
    session.stop()
    with pytest.raises(RuntimeError):
        session.start()


def test_a_program_that_resumes_by_itself_does_not_report_that_a_person_did(
    client: Client, service: FakeService
) -> None:
    service.extra = {"PauseSuggested": True}
    session = make(client)
    paused = threading.Event()

    def on_state(quality: int, warning: bool, pause: bool, score: int) -> None:
        if paused.is_set():
            session.stop()
        session.pause()
        paused.set()

    session.on_state_update = on_state
    session.start()
    assert paused.wait(REAL_SECONDS)
    session.resume(tell=False)
    thread = session.thread
    if thread is not None:
        thread.join(REAL_SECONDS)
    assert len(service.judged) == 2
    assert service.feedback == []


def test_paused_from_the_state_callback_and_resumed(client: Client, service: FakeService) -> None:
    service.extra = {"PauseSuggested": True}
    states: List[bool] = []
    first = threading.Event()

    def on_state(quality: int, warning: bool, pause: bool, score: int) -> None:
        states.append(pause)
        if len(states) == 1:
            session.pause()
            first.set()
        else:
            session.stop()

    session = make(client, on_state_update=on_state)
    session.start()
    assert first.wait(REAL_SECONDS)
    assert session.isPaused
    session.resume()
    thread = session.thread
    if thread is not None:
        thread.join(REAL_SECONDS)
    assert states == [True, True]
    assert service.feedback == [("ctx0", "resumed")]
