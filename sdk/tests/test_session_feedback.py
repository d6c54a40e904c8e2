"""A session that is paused and resumed, and the feedback that it sends."""

from __future__ import annotations

import threading
from typing import Any, Optional

import httpx
import pytest
from sdk.tests.watched import REAL_SECONDS, Refusal, Watched, process_times, wait_for

from layerwatch_sdk import (
    Inspection,
)
from layerwatch_sdk.testing import FakeService


def test_pause_stops_sending_and_resume_respects_the_last_interval(
    watched: Watched, service: FakeService
) -> None:
    session = watched.session
    paused = threading.Event()

    def pause_at_the_second(_: Inspection) -> None:
        if len(watched.answers) == 2:
            session.pause()
            paused.set()

    watched.on_state = pause_at_the_second
    watched.until_answers = 4
    session.start()
    assert paused.wait(REAL_SECONDS)
    assert session.state == "paused"
    billed, taken = len(service.billed), watched.taken
    session.feedback("false_alarm")  # feedback goes out also while paused, and shows that the thread is there
    wait_for(lambda: bool(service.feedback))
    assert (len(service.billed), watched.taken) == (billed, taken)
    session.resume()
    assert session.wait(REAL_SECONDS)
    assert len(service.billed) == 4
    assert service.early == []


@pytest.mark.parametrize(
    ("suggested", "tell", "reported"),
    [(True, None, True), (False, None, False), (True, False, False), (False, True, True)],
)
def test_resume_tells_the_service_where_it_had_suggested_the_pause(
    watched: Watched,
    service: FakeService,
    suggested: bool,
    tell: Optional[bool],
    reported: bool,
) -> None:
    service.extra = {"PauseSuggested": suggested}

    def pause_and_resume(_: Inspection) -> None:
        if len(watched.answers) == 1:
            watched.session.pause()
            watched.session.resume(tell=tell)
            watched.session.pause()  # and once more: it is reported once
            watched.session.resume(tell=None if tell is None else False)

    watched.on_state = pause_and_resume
    watched.run(answers=2)
    assert service.feedback == ([("ctx0", "resumed")] if reported else [])


def test_feedback_is_sent_again_when_it_failed(watched: Watched, wire: Any, service: FakeService) -> None:
    def give(_: Inspection) -> None:
        if len(watched.answers) == 1:
            wire.script = [httpx.ConnectError("refused")] * 6
            watched.session.feedback("missed")

    watched.on_state = give
    watched.run(answers=2)
    assert service.feedback == [("ctx0", "missed")]


def test_refused_feedback_is_reported_and_delays_no_picture(
    watched: Watched, wire: Any, service: FakeService, refusal: Refusal
) -> None:
    def give(_: Inspection) -> None:
        if len(watched.answers) == 1:
            wire.script = [refusal(400, "OE_BAD_ARGS", "No inspection yet.")]
            watched.session.feedback("missed")

    watched.on_state = give
    watched.run(answers=2)
    assert [error.status for error in watched.errors] == [400]
    first, second = process_times(wire)
    assert second - first < 21


def test_a_service_without_feedback_is_no_trouble(watched: Watched, wire: Any, refusal: Refusal) -> None:
    def give(_: Inspection) -> None:
        if len(watched.answers) == 1:
            wire.script = [refusal(404, "OE_BAD_ARGS", "No such path.")]
            watched.session.feedback("missed")

    watched.on_state = give
    watched.run(answers=3)
    assert watched.errors == []
