"""The simulator's bodies and meshes as Blender objects. Units are millimetres."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy  # type: ignore[import-not-found]
import numpy as np
from mathutils.geometry import tessellate_polygon  # type: ignore[import-not-found]
from numpy.typing import NDArray

from layerwatch.simulator.bodies import lifted
from layerwatch.simulator.meshes import Mesh
from layerwatch.simulator.scene import BodyView
from layerwatch_train.path_traced.beads import wall_lines

Points = NDArray[np.float64]
MOUNT = 150.0
"""Within so many mm of the camera a side that faces away from it is left out."""


def add_mesh(name: str, corners: Points, colours: Points, material: Any, label: int = 0) -> Any:
    """Polygons (M, k, 3) with a colour (M, 3) each as one object."""
    count, sides = corners.shape[:2]
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(
        corners.reshape(-1, 3).tolist(), [], np.arange(count * sides).reshape(count, sides).tolist()
    )
    attribute = mesh.color_attributes.new("Colour", "FLOAT_COLOR", "CORNER")
    rgba = np.hstack([linear(colours), np.ones((count, 1))])
    attribute.data.foreach_set("color", np.repeat(rgba, sides, axis=0).ravel().astype(np.float32))
    return _add(name, mesh, material, label)


def add_printer_part(name: str, mesh: Mesh, offset: Points, eye: Points, material: Any) -> None:
    """A part of the printer without the sides that would blind a camera mounted in it."""
    ray = eye - (mesh.corners.mean(axis=1) + offset)
    blinding = ((ray * mesh.normals).sum(axis=1) <= 0) & ((ray**2).sum(axis=1) < MOUNT**2)
    if not blinding.all():
        colours = np.clip(mesh.colours[~blinding], 0, 1)
        add_mesh(name, mesh.corners[~blinding] + offset, colours, material)


def add_curve(name: str, lines: list[Points], radius: float, material: Any, label: int = 0) -> Any:
    """Polylines (n, 3) as round threads of one object."""
    curve = bpy.data.curves.new(name, "CURVE")
    curve.dimensions = "3D"
    curve.bevel_depth = radius
    curve.bevel_resolution = 1
    for line in lines:
        spline = curve.splines.new("POLY")
        spline.points.add(len(line) - 1)
        spline.points.foreach_set("co", np.hstack([line, np.ones((len(line), 1))]).ravel().astype(np.float32))
    return _add(name, curve, material, label)


def add_body(view: BodyView, step: float, offset: Points, material: Callable[[str, Points], Any]) -> None:
    """A printed body as the beads of its walls, a layer each, and filled layers between them.

    material: makes one from a name and a colour.
    """
    step = step * view.stretch
    top = view.colours[min(max(view.layers - 1, 0), len(view.colours) - 1)]
    for (label, colour), lines in wall_lines(view, step, offset).items():
        add_curve("walls", lines, step * 0.56, material("walls", np.array(colour)), label)
    if view.body.thin:
        return
    for label, triangles in caps(view, step, offset).items():
        add_mesh("caps", triangles, np.broadcast_to(top, (len(triangles), 3)), material("caps", top), label)
    if view.current is not None and len(view.current):
        height = np.full((len(view.current), 2, 1), view.layers * step + 0.15)
        beads = view.to_bed(lifted(view, np.concatenate([view.current, height], axis=2))) + offset
        label = view.label if view.label_where is None else 0
        add_curve("infill", list(beads), 0.28, material("infill", top), label)


def caps(view: BodyView, step: float, offset: Points) -> dict[int, Points]:
    """Filled layers as triangles (M, 3, 3), by label; holes are left open."""
    found: dict[int, list[Points]] = {}
    for number in range(min(view.layers, len(view.body.caps))):
        groups: list[list[Points]] = []
        for loop, hole in view.body.caps[number]:
            if hole and groups:
                groups[-1].append(loop)
            else:
                groups.append([loop])
        label = view.label if number >= view.label_from and view.label_where is None else 0
        move = view.shift[number] if view.shift is not None else np.zeros(2)
        for group in groups:
            flat = np.concatenate(group)
            faces = tessellate_polygon([[(x, y, 0.0) for x, y in loop] for loop in group])
            for z in (number + 0.06, number + 0.94):
                raised = lifted(view, np.hstack([flat + move, np.full((len(flat), 1), z * step)]))
                points = view.to_bed(raised) + offset
                found.setdefault(label, []).append(points[np.array(faces, dtype=int).reshape(-1, 3)])
    return {label: np.concatenate(parts) for label, parts in found.items()}


def add_ball(centre: Points, radius: float, material: Any, label: int) -> None:
    up, around = np.linspace(-np.pi / 2, np.pi / 2, 13), np.linspace(0, 2 * np.pi, 25)
    theta, phi = np.meshgrid(up, around, indexing="ij")
    ball = np.stack([np.cos(theta) * np.cos(phi), np.cos(theta) * np.sin(phi), np.sin(theta)], axis=-1)
    ball = ball * (1 + 0.16 * np.sin(3 * phi + 5 * theta) * np.cos(theta))[..., None] * radius + centre
    quads = np.stack([ball[:-1, :-1], ball[:-1, 1:], ball[1:, 1:], ball[1:, :-1]], axis=2).reshape(-1, 4, 3)
    add_mesh("blob", quads, np.zeros((len(quads), 3)), material, label)


def linear(colour: Points) -> Points:
    """sRGB 0..1 to linear light."""
    light: Points = np.where(
        colour <= 0.04045, colour / 12.92, ((np.clip(colour, 0, 1) + 0.055) / 1.055) ** 2.4
    )
    return light


def _add(name: str, data: Any, material: Any, label: int) -> Any:
    thing = bpy.data.objects.new(name, data)
    thing.data.materials.append(material)
    thing["label"] = int(label)
    bpy.context.scene.collection.objects.link(thing)
    return thing
