"""What createcontext and the headers take, and what they refuse."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerwatch.api import request_parsing
from layerwatch.api.errors import ApiError
from layerwatch.temporal import Levels


@pytest.mark.parametrize(
    ("body", "levels"),
    [
        (b"", Levels(3, 3)),
        (b"{}", Levels(3, 3)),
        (b" {\n} ", Levels(3, 3)),
        (b'\xef\xbb\xbf{"WarningConfidenceLevel": 1}', Levels(1, 3)),
        (b'{"WarningConfidenceLevel": 5, "PauseConfidenceLevel": 1}', Levels(5, 1)),
        (b'{"WarningConfidenceLevel": null, "PauseConfidenceLevel": null}', Levels(3, 3)),
        (b'{"unknown": [1, {"deep": true}], "PauseConfidenceLevel": 2}', Levels(3, 2)),
        (b'{"PauseConfidenceLevel": 9, "PauseConfidenceLevel": 4}', Levels(3, 4)),
        (b'{"unknown": ' + b"9" * 5000 + b"}", Levels(3, 3)),
    ],
)
def test_levels(body: bytes, levels: Levels) -> None:
    assert request_parsing.confidence_levels(request_parsing.parse_object(body)) == levels


@pytest.mark.parametrize("name", ["WarningConfidenceLevel", "PauseConfidenceLevel"])
@pytest.mark.parametrize(
    "value", ["true", "false", "3.5", "3.0", '"3"', "0", "6", "-1", "[]", "{}", "1e0", "9" * 5000, "1e999"]
)
def test_a_level_that_is_none_is_a_bad_argument(name: str, value: str) -> None:
    with pytest.raises(ApiError, match="integer from 1 to 5") as caught:
        request_parsing.confidence_levels(request_parsing.parse_object(f'{{"{name}": {value}}}'.encode()))
    assert (caught.value.type, caught.value.status) == ("OE_BAD_ARGS", 400)


@pytest.mark.parametrize(
    "body",
    [b"null", b"[]", b"3", b'"x"', b"true", b"{", b"{'a': 1}", b"{} {}", b"\xff\xfe{\x00}\x00", b"\x00", b" ",
     b'{"a": NaN}', b'{"a": Infinity}', b"[" * 60_000, b"a=3", b'{"a":' * 10_000, b'{"a": "\xff"}'],
)  # fmt: skip
def test_what_is_no_json_object_cannot_be_parsed(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        request_parsing.parse_object(body)
    assert (caught.value.type, caught.value.status) == ("OE_ARGS_PARSE_FAILED", 400)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_is_an_object_or_refused(value: Any) -> None:
    body = json.dumps(value).encode()
    if isinstance(value, dict):
        assert set(request_parsing.parse_object(body)) == set(value)
    else:
        with pytest.raises(ApiError):
            request_parsing.parse_object(body)


@pytest.mark.parametrize(
    ("header", "pinned", "spoken"), [(None, 1, 1), (None, 2, 2), ("1", 2, 1), ("2", 1, 2)]
)
def test_the_header_goes_before_the_pinned_dialect(header: str | None, pinned: int, spoken: int) -> None:
    assert request_parsing.dialect(header, pinned) == spoken


@pytest.mark.parametrize("header", ["", "0", "3", "1.0", "two", " 1", "01"])
def test_another_dialect_is_a_bad_argument(header: str) -> None:
    with pytest.raises(ApiError, match="X-API-Version"):
        request_parsing.dialect(header, 1)


@given(st.uuids())
def test_forms_of_one_uuid_are_one_key(value: uuid.UUID) -> None:
    for text in (str(value), str(value).upper(), value.hex, f"{{{value}}}"):
        assert request_parsing.idempotency_key(text) == str(value)


@pytest.mark.parametrize("text", ["", "1", "not-a-uuid", "x" * 36, "1" * 5000])
def test_an_idempotency_key_that_is_no_uuid_is_a_bad_argument(text: str) -> None:
    with pytest.raises(ApiError, match="UUID"):
        request_parsing.idempotency_key(text)
