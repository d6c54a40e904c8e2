"""A simulated moment as a Blender scene: materials, printer, print, lamps, camera."""

from __future__ import annotations

from typing import Any

import bpy  # type: ignore[import-not-found]
import numpy as np
from mathutils import Matrix  # type: ignore[import-not-found]
from numpy.typing import NDArray
from PIL import Image

from layerwatch.simulator import Simulation
from layerwatch.simulator.backdrops import random_backdrop
from layerwatch.simulator.camera import SimulatedCamera
from layerwatch.simulator.randomness import Rng, between, happens, stream
from layerwatch.simulator.scene import Scene
from layerwatch.simulator.worlds import Pose
from layerwatch_train.path_traced.looks import Lamp, Look, framed, tangled, vivid
from layerwatch_train.path_traced.shapes import (
    add_ball,
    add_body,
    add_curve,
    add_mesh,
    add_printer_part,
    linear,
)

Points = NDArray[np.float64]
SUN = 3.2
"""Strength of the key lamp, W/m2, for a key light of 1; by eye beside the fast renderer's pictures."""


def build(simulation: Simulation, second: float, look: Look) -> SimulatedCamera:
    """Empty Blender's scene and fill it with the moment. The camera it is seen by."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = simulation.scene(second)
    pose = simulation.world.pose(scene.nozzle)
    scene.strands = tangled(scene, look, simulation.seed)
    camera = _aimed(simulation, scene, pose, look)
    filament = vivid(scene.bodies[0].colours[0] if scene.bodies else np.full(3, 0.5), look.vivid)
    _add_printer(simulation, pose, np.array(camera.eye), filament, look)
    _add_print(scene, pose, look)
    _add_lamps(simulation, camera, pose, look)
    _add_backdrop(simulation, camera, look)
    _add_camera(camera)
    return camera


def _aimed(simulation: Simulation, scene: Scene, pose: Pose, look: Look) -> SimulatedCamera:
    """The simulator's camera, or the same one turned to the print and zoomed."""
    camera = simulation.viewpoint.camera(*simulation.size, pose.head)
    if look.fill is None or simulation.viewpoint.on_head:
        return camera
    found = [strand.points for strand in scene.strands if strand.label]
    for view in scene.bodies:
        flat, top = view.body.start, view.layers * scene.step * view.stretch
        found += [view.to_bed(np.column_stack([flat, np.full(len(flat), z)])) for z in (0.0, top)]
    return framed(camera, np.concatenate(found) + pose.bed, look.fill) if found else camera


def plastic(name: str, colour: Points | None, rough: float, look: Look | None = None) -> Any:
    """A glossy dielectric of an sRGB colour or of the object's colour attribute; by a look, silk or clear."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = nodes["Principled BSDF"]
    shader.inputs["Roughness"].default_value = rough
    if look is not None:
        shader.inputs["Metallic"].default_value = look.metal
        shader.inputs["Alpha"].default_value = 1 - look.clear
    if colour is None:
        attribute = nodes.new("ShaderNodeAttribute")
        attribute.attribute_name = "Colour"
        links.new(attribute.outputs["Color"], shader.inputs["Base Color"])
    else:
        shader.inputs["Base Color"].default_value = (*linear(colour).tolist(), 1.0)
    return material


def _pictured(name: str, picture: Image.Image, rough: float) -> Any:
    material = plastic(name, np.zeros(3), rough)
    nodes, links = material.node_tree.nodes, material.node_tree.links
    links.new(_texture(material, name, picture), nodes["Principled BSDF"].inputs["Base Color"])
    return material


def _glowing(name: str, picture: Image.Image, strength: float) -> Any:
    """A picture that only shines: paths end on it."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    glow, out = nodes.new("ShaderNodeEmission"), nodes.new("ShaderNodeOutputMaterial")
    glow.inputs["Strength"].default_value = strength
    links.new(_texture(material, name, picture), glow.inputs["Color"])
    links.new(glow.outputs["Emission"], out.inputs["Surface"])
    material.cycles.emission_sampling = "NONE"
    return material


