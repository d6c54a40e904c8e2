"""A moment of a print survives its stored form, whatever is in it."""

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as some

from layerwatch.prints.moments import ENTRY_CHARACTERS, HOUR_S, Moment
from layerwatch.temporal.verdict import FROM_START, MARKED, STILL_PICTURE
from layerwatch.vision.evidence import KINDS, Condition

shares = some.floats(0, 1)
moments = some.builds(
    Moment,
    second=some.integers(0, 14 * 24 * HOUR_S),
    quality=some.integers(1, 10),
    score=some.integers(0, 100),
    warning=some.booleans(),
    pause=some.booleans(),
    halted=some.booleans(),
    kind=some.none() | some.sampled_from(KINDS),
    condition=some.sampled_from(Condition),
    note=some.sampled_from((None, FROM_START, STILL_PICTURE, MARKED)),
    probability=shares,
    usual=some.none() | shares,
    failing=shares,
    excursion=shares,
    evidence=some.floats(-40, 40),
)


@given(some.lists(moments, max_size=5))
def test_what_is_stored_is_what_was_seen(seen):
    for moment in seen:
        (found,) = Moment.unpack(moment.hour, moment.pack())
        assert len(moment.pack()) == ENTRY_CHARACTERS
        for name, most in {"probability": 1e-4, "failing": 0.01, "excursion": 0.01}.items():
            assert math.isclose(getattr(found, name), getattr(moment, name), abs_tol=most)
        assert math.isclose(found.evidence, max(-12.7, min(12.7, moment.evidence)), abs_tol=0.06)
        assert (found.usual is None) == (moment.usual is None)
        coarse = {"probability": 0, "usual": None, "failing": 0, "excursion": 0, "evidence": 0}
        assert replace(found, **coarse) == replace(moment, **coarse)


@given(some.lists(moments, max_size=20))
def test_entries_of_an_hour_are_joined_as_text(seen):
    of_first_hour = [replace(moment, second=moment.second % HOUR_S) for moment in seen]
    entries = "".join(moment.pack() for moment in of_first_hour)
    assert [one.second for one in Moment.unpack(0, entries)] == [one.second for one in of_first_hour]


def test_a_score_that_is_not_a_number_is_stored_as_none_seen():
    moment = Moment(
        1, 5, 50, False, False, False, None, Condition.DARK, None, float("nan"), None, 0.1, 0.1, 0.0
    )
    (found,) = Moment.unpack(0, moment.pack())
    assert found.probability == 0
