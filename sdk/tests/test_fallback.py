"""The contract's two URLs: change over when that may help, stay with what works, come back in time."""

from __future__ import annotations

from typing import Any, Callable

import httpx
import pytest

from layerwatch_sdk import Client, Context, LayerwatchError
from layerwatch_sdk.routing import RETURN_AFTER_SECONDS
from layerwatch_sdk.testing import JPEG, FakeService, ManualClock

Refusal = Callable[..., httpx.Response]
P, F = "primary.test", "fallback.test"


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("silent"),
        httpx.Response(500, json={"ErrorType": "OE_INTERNAL_ERROR", "ErrorDetails": "Something broke."}),
        httpx.Response(507, json={"ErrorType": "OE_SOMETHING_NEW", "ErrorDetails": "New."}),
        httpx.Response(502, html="<html>Bad gateway</html>"),
        httpx.Response(503, json={"ErrorType": "OE_INTERNAL_ERROR", "ErrorDetails": "Key not checked."}),
        httpx.Response(200, content=b"{"),
        httpx.Response(401, html="<html>proxy</html>"),
    ],
    ids=["refused", "silent", "500", "507", "502 page", "503", "cut", "foreign 401"],
)
def test_changes_over_when_that_may_help(client: Client, context: Context, wire: Any, failure: Any) -> None:
    wire.script = [failure]
    client.process(context, JPEG)
    assert wire.hosts == [P, F]


@pytest.mark.parametrize(
    ("status", "error_type", "details"),
    [
        (400, "OE_BAD_ARGS", "x"),
        (400, "OE_IMAGE_DECODE_FAILED", "x"),
        (401, "OE_INVALID_API_KEY", "x"),
        (403, "OE_API_KEY_DISABLED", "x"),
        (403, "OE_API_KEY_IP_RESTRICTED", "x"),
        (402, "OE_API_KEY_BLOCKED_PAYMENT_FAILED", "x"),
        (429, "OE_FREE_USAGE_LIMIT_REACHED", "x"),
        (429, "OE_CONTEXT_RATE_LIMITED", "x"),
        (500, "OE_INTERNAL_ERROR", "Failed to get context object."),
    ],
)
def test_never_changes_over_for_what_the_other_url_would_say_too(
    client: Client, context: Context, wire: Any, refusal: Refusal, status: int, error_type: str, details: str
) -> None:
    wire.script = [refusal(status, error_type, details)]
    with pytest.raises(LayerwatchError):
        client.process(context, JPEG)
    client.process(context, JPEG)
    assert wire.hosts == [P, P]


def test_stays_with_what_works(client: Client, context: Context, wire: Any, clock: ManualClock) -> None:
    wire.script = [httpx.ConnectError("refused")]
    for _ in range(10):
        client.process(context, JPEG)
        clock.now += 40
    assert wire.hosts == [P] + [F] * 10
    assert context.route.on_fallback


def test_goes_back_when_the_fallback_fails(client: Client, context: Context, wire: Any) -> None:
    wire.script = [httpx.ConnectError("refused"), httpx.ConnectError("refused too")]
    client.process(context, JPEG)
    assert wire.hosts == [P, F, P]


def test_a_busy_server_is_asked_again_before_changing_over(
    client: Client, context: Context, wire: Any, refusal: Refusal
) -> None:
    wire.script = [refusal(503, "OE_BACKEND_THROTTLED", retry_after="2")] * 2
    client.process(context, JPEG)
    assert wire.hosts == [P, P, F]


def test_a_busy_server_is_left_also_when_the_caller_did_the_waiting(
    client: Client, context: Context, wire: Any, refusal: Refusal, clock: ManualClock
) -> None:
    wire.script = [refusal(503, "OE_BACKEND_THROTTLED", retry_after="30")] * 2
    for _ in range(2):
        with pytest.raises(LayerwatchError):
            client.process(context, JPEG)
        clock.now += 30
    client.process(context, JPEG)
    assert wire.hosts == [P, P, F]


def test_the_primary_is_tried_again_in_time(
    client: Client, context: Context, wire: Any, clock: ManualClock
) -> None:
    wire.script = [httpx.ConnectError("refused")]
    client.process(context, JPEG)
    clock.now += RETURN_AFTER_SECONDS
    client.process(context, JPEG)
    clock.now += 40
    client.process(context, JPEG)
    assert wire.hosts == [P, F, P, P]


def test_a_primary_that_stays_down_is_tried_ever_more_rarely(
    client: Client, context: Context, wire: Any, clock: ManualClock
) -> None:
    wire.down = {P}
    for _ in range(24 * 90):  # a day of pictures, 40 s apart
        client.process(context, JPEG)
        clock.now += 40
    assert 5 <= wire.hosts.count(P) <= 10


def test_both_down_is_an_error_and_then_over(
    client: Client, context: Context, wire: Any, clock: ManualClock
) -> None:
    wire.down = {P, F}
    with pytest.raises(LayerwatchError):
        client.process(context, JPEG)
    assert wire.hosts == [P, F, P, F]
    wire.down = set()
    client.process(context, JPEG)
    assert wire.hosts[4:] == [P]


def test_contexts_change_over_by_themselves(
    client: Client, context: Context, wire: Any, service: FakeService
) -> None:
    other = client.create_context()
    wire.requests.clear()
    wire.script = [httpx.ConnectError("refused")]
    client.process(context, JPEG)
    client.process(other, JPEG)
    assert wire.hosts == [P, F, P]


def test_feedback_goes_where_the_pictures_go(
    client: Client, context: Context, wire: Any, service: FakeService
) -> None:
    wire.down = {P}
    client.feedback(context, "false_alarm")
    assert wire.hosts == [P, F]
    assert service.feedback == [(context.context_id, "false_alarm")]


def test_what_goes_with_feedback_is_sent_and_nothing_else(
    client: Client, context: Context, service: FakeService
) -> None:
    client.feedback(
        context, "missed_failure", failure_kind="spaghetti", comment="back left", share_images=False
    )
    client.feedback(context, "good")
    assert service.feedback_fields == [
        {"Kind": "missed_failure", "FailureKind": "spaghetti", "Comment": "back left", "ShareImages": False},
        {"Kind": "good"},
    ]


def test_a_comment_that_is_too_long_is_refused_here(client: Client, context: Context, wire: Any) -> None:
    with pytest.raises(ValueError, match="500 characters"):
        client.feedback(context, "good", comment="x" * 501)


def test_feedback_of_another_kind_is_refused_here(client: Client, context: Context, wire: Any) -> None:
    with pytest.raises(ValueError, match="false_alarm, correct_alarm"):
        client.feedback(context, "meh")
    assert wire.requests == []
