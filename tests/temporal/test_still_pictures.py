"""The same picture over again leads to what that one picture says, never towards "perfect"."""

from __future__ import annotations

from dataclasses import replace

import pytest

from layerwatch.temporal import Levels, false_alarm
from layerwatch.vision import Condition
from tests.temporal.frames import Camera, Watch


def test_one_picture_of_a_failure_sent_again_and_again_ends_at_quality_1_to_3_with_a_warning() -> None:
    watch, failure = Watch(), Camera().sees(0.92)
    verdicts = watch.see_all([failure] * 50)
    assert 1 <= verdicts[-1].quality <= 3 and verdicts[-1].warning
    assert not any(v.pause for v in verdicts)
    assert all(v.condition is Condition.FROZEN for v in verdicts[1:])


@pytest.mark.parametrize("interval", [20.0, 40.0])
def test_the_warning_comes_30_to_80_s_after_quality_1_to_3(interval: float) -> None:
    watch = Watch(interval=interval)
    watch.see_all([Camera().sees(0.92)] * 10)
    low = next(i for i, v in enumerate(watch.verdicts) if v.quality <= 3)
    warned = next(i for i, v in enumerate(watch.verdicts) if v.warning)
    assert 30 <= (warned - low) * interval <= 80


@pytest.mark.parametrize("probability", [0.0, 0.05, 0.3, 0.4, 0.5, 0.7, 0.92, 0.99])
def test_repeats_never_make_a_print_look_better(probability: float) -> None:
    watch = Watch()
    verdicts = watch.see_all([Camera().sees(probability)] * 30)
    scores = [v.score for v in verdicts]
    assert scores == sorted(scores)


@pytest.mark.parametrize("probability", [0.3, 0.4, 0.49])
def test_a_picture_that_may_be_a_failure_leads_to_watching_without_a_warning(probability: float) -> None:
    verdicts = Watch().see_all([Camera().sees(probability)] * 30)
    assert verdicts[-1].quality in (4, 5) and not any(v.warning for v in verdicts)


def test_a_camera_stuck_on_a_healthy_picture_keeps_its_quality_and_says_frozen() -> None:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(10))
    healthy = camera.healthy()
    before = watch.see(healthy)
    verdicts = watch.see_all([healthy] * 30)
    assert all(v.condition is Condition.FROZEN and v.quality == before.quality for v in verdicts)


def test_a_healthy_picture_sent_again_and_again_stays_at_quality_8_or_above() -> None:
    assert all(v.quality >= 8 for v in Watch().see_all([Camera().sees(0.05)] * 30))


def test_a_camera_that_gets_stuck_on_a_failure_is_warned_of_but_not_paused() -> None:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(10))
    verdicts = watch.see_all([camera.failing()] * 30)
    assert verdicts[-1].quality <= 3 and verdicts[-1].warning
    assert not any(v.pause for v in verdicts)


def test_a_camera_that_gets_stuck_on_one_odd_picture_of_a_print_that_went_well_is_only_watched() -> None:
    camera, watch = Camera(), Watch()
    for _ in range(4):  # the print is known to look odd for a moment now and then
        watch.see_all(camera.healthy() for _ in range(20))
        watch.see(camera.sees(0.8))
    watch.see_all(camera.healthy() for _ in range(20))
    verdicts = watch.see_all([camera.sees(0.8)] * 30)
    assert verdicts[-1].quality >= 4 and not any(v.warning for v in verdicts)


def test_what_a_stuck_camera_showed_is_no_evidence_once_it_is_live_again() -> None:
    camera, stuck, never = Camera(), Watch(), Watch()
    healthy = [camera.healthy() for _ in range(10)]
    failure, after = camera.sees(0.92), [camera.healthy() for _ in range(3)]
    stuck.see_all([*healthy, failure, failure, failure])
    never.see_all([*healthy, failure])
    assert stuck.verdicts[-1].score > never.verdicts[-1].score
    stuck.see_all(after)
    never.see_all(after)
    assert abs(stuck.verdicts[-1].score - never.verdicts[-1].score) <= 1


def test_a_live_camera_on_a_static_scene_is_no_still_picture() -> None:
    camera, watch = Camera(), Watch()
    verdicts = watch.see_all(camera.sees(0.92) for _ in range(60))
    assert all(v.condition is Condition.OK for v in verdicts)
    assert not any(v.warning or v.pause for v in verdicts)


def test_a_picture_without_motion_that_is_not_the_very_same_one_raises_no_warning() -> None:
    watch, failure = Watch(), Camera().sees(0.92)
    for at in range(40):
        pixels = bytearray(failure.thumbnail)
        pixels[at] ^= 1
        watch.see(replace(failure, thumbnail=bytes(pixels)))
    assert watch.verdicts[-1].condition is Condition.FROZEN
    assert watch.verdicts[-1].quality <= 4 and not any(v.warning for v in watch.verdicts)


def test_after_a_false_alarm_the_same_picture_does_not_warn_again() -> None:
    watch, failure = Watch(), Camera().sees(0.92)
    watch.until("warning", [failure] * 10)
    assert watch.state is not None
    watch.state = false_alarm(watch.state)
    verdicts = watch.see_all([failure] * 60)
    assert all(v.quality == 7 and not v.warning for v in verdicts)


def test_a_lower_level_warns_of_a_still_picture_no_later() -> None:
    failure = Camera().sees(0.92)
    taken = []
    for level in range(1, 6):
        watch = Watch(Levels(warning=level, pause=level))
        taken.append(watch.until("warning", [failure] * 20))
    assert taken == sorted(taken)
