"""Boxes and tubes of which printers are built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerwatch.simulator.canvas import Canvas
from layerwatch.simulator.light import Light
from layerwatch.simulator.randomness import Rng

Points = NDArray[np.float64]
Colour = Sequence[float]


@dataclass(frozen=True)
class Mesh:
    """Quads: corners (M, 4, 3) mm, normals (M, 3), colours (M, 3) 0..1."""

    corners: Points
    normals: Points
    colours: Points

    def moved(self, offset: Points) -> Mesh:
        return Mesh(self.corners + offset, self.normals, self.colours)

    def only(self, chosen: NDArray[np.bool_]) -> Mesh:
        return Mesh(self.corners[chosen], self.normals[chosen], self.colours[chosen])


def empty() -> Mesh:
    return Mesh(np.zeros((0, 4, 3)), np.zeros((0, 3)), np.zeros((0, 3)))


def join(meshes: Sequence[Mesh]) -> Mesh:
    parts = [mesh for mesh in meshes if len(mesh.corners)]
    if not parts:
        return empty()
    return Mesh(
        np.concatenate([mesh.corners for mesh in parts]),
        np.concatenate([mesh.normals for mesh in parts]),
        np.concatenate([mesh.colours for mesh in parts]),
    )


_FACES = [
    ((0, 2, 6, 4), (0, 0, -1)),
    ((1, 5, 7, 3), (0, 0, 1)),
    ((0, 4, 5, 1), (0, -1, 0)),
    ((2, 3, 7, 6), (0, 1, 0)),
    ((0, 1, 3, 2), (-1, 0, 0)),
    ((4, 6, 7, 5), (1, 0, 0)),
]


def box(low: Sequence[float], high: Sequence[float], colour: Colour) -> Mesh:
    """An upright box from corner `low` to corner `high`."""
    ends = np.array([low, high], dtype=float)
    vertex = np.array([[ends[i, 0], ends[j, 1], ends[k, 2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    return Mesh(
        np.array([vertex[list(face)] for face, _ in _FACES]),
        np.array([normal for _, normal in _FACES], dtype=float),
        np.tile(np.array(colour, dtype=float), (6, 1)),
    )


def frustum(low: Sequence[float], high: Sequence[float], colour: Colour, taper: float = 0.6) -> Mesh:
    """A box whose bottom is drawn in to `taper` of its width and depth: a shroud, a duct."""
    mesh = box(low, high, colour)
    middle = (np.array(low, dtype=float) + np.array(high, dtype=float)) / 2
    corners = mesh.corners.copy()
    bottom = corners[..., 2] <= low[2] + 1e-9
    for axis in (0, 1):
        corners[..., axis] = np.where(
            bottom, middle[axis] + (corners[..., axis] - middle[axis]) * taper, corners[..., axis]
        )
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    normals *= np.sign((normals * mesh.normals).sum(axis=1, keepdims=True))
    return Mesh(corners, normals, mesh.colours)


def tube(
    centre: Sequence[float],
    radius: float,
    height: float,
    colour: Colour,
    *,
    top: float = 1.0,
    sides: int = 16,
) -> Mesh:
    """An upright tube or cone standing on `centre`; `top`: share of the radius left at its upper end."""
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    low = np.hstack([ring * radius, np.zeros((sides + 1, 1))]) + np.array(centre)
    high = np.hstack([ring * radius * top, np.full((sides + 1, 1), height)]) + np.array(centre)
    walls = np.stack([low[:-1], low[1:], high[1:], high[:-1]], axis=1)
    normals = np.hstack([(ring[:-1] + ring[1:]) / 2, np.zeros((sides, 1))])
    middle = np.array([centre[0], centre[1], centre[2] + height])
    lid = np.stack([np.broadcast_to(middle, low[:-1].shape)] * 2 + [high[:-1], high[1:]], axis=1)
    return Mesh(
        np.concatenate([walls, lid]),
        np.concatenate([normals, np.tile([0, 0, 1.0], (sides, 1))]),
        np.tile(np.array(colour, dtype=float), (2 * sides, 1)),
    )


def disc(
    centre: Sequence[float], radius: float, colour: Colour, *, inner: float = 0.0, sides: int = 18
) -> Mesh:
    """A disc or ring facing the front (-y): a fan, a knob, a sticker."""
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.stack([np.cos(angle), np.zeros(sides + 1), np.sin(angle)], axis=1)
    outer, hole = np.array(centre) + ring * radius, np.array(centre) + ring * inner
    corners = np.stack([hole[:-1], hole[1:], outer[1:], outer[:-1]], axis=1)
    return Mesh(
        corners, np.tile([0, -1.0, 0], (sides, 1)), np.tile(np.array(colour, dtype=float), (sides, 1))
    )


def plate(corners: Sequence[Sequence[float]], normal: Colour, colour: Colour) -> Mesh:
    return Mesh(
        np.array([corners], dtype=float), np.array([normal], dtype=float), np.array([colour], dtype=float)
    )


def refined(mesh: Mesh, parts: int, rng: Rng) -> Mesh:
    """Each quad cut into `parts` by `parts`, with a soft change of tone over it as uneven light gives."""
    t = np.linspace(0, 1, parts + 1)
    u, v = np.meshgrid(t, t, indexing="ij")
    a, b, c, d = (mesh.corners[:, i][:, None, None] for i in range(4))
    u, v = u[None, ..., None], v[None, ..., None]
    grid = a * (1 - u) * (1 - v) + b * u * (1 - v) + c * u * v + d * (1 - u) * v
    cells = np.stack([grid[:, :-1, :-1], grid[:, 1:, :-1], grid[:, 1:, 1:], grid[:, :-1, 1:]], axis=3)
    slope = rng.uniform(-0.22, 0.22, (len(mesh.corners), 2))
    middle = (t[:-1] + t[1:]) / 2 - 0.5
    tone = (
        1
        + slope[:, 0, None, None] * middle[:, None]
        + slope[:, 1, None, None] * middle
        + rng.normal(0, 0.015, (1, parts, parts))
    )
    colours = mesh.colours[:, None, None] * tone[..., None]
    return Mesh(
        cells.reshape(-1, 4, 3),
        np.repeat(mesh.normals, parts * parts, axis=0),
        np.clip(colours, 0, 1).reshape(-1, 3),
    )


def paint_mesh(canvas: Canvas, mesh: Mesh, light: Light, gloss: float = 0.12) -> None:
    """Paint the quads that face the eye, far to near."""
    if not len(mesh.corners):
        return
    ray = np.array(canvas.camera.eye) - mesh.corners.mean(axis=1)
    ray /= np.maximum(np.linalg.norm(ray, axis=1, keepdims=True), 1e-9)
    facing = (ray * mesh.normals).sum(axis=1) > 0
    shown = mesh.only(facing)
    colours = light.shade(shown.colours, shown.normals, ray[facing], gloss)
    canvas.polygons(shown.corners, colours)
