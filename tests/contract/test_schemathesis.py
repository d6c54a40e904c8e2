"""Schemathesis makes up calls from the OpenAPI document; every answer must be one that it describes."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.conftest import Running, Service
from tests.contract.jpegs import WHOLE

UNPROMISED = [
    # A context is a signed id that only createcontext gives out, so a made-up one is never "accepted".
    schemathesis.checks.positive_data_acceptance,
    # The contract says that unknown fields are ignored, and that 404 and 405 are OE_BAD_ARGS.
    schemathesis.checks.negative_data_rejection,
    # "Failed to get context object." is a 500 by contract.
    schemathesis.checks.not_a_server_error,
]


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
def test_every_answer_is_one_that_the_document_describes(
    running: Running, service: Service, mode: schemathesis.GenerationMode
) -> None:
    document = schemathesis.openapi.from_url(f"{running.url}/openapi.json").include(path_regex="^/api/")
    operations = [found.ok() for found in document.get_all_operations()]
    assert len(operations) >= 2

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.one_of([operation.as_strategy(generation_mode=mode) for operation in operations]))
    def call(case: Any) -> None:
        answer = case.call(headers={"X-API-Key": service.key}, timeout=20)
        case.validate_response(answer, excluded_checks=UNPROMISED)
        assert answer.headers["x-request-id"][0]
        if answer.status_code >= 400:
            body = answer.json()
            assert set(body) == {"ErrorType", "ErrorDetails"}
            if answer.status_code == 500:
                assert body["ErrorDetails"] == "Failed to get context object."

    call()


def test_the_server_lives_on(service: Service) -> None:
    assert service.process(service.open(), WHOLE).status_code == 200
