"""One frame's evidence into the belief about the print."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from layerwatch.temporal import constants as c
from layerwatch.temporal.alarm import Alarm, advance, quality_of, raised
from layerwatch.temporal.baseline import (
    drift,
    learn,
    log_likelihoods,
    logit,
    place_logits,
    prior,
    spread_to_neighbours,
)
from layerwatch.temporal.belief import Belief
from layerwatch.temporal.levels import Levels
from layerwatch.temporal.scene import Change, Look, first_look, look, sketch_of
from layerwatch.temporal.state import MOST_CAMERAS, PLACES, Baseline, CameraState, PrintState
from layerwatch.temporal.verdict import Verdict
from layerwatch.vision.evidence import KINDS, Condition, Evidence

NEW_PRINT = PrintState(Belief(), 0.0, 0.0, 0.0, 0, 0, (0.0,) * len(KINDS))


def step(
    state: PrintState | None, evidence: Evidence, seconds: float, levels: Levels, camera: str = ""
) -> tuple[PrintState, Verdict]:
    """Take in one picture.

    state: what the last call returned; None for a new print.
    seconds: of the picture, since the context was opened. A picture that is not newer than the camera's last
        one moves nothing.
    levels: when to warn and when to pause; they change the answer, never the state.
    camera: which of the print's cameras took it; up to four are told apart, the longest unheard is forgotten.

    A picture in another condition than OK, a frozen one and one without a usable score move nothing either.
    """
    before = state or NEW_PRINT
    name = _name(camera)
    known = next((one for one in before.cameras if one.name == name), None)
    if not math.isfinite(seconds):
        return before, _verdict(before, levels, evidence.condition)
    if known is not None and known.seconds - c.CLOCK_SET_BACK < seconds <= known.seconds:
        return before, _verdict(before, levels, evidence.condition)
    if evidence.condition is not Condition.OK or not math.isfinite(evidence.failure_probability):
        held = replace(before, seconds=seconds if state else before.seconds)
        return held, _verdict(held, levels, evidence.condition)

    value = logit(evidence.failure_probability)
    places = place_logits(evidence.heat)
    sketch = sketch_of(evidence.thumbnail)
    if known is None:
        seen, elapsed = first_look(sketch), c.USUAL_INTERVAL
        known = _new_camera(name, seconds, seen)
    else:
        seen = look(known, sketch, value - known.recent_logit)
        gap = seconds - known.seconds
        elapsed = min(gap, c.LONGEST_GAP) if gap > 0 else c.USUAL_INTERVAL

    if seen.change in (Change.FROZEN, Change.DISTURBED):
        told = Condition.FROZEN if seen.change is Change.FROZEN else Condition.MOVED
        after = _remember(before, _watched(known, seen, seconds, value), seconds)
        return after, _verdict(after, levels, told)

    scene = _Scene.of(known, seen.change is Change.NEW_SCENE)
    passed = min(max(seconds - before.seconds, 0.0), c.LONGEST_GAP) if before.cameras else 0.0
    odd, failing = scene.evidence(value, places)
    weight = c.FRAME_EVIDENCE * min(1.0, elapsed / c.USUAL_INTERVAL)
    belief = before.belief.after(passed).given(weight * odd, weight * failing)

    watched = replace(_watched(known, seen, seconds, value), frames=min(known.frames + 1, 2**31))
    camera_after = scene.taught(watched, value, places, belief, elapsed)
    was_bad = quality_of(before.belief.score) <= c.BAD_QUALITY
    alarm = advance(
        Alarm(before.bad_seconds, before.good_seconds, before.warned, before.paused),
        was_bad,
        quality_of(belief.score),
        belief.log_odds,
        passed,
    )
    after = replace(
        _remember(before, camera_after, seconds),
        belief=belief,
        bad_seconds=alarm.bad_seconds,
        good_seconds=alarm.good_seconds,
        warned=alarm.warned,
        paused=alarm.paused,
        kinds=_kinds(before.kinds, evidence.kinds),
    )
    told = Condition.MOVED if seen.change is Change.NEW_SCENE else Condition.OK
    return after, _verdict(after, levels, told)


@dataclass(frozen=True, slots=True)
class _Scene:
    """A camera's baseline as it stands before this frame is learnt."""

    camera: CameraState
    fresh: bool

    @classmethod
    def of(cls, camera: CameraState, new_scene: bool) -> _Scene:
        if not new_scene:
            return cls(camera, camera.frames == 0)
        return cls(replace(camera, picture=prior(c.GLOBAL_HEALTHY), place=prior(c.LOCAL_HEALTHY)), True)

    def excess(self, places: NDArray[np.float32]) -> float:
        """The most that any place's logit stands above what is usual there and around it."""
        if self.fresh:
            return float(places.max()) - c.LOGIT_LIMIT
        usual = self.camera.place_mean.astype(np.float32) + self.camera.place_spread
        return float((places - np.maximum(spread_to_neighbours(usual), c.PLACE_FLOOR)).max())

    def evidence(self, value: float, places: NDArray[np.float32] | None) -> tuple[float, float]:
        """Nats for an excursion and for failing: from the picture as a whole and from its places."""
        whole = log_likelihoods(self.camera.picture, value, c.GLOBAL_FAILING)
        at, softness = c.SATURATED
        telling = 1 / (1 + math.exp((self.camera.picture.mean - at) / softness))
        if places is None or self.fresh:
            return telling * whole[0], telling * whole[1]
        local = log_likelihoods(self.camera.place, self.excess(places), c.LOCAL_FAILING)
        return (
            (telling * whole[0] + local[0]) / (telling + 1),
            (telling * whole[1] + local[1]) / (telling + 1),
        )

    def taught(
        self,
        camera: CameraState,
        value: float,
        places: NDArray[np.float32] | None,
        belief: Belief,
        elapsed: float,
    ) -> CameraState:
        """`camera` after learning this frame, as far as the print is believed healthy."""
        healthy = belief.healthy + c.EXCURSION_LEARNING * belief.excursion
        picture = _learn(drift(self.camera.picture, elapsed), value, healthy, self.fresh)
        place = self.camera.place
        if places is None:
            return replace(camera, picture=picture, place=place)
        if self.fresh:
            mean, spread = places, np.full(PLACES, c.PLACE_SPREAD_START, np.float32)
        else:
            place = _learn(drift(place, elapsed), self.excess(places), healthy, False)
            mean = self.camera.place_mean.astype(np.float32)
            spread = self.camera.place_spread.astype(np.float32)
            off = places - mean
            rate = np.where(off < 0, c.PLACE_LEARN_DOWN, c.PLACE_LEARN_UP) * np.float32(healthy)
            mean = mean + rate * off
            spread = spread + rate * (np.minimum(np.abs(off), 3) - spread)
        recent = np.maximum(places, 0.7 * self.camera.place_recent.astype(np.float32) - 1)
        return replace(
            camera,
            picture=picture,
            place=place,
            place_mean=mean.astype(np.float16),
            place_spread=spread.astype(np.float16),
            place_recent=recent.astype(np.float16),
        )


