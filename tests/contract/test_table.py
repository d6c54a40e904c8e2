"""Every line of the wire contract, against a real server on a real socket.

Each row says what is sent and exactly what comes back; after every refusal nothing is billed, the print's
state has not moved, and the server answers the next good call.
"""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import httpx
import pytest

from tests.contract.conftest import Service
from tests.contract.jpegs import DECODABLE, UNDECODABLE, WHOLE, flat, moment
from tests.support.fake_detector import picture

BLACK = flat(0)
WHITE = flat(255)
PART = b'--B\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n'
LOST = (500, {"ErrorType": "OE_INTERNAL_ERROR", "ErrorDetails": "Failed to get context object."})


def refused(answer: httpx.Response, status: int, kind: str) -> dict[str, str]:
    """The answer is exactly an error object of this status and type; returns it."""
    body: dict[str, str] = answer.json()
    assert (answer.status_code, body["ErrorType"]) == (status, kind), answer.text
    assert set(body) == {"ErrorType", "ErrorDetails"} and body["ErrorDetails"]
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-request-id"]
    return body


# --- createcontext -------------------------------------------------------------------------------

GOOD_BODIES: list[Any] = [
    None,
    b"",
    b"{}",
    b" {} ",
    {"WarningConfidenceLevel": 1, "PauseConfidenceLevel": 5},
    {"WarningConfidenceLevel": None, "PauseConfidenceLevel": None},
    {"WarningConfidenceLevel": 3},
    {"Unknown": {"deep": [1, 2, 3]}, "AlsoUnknown": "x"},
]


@pytest.mark.parametrize("body", GOOD_BODIES, ids=repr)
def test_createcontext_takes_absent_empty_and_partial_bodies(service: Service, body: Any) -> None:
    answer = service.create(body)
    assert answer.status_code == 200, answer.text
    opened = answer.json()
    assert set(opened) == {"ContextId", "ProcessRequestUrl", "FallbackProcessRequestUrl"}
    assert re.fullmatch(r"[A-Za-z0-9]{1,64}", opened["ContextId"])
    for name in ("ProcessRequestUrl", "FallbackProcessRequestUrl"):
        assert opened[name].startswith("http")
        assert opened[name].endswith(f"/api/gadget/v1/process/{opened['ContextId']}")
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("field", ["WarningConfidenceLevel", "PauseConfidenceLevel"])
@pytest.mark.parametrize("value", [True, False, 3.5, 3.0, "3", 0, 6, -1, [], {}, 10**30])
def test_createcontext_refuses_levels_that_are_no_int_from_1_to_5(
    service: Service, field: str, value: Any
) -> None:
    body = refused(service.create({field: value}), 400, "OE_BAD_ARGS")
    assert field in body["ErrorDetails"]


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"3",
        b'"text"',
        b"true",
        b"{",
        b"{'a': 1}",
        b"\xff\xfe",
        b"nonsense",
        b'{"a":1}{"b":2}',
        b"[" * 50_000,
    ],
    ids=lambda b: repr(b[:12]),
)
def test_createcontext_refuses_what_is_not_a_json_object(service: Service, body: bytes) -> None:
    refused(service.create(body), 400, "OE_ARGS_PARSE_FAILED")


def test_createcontext_refuses_an_oversized_body(service: Service) -> None:
    refused(service.create(b'{"a": "' + b"x" * 5_000_000 + b'"}'), 413, "OE_BAD_ARGS")


