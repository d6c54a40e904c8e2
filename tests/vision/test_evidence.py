"""What clients get of a picture's evidence does not contradict itself."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from layerwatch.vision import KINDS
from tests.temporal.frames import Camera

PICTURE = Camera().sees(0.5)
fraction = st.floats(0, 1)
kinds = st.tuples(*[fraction] * len(KINDS))


@given(fraction, kinds)
def test_no_kind_of_failure_is_likelier_than_a_failure(failure: float, outputs: tuple[float, ...]) -> None:
    probabilities = replace(PICTURE, failure_probability=failure, kinds=outputs).kind_probabilities()
    assert list(probabilities) == list(KINDS)
    assert all(0 <= value <= failure * (1 + 1e-12) for value in probabilities.values())


@given(fraction, kinds)
def test_the_likeliest_kind_stays_the_likeliest(failure: float, outputs: tuple[float, ...]) -> None:
    probabilities = replace(PICTURE, failure_probability=failure, kinds=outputs).kind_probabilities()
    assert probabilities[KINDS[outputs.index(max(outputs))]] == max(probabilities.values())


def test_outputs_that_do_not_contradict_are_given_as_they_are() -> None:
    outputs = (0.4, 0.3) + (0.0,) * (len(KINDS) - 2)
    probabilities = replace(PICTURE, failure_probability=0.5, kinds=outputs).kind_probabilities()
    assert tuple(probabilities.values()) == outputs


def test_spaghetti_of_040_beside_a_failure_of_0115_is_scaled() -> None:
    outputs = (0.4, 0.2) + (0.0,) * (len(KINDS) - 2)
    probabilities = replace(PICTURE, failure_probability=0.115, kinds=outputs).kind_probabilities()
    assert round(probabilities["spaghetti"], 4) == 0.115 and round(probabilities["detachment"], 4) == 0.0575
