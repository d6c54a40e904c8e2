"""The OpenAPI document is written by hand. It describes every call, and only what the server does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest
from sqlalchemy import update

from layerwatch import __version__
from layerwatch.api.errors import ErrorType
from layerwatch.api.multipart import MAX_CAMERA
from layerwatch.api.openapi import document, resolve
from layerwatch.api.request_parsing import MAX_LAYER
from layerwatch.api.routes import BASE, ROUTES
from layerwatch.billing.models import UsageHour
from layerwatch.billing.month import hour_of
from layerwatch.config import Settings
from layerwatch.core.text import MAX_NAME_LENGTH
from layerwatch.identity.models import Account
from layerwatch.learning import limits
from layerwatch.learning.verdicts import MAX_COMMENT, NAMES
from layerwatch.vision import MAX_PICTURE_BYTES, Condition
from layerwatch.vision.evidence import KINDS
from layerwatch_sdk import MAX_PICTURE_BYTES as SDK_MAX_PICTURE_BYTES
from layerwatch_sdk.models import FEEDBACK_KINDS
from layerwatch_sdk.models import MAX_COMMENT as SDK_MAX_COMMENT
from tests.support.fake_detector import picture
from tests.support.prints import frame
from tests.support.servers import Server, running

SCHEMAS = document()["components"]["schemas"]


def calls() -> Iterator[dict[str, Any]]:
    for path in document()["paths"].values():
        yield from path.values()


def json_responses() -> Iterator[dict[str, Any]]:
    for call in calls():
        for response in call["responses"].values():
            yield resolve(response)["content"]["application/json"]


def error_examples() -> dict[str, dict[str, str]]:
    """Every example of an error, by its text."""
    return {
        example["value"]["ErrorDetails"]: example["value"]
        for content in json_responses()
        if content["schema"] == {"$ref": "#/components/schemas/Error"}
        for example in content["examples"].values()
    }


def without_numbers(text: str) -> str:
    return re.sub(r"[\d,]*\d", "N", text)


def test_it_is_served_with_a_page_that_needs_nothing_from_elsewhere(server: Server) -> None:
    assert server.http.get("/openapi.json").json() == document()
    page = server.http.get("/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    for call in calls():
        assert f'id="{call["operationId"]}"' in page.text
    assert "<script" not in page.text
    assert "://cdn" not in page.text


def test_it_is_of_this_version() -> None:
    assert document()["openapi"].startswith("3.1")
    assert document()["info"]["version"] == __version__


def test_it_describes_every_call_and_no_other() -> None:
    described = {(path, method) for path, item in document()["paths"].items() for method in item}
    served = {
        (route.path, method.lower()) for route in ROUTES for method in route.methods or () if method != "HEAD"
    }
    assert described == served
    assert all(call["security"] == [{"ApiKey": []}] for call in calls())


def test_its_limits_and_lists_are_those_of_the_server_and_the_sdk() -> None:
    process = document()["paths"][f"{BASE}/process/{{context_id}}"]["post"]
    upload = process["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert upload["image"]["maxLength"] == MAX_PICTURE_BYTES == SDK_MAX_PICTURE_BYTES
    assert upload["camera"]["maxLength"] == MAX_CAMERA
    assert upload["layer"]["maximum"] == upload["layers"]["maximum"] == MAX_LAYER
    assert upload["state"]["maxLength"] == SCHEMAS["Label"]["maxLength"] == MAX_NAME_LENGTH
    header = process["responses"]["200"]["headers"]["X-Picture-Condition"]["schema"]
    assert set(header["enum"]) == {condition.word for condition in Condition}
    assert set(SCHEMAS["DetailObject"]["properties"]["Condition"]["enum"]) == set(Condition)
    assert set(SCHEMAS["ErrorType"]["enum"]) == set(ErrorType)
    assert set(SCHEMAS["FeedbackKind"]["enum"]) == set(NAMES) == set(FEEDBACK_KINDS)
    assert SCHEMAS["FailureKind"]["enum"] == [*KINDS, None]
    assert SCHEMAS["Feedback"]["properties"]["Comment"]["maxLength"] == MAX_COMMENT == SDK_MAX_COMMENT


def test_every_answer_has_an_example_that_fits_its_schema() -> None:
    checked = 0
    for content in json_responses():
        examples = [example["value"] for example in content.get("examples", {}).values()]
        examples += [content["example"]] if "example" in content else []
        assert examples
        schema = {**content["schema"], "components": document()["components"]}
        for example in examples:
            jsonschema_rs.validate(schema, example)
            checked += 1
    assert checked > 25


def exactly(name: str) -> dict[str, Any]:
    """The schema of this name, which here forbids whatever it does not describe."""

    def closed(node: Any) -> Any:
        if isinstance(node, list):
            return [closed(item) for item in node]
        if not isinstance(node, dict):
            return node
        node = {key: closed(value) for key, value in node.items()}
        return {"additionalProperties": False, **node} if "properties" in node else node

    schemas = {key: closed(schema) for key, schema in SCHEMAS.items()}
    return {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}


@pytest.mark.parametrize("dialect", [1, 2])
def test_answers_hold_what_it_describes_and_nothing_else(server: Server, dialect: int) -> None:
    key = server.new_key(dialect=dialect)
    created = server.create_context(key).json()
    jsonschema_rs.validate(exactly("CreatedContext"), created)
    context = created["ContextId"]
    answer = server.process(key, context, frame(0.9, 1), query="?detail=1").json()
    jsonschema_rs.validate(exactly(f"ProcessAnswer{dialect}"), answer)
    assert answer["Detail"]["ModelVersion"] == "fake"
    assert answer["Detail"]["Kinds"]["spaghetti"] == pytest.approx(0.9, abs=0.02)
    headers = {"X-API-Key": key}
    taken = server.http.post(f"{BASE}/feedback/{context}", json={"Kind": "missed"}, headers=headers)
    jsonschema_rs.validate(exactly("FeedbackTaken"), taken.json())
    jsonschema_rs.validate(exactly("Usage"), server.http.get(f"{BASE}/usage", headers=headers).json())


def test_its_error_examples_are_what_the_server_answers(server_settings: Settings) -> None:
    """But for numbers. An example that nothing here provokes fails the test."""
    with running(server_settings.model_copy(update={"log_level": "critical"})) as server:
        answered = {
            without_numbers(answer["ErrorDetails"]): answer["ErrorType"] for answer in every_error(server)
        }
    for details, example in error_examples().items():
        assert answered.get(without_numbers(details)) == example["ErrorType"], details


async def crash(*_: object) -> None:
    raise RuntimeError("a fault of ours")


def every_error(server: Server) -> Iterator[dict[str, str]]:
    """Provoke each error that the document has an example of."""
    key, account = server.new_key_of()
    context = server.new_context(key)
    process: Callable[..., httpx.Response] = server.process

    def feedback(kind: str) -> httpx.Response:
        url = f"{BASE}/feedback/{context}"
        return server.http.post(url, json={"Kind": kind}, headers={"X-API-Key": key})

    yield server.http.post(f"{BASE}/createcontext").json()
    yield server.create_context(server.new_key(disabled=True)).json()
    yield server.create_context(server.new_key(addresses=["192.0.2.0/24"])).json()
    yield server.create_context(key, {"PauseConfidenceLevel": 6}).json()
    yield server.create_context(key, b"{").json()
    yield server.create_context(key, b" " * 70_000).json()
    yield process(key, context, **{"X-API-Version": "3"}).json()
    yield process(key, context, b"not a picture").json()
    yield process(key, context, picture() + bytes(MAX_PICTURE_BYTES)).json()
    form = {"files": {"camera": (None, "top")}, "headers": {"X-API-Key": key}}
    yield server.http.post(f"{BASE}/process/{context}", **form).json()  # type: ignore[arg-type]
    yield process(key, context[:-1]).json()

    server.services.admission.under_way = 10_000
    yield process(key, context).json()
    server.services.admission.under_way = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server.services.vision, "inspect_print", crash)
        yield process(key, context).json()

    assert process(key, context).status_code == 200
    yield process(key, context).json()
    assert feedback("missed").status_code == 200
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "FEEDBACK_PER_PRINT", 1)
        yield feedback("resumed").json()

    at = server.clock.now()
    free_key, free_account = server.new_key_of(free_only=True)
    used = {"key_id": 0, "hour": hour_of(at), "slot": 0, "test": False, "calls": 5000, "last_at": at}
    with server.services.database.write() as session:
        caller = server.services.authenticator.authenticate(free_key, at)
        session.add(UsageHour(**{**used, "key_id": caller.key_id, "account_id": free_account}))
        session.execute(update(Account).where(Account.id == account).values(blocked_from=at))
    yield process(free_key, server.new_context(free_key)).json()
    server.clock.advance(60)
    yield process(key, context).json()