def test_the_host_header_never_reaches_the_urls(service: Service) -> None:
    answer = service.create(None, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    assert "evil" not in answer.text


def test_opening_contexts_is_free(service: Service) -> None:
    for _ in range(5):
        service.open()
    assert service.billed() == 0


def test_context_ids_do_not_repeat(service: Service) -> None:
    assert len({service.open() for _ in range(20)}) == 20


# --- process: what a good call gives -------------------------------------------------------------


@pytest.mark.parametrize("name", DECODABLE)
def test_process_decodes_what_cameras_send(service: Service, name: str) -> None:
    answer = service.process(service.open(), DECODABLE[name])
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {
        "NextProcessIntervalSec",
        "PrintQuality",
        "WarningSuggested",
        "PauseSuggested",
        "Score",
    }
    assert [type(body[k]) for k in ("NextProcessIntervalSec", "PrintQuality", "Score")] == [int, int, int]
    assert [type(body[k]) for k in ("WarningSuggested", "PauseSuggested")] == [bool, bool]
    assert body["NextProcessIntervalSec"] >= 20
    assert 1 <= body["PrintQuality"] <= 10 and 0 <= body["Score"] <= 100
    assert service.billed() == 1


@pytest.mark.parametrize(
    "part",
    [
        ("file", ("a.jpg", WHOLE, "image/jpeg")),
        ("image", ("снимок.png", WHOLE, "image/png")),
        ("x", ("blob", WHOLE, "application/octet-stream")),
        ("", ("f", WHOLE)),
        ("no_file_name", (None, WHOLE)),
        ("file", ('a b;c="d".jpg', WHOLE, "")),
    ],
    ids=lambda part: repr(part[0]),
)
def test_field_name_file_name_and_part_type_may_be_anything(service: Service, part: Any) -> None:
    answer = service.post(service.open(), files=[part])
    assert answer.status_code == 200, answer.text


def test_a_file_part_without_a_content_type_is_taken(service: Service) -> None:
    body = b'--B\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n' + WHOLE + b"\r\n--B--\r\n"
    answer = service.raw_post(service.open(), body, "multipart/form-data; boundary=B")
    assert answer.status_code == 200, answer.text


def test_a_picture_of_exactly_six_mebibytes_is_taken_and_one_byte_more_is_not(service: Service) -> None:
    full = WHOLE + bytes(6_291_456 - len(WHOLE))
    assert service.process(service.open(), full).status_code == 200
    refused(service.process(service.open(), full + b"\0"), 413, "OE_BAD_ARGS")
    assert service.billed() == 1


def test_detail_appears_only_when_asked_for(service: Service) -> None:
    plain = service.process(service.open(), WHOLE).json()
    detailed = service.process(service.open(), WHOLE, params={"detail": "1"}).json()
    assert "Detail" not in plain
    assert detailed["Detail"]


# --- process: what is refused --------------------------------------------------------------------


@pytest.mark.parametrize("name", UNDECODABLE)
def test_process_refuses_what_is_no_whole_jpeg(service: Service, name: str) -> None:
    context = service.open()
    refused(service.process(context, UNDECODABLE[name]), 400, "OE_IMAGE_DECODE_FAILED")
    service.nothing_happened(context)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ([], "no file"),
        ([("a", ("a.jpg", WHOLE)), ("b", ("b.jpg", WHOLE))], "two files"),
        ([("a", ("a.jpg", b""))], "an empty file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_process_wants_exactly_one_file(service: Service, files: Any, why: str) -> None:
    context = service.open()
    boundary = "B" if not files else None
    if boundary:
        answer = service.raw_post(context, b"--B--\r\n", "multipart/form-data; boundary=B")
    else:
        answer = service.post(context, files=files)
    assert answer.json()["ErrorType"] in ("OE_BAD_ARGS", "OE_IMAGE_DECODE_FAILED"), answer.text
    assert answer.status_code == 400
    service.nothing_happened(context)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (WHOLE, "image/jpeg"),
        (WHOLE, "application/octet-stream"),
        (b"a=1", "application/x-www-form-urlencoded"),
        (b"{}", "application/json"),
        (WHOLE, "multipart/form-data"),
        (WHOLE, "multipart/form-data; boundary="),
        (b"", "multipart/form-data; boundary=B"),
        (b"--C\r\n\r\nx\r\n--C--\r\n", "multipart/form-data; boundary=B"),
        (PART + WHOLE, "multipart/form-data; boundary=B"),
        (b"--B\r\nX-Long: " + b"y" * 200_000 + b"\r\n\r\n\r\n--B--\r\n", "multipart/form-data; boundary=B"),
    ],
    ids=[
        "bare jpeg", "octet stream", "form", "json", "no boundary", "empty boundary", "empty body",
        "other boundary", "body ends within the file", "huge part header",
    ],
)  # fmt: skip
def test_process_refuses_a_body_that_is_no_whole_multipart_form(
    service: Service, body: bytes, content_type: str
) -> None:
    context = service.open()
    refused(service.raw_post(context, body, content_type), 400, "OE_BAD_ARGS")
    service.nothing_happened(context)


