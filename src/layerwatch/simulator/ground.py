"""What a print stands on: backdrop, frame, and the bed with its texture, shadows and reflections."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from layerwatch.simulator.beds import TEXTURE
from layerwatch.simulator.bodies import mirrored, paint_body, strand_pieces
from layerwatch.simulator.camera import SimulatedCamera
from layerwatch.simulator.canvas import Canvas
from layerwatch.simulator.light import Light
from layerwatch.simulator.meshes import Mesh, box, join, paint_mesh
from layerwatch.simulator.scene import Scene
from layerwatch.simulator.worlds import Pose, World

Points = NDArray[np.float64]


class Ground:
    """Paints the ground of one printer, in pictures of one size. Keeps what does not move between calls."""

    def __init__(self, world: World, backdrop: Image.Image, width: int, height: int) -> None:
        self.world = world
        self.backdrop = backdrop.resize((width, height))
        self.width, self.height = width, height
        self._still: tuple[tuple[bytes, ...], Image.Image] | None = None

    def paint(self, scene: Scene, light: Light, camera: SimulatedCamera, pose: Pose) -> Image.Image:
        """The RGB picture of all but what stands on the bed, and the head."""
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
