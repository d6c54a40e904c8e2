"""Usage is read strictly: money is never guessed."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Dict

import httpx
import pytest

from layerwatch_sdk import Client, Context, InvalidResponse
from layerwatch_sdk.testing import JPEG, KEY

GOOD: Dict[str, Any] = {
    "Month": "2026-11",
    "Calls": 6200,
    "FreeCalls": 5000,
    "FreeCallsLeft": 0,
    "FreeOnly": False,
    "Tier": {"Number": 2, "UpTo": 1_000_000, "MicroDollarsPerCall": 400},
    "SpendMicroDollars": 480_000,
    "SpendDollars": 0.48,
    "ProjectedCalls": 8400,
    "ProjectedMicroDollars": 1_360_000,
    "ProjectedDollars": 1.36,
    "TestCallsToday": 12,
    "TestCallsLeftToday": 488,
    "ResetsAt": "2026-12-01T00:00:00Z",
}


def test_it_is_a_get_with_the_key(client: Client, context: Context, wire: Any) -> None:
    client.process(context, JPEG)
    seen = client.usage()
    request = wire.requests[-1]
    assert (request.method, request.url.path, request.content) == ("GET", "/api/gadget/v1/usage", b"")
    assert request.headers["x-api-key"] == KEY
    assert (seen.calls, seen.free_calls_left) == (1, 4999)


def test_every_field_is_read(client: Client, wire: Any) -> None:
    wire.script = [httpx.Response(200, json={**GOOD, "New": 1})]
    seen = client.usage()
    assert (seen.month, seen.calls, seen.free_calls, seen.free_calls_left) == ("2026-11", 6200, 5000, 0)
    assert (seen.tier, seen.micro_dollars_per_call, seen.free_only) == (2, 400, False)
    assert (seen.spend_micro_dollars, seen.spend_dollars) == (480_000, 0.48)
    assert (seen.projected_calls, seen.projected_micro_dollars, seen.projected_dollars) == (
        8400,
        1_360_000,
        1.36,
    )
    assert (seen.test_calls_today, seen.test_calls_left_today) == (12, 488)
    assert seen.resets_at == datetime(2026, 12, 1, tzinfo=timezone.utc)


def test_an_account_without_prices_has_no_allowance(client: Client, wire: Any) -> None:
    wire.script = [httpx.Response(200, json={**GOOD, "FreeCalls": None, "FreeCallsLeft": None})]
    seen = client.usage()
    assert (seen.free_calls, seen.free_calls_left) == (None, None)


@pytest.mark.parametrize(
    "broken",
    [
        {"Calls": "6200"},
        {"SpendMicroDollars": 0.5},
        {"SpendMicroDollars": -1},
        {"Tier": None},
        {"Calls": None},
        {"ResetsAt": "soon"},
        {"FreeOnly": 0},
        {"Tier": {"Number": 2}},
    ],
    ids=repr,
)
def test_a_broken_answer_is_never_a_figure(client: Client, wire: Any, broken: Dict[str, Any]) -> None:
    wire.script = [httpx.Response(200, json={**GOOD, **broken})] * 4
    with pytest.raises(InvalidResponse):
        client.usage()
