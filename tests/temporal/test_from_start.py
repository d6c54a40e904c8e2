"""A print that looks failed from its first picture: scenery for the alarm, but never shown as going well."""

from __future__ import annotations

from layerwatch.temporal import false_alarm
from layerwatch.temporal.verdict import FROM_START
from tests.temporal.frames import Camera, Watch


def watched(pictures: int, interval: float = 20.0) -> tuple[Camera, Watch]:
    """A live camera on a print that looks failed from its first picture."""
    camera, watch = Camera(), Watch(interval=interval)
    watch.see_all(camera.failing() for _ in range(pictures))
    return camera, watch


def test_its_quality_is_at_most_4_for_ten_minutes_and_the_note_says_why() -> None:
    _, watch = watched(30)
    assert all(v.quality <= 4 for v in watch.verdicts)
    assert all(v.note == FROM_START for v in watch.verdicts if v.quality == 4)
    assert watch.verdicts[-1].note == "looked like this from the start"


def test_it_is_neither_warned_of_nor_paused() -> None:
    _, watch = watched(12 * 90, interval=40.0)
    assert not any(v.warning or v.pause for v in watch.verdicts)


def test_after_ten_minutes_without_growth_it_counts_as_scenery() -> None:
    _, watch = watched(40)
    assert watch.verdicts[28].quality <= 4
    assert watch.verdicts[-1].quality >= 8 and watch.verdicts[-1].note is None


def test_growth_there_begins_the_ten_minutes_again() -> None:
    camera, watch = watched(20)
    watch.see_all(camera.failing(at=((4, 4), (4, 5), (5, 4), (5, 5))) for _ in range(25))
    assert watch.verdicts[-1].quality <= 4


def test_a_print_whose_odd_look_goes_away_is_shown_as_going_well_again() -> None:
    camera, watch = watched(5)
    verdicts = watch.see_all(camera.healthy() for _ in range(8))
    assert verdicts[-1].quality >= 8 and verdicts[-1].note is None


def test_a_person_s_word_ends_it() -> None:
    camera, watch = watched(5)
    assert watch.state is not None
    watch.state = false_alarm(watch.state)
    assert watch.see(camera.failing()).quality == 7


def test_unfit_and_frozen_pictures_do_not_count_as_time() -> None:
    camera, watch = Camera(), Watch(interval=60.0)
    failure = camera.failing()
    watch.see_all([failure] * 30)
    assert watch.see(camera.failing()).quality <= 4


def test_a_print_that_looks_well_at_first_is_not_limited() -> None:
    camera, watch = Camera(), Watch()
    verdicts = watch.see_all(camera.healthy() for _ in range(5))
    assert all(v.quality >= 6 and v.note is None for v in verdicts)
