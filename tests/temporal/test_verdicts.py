"""What the model says of prints: caught in time, not fooled, not flickering."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from layerwatch.temporal import Levels, false_alarm, resumed
from layerwatch.temporal.alarm import AlarmState, raised
from layerwatch.vision import Condition
from tests.temporal.frames import INTERVAL, Camera, Watch


def test_a_healthy_print_has_good_quality_and_no_flags() -> None:
    camera, watch = Camera(), Watch()
    verdicts = watch.see_all(camera.healthy() for _ in range(60))
    assert all(v.quality >= 6 and not v.warning and not v.pause and v.kind is None for v in verdicts)


@pytest.mark.parametrize("interval", [20.0, 30.0, 40.0])
def test_a_failure_is_warned_of_and_paused_in_the_time_that_the_contract_names(interval: float) -> None:
    camera, watch = Camera(), Watch(interval=interval)
    watch.see_all(camera.healthy() for _ in range(30))
    watch.see_all(camera.failing() for _ in range(15))
    low = next(i for i, v in enumerate(watch.verdicts) if v.quality <= 3)
    warned = next(i for i, v in enumerate(watch.verdicts) if v.warning)
    paused = next(i for i, v in enumerate(watch.verdicts) if v.pause)
    assert 30 <= (warned - low) * interval <= 80
    assert 60 <= (paused - low) * interval <= 120


def test_a_failure_in_the_first_minutes_is_caught() -> None:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(3))
    assert watch.until("pause", (camera.failing() for _ in range(12))) <= 9


@pytest.mark.parametrize("probability", [0.0, 0.01, 0.05])
def test_a_picture_that_looks_better_than_usual_is_not_suspicious(probability: float) -> None:
    camera, watch = Camera(), Watch()
    assert not watch.see(camera.sees(probability)).suspicious
    watch.see_all(camera.sees(0.2) for _ in range(30))
    assert not watch.see(camera.sees(probability)).suspicious


def test_one_odd_picture_is_no_failure() -> None:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(20))
    watch.see(camera.failing())
    verdicts = watch.see_all(camera.healthy() for _ in range(10))
    assert not any(v.warning or v.pause for v in verdicts)
    assert verdicts[-1].quality >= 6


def test_a_picture_that_looks_well_again_raises_no_flag() -> None:
    for odd in range(1, 8):
        camera, watch = Camera(), Watch()
        watch.see_all(camera.healthy() for _ in range(20))
        before = watch.see_all(camera.failing() for _ in range(odd))[-1]
        after = watch.see(camera.healthy())
        assert (after.warning, after.pause) == (before.warning, before.pause)


def test_what_looked_odd_and_went_away_by_itself_surprises_less_the_next_time() -> None:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(30))
    scores = []
    for _ in range(3):
        scores.append(max(v.score for v in watch.see_all(camera.sees(0.75) for _ in range(2))))
        watch.see_all(camera.healthy() for _ in range(10))
    assert scores[0] > scores[1] >= scores[2]


def test_a_closer_look_is_asked_for_at_the_first_hint() -> None:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(20))
    assert not watch.verdicts[-1].suspicious
    hinted = watch.until("suspicious", (camera.failing() for _ in range(6)))
    assert hinted == 1
    assert not watch.verdicts[-1].warning


def test_scenery_that_fools_the_detector_from_the_first_picture_never_alarms_in_twelve_hours() -> None:
    camera, watch = Camera(), Watch(interval=40.0)
    verdicts = watch.see_all(camera.failing(at=((2, 2),)) for _ in range(12 * 90))
    assert not any(v.warning or v.pause for v in verdicts)


def test_a_real_failure_in_scenery_that_fools_the_detector_is_warned_of_within_four_pictures() -> None:
    camera, watch = Camera(), Watch(interval=30.0)
    camera.scenery = {(1, 1): 0.95}
    watch.see_all(camera.failing(at=((1, 1),)) for _ in range(200))
    assert watch.until("warning", (camera.failing(at=((5, 5), (5, 6))) for _ in range(8))) <= 4


@pytest.mark.parametrize(
    "condition",
    [Condition.DARK, Condition.BLURRED, Condition.BLOCKED, Condition.OVEREXPOSED, Condition.NO_PRINT],
)
@pytest.mark.parametrize("probability", [0.01, 0.99])
def test_pictures_unfit_to_judge_by_neither_raise_nor_lower_the_verdict(
    condition: Condition, probability: float
) -> None:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(10))
    watch.see_all(camera.failing() for _ in range(2))
    before = watch.verdicts[-1]
    verdicts = watch.see_all(camera.sees(probability, condition=condition) for _ in range(20))
    assert {(v.score, v.quality, v.warning, v.pause) for v in verdicts} == {
        (before.score, before.quality, before.warning, before.pause)
    }
    assert all(v.condition is condition for v in verdicts)


def test_a_static_scene_with_a_camera_s_noise_is_not_called_frozen() -> None:
    camera, watch = Camera(), Watch()
    assert all(v.condition is Condition.OK for v in watch.see_all(camera.sees(0.05) for _ in range(30)))


def test_a_lamp_switched_on_is_no_failure() -> None:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(30))
    camera.scene = camera.scene * 0.6 + 100
    verdicts = watch.see_all(camera.sees(0.3, at=((0, 0),)) for _ in range(40))
    assert not any(v.warning for v in verdicts)


def test_what_appears_as_the_light_changes_is_doubted_though_the_change_is_small() -> None:
    def highest(brighter: float) -> int:
        camera, watch = Camera(), Watch()
        watch.see_all(camera.healthy() for _ in range(30))
        camera.scene = camera.scene + brighter
        verdicts = watch.see_all(camera.sees(0.4, at=((0, 0),)) for _ in range(6))
        assert all(v.condition is Condition.OK for v in verdicts)
        return max(v.score for v in verdicts)

    assert highest(25.0) < highest(0.0) / 2 < 20


def test_a_bumped_camera_holds_the_verdict_and_then_learns_the_new_scene() -> None:
    camera, watch = Camera(), Watch()
    camera.scenery = {(2, 2): 0.6}
    watch.see_all(camera.sees(0.5, at=()) for _ in range(30))
    camera.scene, camera.scenery = np.roll(camera.scene, (7, 11), (0, 1)), {(5, 6): 0.6}
    verdicts = watch.see_all(camera.sees(0.5, at=()) for _ in range(30))
    assert verdicts[0].condition is Condition.MOVED
    assert verdicts[-1].condition is Condition.OK
    assert not any(v.warning for v in verdicts)


def test_a_hand_in_the_picture_is_no_failure() -> None:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(30))
    bare = camera.scene.copy()
    camera.scene[4:20, 6:28] = 190
    watch.see_all(camera.failing() for _ in range(2))
    camera.scene = bare
    verdicts = watch.see_all(camera.healthy() for _ in range(20))
    assert not any(v.warning for v in watch.verdicts)
    assert verdicts[-1].quality >= 6


def test_flags_stay_up_while_the_detector_wavers() -> None:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(20))
    watch.until("pause", (camera.failing() for _ in range(12)))
    verdicts = watch.see_all(camera.sees(p) for p in (0.9, 0.3, 0.95, 0.4, 0.9, 0.9) * 5)
    assert all(v.warning and v.pause for v in verdicts)


def test_flags_go_down_when_the_print_has_long_been_well_again() -> None:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(20))
    watch.until("warning", (camera.failing() for _ in range(12)))
    verdicts = watch.see_all(camera.healthy() for _ in range(40))
    assert not verdicts[-1].warning and verdicts[-1].quality >= 6


def test_after_a_false_alarm_the_same_scene_does_not_alarm_again() -> None:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(20))
    watch.until("warning", (camera.failing() for _ in range(12)))
    assert watch.state is not None
    watch.state = false_alarm(watch.state)
    verdicts = watch.see_all(camera.failing() for _ in range(200))
    assert not any(v.warning or v.pause for v in verdicts)


@pytest.mark.parametrize("teach", [false_alarm, resumed])
def test_after_a_lesson_a_new_failure_elsewhere_still_alarms(teach: object) -> None:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(20))
    watch.until("pause", (camera.failing(at=((1, 1),)) for _ in range(14)))
    assert watch.state is not None and callable(teach)
    watch.state = teach(watch.state)
    camera.scenery = {(1, 1): 0.95}
    watch.see_all(camera.failing(at=((1, 1),)) for _ in range(40))
    warned = watch.until("warning", (camera.failing(at=((5, 5), (6, 5))) for _ in range(12)))
    paused = warned + watch.until("pause", (camera.failing(at=((5, 5), (6, 5))) for _ in range(20)))
    assert (warned <= 6, paused <= 20) == (True, True), (warned, paused)  # patient: this scene fooled it once


def test_a_picture_that_speaks_against_a_failure_takes_time_away() -> None:
    alarm = AlarmState(bad_seconds=60.0)
    assert alarm.after(2, 2, 3.0, 20.0, nats=2.0, patience=1.0).bad_seconds == 80.0
    assert alarm.after(2, 2, 3.0, 20.0, nats=-2.0, patience=1.0).bad_seconds == 40.0


def test_a_scene_that_fools_the_detector_is_paused_later_but_warned_of_as_soon() -> None:
    alarm = AlarmState(bad_seconds=80.0)
    usual = alarm.after(1, 1, 6.0, 20.0, nats=2.0, patience=1.0)
    patient = alarm.after(1, 1, 6.0, 20.0, nats=2.0, patience=3.0)
    assert usual.warned == patient.warned
    assert raised(usual.paused, 3) and not raised(patient.paused, 3)


def test_after_resuming_there_is_no_second_pause_for_the_same_thing() -> None:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(20))
    watch.until("pause", (camera.failing() for _ in range(14)))
    assert watch.state is not None
    watch.state = resumed(watch.state)
    assert not any(v.pause for v in watch.see_all(camera.failing() for _ in range(200)))


def test_the_likeliest_kind_is_named_while_the_print_is_suspicious() -> None:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(10))
    verdicts = watch.see_all(camera.sees(0.95, kind="detachment") for _ in range(6))
    assert verdicts[-1].suspicious and verdicts[-1].kind == "detachment"


def test_two_cameras_add_up() -> None:
    def warned_after(cameras: tuple[str, ...]) -> float:
        watch, eyes = Watch(interval=20.0 / len(cameras)), {name: Camera(i) for i, name in enumerate(cameras)}
        for _ in range(20):
            for name in cameras:
                watch.see(eyes[name].healthy(), name)
        began = watch.second
        while not watch.verdicts[-1].quality <= 3:
            for name in cameras:
                watch.see(eyes[name].sees(0.8), name)
        return watch.second - began

    assert warned_after(("top", "front")) <= warned_after(("top",))


def test_a_second_camera_with_a_clip_in_view_does_not_alarm() -> None:
    watch, top, side = Watch(interval=10.0), Camera(1), Camera(2)
    side.scenery = {(3, 3): 0.95}
    for _ in range(200):
        watch.see(top.healthy(), "top")
        watch.see(side.sees(0.95, at=()), "side")
    assert not any(v.warning for v in watch.verdicts)


def test_levels_outside_one_to_five_are_refused() -> None:
    for level in (0, 6, True, 3.5, "3"):
        with pytest.raises(ValueError, match="from 1 to 5"):
            Levels(warning=level)  # type: ignore[arg-type]


def test_a_plain_failure_is_paused_after_a_minute_of_low_quality() -> None:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(40))
    watch.until("pause", (camera.sees(0.99, at=((4, 4), (4, 5))) for _ in range(12)))
    low = sum(v.quality <= 3 for v in watch.verdicts)
    assert (low - 1) * INTERVAL == 60


def test_a_failure_seen_in_one_place_but_not_in_the_picture_as_a_whole_is_not_plain() -> None:
    camera, watch = Camera(), Watch()
    watch.see_all(camera.healthy() for _ in range(40))
    pictures = (replace(camera.sees(0.99), failure_probability=0.6) for _ in range(20))
    watch.until("pause", pictures)
    low = sum(v.quality <= 3 for v in watch.verdicts)
    assert (low - 1) * INTERVAL > 60


def test_a_plain_picture_shortens_the_wait_of_every_level_and_keeps_their_order() -> None:
    for seconds in range(0, 200, 10):
        alarm = AlarmState(bad_seconds=seconds)
        doubtful = alarm.after(1, 1, 6.0, 20.0, nats=4.5, patience=1.0)
        plain = alarm.after(1, 1, 6.0, 20.0, nats=4.5, patience=1.0, plain=True)
        paused = [raised(plain.paused, level) for level in range(1, 6)]
        assert paused == sorted(paused, reverse=True)
        assert doubtful.paused | plain.paused == plain.paused
        assert plain.paused | plain.warned == plain.warned
    assert raised(AlarmState(40.0).after(1, 1, 6.0, 20.0, nats=4.5, patience=1.0, plain=True).paused, 3)
