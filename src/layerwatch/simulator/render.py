"""One moment of a print as a picture: the ground, and what stands on it: part, strands, head.

The ground is painted at the picture's own size and enlarged; what stands on it and the head are painted at
`SCALE` times that, far to near, and the whole is reduced, which smooths the edges of strands.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from layerwatch.simulator.bodies import (
    paint_blobs,
    paint_body,
    paint_current,
    paint_strips,
    strand_pieces,
)
from layerwatch.simulator.canvas import Canvas
from layerwatch.simulator.ground import Ground
from layerwatch.simulator.light import Light
from layerwatch.simulator.meshes import paint_mesh
from layerwatch.simulator.scene import BodyView, Scene
from layerwatch.simulator.viewpoints import Viewpoint
from layerwatch.simulator.worlds import Pose, World

Points = NDArray[np.float64]
SCALE = 2
"""How much larger than the picture the standing things are painted; masks are reduced by pairs of pixels."""


class Renderer:
    """Paints scenes of one printer through one camera. Keeps what does not move between calls."""

    def __init__(
        self, world: World, viewpoint: Viewpoint, backdrop: Image.Image, width: int, height: int
    ) -> None:
        self.world = world
        self.viewpoint = viewpoint
        self.width, self.height = width, height
        self._ground = Ground(world, backdrop, width, height)

    def paint(
        self, scene: Scene, light: Light, *, bump: Points | None = None
    ) -> tuple[Image.Image, NDArray[np.uint8]]:
        """The RGB picture (height, width) and labels (height, width) uint8: 0 fine, else kind index + 1."""
        pose = self.world.pose(scene.nozzle)
        small = self.viewpoint.camera(self.width, self.height, pose.head, bump)
        large = self.viewpoint.camera(self.width * SCALE, self.height * SCALE, pose.head, bump)
        ground = self._ground.paint(scene, light, small, pose)
        size = (self.width * SCALE, self.height * SCALE)
        canvas = Canvas(ground.resize(size, Image.Resampling.BILINEAR).convert("RGBA"), large)
        self._paint_standing(canvas, scene, light, pose)
        return canvas.image.convert("RGB").reduce(SCALE), _labels(canvas)

    def glance(self, scene: Scene, light: Light, *, bump: Points | None = None) -> NDArray[np.uint8]:
        """The labels alone: neither backdrop nor bed are painted."""
        pose = self.world.pose(scene.nozzle)
        large = self.viewpoint.camera(self.width * SCALE, self.height * SCALE, pose.head, bump)
        canvas = Canvas(Image.new("RGBA", (large.width, large.height), (0, 0, 0, 255)), large)
        self._paint_standing(canvas, scene, light, pose)
        return _labels(canvas)

    def _paint_standing(self, canvas: Canvas, scene: Scene, light: Light, pose: Pose) -> None:
        eye = np.array(canvas.camera.eye)
        forward = canvas.camera.axes[2]
        head_depth = float((pose.head - eye) @ forward)
        below = eye[2] < pose.head[2]
        paint_strips(canvas, scene, light, pose.bed)
        behind_beam = eye[1] > 40
        if not behind_beam:
            paint_mesh(canvas, self.world.beam.moved(pose.beam), light)
        views = sorted(scene.bodies, key=lambda view: -_depth(view, eye, forward, pose.bed))
        pieces, colours, labels, radii = [], [], [], []
        for strand in scene.strands:
            some, tones = strand_pieces(strand, light, pose.bed)
            pieces.append(some)
            colours.append(tones)
            labels.append(np.full(len(some), strand.label))
            radii.append(np.full(len(some), strand.radius))
        head_done = False
        for view in views:
            if below and not head_done and _depth(view, eye, forward, pose.bed) < head_depth:
                self._paint_head(canvas, scene, light, pose)
                head_done = True
            paint_body(canvas, view, scene.step, light, pose.bed)
            paint_current(canvas, view, scene.step, light, pose.bed)
        paint_blobs(canvas, [blob for blob in scene.blobs if not blob.on_nozzle], light, pose.bed)
        if pieces:
            all_pieces, all_colours = np.concatenate(pieces), np.concatenate(colours)
            all_labels, all_radii = np.concatenate(labels), np.concatenate(radii)
            near = (all_pieces.mean(axis=1) - eye) @ forward < head_depth - 2
            for group in (~near, near):
                if group is near and not head_done:
                    self._paint_head(canvas, scene, light, pose)
                    head_done = True
                for label in np.unique(all_labels[group]):
                    chosen = group & (all_labels == label)
                    if chosen.any():
                        canvas.strands(
                            all_pieces[chosen],
                            all_colours[chosen],
                            float(all_radii[chosen].mean()),
                            int(label),
                        )
        if not head_done:
            self._paint_head(canvas, scene, light, pose)
        if behind_beam:
            paint_mesh(canvas, self.world.beam.moved(pose.beam), light)

    def _paint_head(self, canvas: Canvas, scene: Scene, light: Light, pose: Pose) -> None:
        for start, end, thick in self.world.wires:
            tip = pose.head + end
            t = np.linspace(0, 1, 14)[:, None]
            line = start * (1 - t) + tip * t
            line[:, 2] += np.sin(np.pi * t[:, 0]) * 30
            line[:, 0] += np.sin(np.pi * t[:, 0]) * thick * 6
            canvas.lines([line], np.array([[0.09, 0.09, 0.1]]) * (light.ambient + light.key * 0.5), thick)
        if self.world.rods:
            for angle in (np.pi / 2, np.pi * 7 / 6, np.pi * 11 / 6):
                for side in (-22, 22):
                    spread = np.array([-np.sin(angle), np.cos(angle), 0]) * side
                    foot = pose.head + np.array([np.cos(angle) * 30, np.sin(angle) * 30, 20]) + spread
                    reach = self.world.bed.width / 2 + 35
                    top = (
                        np.array([np.cos(angle) * reach, np.sin(angle) * reach, pose.head[2] + 220]) + spread
                    )
                    canvas.lines(
                        [np.stack([foot, top])],
                        np.array([[0.12, 0.12, 0.13]]) * (light.ambient + light.key),
                        6,
                    )
        paint_blobs(canvas, [blob for blob in scene.blobs if blob.on_nozzle], light, pose.head)
        if canvas.camera.eye != tuple(pose.head) and not self.viewpoint.on_head:
            paint_mesh(canvas, self.world.head.moved(pose.head), light, 0.2)
            paint_mesh(canvas, self.world.decals.moved(pose.head), light, 0.2)
        else:
            nozzle = self.world.head.only(self.world.head.corners[:, :, 2].max(axis=1) < 6)
            paint_mesh(canvas, nozzle.moved(pose.head), light, 0.2)


def _labels(canvas: Canvas) -> NDArray[np.uint8]:
    labels = 255 - np.asarray(canvas.image.getchannel("A"))
    rows = np.maximum(labels[::2], labels[1::2])
    return np.asarray(np.maximum(rows[:, ::2], rows[:, 1::2]))


def _depth(view: BodyView, eye: Points, forward: Points, shift: Points) -> float:
    centre = view.to_bed(np.append(view.body.centre, 0.0)[None])[0] + shift
    return float((centre - eye) @ forward)
