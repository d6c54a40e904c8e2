"""One picture's evidence into the belief about the print."""

from __future__ import annotations

import math
from dataclasses import replace

from layerwatch.temporal import constants as c
from layerwatch.temporal.alarm import quality_of
from layerwatch.temporal.baseline import Baseline, logit
from layerwatch.temporal.belief import Belief
from layerwatch.temporal.levels import Levels
from layerwatch.temporal.marks import Marks, Origin
from layerwatch.temporal.memory import PrinterMemory
from layerwatch.temporal.places import Logits, Places, lit_area, place_logits
from layerwatch.temporal.scene import Change, Glance, View, look, sketch_of
from layerwatch.temporal.state import MAX_CAMERAS, CameraState, PrintState, camera_name
from layerwatch.temporal.still import Still
from layerwatch.temporal.verdict import Verdict, verdict_of
from layerwatch.vision.evidence import KINDS, Condition, Evidence


def step(
    state: PrintState | None,
    evidence: Evidence,
    seconds: float,
    levels: Levels,
    camera: str = "",
    memory: PrinterMemory | None = None,
) -> tuple[PrintState, Verdict]:
    """Take in one picture.

    state: what the last call returned; None for a new print.
    seconds: of the picture, since the context was opened. A picture that is not newer than the camera's last
        one moves nothing.
    levels: when to warn and when to pause; they change the answer, never the state.
    camera: which of the print's cameras took it; of up to four; the longest unused is forgotten.
    memory: what is remembered of the printer. It counts for the print's first judged picture only, and only
        where that shows the remembered scene.

    A picture in another condition than OK, a frozen one and one without a usable score move nothing either;
    but the very same picture over again brings the answer nearer to what that picture says.
    """
    after, verdict = _step(state or PrintState.new(), evidence, seconds, levels, camera, memory)
    if state is None or state.before is None:
        return after, verdict
    without, _ = _step(state.before, evidence, seconds, levels, camera)
    return replace(after, before=without), verdict


def _step(
    before: PrintState,
    evidence: Evidence,
    seconds: float,
    levels: Levels,
    camera: str,
    memory: PrinterMemory | None = None,
) -> tuple[PrintState, Verdict]:
    name = camera_name(camera)
    known = next((one for one in before.cameras if one.name == name), None)
    fit = evidence.condition is Condition.OK and math.isfinite(evidence.failure_probability)
    late = known is not None and known.seconds - c.CLOCK_SET_BACK < seconds <= known.seconds
    if not fit or late or not math.isfinite(seconds):
        return before, verdict_of(before, levels, evidence.condition)

    value = logit(evidence.failure_probability)
    seen, area = place_logits(evidence.heat), lit_area(evidence.heat)
    sketch = sketch_of(evidence.thumbnail)
    familiar = before.familiar
    if known is None:
        if before.cameras or memory is None or memory.camera != name or not memory.fits(sketch):
            memory = None
        else:
            familiar = memory.familiar()
        glance, elapsed = Glance(Change.NONE, View.first(sketch)), c.USUAL_INTERVAL
        known = _new_camera(name, glance.view)
    else:
        glance = look(known.view, sketch, abs(value - known.logit) <= c.FROZEN_LOGIT)
        gap = seconds - known.seconds
        elapsed = min(gap, c.MAX_GAP_SECONDS) if gap > 0 else c.USUAL_INTERVAL
    change = glance.change
    if change is Change.FROZEN or change is Change.DISTURBED:
        after = _unjudged(before, known, evidence, value, glance, seconds, elapsed)
        return after, verdict_of(
            after, levels, Condition.FROZEN if change is Change.FROZEN else Condition.MOVED
        )
    known = replace(known, view=glance.view)
    if change is Change.NEW_SCENE:
        known = _in_new_scene(known, value, seen, before.belief)
        familiar = None if familiar is not None and familiar.camera == name else familiar
    elif glance.unrest > 0 and known.frames:
        known = _in_new_light(known, value, seen, before.belief, glance.unrest)

    passed = min(max(seconds - before.seconds, 0.0), c.MAX_GAP_SECONDS) if before.cameras else 0.0
    excess = None if seen is None or known.frames == 0 else known.places.excess(seen)
    odd, failing, agreed = _nats(known, value, excess)
    if familiar is not None and familiar.camera == name and failing > 0:
        kept = 1 - familiar.discount(seen, area)
        failing, agreed = kept * failing, kept * agreed
    novelty = glance.novelty if known.frames >= c.SETTLED_FRAMES else 1.0  # the usual change must be known
    shown = (novelty * odd, novelty * failing)
    grown = _growth(known, seen, area, evidence.failure_probability)
    if grown > 0:
        odd_growth, failing_growth = (grown * nats for nats in c.GROWTH_NATS)
        shown = (max(shown[0], odd_growth), max(shown[1], failing_growth))
        failing = max(failing, failing_growth)
    weight = c.FRAME_EVIDENCE * min(1.0, elapsed / c.USUAL_INTERVAL)
    belief = before.belief.after(passed).given(weight * shown[0], weight * shown[1])
    alarm = before.alarm.after(
        quality_of(before.belief.score),
        quality_of(belief.score),
        belief.log_odds,
        passed,
        failing,
        1 + (c.FOOLED_PATIENCE - 1) * (1 - _telling(known)) * (1 - grown),
        plain=agreed >= c.PLAIN_NATS,
    )
    if known.frames == 0 and memory and memory.is_left_over(value, evidence.failure_probability, seen, area):
        learnt = _not_scenery(known, memory, value, seen, seconds)
    else:
        learnt = _learnt(known, value, seen, excess, seconds, elapsed, belief)
    learnt = replace(
        learnt,
        recent_area=max(area, c.RECENT_AREA_DECAY * known.recent_area),
        still=_still(known, evidence, failing, belief),
        marks=_marks(known, seen, area, evidence.failure_probability, elapsed),
    )
    kinds = _kinds(before.kinds, evidence.kinds)
    cameras = (*_others(before, known), learnt)
    after = PrintState(belief, alarm, seconds, kinds, cameras, familiar)
    return after, verdict_of(after, levels, Condition.MOVED if change is Change.NEW_SCENE else Condition.OK)


