"""A wire that loses, delays, duplicates, cuts and garbles. One seed is one run.

No picture is sent too early, none is billed twice, none is lost that could be saved, and nothing is
left behind.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any, Callable, List

import httpx
import pytest

from layerwatch_sdk import Client, InspectionSession, LayerwatchError, NoAnswer
from layerwatch_sdk.testing import FakeService, ManualClock, picture

REAL_SECONDS = 60.0


def run_session(client: Client, pictures: int, on_error: Callable[[LayerwatchError], None]) -> List[bytes]:
    """Watch until `pictures` answers have come; returns the pictures that were taken."""
    taken: List[bytes] = []
    answers: List[object] = []

    def image() -> bytes:
        taken.append(picture(len(taken)))
        return taken[-1]

    def state(inspection: object) -> None:
        answers.append(inspection)
        if len(answers) >= pictures:
            session.stop()

    session = InspectionSession(client, image, state, on_error)
    session.start()
    assert session.wait(REAL_SECONDS), "the session hangs"
    assert session.state == "stopped"
    assert len(answers) == pictures
    return taken


@pytest.mark.parametrize("interval", [20, {"Minimum": 20, "Recommended": 40}], ids=["int", "object"])
@pytest.mark.parametrize("seed", range(6))
def test_a_session_over_a_bad_wire(
    client: Client, wire: Any, service: FakeService, seed: int, interval: object
) -> None:
    print(f"seed {seed}")
    wire.random.seed(seed)
    wire.faults = 0.1 + 0.05 * seed
    service.interval = interval
    errors: List[LayerwatchError] = []
    taken = run_session(client, 120, errors.append)
    assert service.early == [], "a picture was sent too early"
    assert max(Counter(service.billed).values()) == 1
    assert max(Counter(service.judged).values()) == 1, "a picture was judged, and billed, twice"
    assert service.judged == taken, "a picture was lost that could be saved"
    assert len(service.contexts) <= 1 + sum(
        1 for request in wire.requests if "createcontext" in str(request.url)
    )
    assert all(isinstance(error, NoAnswer) for error in errors)


@pytest.mark.parametrize("seed", range(3))
def test_a_session_whose_primary_dies_for_hours(
    client: Client, wire: Any, service: FakeService, clock: ManualClock, seed: int
) -> None:
    print(f"seed {seed}")
    wire.random.seed(seed)
    wire.faults = 0.1
    service.interval = 40
    dead_from, dead_until = clock.now + 600, clock.now + 2 * 3600

    def dying(request: httpx.Request) -> httpx.Response:
        wire.down = {"primary.test"} if dead_from < clock.now < dead_until else set()
        wire.faults = 0.1 if clock.now < dead_until else 0.0
        return handle(request)

    handle, service.handle = service.handle, dying  # type: ignore[method-assign]
    taken = run_session(client, 500, lambda _: None)
    assert service.early == []
    assert service.judged == taken
    assert wire.hosts[-1] == "primary.test", "it did not come back"


def test_ten_thousand_calls_leave_nothing_behind(
    make_client: Callable[..., Client],
    wire: Any,
    service: FakeService,
    clock: ManualClock,
    open_files: Callable[[], int],
) -> None:
    client = make_client()
    wire.random.seed(10_000)
    wire.faults = 0.2
    threads, files = threading.active_count(), open_files()
    context, number = client.create_context(), 0
    while len(wire.requests) < 10_000:
        number += 1
        try:
            clock.now = client.process(context, picture(number)).received_at + 20
        except NoAnswer as error:
            assert error.maybe_judged
            clock.now += 20
        service.calls.clear()
    assert service.early == []
    assert max(Counter(service.billed).values()) == 1
    assert max(Counter(service.judged).values()) == 1
    client.close()
    assert threading.active_count() == threads
    assert open_files() <= files