def _texture(material: Any, name: str, picture: Image.Image) -> Any:
    rgba = np.asarray(picture.convert("RGBA").transpose(Image.Transpose.FLIP_TOP_BOTTOM), dtype=np.float32)
    image = bpy.data.images.new(name, *picture.size)
    image.pixels.foreach_set(rgba.ravel() / 255)
    image.update()
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    return node.outputs["Color"]


def _add_printer(simulation: Simulation, pose: Pose, eye: Points, filament: Points, look: Look) -> None:
    world = simulation.world
    own = plastic("printer", None, 0.45)
    add_printer_part("frame", world.static, np.zeros(3), eye, own)
    add_printer_part("carriage", world.carriage, pose.bed, eye, own)
    add_printer_part("beam", world.beam, pose.beam, eye, own)
    if not simulation.viewpoint.on_head:
        add_printer_part("head", world.head, pose.head, eye, own)
        add_printer_part("decals", world.decals, pose.head, eye, own)
    for strand in world.litter:
        add_curve("litter", [strand.points], strand.radius, plastic("litter", strand.colour, 0.5))
    rubber = plastic("cable", np.array([0.07, 0.07, 0.08]), 0.6)
    for start, end, thick in world.wires:
        t = np.linspace(0, 1, 24)[:, None]
        line = start * (1 - t) + (pose.head + end) * t
        line[:, 2] += np.sin(np.pi * t[:, 0]) * 30
        line[:, 0] += np.sin(np.pi * t[:, 0]) * thick * 6
        add_curve("cable", [line], thick / 2, rubber)
    rough = {"glass": 0.05, "smooth": 0.25, "pei": 0.5}.get(world.bed.kind, 0.45)
    texture = world.bed.texture.convert("RGB")
    if look.match:
        r, g, b = (int(v) for v in filament * 255)
        texture = Image.blend(texture, Image.new("RGB", texture.size, (r, g, b)), look.match)
    _add_bed(simulation, pose, _pictured("bed", texture, rough))


def _add_bed(simulation: Simulation, pose: Pose, material: Any) -> None:
    bed = simulation.world.bed
    outline = bed.outline() + pose.bed
    sheet = add_mesh("bed", outline[None], np.ones((1, 3)), material)
    layer = sheet.data.uv_layers.new()
    flat = (outline - pose.bed)[:, :2] / [bed.width, bed.depth] + 0.5
    layer.data.foreach_set("uv", flat.ravel().astype(np.float32))


def _add_print(scene: Scene, pose: Pose, look: Look) -> None:
    def material(name: str, colour: Points) -> Any:
        return plastic(name, vivid(colour, look.vivid), look.rough, look)

    for view in scene.bodies:
        add_body(view, scene.step, pose.bed, material)
    for points, colour in scene.strips:
        line = np.hstack([points, np.full((len(points), 1), 0.15)]) + pose.bed
        add_curve("strip", [line], 0.3, material("strip", colour))
    for strand in scene.strands:
        add_curve(
            "strand",
            [strand.points + pose.bed],
            strand.radius,
            material("strand", strand.colour),
            strand.label,
        )
    for blob in scene.blobs:
        where = blob.centre + (pose.head if blob.on_nozzle else pose.bed)
        add_ball(where, blob.radius, material("blob", blob.colour), blob.label)


def _add_lamps(simulation: Simulation, camera: SimulatedCamera, pose: Pose, look: Look) -> None:
    light, tint = simulation.light, np.array(look.tint)
    sun = bpy.data.lights.new("key", "SUN")
    sun.energy = SUN * float(light.key.mean()) * look.sun
    sun.color = tuple(light.key / light.key.max() * tint)
    sun.angle = between(stream(simulation.seed, "fine sun"), 0.05, 0.6)
    lamp = bpy.data.objects.new("key", sun)
    lamp.rotation_mode = "QUATERNION"
    forward = -light.towards
    side = np.cross(forward, [0.3, 0.2, 0.93])
    side /= np.linalg.norm(side)
    lamp.matrix_world = Matrix(
        np.vstack(
            [np.column_stack([side, np.cross(side, forward), -forward, np.zeros(3)]), [0, 0, 0, 1]]
        ).tolist()
    )
    bpy.context.scene.collection.objects.link(lamp)
    world = bpy.data.worlds.new("room")
    world.use_nodes = True
    background = world.node_tree.nodes["Background"]
    background.inputs["Color"].default_value = (*(light.ambient / light.ambient.max() * tint).tolist(), 1.0)
    background.inputs["Strength"].default_value = float(light.ambient.mean()) * look.sky
    world.cycles.sampling_method = "NONE"
    bpy.context.scene.world = world
    rng = stream(simulation.seed, "fine lamps")
    for one in look.lamps:
        _add_lamp(one, rng, camera, pose)