def _unjudged(
    before: PrintState,
    camera: CameraState,
    evidence: Evidence,
    value: float,
    glance: Glance,
    seconds: float,
    elapsed: float,
) -> PrintState:
    """A frozen or disturbed picture adds no evidence; a repeated one still says what it says."""
    still, alarm = camera.still, before.alarm
    if glance.change is Change.DISTURBED:
        still = Still.of(evidence.thumbnail, evidence.failure_probability, new=False, plain=False)
    elif still.repeats(evidence.thumbnail, value - camera.logit):
        still = still.again(before.belief.score, elapsed)
        alarm = alarm.still(still.seconds, value)
    seen = replace(camera, view=glance.view, seconds=seconds, logit=value, still=still)
    return replace(before, alarm=alarm, seconds=seconds, cameras=(*_others(before, camera), seen))


def _still(camera: CameraState, evidence: Evidence, failing: float, belief: Belief) -> Still:
    """What this picture will say if it is repeated; `failing` as in `_nats`."""
    return Still.of(
        evidence.thumbnail,
        evidence.failure_probability,
        new=camera.frames == 0 or failing > 0,
        plain=camera.frames < c.SETTLED_FRAMES or quality_of(belief.score) <= c.PLAIN_QUALITY,
    )


def _marks(
    camera: CameraState, seen: Logits | None, area: float, probability: float, elapsed: float
) -> Marks | None:
    """The camera's marked places after a picture."""
    if camera.frames == 0:
        return Marks.first(seen, area) if probability >= c.LOOKS_FAILED else None
    if camera.marks is None:
        return None
    return camera.marks.after(seen, area, camera.places.usual, probability, elapsed)


def _growth(camera: CameraState, seen: Logits | None, area: float, probability: float) -> float:
    """How far more of a failure is seen than a person marked, 0..1."""
    marks = camera.marks
    if marks is None or marks.origin is not Origin.PERSON or probability < c.LOOKS_FAILED:
        return 0.0
    return marks.growth(seen, area, camera.places.usual)


def _nats(camera: CameraState, value: float, excess: float | None) -> tuple[float, float, float]:
    """Nats for an excursion and for failing, from the picture as a whole and from its places; and the lesser
    of both for failing, as far as both tell anything.

    The two tell much the same, so they are averaged; where the picture's score is high in any case (scenery
    that fools the detector) it tells nothing, and the places alone are heard.
    """
    whole = camera.picture.nats(value, c.GLOBAL_FAILING, c.MISS_RATE)
    telling = _telling(camera)
    if excess is None:
        return telling * whole[0], telling * whole[1], 0.0
    local = camera.place.nats(excess, c.LOCAL_FAILING, c.PLACE_MISS_RATE)
    share = 1 / (1 + telling)
    odd, failing = (share * (telling * whole[i] + local[i]) for i in (0, 1))
    return odd, failing, telling * min(whole[1], local[1])


