"""`GET usage`: the account's own month, free, with the contract's errors."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from layerwatch.api.routes import BASE
from layerwatch.storage import StorageUnavailable
from layerwatch_sdk import AsyncClient, BackendThrottled, Client, InvalidApiKey, Retry
from tests.support.servers import Server

URL = f"{BASE}/usage"


def usage(server: Server, key: str) -> httpx.Response:
    return server.http.get(URL, headers={"X-API-Key": key})


def test_it_counts_what_was_inspected_and_is_itself_free(server_on_each: Server) -> None:
    server = server_on_each
    key, account = server.new_key_of()
    assert server.process(key, server.new_context(key)).status_code == 200
    for _ in range(3):
        answer = usage(server, key)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    month = server.clock.now().strftime("%Y-%m")
    body = answer.json()
    assert body == {
        "Month": month,
        "Calls": 1,
        "FreeCalls": 5000,
        "FreeCallsLeft": 4999,
        "FreeOnly": False,
        "Tier": {"Number": 1, "UpTo": 5000, "MicroDollarsPerCall": 0},
        "SpendMicroDollars": 0,
        "SpendDollars": 0.0,
        "ProjectedCalls": body["ProjectedCalls"],
        "ProjectedMicroDollars": 0,
        "ProjectedDollars": 0.0,
        "TestCallsToday": 0,
        "TestCallsLeftToday": 500,
        "ResetsAt": body["ResetsAt"],
    }
    assert body["ProjectedCalls"] >= 1 and body["ResetsAt"].endswith("-01T00:00:00Z")
    assert server.billed(account) == 1


def test_every_key_of_an_account_sees_the_same_and_no_other_account_does(server: Server) -> None:
    key, account = server.new_key_of()
    server.process(key, server.new_context(key))
    sister, _ = server.new_key_of(account, dialect=2)
    assert usage(server, sister).json()["Calls"] == 1
    assert usage(server, server.new_key()).json()["Calls"] == 0


def test_refusals_are_the_contracts(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(answer: httpx.Response) -> tuple[int, str]:
        return answer.status_code, answer.json()["ErrorType"]

    assert refused(server.http.get(URL)) == (401, "OE_INVALID_API_KEY")
    assert refused(usage(server, server.new_key(disabled=True))) == (403, "OE_API_KEY_DISABLED")
    assert refused(server.http.post(URL)) == (405, "OE_BAD_ARGS")
    key = server.new_key()
    assert usage(server, key).status_code == 200

    async def away(*_: object) -> None:
        raise StorageUnavailable("down")

    monkeypatch.setattr(server.services.gateway, "read_async", away)
    answer = usage(server, key)
    assert refused(answer) == (503, "OE_BACKEND_THROTTLED") and int(answer.headers["Retry-After"]) >= 1


def test_the_sdk_reads_it_either_way(server: Server) -> None:
    key = server.new_key()
    server.process(key, server.new_context(key))
    with Client(key, server.url) as client:
        seen = client.usage()

    async def again() -> object:
        async with AsyncClient(key, server.url) as client:
            return await client.usage()

    assert asyncio.run(again()) == seen
    assert (seen.calls, seen.free_calls_left, seen.spend_dollars) == (1, 4999, 0.0)
    assert seen.resets_at > server.clock.now()


def test_the_sdk_raises_what_it_raises_elsewhere(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with Client("wrong", server.url) as client, pytest.raises(InvalidApiKey):
        client.usage()

    async def away(*_: object) -> None:
        raise StorageUnavailable("down")

    key = server.new_key()
    assert usage(server, key).status_code == 200
    monkeypatch.setattr(server.services.gateway, "read_async", away)
    with Client(key, server.url, retry=Retry(attempts=1)) as client, pytest.raises(BackendThrottled):
        client.usage()