def _add_lamp(lamp: Lamp, rng: Rng, camera: SimulatedCamera, pose: Pose) -> None:
    if lamp.place == "head":
        where = pose.head + np.array([between(rng, -35, 35), between(rng, -45, -25), between(rng, 15, 40)])
        away, size = 50.0, 4.0
        if happens(rng, 0.6) and np.linalg.norm(where - np.array(camera.eye)) > 150:
            _add_diode(where, between(rng, 1.5, 4), lamp.colour)
            where = where - np.array([0, 12.0, 0])
    elif lamp.place == "eye":
        where, away = np.array(camera.eye) + np.array([0, 0, between(rng, 20, 80)]), 300.0
        size = between(rng, 3, 15)
    else:
        where = np.array([between(rng, -250, 250), between(rng, -250, 200), between(rng, 180, 450)])
        away, size = float(np.linalg.norm(where)), between(rng, 5, 60)
    light = bpy.data.lights.new("lamp", "POINT")
    light.energy = SUN * lamp.strength * 4 * np.pi * away**2
    light.color, light.shadow_soft_size = lamp.colour, size
    thing = bpy.data.objects.new("lamp", light)
    thing.location = where.tolist()
    bpy.context.scene.collection.objects.link(thing)


def _add_diode(where: Points, half: float, colour: tuple[float, float, float]) -> None:
    """A lamp that is seen itself: a small glowing box."""
    corners = where + half * np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    sides = [[0, 1, 3, 2], [4, 5, 7, 6], [0, 1, 5, 4], [2, 3, 7, 6], [0, 2, 6, 4], [1, 3, 7, 5]]
    r, g, b = (int(255 * value) for value in colour)
    add_mesh(
        "diode", corners[sides], np.ones((6, 3)), _glowing("diode", Image.new("RGB", (2, 2), (r, g, b)), 6.0)
    )


def _add_backdrop(simulation: Simulation, camera: SimulatedCamera, look: Look) -> None:
    """The wall behind, as a picture that fills the view far away."""
    width, height = simulation.size
    enclosed = simulation.world.enclosed
    wall: Image.Image = random_backdrop(stream(simulation.seed, "backdrop"), width, height, enclosed=enclosed)
    far = 3000.0
    right, down, forward = camera.axes
    half = far * width / 2 / camera.focal * 1.05
    tall = half * height / width
    middle = np.array(camera.eye) + forward * far
    corners = [middle - right * half + down * tall, middle + right * half + down * tall]
    corners += [middle + right * half - down * tall, middle - right * half - down * tall]
    shine = look.wall * (0.7 + float((simulation.light.ambient + simulation.light.key).mean()) * 0.5)
    plane = add_mesh("wall", np.array([corners]), np.ones((1, 3)), _glowing("wall", wall, shine))
    layer = plane.data.uv_layers.new()
    layer.data.foreach_set("uv", np.array([0, 0, 1, 0, 1, 1, 0, 1], dtype=np.float32))
    plane.visible_shadow = plane.visible_diffuse = False


def _add_camera(camera: SimulatedCamera) -> None:
    data = bpy.data.cameras.new("webcam")
    data.sensor_fit, data.angle = "HORIZONTAL", float(np.deg2rad(camera.view))
    data.clip_start, data.clip_end = 1.0, 20000.0
    thing = bpy.data.objects.new("webcam", data)
    right, down, forward = camera.axes
    matrix = np.column_stack([np.vstack([right, -down, -forward]).T, np.array(camera.eye)])
    thing.matrix_world = Matrix([*matrix.tolist(), [0, 0, 0, 1]])
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.scene.camera = thing
