"""A whole print as a webcam sees it, second by second, with the truth attached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from layerwatch.simulator.backdrops import random_backdrop
from layerwatch.simulator.clutter import with_clutter
from layerwatch.simulator.failures import make_failure, random_failure_name
from layerwatch.simulator.filament import layer_colours, random_light
from layerwatch.simulator.geometry import Points
from layerwatch.simulator.nuisances import Timeline, bump_of, hand_mask, random_events, unsteady
from layerwatch.simulator.optics import FrameConditions, random_optics
from layerwatch.simulator.plates import random_print
from layerwatch.simulator.processes import LABELS, Failure
from layerwatch.simulator.randomness import Rng, between, happens, stream
from layerwatch.simulator.render import Renderer
from layerwatch.simulator.scene import BodyView, Scene
from layerwatch.simulator.slicer import Print
from layerwatch.simulator.truth import Frame, Truth, TruthBox
from layerwatch.simulator.viewpoints import random_viewpoint
from layerwatch.simulator.worlds import WORLDS, random_world

TYPICAL_EXTENT = (60.0, 80.0)
"""Height and width, mm, of the part that a printer's fixed camera was aimed at."""


class Simulation:
    """One print in one printer before one camera, all drawn from `seed`.

    failure: None for a healthy print, "random", or a name of `FAILURES`; world: a name of `WORLDS` or None
    for any; duration: seconds of printing (drawn when None); nuisance: True for events at random, False for
    none, or the kinds that shall happen; viewpoint: a name of `VIEWPOINTS` or None; onset: second of printing
    at which the failure begins (drawn between 4 and 78 % of the print when None); shape: a name of `SHAPES`;
    `plan`: a print of your own (from `gcode.read_gcode`) in place of a random one; printer: seed of the
    printer, its room, light and fixed camera, so that several prints of one printer can be drawn (`seed` when
    None). Raises ValueError for unknown names.
    """

    def __init__(
        self,
        seed: int,
        failure: str | None = None,
        world: str | None = None,
        duration: float | None = None,
        nuisance: bool | Sequence[str] = True,
        size: tuple[int, int] = (640, 480),
        viewpoint: str | None = None,
        onset: float | None = None,
        shape: str | None = None,
        plan: Print | None = None,
        printer: int | None = None,
    ) -> None:
        if world is not None and world not in WORLDS:
            raise ValueError(f"unknown world {world!r}; known: {', '.join(WORLDS)}")
        if duration is not None and duration <= 0:
            raise ValueError(f"duration must be above 0 seconds, got {duration}")
        self.seed, self.size = seed, size
        self.printer = seed if printer is None else printer
        rng = stream(seed, "simulation")
        self.world = random_world(self.printer, world)
        if failure == "support_collapse" and shape is None:
            shape = "arch"
        bed = (
            self.world.bed.width * (0.68 if self.world.bed.is_round else 1),
            self.world.bed.depth * (0.68 if self.world.bed.is_round else 1),
        )
        self.print = plan or random_print(seed, bed, shape=shape, duration=duration)
        if plan is not None and duration is not None:
            self.print = replace(plan, duration=duration, paths={})
        self.colours = layer_colours(seed, self.print.count + 1)
        self.world = with_clutter(self.world, self.printer, self.colours[0])
        self.gloss = between(rng, 0.05, 0.5)
        exposed = rng if printer is None else stream(printer, "exposure")
        self.exposure = float(np.clip(exposed.normal(0.46, 0.11), 0.16, 0.7))
        self.light = random_light(self.printer, enclosed=self.world.enclosed)
        span = 2 * max(body.radius for body in self.print.bodies)
        extent = (self.print.height, span) if printer is None else TYPICAL_EXTENT
        view = random_viewpoint(stream(self.printer, "viewpoint"), self.world, *extent, viewpoint)
        self.viewpoint = view
        self.optics = random_optics(self.printer, *size, wide=view.name == "wide", plain=nuisance is False)
        if nuisance is True:
            self.timeline = random_events(seed, self.print.duration)
        elif nuisance is False:
            self.timeline = Timeline(())
        else:
            self.timeline = random_events(seed, self.print.duration, list(nuisance))
        name = random_failure_name(rng) if failure == "random" else failure
        begin = onset if onset is not None else between(rng, 0.04, 0.78) * self.print.duration
        self.failure: Failure | None = None
        if name is not None:
            self.failure = make_failure(name, stream(seed, "failure", name), self.print, self.colours, begin)
        self.duration = self.timeline.recording_second(self.print.duration)
        self._renderer: Renderer | None = None

    @property
    def onset(self) -> float | None:
        """Second of the recording at which the failure begins."""
        return None if self.failure is None else self.timeline.recording_second(self.failure.onset)

    def truth(self, second: float) -> Truth:
        """What is so at `second`, without rendering: no mask, no boxes. Cheap."""
        done = self.timeline.print_second(second)
        layer, share = self.print.reached(done)
        failed = self.failure is not None and done >= self.failure.onset
        active = tuple(event.kind for event in self.timeline.active(second))
        condition = "ok"
        if "freeze" in active:
            condition = "frozen"
        elif "light_off" in active and not self.optics.infrared:
            condition = "dark"
        elif "hand" in active:
            condition = "blocked"
        scale = self.print.step / self.print.layer_height
        return Truth(
            second=float(second),
            shape=self.print.name,
            layer=min(int((layer + share) * scale), int(self.print.count * scale)),
            layers=int(self.print.count * scale),
            progress=float(np.clip(done / self.print.duration, 0, 1)),
            failed=failed,
            failure=self.failure.name if self.failure is not None and failed else None,
            kind=self.failure.kind if self.failure is not None and failed else None,
            severity=self.failure.severity(done) if self.failure is not None else 0.0,
            onset=self.onset,
            events=active,
            condition=condition,
        )

    def scene(self, second: float) -> Scene:
        """What stands on the bed at `second` of the recording."""
        done = self.timeline.print_second(second)
        layer, share = self.print.reached(done)
        nozzle, away = self._nozzle(second, done)
        scene = Scene(self.print.step, nozzle, away=away)
        colour = self.colours[0]
        scene.strips = [(strip, colour) for strip in self.print.strips] if layer > 0 or share > 0.1 else []
        beads = np.zeros((0, 2, 2))
        if layer < self.print.count:
            path, lays = self.print.way(layer)
            done_points = int(len(path) * share)
            beads = np.stack([path[:-1], path[1:]], axis=1)[: max(done_points - 1, 0)]
            beads = beads[lays[1 : len(beads) + 1]]
        for body in self.print.bodies:
            view = BodyView(body, min(layer, body.top_layer), self.colours, gloss=self.gloss)
            if layer < body.top_layer and len(beads):
                close = np.hypot(*(beads.mean(axis=1) - body.centre).T) <= body.radius + 1
                view.current = beads[close]
            scene.bodies.append(view)
        if self.failure is not None and done >= self.failure.onset:
            self.failure.apply(scene, done)
        return scene

    def _nozzle(self, second: float, done: float) -> tuple[Points, bool]:
        nozzle = self.print.nozzle(done)
        active = {event.kind for event in self.timeline.active(second)}
        draw = stream(self.seed, "parking", int(second))
        parked = "pause" in active or "wipe" in active or done >= self.print.duration
        parked = parked or ("parking" in active and happens(draw, 0.6))
        if parked:
            rise = 15.0 if done >= self.print.duration else 1.0
            return np.append(self.world.park, min(nozzle[2], self.print.height) + rise), True
        return nozzle, False

    def frame(self, second: float) -> Frame:
        """The picture at `second` of the recording, with its truth."""
        truth = self.truth(second)
        shown = self.timeline.frozen_at(second)
        rgb, mask = self._picture(shown)
        kinds = boxes_of(mask)
        seen = float(np.count_nonzero(mask)) / mask.size
        return Frame(rgb, replace(truth, mask=mask, visible=seen, boxes=kinds), self.optics.quality)

    def glance(self, second: float, width: int = 96) -> Truth:
        """The truth with boxes and `visible` from labels painted `width` pixels wide, without a picture.

        Thin strands look broader than at full size, and lens distortion and hands are left out: good to see
        whether a failure can be seen, no mask to train on.
        """
        height = width * self.size[1] // self.size[0] // 2 * 2
        renderer = Renderer(self.world, self.viewpoint, Image.new("RGB", (2, 2)), width, height)
        mask = renderer.glance(self.scene(self.timeline.frozen_at(second)), self.light)
        seen = float(np.count_nonzero(mask)) / mask.size
        return replace(self.truth(second), visible=seen, boxes=boxes_of(mask))

    def frames(
        self, interval: float = 30.0, start: float = 0.0, until: float | None = None
    ) -> Iterator[Frame]:
        """Frames every `interval` seconds from `start` to `until` (the end of the recording when None)."""
        if interval <= 0:
            raise ValueError(f"interval must be above 0 seconds, got {interval}")
        for second in np.arange(start, self.duration if until is None else until, interval):
            yield self.frame(float(second))

    def _picture(self, second: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        width, height = self.size
        if self._renderer is None:
            backdrop = random_backdrop(
                stream(self.printer, "backdrop"), width, height, enclosed=self.world.enclosed
            )
            self._renderer = Renderer(self.world, self.viewpoint, backdrop, width, height)
        rng = stream(self.seed, "moment", round(second * 1000))
        moment, bump = self.moment(second, rng)
        image, mask = self._renderer.paint(self.scene(second), self.light, bump=bump)
        brightness = float(np.clip((self.light.ambient + self.light.key).mean() * 0.7, 0.15, 0.9))
        for event in self.timeline.active(second):
            if event.kind == "hand":
                colour, cover = hand_mask(event, second, width, height, brightness)
                image.paste(colour, (0, 0), cover)
                mask = np.where(np.asarray(cover) > 128, 0, mask).astype(np.uint8)
        moment = replace(moment, gain=moment.gain * self.metered(image))
        rgb = self.optics.develop(image, moment, rng, second)
        return rgb, np.ascontiguousarray(self.optics.bend(mask))

    def metered(self, image: Image.Image) -> float:
        """The gain that automatic exposure settles on; it evens out most of a scene's brightness."""
        mean = max(float(np.asarray(image.convert("L").reduce(8)).mean()) / 255, 0.02)
        return float(np.clip((self.exposure / mean) ** 0.8, 0.6, 3.5))

    def moment(self, second: float, rng: Rng) -> tuple[FrameConditions, Points | None]:
        """What events do to the camera at `second`, and how far a bump has moved it (None if not at all)."""
        gain, defocus, noise, infrared, bump = 1.0, 0.0, 1.0, False, None
        tint = np.ones(3)
        for event in self.timeline.active(second):
            if event.kind == "light_off":
                gain, noise = gain * (0.03 + 0.05 * event.size), 1.6
            elif event.kind == "light_dim":
                gain, noise = gain * (0.25 + 0.4 * event.size), 1.4
            elif event.kind == "light_on":
                gain *= 1.2 + 0.6 * event.size
                tint = tint * np.array([1.05, 1.0, 0.92 + 0.1 * event.size])
            elif event.kind == "flicker":
                gain *= 1 + rng.uniform(-0.45, 0.2) * (0.3 + event.size)
            elif event.kind == "infrared":
                infrared = True
            elif event.kind == "sun":
                phase = 2 * np.pi * (second / 43200 + event.size)
                gain *= float(0.95 + 0.4 * np.sin(phase))
                tint = tint * (1 + 0.1 * np.cos(phase) * np.array([1, 0, -1]))
            elif event.kind == "bump":
                bump = bump_of(event)
            elif event.kind == "refocus":
                defocus = rng.uniform(0, 5) * self.size[0] / 640
            elif event.kind == "exposure":
                gain *= unsteady(rng, event.size)
        return FrameConditions(
            gain, defocus, (float(tint[0]), float(tint[1]), float(tint[2])), noise, infrared
        ), bump


def boxes_of(mask: NDArray[np.uint8]) -> tuple[TruthBox, ...]:
    """The box around each kind in a mask (H, W) of kind index + 1."""
    height, width = mask.shape
    boxes = []
    for value in np.unique(mask[mask > 0]):
        chosen = mask == value
        rows, columns = np.flatnonzero(chosen.any(axis=1)), np.flatnonzero(chosen.any(axis=0))
        left, top = columns[0] / width, rows[0] / height
        wide, tall = (columns[-1] + 1) / width - left, (rows[-1] + 1) / height - top
        boxes.append(TruthBox(LABELS[value - 1], 1.0, float(left), float(top), float(wide), float(tall)))
    return tuple(boxes)
