"""A call is tried again when that may help, not before its time, and never billed twice for it."""

from __future__ import annotations

from typing import Any, Callable, Type

import httpx
import pytest

from layerwatch_sdk import (
    BackendThrottled,
    Client,
    Context,
    ContextRateLimited,
    LayerwatchError,
    NoAnswer,
    Retry,
)
from layerwatch_sdk.testing import JPEG, FakeService, ManualClock

KEY_OF_OURS = "2f1d3a52-7c1e-4a2b-9d7e-0c5f6b8a9e10"

Refusal = Callable[..., httpx.Response]


def test_every_try_of_a_picture_carries_one_key(client: Client, context: Context, wire: Any) -> None:
    wire.script = [httpx.ReadTimeout("lost"), httpx.Response(502), httpx.Response(500)]
    client.process(context, JPEG)
    assert len(wire.keys) == 4
    assert len(set(wire.keys)) == 1


def test_every_picture_has_its_own_key(
    client: Client, context: Context, wire: Any, clock: ManualClock
) -> None:
    for _ in range(3):
        client.process(context, JPEG)
        clock.now += 20
    assert len(set(wire.keys)) == 3


def test_a_key_of_the_callers_own_is_used(client: Client, context: Context, wire: Any) -> None:
    client.process(context, JPEG, idempotency_key=KEY_OF_OURS.upper())
    assert wire.keys == [KEY_OF_OURS]


@pytest.mark.parametrize("key", ["frame-17", "two\nlines", "ключ", 7])
def test_a_key_that_cannot_be_sent_is_refused(client: Client, context: Context, wire: Any, key: str) -> None:
    with pytest.raises(ValueError, match="idempotency key"):
        client.process(context, JPEG, idempotency_key=key)
    assert wire.requests == []


def test_a_lost_answer_is_billed_once(
    client: Client, context: Context, wire: Any, service: FakeService
) -> None:
    answers = iter([True, True, False])

    def lossy(request: httpx.Request) -> httpx.Response:
        response = service.handle(request)
        if next(answers):
            raise httpx.ReadTimeout("lost on the way back")
        return response

    client_wire, wire.service = wire.service, type("Lossy", (), {"handle": staticmethod(lossy)})
    assert client.process(context, JPEG).score == 5
    assert wire.hosts == ["primary.test", "fallback.test", "primary.test"]
    assert len(client_wire.billed) == 1


@pytest.mark.parametrize(
    ("status", "error_type"),
    [
        (400, "OE_BAD_ARGS"),
        (413, "OE_BAD_ARGS"),
        (400, "OE_ARGS_PARSE_FAILED"),
        (400, "OE_IMAGE_DECODE_FAILED"),
        (401, "OE_INVALID_API_KEY"),
        (403, "OE_API_KEY_DISABLED"),
        (403, "OE_API_KEY_IP_RESTRICTED"),
        (402, "OE_API_KEY_BLOCKED_PAYMENT_FAILED"),
        (429, "OE_FREE_USAGE_LIMIT_REACHED"),
        (418, "OE_SOMETHING_NEW"),
    ],
)
def test_a_refusal_is_not_argued_with(
    client: Client, context: Context, wire: Any, refusal: Refusal, status: int, error_type: str
) -> None:
    wire.script = [refusal(status, error_type, retry_after="1")]
    with pytest.raises(LayerwatchError) as caught:
        client.process(context, JPEG)
    assert len(wire.requests) == 1
    assert not caught.value.maybe_judged


def test_the_pauses_grow_and_the_tries_end(
    make_client: Callable[..., Client], wire: Any, clock: ManualClock
) -> None:
    client = make_client(retry=Retry(attempts=5, first_delay=1, longest_delay=4))
    wire.down = {"primary.test"}
    with pytest.raises(NoAnswer):
        client.create_context()
    assert len(wire.requests) == 5
    for slept, longest in zip(clock.slept, [1, 2, 4, 4]):
        assert longest / 2 <= slept <= longest


def test_the_pauses_differ_between_clients() -> None:
    delays = {Retry().delay(NoAnswer("lost"), 1) for _ in range(20)}
    assert len(delays) > 10


def test_retry_after_is_honoured(
    client: Client, context: Context, wire: Any, refusal: Refusal, clock: ManualClock
) -> None:
    wire.script = [refusal(503, "OE_BACKEND_THROTTLED", retry_after="7")]
    client.process(context, JPEG)
    assert 7 <= wire.at[1] - wire.at[0] <= 8


def test_retry_after_as_a_date_is_read_by_the_answers_own_clock(
    client: Client, context: Context, wire: Any, refusal: Refusal
) -> None:
    # A date by RFC 9110; the machine's own clock may be years off, so the answer's Date counts.
    wire.script = [
        refusal(
            503,
            "OE_BACKEND_THROTTLED",
            retry_after="Wed, 21 Oct 2015 07:28:06 GMT",
            date="Wed, 21 Oct 2015 07:28:00 GMT",
        )
    ]
    client.process(context, JPEG)
    assert 6 <= wire.at[1] - wire.at[0] <= 7


@pytest.mark.parametrize("value", ["soon", "-5", "1.5", "", "Wed, 99 Foo 2015"])
def test_a_broken_retry_after_is_as_none(
    client: Client, context: Context, wire: Any, refusal: Refusal, value: str
) -> None:
    wire.script = [refusal(503, "OE_BACKEND_THROTTLED", retry_after=value)]
    assert client.process(context, JPEG).score == 5


@pytest.mark.parametrize(
    ("status", "error_type", "kind"),
    [(503, "OE_BACKEND_THROTTLED", BackendThrottled), (429, "OE_CONTEXT_RATE_LIMITED", ContextRateLimited)],
)
def test_a_long_retry_after_is_the_callers_to_wait_for(
    client: Client,
    context: Context,
    wire: Any,
    refusal: Refusal,
    clock: ManualClock,
    status: int,
    error_type: str,
    kind: Type[LayerwatchError],
) -> None:
    wire.script = [refusal(status, error_type, retry_after="38")]
    with pytest.raises(kind) as caught:
        client.process(context, JPEG)
    assert caught.value.retry_after == 38
    assert clock.slept == []


def test_too_soon_without_a_time_is_not_tried_again(
    client: Client, context: Context, wire: Any, refusal: Refusal
) -> None:
    wire.script = [refusal(429, "OE_CONTEXT_RATE_LIMITED")]
    with pytest.raises(ContextRateLimited):
        client.process(context, JPEG)
    assert len(wire.requests) == 1


def test_an_error_after_an_unheard_try_says_so(
    client: Client, context: Context, wire: Any, refusal: Refusal
) -> None:
    wire.script = [httpx.ReadTimeout("lost"), refusal(503, "OE_BACKEND_THROTTLED", retry_after="60")]
    with pytest.raises(BackendThrottled) as caught:
        client.process(context, JPEG)
    assert caught.value.maybe_judged


@pytest.mark.parametrize("bad", [{"attempts": 0}, {"first_delay": -1}, {"longest_wait": -0.1}])
def test_senseless_patience_is_refused(bad: Any) -> None:
    with pytest.raises(ValueError):
        Retry(**bad)