def _telling(camera: CameraState) -> float:
    """How much the picture's own score tells, 0..1: nothing where it is high in any case."""
    at, softness = c.SATURATED
    return 0.5 - 0.5 * math.tanh((camera.picture.mean - at) / (2 * softness))


def _in_new_scene(camera: CameraState, value: float, seen: Logits | None, belief: Belief) -> CameraState:
    """Everything is elsewhere: the baselines are little trusted, and what is seen is usual, if plausible."""
    picture = camera.picture.unsettled(1.0)
    trust = min(_healthy(belief) * picture.plausibility(value), 1.0)
    return replace(
        camera,
        picture=picture,
        place=camera.place.unsettled(1.0),
        places=camera.places.moved(seen, trust),
        marks=camera.marks and camera.marks.moved(seen),
    )


def _in_new_light(
    camera: CameraState, value: float, seen: Logits | None, belief: Belief, share: float
) -> CameraState:
    """Everything is where it was, but may look another way: by this share of a new scene."""
    picture = camera.picture.unsettled(share)
    trust = min(share * _healthy(belief) * picture.plausibility(value), 1.0)
    places = camera.places.relit(seen, trust)
    return replace(camera, picture=picture, place=camera.place.unsettled(share), places=places)


def _learnt(
    camera: CameraState,
    value: float,
    seen: Logits | None,
    excess: float | None,
    seconds: float,
    elapsed: float,
    belief: Belief,
) -> CameraState:
    """The camera's baseline with this frame, as far as the print is believed healthy."""
    healthy = _healthy(belief)
    picture, place, places = camera.picture.after(elapsed), camera.place.after(elapsed), camera.places
    if camera.frames == 0:  # what is there from the start is scenery
        picture, places = picture.learn(value, c.FIRST_FRAME_WEIGHT * healthy), Places.first(seen)
    else:
        plausible = picture.plausibility(value)
        picture = picture.learn(value, healthy * plausible)
        if seen is not None:  # a picture that as a whole is not usual does not show what is usual where
            relief = plausible >= c.LEARN_RELIEF
            places = places.learn(seen, healthy * min(plausible, 1.0), camera.frames, relief)
        if excess is not None:
            place = place.learn(excess, healthy * place.plausibility(excess))
        if belief.healthy > c.CALM:
            picture, place = picture.forgiven(), place.forgiven()
    picture = picture.noticed(value)
    if excess is not None:
        place = place.noticed(excess)
    frames = min(camera.frames + 1, 2**31)
    return replace(
        camera, seconds=seconds, frames=frames, logit=value, picture=picture, place=place, places=places
    )


def _not_scenery(
    camera: CameraState, memory: PrinterMemory, value: float, seen: Logits | None, seconds: float
) -> CameraState:
    """The camera after a first picture that looks failed where its printer's prints do not: what is usual
    here is what was usual before.
    """
    picture = Baseline.prior((memory.mean, c.GLOBAL_HEALTHY[1]))
    picture = replace(picture, frames=c.FIRST_FRAME_WEIGHT).noticed(value)
    return replace(
        camera, seconds=seconds, frames=1, logit=value, picture=picture, places=memory.usual_places(seen)
    )


def _healthy(belief: Belief) -> float:
    """How far a picture teaches what is usual, 0..1."""
    return belief.healthy + c.EXCURSION_LEARNING * belief.excursion


def _new_camera(name: bytes, view: View) -> CameraState:
    return CameraState(
        name=name,
        seconds=0.0,
        frames=0,
        logit=0.0,
        picture=Baseline.prior(c.GLOBAL_HEALTHY),
        place=Baseline.prior(c.LOCAL_HEALTHY),
        places=Places.first(None),
        view=view,
    )


def _others(state: PrintState, camera: CameraState) -> tuple[CameraState, ...]:
    return tuple(one for one in state.cameras if one.name != camera.name)[-(MAX_CAMERAS - 1) :]


def _kinds(before: tuple[float, ...], now: tuple[float, ...]) -> tuple[float, ...]:
    if len(now) != len(KINDS):
        return before
    return tuple(
        old + c.KIND_LEARN * (min(max(new, 0.0), 1.0) - old) if math.isfinite(new) else old
        for old, new in zip(before, now, strict=True)
    )
