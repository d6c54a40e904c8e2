"""One print's way through the server: what is answered, what is charged, what is remembered."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from sqlalchemy import update

from layerwatch.contexts.models import ContextRow
from layerwatch.identity.models import Account
from tests.support.fake_detector import picture
from tests.support.prints import frame
from tests.support.servers import Server

LOST = {"ErrorType": "OE_INTERNAL_ERROR", "ErrorDetails": "Failed to get context object."}


def test_a_picture_is_answered_with_exactly_the_contracts_fields(server: Server) -> None:
    key = server.new_key()
    answer = server.process(key, server.new_context(key))
    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == [
        "NextProcessIntervalSec",
        "PrintQuality",
        "WarningSuggested",
        "PauseSuggested",
        "Score",
    ]
    assert [type(value) for value in body.values()] == [int, int, bool, bool, int]


def test_a_failing_print_is_paused_and_a_healthy_one_is_not(server: Server) -> None:
    key = server.new_key()
    failing, healthy = server.new_context(key), server.new_context(key)

    def watch(context: str, failure: float, number: int) -> dict[str, object]:
        answer = server.process(key, context, frame(failure, number))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    paused = []
    for minute in range(12):
        failure = 0.02 if minute < 6 else 0.97
        paused.append(watch(failing, failure, minute)["PauseSuggested"])
        assert watch(healthy, 0.02, minute)["PauseSuggested"] is False
        server.clock.advance(45)
    assert paused[:6] == [False] * 6
    assert paused[-1] is True


def again_and_again(server: Server, failure: float) -> list[dict[str, object]]:
    """The answers to one picture that is sent ten times, as somebody does who tries the service."""
    key = server.new_key()
    context, jpeg = server.new_context(key), frame(failure, 1)
    answers = []
    for _ in range(10):
        answer = server.process(key, context, jpeg, query="?detail=1")
        answers.append(dict(answer.json()))
        server.clock.advance(answers[-1]["NextProcessIntervalSec"])
    assert answer.headers["X-Picture-Condition"] == "frozen"
    return answers


def test_a_picture_of_a_failure_sent_again_and_again_ends_in_a_warning_without_a_pause(
    server: Server,
) -> None:
    answers = again_and_again(server, 0.92)
    assert answers[0]["Detail"]["Note"] == "looked like this from the start"  # type: ignore[index]
    assert all(answer["PrintQuality"] <= 4 for answer in answers)  # type: ignore[operator]
    assert answers[-1]["PrintQuality"] <= 3 and answers[-1]["WarningSuggested"]  # type: ignore[operator]
    assert not any(answer["PauseSuggested"] for answer in answers)


def test_a_healthy_picture_sent_again_and_again_keeps_its_quality(server: Server) -> None:
    answers = again_and_again(server, 0.04)
    assert all(answer["PrintQuality"] >= 8 for answer in answers)  # type: ignore[operator]
    assert not any(answer["WarningSuggested"] for answer in answers)


def test_each_successful_call_is_charged_once_and_failed_ones_never(server_on_each: Server) -> None:
    server = server_on_each
    key, account = server.new_key_of()
    context = server.new_context(key)
    assert server.billed(account) == 0
    assert server.process(key, context).status_code == 200
    assert server.process(key, context).status_code == 429
    assert server.process(key, context, b"no picture").status_code == 429
    server.clock.advance(60)
    assert server.process(key, context, b"no picture").status_code == 400
    assert server.process(key, "forged").status_code == 500
    assert server.billed(account) == 1
    assert server.process(key, context).status_code == 200
    assert server.billed(account) == 2


def test_a_failed_call_does_not_move_the_print(server: Server) -> None:
    key = server.new_key()
    context = server.new_context(key)
    server.process(key, context)
    before = stored(server, context)
    server.clock.advance(60)
    server.process(key, context, b"\xff\xd8 not a picture")
    assert stored(server, context) == before


def test_a_call_may_come_a_tenth_of_the_interval_early_but_not_more(server: Server) -> None:
    key = server.new_key()
    context = server.new_context(key)
    interval = server.process(key, context).json()["NextProcessIntervalSec"]
    server.clock.advance(0.9 * interval - 0.01)
    early = server.process(key, context)
    assert early.status_code == 429
    assert early.json()["ErrorType"] == "OE_CONTEXT_RATE_LIMITED"
    assert int(early.headers["Retry-After"]) == math.ceil(0.1 * interval + 0.01)
    server.clock.advance(0.02)
    assert server.process(key, context).status_code == 200


def test_in_the_object_form_minimum_binds(server: Server) -> None:
    key = server.new_key(dialect=2)
    context = server.new_context(key)
    interval = server.process(key, context).json()["NextProcessIntervalSec"]
    assert interval["Minimum"] == 20 < 38 <= interval["Recommended"] <= 42
    server.clock.advance(20)
    assert server.process(key, context).status_code == 200


def test_a_clock_that_was_set_back_stops_no_one(server: Server) -> None:
    key = server.new_key()
    context = server.new_context(key)
    assert server.process(key, context).status_code == 200
    server.clock.advance(-3600 * 24)
    assert server.process(key, server.new_context(key)).status_code == 200
    server.clock.advance(3600)
    assert server.process(key, server.new_context(key)).status_code == 200


def test_of_calls_at_once_one_wins_and_the_others_are_early(server_on_each: Server) -> None:
    server = server_on_each
    key, account = server.new_key_of()
    context = server.new_context(key)
    for _ in range(2):
        with ThreadPoolExecutor(6) as clients:
            answers = list(clients.map(lambda _: server.process(key, context).status_code, range(6)))
        assert sorted(answers) == [200, 429, 429, 429, 429, 429]
        server.clock.advance(60)
    assert server.billed(account) == 2


def test_a_repeat_gets_the_stored_answer_free_and_at_once(server_on_each: Server) -> None:
    server = server_on_each
    key, account = server.new_key_of()
    context, repeat = server.new_context(key), uuid4()
    first = server.process(key, context, repeat=repeat, query="?detail=1")
    before = stored(server, context)
    for other in (picture(0.9), b"nothing like a picture"):
        again = server.process(key, context, other, repeat=str(repeat).upper(), query="?detail=1")
        assert again.status_code == 200
        assert again.json() == first.json()
    assert server.billed(account) == 1
    assert stored(server, context) == before


def test_a_repeat_may_ask_in_the_other_dialect(server: Server) -> None:
    key = server.new_key()
    context, repeat = server.new_context(key), uuid4()
    first = server.process(key, context, repeat=repeat).json()
    again = server.process(key, context, repeat=repeat, **{"X-API-Version": "2"}).json()
    assert again["NextProcessIntervalSec"]["Recommended"] == first["NextProcessIntervalSec"]


def test_a_key_that_failed_is_no_repeat(server: Server) -> None:
    key, account = server.new_key_of()
    context, repeat = server.new_context(key), uuid4()
    assert server.process(key, context, b"no picture", repeat=repeat).status_code == 400
    assert server.process(key, context, repeat=repeat).status_code == 200
    assert server.billed(account) == 1


def test_the_same_idempotency_key_on_another_context_is_another_call(server: Server) -> None:
    key, account = server.new_key_of()
    repeat = uuid4()
    for _ in range(2):
        assert server.process(key, server.new_context(key), repeat=repeat).status_code == 200
    assert server.billed(account) == 2


def test_repeats_that_come_at_once_are_one_call(server_on_each: Server) -> None:
    server = server_on_each
    key, account = server.new_key_of()
    context, repeat = server.new_context(key), uuid4()
    with ThreadPoolExecutor(6) as clients:
        answers = list(clients.map(lambda _: server.process(key, context, repeat=repeat), range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert server.billed(account) == 1


def test_contexts_that_are_unknown_foreign_forged_or_expired_are_lost_alike(server: Server) -> None:
    key, other = server.new_key(), server.new_key()
    true = server.new_context(key)
    forged = true[:-1] + ("0" if true[-1] != "0" else "1")
    for caller, context in ((key, "x" * 60), (key, forged), (other, true), (key, true[:-1]), (key, "é")):
        answer = server.process(caller, context)
        assert (answer.status_code, answer.json()) == (500, LOST)
    server.clock.advance(14 * 24 * 3600 - 1)
    assert server.process(key, true).status_code == 200
    server.clock.advance(1)
    assert server.process(key, true).json() == LOST


def test_a_context_whose_state_is_lost_starts_anew(server: Server) -> None:
    key = server.new_key()
    context = server.new_context(key)
    server.process(key, context)
    with server.services.database.write() as session:
        session.delete(session.get_one(ContextRow, context))
    assert server.process(key, context).status_code == 200


def test_a_stored_state_that_cannot_be_read_is_replaced(server: Server) -> None:
    key = server.new_key()
    context = server.new_context(key)
    server.process(key, context)
    with server.services.database.write() as session:
        session.execute(update(ContextRow).values(state=b"LWT\xff from another age"))
    server.clock.advance(60)
    assert server.process(key, context).status_code == 200


def test_an_account_with_an_overdue_invoice_may_open_but_not_inspect(server: Server) -> None:
    key, account = server.new_key_of()
    context = server.new_context(key)
    with server.services.database.write() as session:
        session.execute(update(Account).where(Account.id == account).values(blocked_from=server.clock.now()))
    server.clock.advance(5)
    assert server.create_context(key).status_code == 200
    answer = server.process(key, context)
    assert answer.status_code == 402
    assert answer.json()["ErrorType"] == "OE_API_KEY_BLOCKED_PAYMENT_FAILED"


def test_a_test_key_has_a_daily_limit(server: Server) -> None:
    key, account = server.new_key_of(test=True)
    with server.services.database.write() as session:
        caller = server.services.authenticator.authenticate(key, server.clock.now())
        from layerwatch.billing import count_inspection

        for _ in range(500):
            count_inspection(session, caller, server.clock.now(), server.services.terms.books)
    answer = server.process(key, server.new_context(key))
    assert answer.status_code == 429
    assert answer.json()["ErrorType"] == "OE_FREE_USAGE_LIMIT_REACHED"
    assert int(answer.headers["Retry-After"]) == 12 * 3600
    assert server.billed(account) == 500


def stored(server: Server, context: str) -> tuple[int, bytes]:
    with server.services.database.read() as session:
        row = session.get_one(ContextRow, context)
        return row.revision, row.state
