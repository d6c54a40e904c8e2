"""Painting printed bodies: walls layer by layer, caps, infill of the layer under way, blobs and loose
strands.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from layerwatch.simulator.canvas import Canvas, inks
from layerwatch.simulator.light import Light
from layerwatch.simulator.scene import Blob, BodyView, Scene, Strand

Points = NDArray[np.float64]
MIRROR = np.diag([1.0, 1.0, -1.0])


def lifted(view: BodyView, points: Points) -> Points:
    """`points` (…, 3) in the body's frame with warped corners raised; at a lift's `top` all is level."""
    for x, y, height, reach, top in view.lift:
        near = np.exp(-((points[..., 0] - x) ** 2 + (points[..., 1] - y) ** 2) / reach**2)
        near = near * np.clip(1 - points[..., 2] / top, 0, 1)
        points = points + np.stack([np.zeros_like(near), np.zeros_like(near), near * height], axis=-1)
    return points


def mirrored(view: BodyView) -> BodyView:
    """The view's reflection in the bed."""
    return replace(view, turn=MIRROR @ view.turn, offset=MIRROR @ view.offset)


def paint_body(canvas: Canvas, view: BodyView, step: float, light: Light, shift: Points) -> None:
    """Paint `view`, whose bed is moved by `shift` (3,) in the printer's frame.

    Slabs are painted far to near from the eye's own height in the body's frame, so that any pose sorts
    rightly.
    """
    body, turn, step = view.body, view.turn, step * view.stretch
    chosen = body.layer < view.layers
    if view.gaps is not None:
        noise = np.abs(np.sin(np.arange(len(body.layer)) * 12.9898 + body.layer * 78.233)) * 0.999
        chosen &= noise >= view.gaps[body.layer]
    layer = body.layer[chosen]
    if not len(layer):
        return
    offset = view.offset + shift
    eye = np.array(canvas.camera.eye)
    eye_local = turn.T @ (eye - offset)
    a, b = body.start[chosen], body.end[chosen]
    if view.shift is not None:
        a, b = a + view.shift[layer], b + view.shift[layer]
    low, high = (layer * step)[:, None], ((layer + 1) * step)[:, None]
    corners = np.stack(
        [np.hstack([a, low]), np.hstack([b, low]), np.hstack([b, high]), np.hstack([a, high])], 1
    )
    corners = lifted(view, corners)
    along = b - a
    normal = np.stack([along[:, 1], -along[:, 0], np.zeros(len(a))], 1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    middle = corners.mean(axis=1)
    ray = eye_local - middle
    distance = np.linalg.norm(ray, axis=1)
    ray /= distance[:, None]
    facing = (normal * ray).sum(axis=1)
    if body.thin:
        normal, keep = normal * np.sign(facing)[:, None], np.ones(len(a), dtype=bool)
    else:
        keep = facing > 0
    slab = np.abs((layer + 0.5) * step - eye_local[2])
    order = np.lexsort((-distance, -slab))
    order = order[keep[order]]
    world = corners[order] @ turn.T + offset
    albedo = view.colours[layer[order]]
    grain = 1 + 0.1 * np.sin(layer[order] * 12.9898 + 4.1) + 0.05 * np.sin(layer[order] * 3.7)
    contact = 0.72 + 0.28 * np.clip(np.abs(world[:, :, 2].mean(axis=1) - shift[2]) / 12, 0, 1)
    colours = light.shade(albedo, normal[order] @ turn.T, ray[order] @ turn.T, view.gloss)
    colours = colours * (grain * contact)[:, None]
    labels = np.where(layer[order] >= view.label_from, view.label, 0)
    if view.label_where is not None:
        labels = np.where(view.label_where(middle[order]), labels, 0)
    _paint_slabs(canvas, view, step, light, offset, eye_local, layer[order], world, colours, labels)


def _paint_slabs(
    canvas: Canvas,
    view: BodyView,
    step: float,
    light: Light,
    offset: Points,
    eye_local: Points,
    layer: NDArray[np.intp],
    world: Points,
    colours: Points,
    labels: NDArray[np.intp],
) -> None:
    walls: dict[int, tuple[int, int]] = {}
    if len(layer):
        breaks = np.flatnonzero(np.diff(layer)) + 1
        begins, ends = np.concatenate([[0], breaks]), np.concatenate([breaks, [len(layer)]])
        walls = dict(
            zip(layer[begins].tolist(), zip(begins.tolist(), ends.tolist(), strict=True), strict=True)
        )
    levels = np.arange(view.body.first_layer, min(view.layers, view.body.top_layer))
    levels = levels[np.argsort(-np.abs((levels + 0.5) * step - eye_local[2]), kind="stable")]
    pixels, _ = canvas.camera.project(world)
    good = np.asarray(np.isfinite(pixels)).reshape(len(world), 8).min(axis=1, initial=True).tolist()
    flat = np.clip(np.nan_to_num(pixels), -4000, 8000).reshape(len(world), 8).tolist()
    ink = inks(colours, 0)
    if view.label:
        ink = [value - (int(label) << 24) for value, label in zip(ink, labels, strict=True)]
    fill = canvas.fill
    caps = {} if view.body.thin else _caps(canvas, view, levels, step, light, offset, eye_local)
    for number in levels.tolist():
        for index in range(*walls.get(number, (0, 0))):
            if good[index]:
                fill(flat[index], ink[index])
        for outline, tone in caps.get(number, ()):
            fill(outline, tone)


def _caps(
    canvas: Canvas,
    view: BodyView,
    levels: NDArray[np.intp],
    step: float,
    light: Light,
    offset: Points,
    eye_local: Points,
) -> dict[int, list[tuple[list[float], int]]]:
    """By level, the outlines to fill, as pixels and ink. All levels are lit and projected at once."""
    caps = view.body.outlines
    outlines = [caps[number] if number < len(caps) else [] for number in levels.tolist()]
    owner = np.repeat(np.arange(len(levels)), [len(groups) for groups in outlines])
    loops = [loop for groups in outlines for loop, _ in groups]
    if not loops:
        return {}
    rims = [rim for groups in outlines for _, rim in groups]
    sizes = np.array([len(loop) for loop in loops])
    above = (levels + 0.5) * step < eye_local[2]
    height = (levels + above) * step
    level_of = np.repeat(owner, sizes)
    flat = np.concatenate(loops)
    if view.shift is not None:
        flat = flat + view.shift[levels[level_of]]
    raised = lifted(view, np.hstack([flat, height[level_of, None]]))
    pixels, _ = canvas.camera.project(view.to_bed(raised) + offset - view.offset)

    ray = np.array(canvas.camera.eye) - offset
    ray = ray / np.linalg.norm(ray)
    normals = np.where(above[:, None], 1.0, -1.0) * view.turn[:, 2]
    colours = light.shade(view.colours[levels], normals, np.tile(ray, (len(levels), 1)), view.gloss * 0.6)
    if view.current is not None:
        colours[levels == view.layers - 1] *= 0.85
    failed = inks(colours, view.label)
    whole = inks(colours, 0)
    if view.label_where is None:
        whole = [
            bad if level >= view.label_from else good
            for bad, good, level in zip(failed, whole, levels.tolist(), strict=True)
        ]

    painted: dict[int, list[tuple[list[float], int]]] = {}
    ends = np.cumsum(sizes)
    for index, (begin, end) in enumerate(zip((ends - sizes).tolist(), ends.tolist(), strict=True)):
        outline = pixels[begin:end]
        if not np.isfinite(outline).all():
            continue
        at = int(owner[index])
        fills = painted.setdefault(int(levels[at]), [])
        fills.append((outline.ravel().tolist(), whole[at]))
        if view.label_where is not None:
            for chosen in runs(view.label_where(raised[begin : begin + rims[index]])):
                fills.append((outline[chosen].ravel().tolist(), failed[at]))
    return painted


def runs(chosen: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Indices of each run of three or more true values around a closed loop."""
    if chosen.all():
        return [np.arange(len(chosen))]
    first = int(np.argmin(chosen))
    order = np.roll(np.arange(len(chosen)), -first)
    cuts = np.flatnonzero(np.diff(chosen[order].astype(int))) + 1
    return [piece for piece in np.split(order, cuts) if len(piece) >= 3 and chosen[piece[0]]]


def paint_current(canvas: Canvas, view: BodyView, step: float, light: Light, shift: Points) -> None:
    """The beads of the layer under way, on top of the last one that is done."""
    if view.current is None or not len(view.current):
        return
    moved = view.current + (
        view.shift[min(view.layers, len(view.shift) - 1)] if view.shift is not None else 0
    )
    height = np.full((len(moved), 2, 1), view.layers * step)
    world = view.to_bed(lifted(view, np.concatenate([moved, height], axis=2))) + shift
    along = world[:, 1] - world[:, 0]
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    albedo = np.broadcast_to(view.colours[min(view.layers, len(view.colours) - 1)], along.shape)
    colours = light.shade_strand(albedo, along) * 0.97
    label = view.label if view.layers >= view.label_from and view.label_where is None else 0
    canvas.strands(world, colours, 0.32, label)


def chunks_of(points: Points, size: int = 4) -> Points:
    """A polyline (n, 3) as overlapping pieces (m, size + 1, 3)."""
    count = (len(points) - 1) // size
    if count < 1:
        return np.zeros((0, size + 1, 3))
    index = np.arange(count)[:, None] * size + np.arange(size + 1)
    pieces: Points = points[index]
    return pieces


def strand_pieces(strand: Strand, light: Light, shift: Points) -> tuple[Points, Points]:
    """Pieces (m, 5, 3) of a strand with their colours (m, 3), darker deep inside a pile."""
    pieces = chunks_of(strand.points)
    if not len(pieces):
        return pieces, np.zeros((0, 3))
    middle = pieces.mean(axis=1)
    cells = np.floor(middle[:, :2] / 5).astype(np.int64)
    cells -= cells.min(axis=0)
    flat = cells[:, 0] * (cells[:, 1].max() + 1) + cells[:, 1]
    tops = np.full(int(flat.max()) + 1, -1e9)
    np.maximum.at(tops, flat, middle[:, 2])
    crowd = np.bincount(flat, minlength=len(tops))[flat]
    deep = np.clip((tops[flat] - middle[:, 2]) / 10, 0, 1) * np.clip(crowd / 12, 0, 1)
    tangent = pieces[:, -1] - pieces[:, 0]
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    albedo = np.broadcast_to(strand.colour, middle.shape)
    return pieces + shift, light.shade_strand(albedo, tangent) * (1 - 0.62 * deep)[:, None]


def paint_strips(canvas: Canvas, scene: Scene, light: Light, shift: Points) -> None:
    for points, colour in scene.strips:
        flat = np.hstack([points, np.full((len(points), 1), 0.2)]) + shift
        lit = light.shade(colour[None], np.array([[0, 0, 1.0]]), np.array([[0, 0, 1.0]]), 0.05)
        pieces = [flat[i : i + 12] for i in range(0, len(flat) - 1, 11)]
        canvas.lines(pieces, np.repeat(lit, len(pieces), axis=0), 0.8)


def paint_blobs(canvas: Canvas, blobs: list[Blob], light: Light, shift: Points) -> None:
    """Lumps as lumpy spheres, painted together far to near."""
    if not blobs:
        return
    up = np.linspace(-np.pi / 2, np.pi / 2, 8)
    around = np.linspace(0, 2 * np.pi, 13)
    theta, phi = np.meshgrid(up, around, indexing="ij")
    ball = np.stack([np.cos(theta) * np.cos(phi), np.cos(theta) * np.sin(phi), np.sin(theta)], axis=-1)
    ball = ball * (1 + 0.16 * np.sin(3 * phi + 5 * theta) * np.cos(theta))[..., None]
    quads = np.stack([ball[:-1, :-1], ball[:-1, 1:], ball[1:, 1:], ball[1:, :-1]], axis=2).reshape(-1, 4, 3)
    normal = quads.mean(axis=1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    corners = np.concatenate([quads * blob.radius + blob.centre + shift for blob in blobs])
    normals = np.tile(normal, (len(blobs), 1))
    albedo = np.repeat(np.array([blob.colour for blob in blobs]), len(quads), axis=0)
    ray = np.array(canvas.camera.eye) - corners.mean(axis=1)
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    facing = (ray * normals).sum(axis=1) > -0.1
    colours = light.shade(albedo[facing], normals[facing], ray[facing], 0.45)
    canvas.polygons(corners[facing], colours, blobs[0].label)
