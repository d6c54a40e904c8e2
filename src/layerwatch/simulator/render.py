"""One moment of a print as a picture: backdrop, frame, bed with shadows and reflections, part, strands, head.

Everything on and under the bed is painted at the picture's own size and enlarged; what stands on it and the
head are painted at `SCALE` times that, far to near, and the whole is reduced, which smooths the edges of
strands.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from layerwatch.simulator.beds import TEXTURE
from layerwatch.simulator.bodies import (
    mirrored,
    paint_blobs,
    paint_body,
    paint_current,
    paint_strips,
    strand_pieces,
)
from layerwatch.simulator.camera import SimulatedCamera
from layerwatch.simulator.canvas import Canvas
from layerwatch.simulator.light import Light
from layerwatch.simulator.meshes import Mesh, box, join, paint_mesh
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
        self.backdrop = backdrop.resize((width, height))
        self.width, self.height = width, height
        self._still: tuple[tuple[bytes, ...], Image.Image] | None = None

    def paint(
        self, scene: Scene, light: Light, *, bump: Points | None = None
    ) -> tuple[Image.Image, NDArray[np.uint8]]:
        """The RGB picture (height, width) and labels (height, width) uint8: 0 fine, else kind index + 1."""
        pose = self.world.pose(scene.nozzle)
        small = self.viewpoint.camera(self.width, self.height, pose.head, bump)
        large = self.viewpoint.camera(self.width * SCALE, self.height * SCALE, pose.head, bump)
        ground = self._ground(scene, light, small, pose)
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

    def _ground(self, scene: Scene, light: Light, camera: SimulatedCamera, pose: Pose) -> Image.Image:
        key = (repr(camera).encode(), light.key.tobytes(), light.ambient.tobytes())
        if self._still is None or self._still[0] != key:
            twice = replace(camera, width=self.width * 2, height=self.height * 2)
            canvas = Canvas(self.backdrop.resize((self.width * 2, self.height * 2)), twice)
            paint_mesh(canvas, self.world.static, light)
            for strand in self.world.litter:
                pieces, colours = strand_pieces(strand, light, np.zeros(3))
                canvas.strands(pieces, colours, strand.radius)
            self._still = (key, canvas.image.reduce(2))
        image = self._still[1].copy()
        canvas = Canvas(image, camera)
        paint_mesh(canvas, self.world.carriage.moved(pose.bed), light)
        if camera.eye[2] <= pose.bed[2] + 2:
            return image
        outline, _ = camera.project(self.world.bed.outline() + pose.bed)
        if not np.isfinite(outline).all():
            outline, _ = camera.project(_clip_behind(camera, self.world.bed.outline() + pose.bed))
        mask = Image.new("L", (self.width * 2, self.height * 2), 0)
        if len(outline):
            ImageDraw.Draw(mask).polygon((outline * 2).ravel().tolist(), 255)
        mask = mask.reduce(2)
        sheet = self._sheet(camera, pose, light)
        image.paste(sheet, (0, 0), mask)
        if self.world.bed.clips:
            paint_mesh(Canvas(image, camera), self._clips().moved(pose.bed), light, 0.5)
        shadow = self._shadow(scene, light, camera, pose)
        reflection = self._reflect(scene, light, camera, pose, image)
        if reflection is not None:
            image.paste(Image.blend(image, reflection, self.world.bed.reflect), (0, 0), mask)
        return ImageChops.multiply(image, shadow.convert("RGB"))

    def _sheet(self, camera: SimulatedCamera, pose: Pose, light: Light) -> Image.Image:
        """The bed's texture in perspective, lit, with the lamp's glare."""
        bed = self.world.bed
        axes = camera.axes
        intrinsic = np.array(
            [[camera.focal, 0, self.width / 2], [0, camera.focal, self.height / 2], [0, 0, 1]]
        )
        plane = np.array(
            [
                [bed.width / TEXTURE, 0, -bed.width / 2 + pose.bed[0]],
                [0, -bed.depth / TEXTURE, bed.depth / 2 + pose.bed[1]],
                [0, 0, pose.bed[2]],
            ]
        )
        plane[:, 2] -= np.array(camera.eye)
        back = np.linalg.inv(intrinsic @ axes @ plane)
        back = back / back[2, 2]
        lit = light.shade(np.ones((1, 3)), np.array([[0, 0, 1.0]]), np.array([[0, 0, 1.0]]), 0.0)[0]
        sheet = bed.texture.transform(
            (self.width, self.height),
            Image.Transform.PERSPECTIVE,
            back.ravel()[:8].tolist(),
            Image.Resampling.BILINEAR,
        )
        gains = [int(v) for band in lit for v in np.clip(np.arange(256) * band, 0, 255)]
        sheet = sheet.point(gains)
        lamp = light.towards * 500 * np.array([1, 1, -1])
        spot, depth = camera.project(lamp)
        if np.isfinite(spot).all() and depth > 0:
            quarter = Image.new("L", (self.width // 8, self.height // 8), 0)
            radius, (x, y) = self.width / 8 * 0.12, spot / 8
            strength = int(40 + 150 * min(bed.reflect * 2, 1))
            ImageDraw.Draw(quarter).ellipse(
                [x - radius, y - radius * 0.8, x + radius, y + radius * 0.8], fill=strength
            )
            glare = quarter.filter(ImageFilter.GaussianBlur(radius * 0.7)).resize(
                sheet.size, Image.Resampling.BILINEAR
            )
            tint = tuple(float(v) for v in np.clip(light.key, 0, 1))
            sheet = ImageChops.add(
                sheet, Image.merge("RGB", [glare.point(lambda v, t=t: v * t) for t in tint])
            )
        return sheet

    def _clips(self) -> Mesh:
        x, y = self.world.bed.width / 2, self.world.bed.depth / 2
        return join(
            [
                box((sx * x * 0.7 - 9, sy * y - 6, -3), (sx * x * 0.7 + 9, sy * y + 6, 4), (0.15, 0.15, 0.16))
                for sx in (-1, 1)
                for sy in (-1, 1)
            ]
        )

    def _shadow(self, scene: Scene, light: Light, camera: SimulatedCamera, pose: Pose) -> Image.Image:
        """How much light reaches the bed, 0..255: part and strands cast along the key light."""
        half = Image.new("L", (self.width // 2, self.height // 2), 255)
        draw = ImageDraw.Draw(half)
        slope = -light.towards[:2] / max(light.towards[2], 0.25)
        dark = int(
            255
            * (1 - 0.55 * min(float(light.key.mean() / (light.key.mean() + light.ambient.mean())) * 1.3, 1))
        )

        def fall(points: Points) -> Points:
            down = points.copy()
            down[:, :2] += down[:, 2:] * slope
            down[:, 2] = 0
            pixels: Points = camera.project(down + pose.bed)[0] / 2
            return pixels

        def cast(points: Points) -> list[float]:
            pixels = fall(points)
            return pixels.ravel().tolist() if np.isfinite(pixels).all() else []

        for view in scene.bodies:
            caps = view.body.caps
            for number in sorted({*range(0, view.layers, max(view.layers // 10, 1)), view.layers - 1}):
                if 0 <= number < len(caps):
                    for loop, hole in caps[number]:
                        step = view.shift[number] if view.shift is not None else 0
                        flat = np.hstack(
                            [loop + step, np.full((len(loop), 1), (number + 1) * scene.step * view.stretch)]
                        )
                        outline = cast(np.maximum(view.to_bed(flat), [-1e9, -1e9, 0]))
                        if outline and not hole:
                            draw.polygon(outline, dark)
        for strand in scene.strands:
            fallen = fall(strand.points)
            finite: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(fallen), axis=1)
            ways: list[float] = fallen.ravel().tolist()
            for piece in range(0, len(strand.points) - 8, 8):
                if finite[piece : piece + 9].all():
                    draw.line(ways[2 * piece : 2 * piece + 18], (dark + 255) // 2, 1)
        head = np.array([[-30, -30, 15], [30, -30, 15], [30, 30, 15], [-30, 30, 15.0]]) + scene.nozzle
        outline = cast(head)
        if outline and not scene.away:
            draw.polygon(outline, (dark + 255) // 2)
        blurred = half.filter(ImageFilter.GaussianBlur(self.width / 320))
        return blurred.resize((self.width, self.height), Image.Resampling.BILINEAR)

    def _reflect(
        self, scene: Scene, light: Light, camera: SimulatedCamera, pose: Pose, image: Image.Image
    ) -> Image.Image | None:
        if self.world.bed.reflect < 0.06:
            return None
        canvas = Canvas(image.copy(), camera)
        for view in scene.bodies:
            flip = mirrored(view)
            flip.label = 0
            paint_body(canvas, flip, scene.step, light, pose.bed)
        head = self.world.head
        turned = head.corners * np.array([1, 1, -1]) + (
            pose.head * np.array([1, 1, -1]) + [0, 0, 2 * pose.bed[2]]
        )
        if self.world.kind != "delta":
            canvas.polygons(turned, head.colours * light.ambient)
        return canvas.image.filter(ImageFilter.GaussianBlur(self.width / 400))

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


def _clip_behind(camera: SimulatedCamera, outline: Points) -> Points:
    """The part of a flat outline that lies before the camera (Sutherland and Hodgman, one plane)."""
    depth = (outline - np.array(camera.eye)) @ camera.axes[2] - 10
    kept = []
    for index in range(len(outline)):
        here, following = index, (index + 1) % len(outline)
        if depth[here] > 0:
            kept.append(outline[here])
        if (depth[here] > 0) != (depth[following] > 0):
            share = depth[here] / (depth[here] - depth[following])
            kept.append(outline[here] + (outline[following] - outline[here]) * share)
    return np.array(kept) if kept else np.zeros((0, 3))