def _learn(belief: Baseline, value: float, healthy: float, fresh: bool) -> Baseline:
    if fresh:
        return learn(belief, value, c.FIRST_FRAME_WEIGHT * healthy)
    return learn(belief, value, healthy * (c.LEARN_UP if value > belief.mean + 1 else c.LEARN_DOWN))


def _watched(camera: CameraState, seen: Look, seconds: float, value: float) -> CameraState:
    return replace(
        camera,
        seconds=seconds,
        recent_logit=value,
        usual_change=seen.usual_change,
        usual_change_spread=seen.usual_change_spread,
        brightness=seen.brightness,
        unsettled=seen.unsettled,
        sketch=seen.sketch,
        reference=seen.reference,
    )


def _remember(state: PrintState, camera: CameraState, seconds: float) -> PrintState:
    others = tuple(one for one in state.cameras if one.name != camera.name)
    return replace(state, seconds=seconds, cameras=(*others, camera)[-MOST_CAMERAS:])


def _kinds(before: tuple[float, ...], now: tuple[float, ...]) -> tuple[float, ...]:
    if len(now) != len(KINDS):
        return before
    return tuple(
        old + 0.3 * (min(max(new, 0.0), 1.0) - old) if math.isfinite(new) else old
        for old, new in zip(before, now, strict=True)
    )


def _new_camera(name: bytes, seconds: float, seen: Look) -> CameraState:
    return CameraState(
        name=name,
        seconds=seconds,
        picture=prior(c.GLOBAL_HEALTHY),
        place=prior(c.LOCAL_HEALTHY),
        recent_logit=0.0,
        usual_change=seen.usual_change,
        usual_change_spread=seen.usual_change_spread,
        brightness=seen.brightness,
        unsettled=0,
        frames=0,
        place_mean=np.full(PLACES, c.PLACE_FLOOR, np.float16),
        place_spread=np.full(PLACES, c.PLACE_SPREAD_START, np.float16),
        place_recent=np.full(PLACES, -c.LOGIT_LIMIT, np.float16),
        sketch=seen.sketch,
        reference=seen.reference,
    )


def _name(camera: str) -> bytes:
    return hashlib.blake2b(camera.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _verdict(state: PrintState, levels: Levels, condition: Condition) -> Verdict:
    score = state.belief.score
    quality = quality_of(score)
    suspicious = quality <= c.WATCHED_QUALITY or state.bad_seconds > 0
    kind = KINDS[max(range(len(KINDS)), key=state.kinds.__getitem__)] if suspicious else None
    return Verdict(
        quality=quality,
        score=score,
        warning=raised(state.warned, levels.warning),
        pause=raised(state.paused, levels.pause),
        suspicious=suspicious,
        condition=condition,
        kind=kind,
    )