def test_a_part_flood_is_refused(service: Service) -> None:
    part = b'--B\r\nContent-Disposition: form-data; name="f"\r\n\r\nx\r\n'
    context = service.open()
    answer = service.raw_post(context, part * 20_000 + b"--B--\r\n", "multipart/form-data; boundary=B")
    assert answer.status_code in (400, 413) and answer.json()["ErrorType"] == "OE_BAD_ARGS"
    service.nothing_happened(context)


# --- keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "", "prod_", "prod_" + "0" * 40, "nonsense", "x" * 5000, "prod_é"])
@pytest.mark.parametrize("call", ["createcontext", "process"])
def test_a_missing_or_unknown_key_is_401(service: Service, key: str | None, call: str) -> None:
    path = "createcontext" if call == "createcontext" else f"process/{service.open()}"
    answer = service.call("POST", path, key=key)
    refused(answer, 401, "OE_INVALID_API_KEY")
    if key and len(key) > 8:
        assert key not in answer.text


def test_a_disabled_key_is_403(service: Service) -> None:
    refused(service.create(None, key=service.disabled_key), 403, "OE_API_KEY_DISABLED")


def test_a_good_key_from_a_wrong_address_is_403_and_no_bad_key(service: Service) -> None:
    context = service.open()
    for path in ("createcontext", f"process/{context}", f"feedback/{context}"):
        answer = service.call("POST", path, key=service.elsewhere_key)
        refused(answer, 403, "OE_API_KEY_IP_RESTRICTED")
        assert "192.0.2" not in answer.text and "127.0.0.1" not in answer.text
    service.nothing_happened(context)


def test_no_other_fault_looks_like_a_bad_key(service: Service) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        assert service.call(method, "createcontext").status_code == 405
    assert service.call("GET", "../../../etc/passwd").status_code not in (401, 403)


# --- contexts ------------------------------------------------------------------------------------


def lost(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()) == LOST


@pytest.mark.parametrize("context", ["x", "0" * 64, "A" * 64, "nonsense123", "a" * 65, "a" * 3000])
def test_an_unknown_context_is_exactly_the_triple(service: Service, context: str) -> None:
    lost(service.process(context, WHOLE))


def test_a_forged_context_is_exactly_the_triple(service: Service) -> None:
    context = service.open()
    for at in range(0, len(context), 7):
        forged = context[:at] + ("b" if context[at] == "a" else "a") + context[at + 1 :]
        lost(service.process(forged, WHOLE))


def test_a_foreign_context_is_exactly_the_triple(service: Service) -> None:
    lost(service.process(service.open(), WHOLE, key=service.other_key))


def test_an_expired_context_is_exactly_the_triple(service: Service) -> None:
    context = service.open()
    service.clock.advance(14 * 86400 - 60)
    assert service.process(context, WHOLE).status_code == 200
    service.clock.advance(120)
    lost(service.process(context, WHOLE))


def test_a_lost_context_is_refused_before_the_picture_is_inspected(service: Service) -> None:
    lost(service.process("x", b"not a picture"))


# --- pacing --------------------------------------------------------------------------------------


def test_an_early_call_is_refused_and_a_timely_one_is_not(service: Service) -> None:
    context = service.open()
    interval = service.process(context, WHOLE).json()["NextProcessIntervalSec"]
    service.clock.advance(interval * 0.9 - 3)
    answer = service.process(context, WHOLE)
    refused(answer, 429, "OE_CONTEXT_RATE_LIMITED")
    assert int(answer.headers["retry-after"]) >= 1
    assert service.billed() == 1
    service.clock.advance(interval * 0.1 + 3)
    assert service.process(context, WHOLE).status_code == 200


def test_jitter_of_ten_percent_or_two_seconds_is_allowed(service: Service) -> None:
    context = service.open()
    interval = service.process(context, WHOLE).json()["NextProcessIntervalSec"]
    service.clock.advance(interval - max(0.1 * interval, 2) + 0.1)
    assert service.process(context, WHOLE).status_code == 200


