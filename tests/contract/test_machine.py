"""A state machine over contexts: in whatever order calls come, ledger and prints agree with a model."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tests.contract.conftest import Running, Service
from tests.support.fake_detector import picture

PICTURES = {failure: picture(failure=failure) for failure in (0.05, 0.5, 0.95)}


class Contexts(RuleBasedStateMachine):
    """The model: when each context may next be called, what each Idempotency-Key was answered, the bill."""

    running: ClassVar[Running]
    contexts = Bundle("contexts")
    keys = Bundle("keys")

    @initialize()
    def account(self) -> None:
        self.service = Service(self.running)
        self.bill = 0
        self.now = 0.0
        self.opened: dict[str, float] = {}
        self.last: dict[str, tuple[float, int]] = {}
        self.answers: dict[tuple[str, str], Any] = {}

    def teardown(self) -> None:
        if hasattr(self, "service"):
            self.service.close()

    @rule(target=contexts, warn=st.sampled_from([None, 1, 3, 5]), pause=st.sampled_from([None, 1, 5]))
    def open(self, warn: int | None, pause: int | None) -> str:
        context = self.service.open({"WarningConfidenceLevel": warn, "PauseConfidenceLevel": pause})
        self.opened[context] = self.now
        return context

    @rule(target=keys)
    def new_key(self) -> str:
        return str(uuid.uuid4())

    @rule(seconds=st.sampled_from([5.0, 19.0, 30.0, 60.0, 600.0, 5 * 86400.0]))
    def wait(self, seconds: float) -> None:
        self.service.clock.advance(seconds)
        self.now += seconds

    @rule(context=contexts, failure=st.sampled_from(sorted(PICTURES)))
    def process(self, context: str, failure: float) -> None:
        self._judge(context, self.service.process(context, PICTURES[failure]))

    @rule(context=contexts, key=keys, failure=st.sampled_from(sorted(PICTURES)))
    def process_with_key(self, context: str, key: str, failure: float) -> None:
        answer = self.service.process(context, PICTURES[failure], headers={"Idempotency-Key": key})
        stored = self.answers.get((context, key))
        if stored is not None and self.now - self.opened[context] < 14 * 86400 - 60:
            assert (answer.status_code, answer.json()) == (200, stored)
            return
        if self._judge(context, answer):
            self.answers[context, key] = answer.json()

    @rule(context=contexts, body=st.sampled_from([b"", b"junk", PICTURES[0.05][:-50]]))
    def process_badly(self, context: str, body: bytes) -> None:
        assert self.service.process(context, body).status_code in (400, 429, 500)

    @rule(context=contexts)
    def process_as_someone_else(self, context: str) -> None:
        answer = self.service.process(context, PICTURES[0.05], key=self.service.other_key)
        assert answer.json()["ErrorDetails"] == "Failed to get context object."

    @rule(context=contexts)
    def process_twice_at_once(self, context: str) -> None:
        multiple()
        answers = [self.service.process(context, PICTURES[0.05]) for _ in range(2)]
        assert self._judge(context, answers[0]) + (answers[1].status_code == 200) <= 1

    @invariant()
    def the_bill_counts_each_success_once(self) -> None:
        if hasattr(self, "service"):
            assert self.service.billed() == self.bill

    def _judge(self, context: str, answer: httpx.Response) -> bool:
        """Compare one answer with what the model allows; True if it was a success."""
        age = self.now - self.opened[context]
        if age > 14 * 86400 + 60:
            assert answer.json()["ErrorDetails"] == "Failed to get context object."
            return False
        if abs(age - 14 * 86400) <= 60:
            self.bill += answer.status_code == 200
            return False
        at, interval = self.last.get(context, (float("-inf"), 0))
        allowed = at + interval - max(0.1 * interval, 2.0)
        if answer.status_code == 200:
            assert self.now >= allowed - 30, "answered long before the interval was over"
            body = answer.json()
            assert body["NextProcessIntervalSec"] >= 20
            assert body["PauseSuggested"] <= (body["PrintQuality"] <= 3)
            self.last[context] = (self.now, body["NextProcessIntervalSec"])
            self.bill += 1
            return True
        assert answer.status_code == 429, answer.text
        assert self.now < allowed + 1, "refused although the interval was over"
        return False


@pytest.mark.timeout(170)
def test_any_order_of_calls_keeps_ledger_and_prints_in_step(running: Running) -> None:
    Contexts.running = running
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Contexts,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
