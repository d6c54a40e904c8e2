"""A session: pictures when due, callbacks, and an end only when stopped or when the key is refused."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest
from sdk.tests.watched import REAL_SECONDS, Refusal, Watched, process_times, wait_for

from layerwatch_sdk import (
    CallbackError,
    Client,
    ContextLost,
    Inspection,
    InspectionSession,
    LayerwatchError,
)
from layerwatch_sdk.testing import JPEG, FakeService, ManualClock, picture


def test_one_context_and_a_picture_each_interval(watched: Watched, wire: Any, service: FakeService) -> None:
    watched.run(answers=50)
    assert len(service.contexts) == 1
    assert len(service.billed) == 50
    assert service.early == []
    assert watched.errors == []
    gaps = [b - a for a, b in zip(process_times(wire), process_times(wire)[1:])]
    assert all(20 <= gap < 20.5 for gap in gaps)


def test_the_interval_counts_from_the_moment_the_answer_came(
    watched: Watched, wire: Any, service: FakeService, clock: ManualClock
) -> None:
    answer = service.handle

    def slow(request: httpx.Request) -> httpx.Response:
        response = answer(request)
        clock.now += 7
        return response

    service.handle = slow  # type: ignore[method-assign]
    watched.run(answers=5)
    times = process_times(wire)
    assert all(b - a >= 27 for a, b in zip(times, times[1:]))


def test_a_suspicious_print_is_looked_at_sooner(watched: Watched, wire: Any, service: FakeService) -> None:
    service.interval = {"Minimum": 20, "Recommended": 40}

    def suspicious_from_the_third(_: Inspection) -> None:
        service.extra = {"FasterInspectionSuggested": len(watched.answers) >= 3}

    watched.on_state = suspicious_from_the_third
    watched.run(answers=6)
    times = process_times(wire)
    assert [round(b - a) for a, b in zip(times, times[1:])] == [40, 40, 40, 20, 20]


def test_the_user_may_want_longer_intervals_but_gets_no_shorter_ones(
    client: Client, clock: ManualClock, wire: Any
) -> None:
    Watched(client, clock, min_interval=90).run(answers=2)
    Watched(client, clock, min_interval=5).run(answers=2)
    first, second, third, fourth = process_times(wire)
    assert second - first >= 90
    assert fourth - third >= 20


def test_levels_detail_and_camera_are_passed_on(client: Client, clock: ManualClock, wire: Any) -> None:
    watched = Watched(client, clock, warning_level=1, pause_level=5, detail=True, camera="top").run()
    assert b'"WarningConfidenceLevel":1' in wire.requests[0].content.replace(b" ", b"")
    assert watched.answers[0].detail is not None
    assert b'name="camera"' in wire.requests[1].content


def test_a_lost_context_is_replaced_and_nothing_else_opens_one(
    watched: Watched, wire: Any, service: FakeService, refusal: Refusal
) -> None:
    wire.script = [None, None, refusal(500, "OE_INTERNAL_ERROR", "Failed to get context object.")]
    watched.run(answers=3)
    assert len(service.contexts) == 2
    assert [type(error) for error in watched.errors] == [ContextLost]


@pytest.mark.parametrize(
    ("status", "error_type"),
    [
        (500, "OE_INTERNAL_ERROR"),
        (503, "OE_BACKEND_THROTTLED"),
        (429, "OE_CONTEXT_RATE_LIMITED"),
        (429, "OE_FREE_USAGE_LIMIT_REACHED"),
        (402, "OE_API_KEY_BLOCKED_PAYMENT_FAILED"),
        (400, "OE_BAD_ARGS"),
        (400, "OE_IMAGE_DECODE_FAILED"),
        (418, "OE_SOMETHING_NEW"),
    ],
)
def test_goes_on_with_the_same_context_after(
    watched: Watched, wire: Any, service: FakeService, refusal: Refusal, status: int, error_type: str
) -> None:
    wire.script = [None, None] + [refusal(status, error_type)] * 6
    watched.run(answers=3)
    assert len(service.contexts) == 1
    assert watched.errors
    assert service.early == []


def test_a_context_that_is_always_lost_does_not_make_it_hammer(
    watched: Watched, wire: Any, refusal: Refusal, clock: ManualClock
) -> None:
    lost = refusal(500, "OE_INTERNAL_ERROR", "Failed to get context object.")
    wire.script = [None, lost] * 10
    started = clock.now
    watched.run(errors=10)
    assert clock.now - started > 120


@pytest.mark.parametrize(
    ("status", "error_type"), [(401, "OE_INVALID_API_KEY"), (403, "OE_API_KEY_DISABLED")]
)
@pytest.mark.parametrize("when", ["opening", "watching"])
def test_a_refused_key_ends_it_with_a_clear_error(
    watched: Watched, wire: Any, refusal: Refusal, status: int, error_type: str, when: str
) -> None:
    wire.script = [None] * (0 if when == "opening" else 2) + [refusal(status, error_type, "Make a new key.")]
    watched.run(answers=10)
    assert watched.session.state == "failed"
    assert watched.session.error is watched.errors[-1]
    assert "Make a new key." in str(watched.session.error)
    assert watched.session.thread is None


def test_a_wrong_address_does_not_end_it_and_is_tried_again_later(
    watched: Watched, wire: Any, refusal: Refusal, clock: ManualClock
) -> None:
    wire.script = [None, None, refusal(403, "OE_API_KEY_IP_RESTRICTED", "Not from this address.")]
    started = clock.now
    watched.run(answers=2)
    assert watched.session.state == "stopped"
    assert clock.now - started >= 300
    assert "Not from this address." in str(watched.errors[0])


def test_a_proxys_401_does_not_end_it(watched: Watched, wire: Any) -> None:
    wire.script = [None, None] + [httpx.Response(401, html="<html>proxy</html>")] * 9
    watched.run(answers=2)
    assert watched.session.state == "stopped"
    assert len(watched.answers) == 2


def test_an_outage_is_waited_out_with_growing_pauses(
    watched: Watched, wire: Any, service: FakeService, clock: ManualClock
) -> None:
    watched.until_answers = 1

    def outage(_: Inspection) -> None:
        if len(watched.answers) == 1:
            wire.down = {"primary.test", "fallback.test"}

    def back_after_an_hour() -> bytes:
        if clock.now > 4600:
            wire.down = set()
        return picture(watched.taken)

    watched.on_state, watched.on_image = outage, back_after_an_hour
    watched.run(answers=3)
    assert len(service.contexts) == 1
    tried = sum(1 for request in wire.requests if "/process/" in request.url.path)
    assert tried < 600  # about every 30-60 s, four tries each
    assert service.early == []


def test_a_picture_whose_answer_was_lost_is_sent_again_under_its_key(
    watched: Watched, wire: Any, service: FakeService
) -> None:
    answer, lost = service.handle, [0]

    def lossy(request: httpx.Request) -> httpx.Response:
        response = answer(request)
        if "/process/" in request.url.path and lost[0] < 5:  # more than one call's four tries
            lost[0] += 1
            raise httpx.ReadTimeout("lost on the way back")
        return response

    service.handle = lossy  # type: ignore[method-assign]
    watched.run(answers=2)
    assert watched.taken == 2
    assert len(service.billed) == 2


def test_a_state_callback_that_raises_is_reported_and_the_session_continues(watched: Watched) -> None:
    def state(_: Inspection) -> None:
        raise RuntimeError("display broke")

    watched.on_state = state
    watched.run(answers=3)
    assert len(watched.answers) == 3
    assert all(isinstance(error, CallbackError) for error in watched.errors)


def test_an_error_callback_that_raises_does_not_end_it(client: Client, wire: Any, clock: ManualClock) -> None:
    def on_error(_: LayerwatchError) -> None:
        raise RuntimeError("again")

    answered = threading.Event()
    wire.down = {"primary.test"}
    session = InspectionSession(client, lambda: JPEG, lambda _: answered.set(), on_error)
    session.start()
    wait_for(lambda: len(wire.requests) >= 3)
    wire.down = set()
    assert answered.wait(REAL_SECONDS)
    assert session.stop()


def test_starts_once(watched: Watched) -> None:
    watched.run()
    with pytest.raises(RuntimeError, match="starts once"):
        watched.session.start()


def test_may_be_stopped_before_the_start_and_twice(client: Client, clock: ManualClock) -> None:
    session = Watched(client, clock).session
    assert session.state == "new"
    assert session.stop()
    assert session.stop()
    assert session.state == "stopped"
    with pytest.raises(RuntimeError):
        session.start()


def test_a_closed_client_ends_it(client: Client, clock: ManualClock) -> None:
    watched = Watched(client, clock)
    watched.on_state = lambda _: client.close()
    watched.run(answers=10)
    assert watched.session.state == "failed"
    assert watched.errors == [watched.session.error]


def test_as_a_context_manager_it_leaves_no_thread(service: FakeService, make_client: Any) -> None:
    before = threading.active_count()
    with InspectionSession(make_client(), lambda: JPEG) as session:
        assert session.thread is not None
    assert session.thread is None
    assert threading.active_count() == before


@pytest.mark.parametrize("bad", [{"warning_level": 0}, {"pause_level": 6}, {"min_interval": -1}])
def test_wrong_settings_are_refused(client: Client, bad: Any) -> None:
    with pytest.raises(ValueError):
        InspectionSession(client, lambda: JPEG, **bad)