def test_an_early_call_does_not_move_the_print(service: Service) -> None:
    calm, harassed = service.open(), service.open()
    answers: dict[str, list[dict[str, Any]]] = {calm: [], harassed: []}
    for _ in range(4):
        for context in (calm, harassed):
            answer = service.process(context, picture(failure=0.1))
            answers[context].append(answer.json())
        for _ in range(3):
            refused(service.process(harassed, picture(failure=0.95)), 429, "OE_CONTEXT_RATE_LIMITED")
        service.clock.advance(60)
    without_interval = [
        [{k: v for k, v in a.items() if k != "NextProcessIntervalSec"} for a in row]
        for row in answers.values()
    ]
    assert without_interval[0] == without_interval[1]


# --- idempotency ---------------------------------------------------------------------------------


def test_a_repeat_gets_the_stored_answer_and_is_not_billed(service: Service) -> None:
    context, key = service.open(), str(uuid.uuid4())
    first = service.process(context, WHOLE, headers={"Idempotency-Key": key})
    again = service.process(context, picture(failure=0.9), headers={"Idempotency-Key": key})
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert service.billed() == 1


def test_a_repeat_comes_in_through_the_other_url(service: Service) -> None:
    opened, key = service.create(None).json(), str(uuid.uuid4())
    answers = [
        httpx.post(
            opened[url],
            files={"f": WHOLE},
            headers={"X-API-Key": service.key, "Idempotency-Key": key},
            trust_env=False,
        ).json()
        for url in ("ProcessRequestUrl", "FallbackProcessRequestUrl")
    ]
    assert answers[0] == answers[1]
    assert service.billed() == 1


def test_every_inspection_says_whether_its_picture_was_fit_to_judge_by(service: Service) -> None:
    context, repeat = service.open(), str(uuid.uuid4())
    seen = moment(0.05, 0)
    for version in ("1", "2"):  # the second is a repeat of the first
        headers = {"X-API-Version": version, "Idempotency-Key": repeat}
        answer = service.process(context, seen, headers=headers)
        assert answer.headers["X-Picture-Condition"] == "ok", version
    for jpeg, condition in ((seen, "frozen"), (BLACK, "dark"), (WHITE, "bright"), (flat(128), "blocked")):
        service.clock.advance(60)
        assert service.process(context, jpeg).headers["X-Picture-Condition"] == condition


def test_a_key_that_failed_is_not_stored(service: Service) -> None:
    context, key = service.open(), str(uuid.uuid4())
    refused(
        service.process(context, b"junk", headers={"Idempotency-Key": key}), 400, "OE_IMAGE_DECODE_FAILED"
    )
    assert service.process(context, WHOLE, headers={"Idempotency-Key": key}).status_code == 200


def test_the_same_key_on_another_context_is_another_call(service: Service) -> None:
    key = str(uuid.uuid4())
    for _ in range(2):
        answer = service.process(service.open(), WHOLE, headers={"Idempotency-Key": key})
        assert answer.status_code == 200
    assert service.billed() == 2


@pytest.mark.parametrize("key", ["not-a-uuid", "x" * 300])
def test_an_idempotency_key_that_is_no_uuid_is_refused(service: Service, key: str) -> None:
    context = service.open()
    refused(service.process(context, WHOLE, headers={"Idempotency-Key": key}), 400, "OE_BAD_ARGS")
    service.nothing_happened(context)


# --- dialects ------------------------------------------------------------------------------------


def test_the_header_chooses_the_dialect(service: Service) -> None:
    one = service.process(service.open(), WHOLE, headers={"X-API-Version": "1"}).json()
    two = service.process(service.open(), WHOLE, headers={"X-API-Version": "2"}).json()
    assert type(one["NextProcessIntervalSec"]) is int
    interval = two["NextProcessIntervalSec"]
    assert set(interval) == {"Minimum", "Recommended"}
    assert all(type(value) is int for value in interval.values())
    assert 20 <= interval["Minimum"] <= interval["Recommended"]
    assert type(two.get("FasterInspectionSuggested", False)) is bool


