"""Each ErrorType of the contract has its own exception; what the contract does not know is tolerated."""

from __future__ import annotations

from typing import Any, Callable, Type

import httpx
import pytest

import layerwatch_sdk
from layerwatch_sdk import Client, Context, errors
from layerwatch_sdk.testing import JPEG

TABLE = [
    ("OE_BAD_ARGS", 400, errors.BadArgs),
    ("OE_BAD_ARGS", 404, errors.BadArgs),
    ("OE_BAD_ARGS", 405, errors.BadArgs),
    ("OE_BAD_ARGS", 413, errors.BadArgs),
    ("OE_ARGS_PARSE_FAILED", 400, errors.ArgsParseFailed),
    ("OE_IMAGE_DECODE_FAILED", 400, errors.ImageDecodeFailed),
    ("OE_INVALID_API_KEY", 401, errors.InvalidApiKey),
    ("OE_API_KEY_DISABLED", 403, errors.ApiKeyDisabled),
    ("OE_API_KEY_IP_RESTRICTED", 403, errors.ApiKeyIpRestricted),
    ("OE_API_KEY_BLOCKED_PAYMENT_FAILED", 402, errors.PaymentFailed),
    ("OE_FREE_USAGE_LIMIT_REACHED", 429, errors.FreeUsageLimitReached),
    ("OE_CONTEXT_RATE_LIMITED", 429, errors.ContextRateLimited),
    ("OE_BACKEND_THROTTLED", 503, errors.BackendThrottled),
    ("OE_INTERNAL_ERROR", 500, errors.InternalError),
    ("OE_SOMETHING_NEW", 418, errors.ApiError),
    ("OE_SOMETHING_NEW", 507, errors.ServerError),
]


@pytest.mark.parametrize(("error_type", "status", "kind"), TABLE)
def test_error_type_is_raised_as_its_own_class(
    make_client: Callable[..., Client],
    wire: Any,
    refusal: Callable[..., httpx.Response],
    error_type: str,
    status: int,
    kind: Type[errors.ApiError],
) -> None:
    client = make_client(retry=layerwatch_sdk.Retry(attempts=1))
    context = client.create_context()
    wire.script = [refusal(status, error_type, "What is wrong.", retry_after="37", x_request_id="r-9")]
    with pytest.raises(errors.ApiError) as caught:
        client.process(context, JPEG)
    error = caught.value
    assert type(error) is kind
    assert (error.error_type, error.details, error.status) == (error_type, "What is wrong.", status)
    assert (error.retry_after, error.request_id) == (37.0, "r-9")


def test_only_the_exact_triple_means_that_the_context_is_lost(
    client: Client, context: Context, wire: Any, refusal: Callable[..., httpx.Response]
) -> None:
    wire.script = [refusal(500, "OE_INTERNAL_ERROR", "Failed to get context object.")]
    with pytest.raises(errors.ContextLost):
        client.process(context, JPEG)
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    ("status", "error_type", "details"),
    [
        (500, "OE_INTERNAL_ERROR", "Failed to get context object"),
        (500, "OE_INTERNAL_ERROR", "failed to get context object."),
        (503, "OE_INTERNAL_ERROR", "Failed to get context object."),
        (404, "OE_BAD_ARGS", "Failed to get context object."),
        (500, "OE_OTHER", "Failed to get context object."),
    ],
)
def test_nothing_like_the_triple_means_that_the_context_is_lost(
    client: Client,
    context: Context,
    wire: Any,
    refusal: Callable[..., httpx.Response],
    status: int,
    error_type: str,
    details: str,
) -> None:
    wire.script = [refusal(status, error_type, details)] * 4
    with pytest.raises(errors.ApiError) as caught:
        client.process(context, JPEG)
    assert not isinstance(caught.value, errors.ContextLost)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Sign in to the hotel's network</html>",
        b'{"message": "Unauthorized"}',
        b'{"ErrorType": "OE_INTERNAL_ERROR"}',
        b'{"ErrorType": 401, "ErrorDetails": "no"}',
        b'{"ErrorType": "", "ErrorDetails": ""}',
        b"[]",
    ],
)
def test_a_foreign_401_or_403_says_nothing_of_the_key(
    client: Client, context: Context, wire: Any, status: int, body: bytes
) -> None:
    wire.script = [httpx.Response(status, content=body)] * 4
    with pytest.raises(errors.ForeignRefusal) as caught:
        client.process(context, JPEG)
    assert not isinstance(caught.value, errors.KeyRefused)
    assert caught.value.status == status


def test_a_foreign_401_is_tried_again(client: Client, context: Context, wire: Any) -> None:
    wire.script = [httpx.Response(401, html="<html>proxy</html>")]
    assert client.process(context, JPEG).print_quality == 8


@pytest.mark.parametrize(
    ("status", "error_type"),
    [(500, "OE_INVALID_API_KEY"), (403, "OE_INVALID_API_KEY"), (401, "OE_API_KEY_DISABLED")],
)
def test_a_key_is_refused_only_with_status_and_type_together(
    client: Client,
    context: Context,
    wire: Any,
    refusal: Callable[..., httpx.Response],
    status: int,
    error_type: str,
) -> None:
    wire.script = [refusal(status, error_type)] * 4
    with pytest.raises(errors.InvalidResponse):
        client.process(context, JPEG)


def test_the_tree_in_the_documentation_is_the_real_one() -> None:
    above = [(0, "LayerwatchError")]
    drawn = {}
    for line in (errors.__doc__ or "").splitlines():
        depth, mark, rest = line.partition("── ")
        if mark:
            while above[-1][0] >= len(depth):
                above.pop()
            name = rest.split()[0]
            drawn[name] = above[-1][1]
            above.append((len(depth), name))
    real = {
        name: kind.__mro__[1].__name__
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.LayerwatchError)
    }
    del real["LayerwatchError"]
    assert drawn == real
