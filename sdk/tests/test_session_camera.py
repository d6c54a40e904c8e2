"""A session whose camera gives nothing, or nothing of use."""

from __future__ import annotations

from typing import Any, List

import pytest
from sdk.tests.watched import Refusal, Watched

from layerwatch_sdk import (
    CallbackError,
    ImageDecodeFailed,
    NotJpeg,
)
from layerwatch_sdk.testing import JPEG, FakeService, ManualClock, picture


def test_an_old_picture_is_replaced_by_a_new_look(
    watched: Watched, wire: Any, service: FakeService, refusal: Refusal
) -> None:
    wire.script = [None, refusal(503, "OE_BACKEND_THROTTLED", retry_after="45")]
    watched.run(answers=1)
    assert watched.taken == 2
    assert service.judged == [picture(2)]


def test_a_bad_frame_is_reported_and_the_next_one_tried(watched: Watched, service: FakeService) -> None:
    frames: List[Any] = [b"<html>camera error</html>", b"", JPEG]
    watched.on_image = lambda: frames.pop(0)
    watched.run(answers=1)
    assert [type(error) for error in watched.errors] == [NotJpeg, NotJpeg]
    assert service.judged == [JPEG]


def test_a_frame_the_service_cannot_decode_is_replaced(
    watched: Watched, wire: Any, service: FakeService, refusal: Refusal
) -> None:
    wire.script = [None, refusal(400, "OE_IMAGE_DECODE_FAILED")]
    watched.run(answers=1)
    assert [type(error) for error in watched.errors] == [ImageDecodeFailed]
    assert service.judged == [picture(2)]


def test_no_picture_just_now_is_no_error(watched: Watched) -> None:
    frames: List[Any] = [None, None, JPEG]
    watched.on_image = lambda: frames.pop(0)
    watched.run(answers=1)
    assert watched.errors == []
    assert watched.taken == 3


def test_a_camera_that_stays_away_is_asked_ever_more_rarely(watched: Watched, clock: ManualClock) -> None:
    watched.on_image = lambda: None if clock.now < 1000 + 3600 else JPEG
    watched.run(answers=1)
    assert 110 <= watched.taken <= 180


@pytest.mark.parametrize("fault", [OSError("camera gone"), ValueError("odd")])
def test_a_camera_that_raises_is_reported_and_retried(watched: Watched, fault: Exception) -> None:
    def image() -> bytes:
        if watched.taken < 3:
            raise fault
        return JPEG

    watched.on_image = image
    watched.run(answers=1)
    assert [type(error) for error in watched.errors] == [CallbackError] * 2
    assert watched.errors[0].__cause__ is fault


def test_a_camera_that_returns_something_else_is_reported(watched: Watched) -> None:
    frames: List[Any] = ["frame.jpg", JPEG]
    watched.on_image = lambda: frames.pop(0)
    watched.run(answers=1)
    assert isinstance(watched.errors[0], CallbackError)
    assert "not str" in str(watched.errors[0])