@pytest.mark.parametrize("version", ["0", "3", "", "v1", "1.0", "01", "2, 1"])
def test_an_unknown_dialect_is_refused(service: Service, version: str) -> None:
    context = service.open()
    refused(service.process(context, WHOLE, headers={"X-API-Version": version}), 400, "OE_BAD_ARGS")
    service.nothing_happened(context)


def test_a_key_is_pinned_to_its_dialect_and_the_header_wins(service: Service) -> None:
    pinned = service.open(key=service.second_dialect_key)
    first = service.process(pinned, WHOLE, key=service.second_dialect_key)
    assert isinstance(first.json()["NextProcessIntervalSec"], dict)
    other = service.open(key=service.second_dialect_key)
    second = service.process(other, WHOLE, key=service.second_dialect_key, headers={"X-API-Version": "1"})
    assert isinstance(second.json()["NextProcessIntervalSec"], int)


def test_a_suspicious_print_is_asked_for_sooner_in_dialect_two(service: Service) -> None:
    context = service.open()
    body: dict[str, Any] = {}
    for tick in range(16):
        jpeg = moment(0.05 if tick < 6 else 0.97, tick)
        body = service.process(context, jpeg, headers={"X-API-Version": "2"}).json()
        service.clock.advance(45)
    assert body["FasterInspectionSuggested"] is True


# --- the verdict over time -----------------------------------------------------------------------


def test_a_failure_that_appears_is_warned_of_then_paused_and_lower_levels_never_fire_later(
    service: Service,
) -> None:
    levels = {
        level: service.open({"WarningConfidenceLevel": level, "PauseConfidenceLevel": level})
        for level in range(1, 6)
    }
    first: dict[str, dict[int, int]] = {"WarningSuggested": {}, "PauseSuggested": {}}
    for second in range(0, 1200, 20):
        jpeg = moment(0.05 if second < 400 else 0.97, second)
        for level, context in levels.items():
            answer = service.process(context, jpeg)
            if answer.status_code != 200:
                assert answer.status_code == 429
                continue
            for flag, seen in first.items():
                if answer.json()[flag]:
                    seen.setdefault(level, second)
        service.clock.advance(20)
    for seen in first.values():
        assert set(seen) == set(range(1, 6))
        assert min(seen.values()) >= 400
        assert [seen[level] for level in range(1, 6)] == sorted(seen.values())
    assert all(first["WarningSuggested"][level] <= first["PauseSuggested"][level] for level in levels)


# --- anything else -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/nope", "/api/gadget/v1/", "/api/gadget/v1/nope", "/api/gadget/v2/createcontext"]
)
def test_an_unknown_path_is_an_error_object(service: Service, path: str) -> None:
    answer = httpx.post(service.url + path, headers={"X-API-Key": service.key}, trust_env=False)
    if path != "/":
        refused(answer, 404, "OE_BAD_ARGS")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_wrong_method_is_an_error_object(service: Service, method: str) -> None:
    refused(service.call(method, "createcontext"), 405, "OE_BAD_ARGS")
    refused(service.call(method, f"process/{service.open()}"), 405, "OE_BAD_ARGS")


def test_a_crash_is_an_error_object_that_leaks_nothing(service: Service) -> None:
    service.detector.crash = "secret /srv/path and prod_abc"
    context = service.open()
    answer = service.process(context, WHOLE)
    service.detector.crash = None
    body = refused(answer, 500, "OE_INTERNAL_ERROR")
    assert body["ErrorDetails"] != LOST[1]["ErrorDetails"]
    assert "secret" not in answer.text and "Traceback" not in answer.text
    service.nothing_happened(context)


def test_the_openapi_document_describes_both_calls_with_examples(service: Service) -> None:
    document = httpx.get(service.url + "/openapi.json", trust_env=False).json()
    assert document["openapi"].startswith("3.1")
    paths = [path for path in document["paths"] if path.startswith("/api/gadget/v1/")]
    assert "/api/gadget/v1/createcontext" in paths
    assert any(path.startswith("/api/gadget/v1/process/") for path in paths)
    assert "example" in json.dumps(document["paths"]["/api/gadget/v1/createcontext"])


def test_every_answer_has_a_request_id_of_its_own(service: Service) -> None:
    ids = [service.create(None).headers["x-request-id"] for _ in range(5)]
    assert len(set(ids)) == 5
