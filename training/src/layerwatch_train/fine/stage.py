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
from layerwatch.simulator.camera import Camera
from layerwatch.simulator.randomness import between, stream
from layerwatch.simulator.scene import Scene
from layerwatch.simulator.worlds import Pose
from layerwatch_train.fine.shapes import add_ball, add_body, add_curve, add_mesh, add_printer_part, linear

Points = NDArray[np.float64]
SUN = 3.2
"""Strength of the key lamp, W/m2, for a key light of 1; by eye beside the fast renderer's pictures."""


def build(simulation: Simulation, second: float) -> Camera:
    """Empty Blender's scene and fill it with the moment. The camera it is seen by."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = simulation.scene(second)
    pose = simulation.world.pose(scene.nozzle)
    camera = simulation.viewpoint.camera(*simulation.size, pose.head)
    rng = stream(simulation.seed, "fine")
    plastic_rough = between(rng, 0.25, 0.7)
    _add_printer(simulation, pose, np.array(camera.eye))
    _add_print(simulation, scene, pose, plastic_rough)
    _add_lamps(simulation, camera)
    _add_backdrop(simulation, camera)
    _add_camera(camera)
    return camera


def plastic(name: str, colour: Points | None, rough: float) -> Any:
    """A glossy dielectric; `colour` (sRGB), or the object's own colour attribute."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = nodes["Principled BSDF"]
    shader.inputs["Roughness"].default_value = rough
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


def _add_printer(simulation: Simulation, pose: Pose, eye: Points) -> None:
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
    _add_bed(simulation, pose, _pictured("bed", world.bed.texture, rough))


def _add_bed(simulation: Simulation, pose: Pose, material: Any) -> None:
    bed = simulation.world.bed
    outline = bed.outline() + pose.bed
    sheet = add_mesh("bed", outline[None], np.ones((1, 3)), material)
    layer = sheet.data.uv_layers.new()
    flat = (outline - pose.bed)[:, :2] / [bed.width, bed.depth] + 0.5
    layer.data.foreach_set("uv", flat.ravel().astype(np.float32))


def _add_print(simulation: Simulation, scene: Scene, pose: Pose, rough: float) -> None:
    for number, view in enumerate(scene.bodies):
        colour = view.colours[min(max(view.layers - 1, 0), len(view.colours) - 1)]
        add_body(view, scene.step, pose.bed, plastic(f"part{number}", colour, rough))
    for points, colour in scene.strips:
        line = np.hstack([points, np.full((len(points), 1), 0.15)]) + pose.bed
        add_curve("strip", [line], 0.3, plastic("strip", colour, rough))
    for strand in scene.strands:
        material = plastic("strand", strand.colour, rough * 0.8)
        add_curve("strand", [strand.points + pose.bed], strand.radius, material, strand.label)
    for blob in scene.blobs:
        where = blob.centre + (pose.head if blob.on_nozzle else pose.bed)
        add_ball(where, blob.radius, plastic("blob", blob.colour, rough * 0.7), blob.label)


def _add_lamps(simulation: Simulation, camera: Camera) -> None:
    light = simulation.light
    sun = bpy.data.lights.new("key", "SUN")
    sun.energy = SUN * float(light.key.mean())
    sun.color = tuple(light.key / light.key.max())
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
    background.inputs["Color"].default_value = (*(light.ambient / light.ambient.max()).tolist(), 1.0)
    background.inputs["Strength"].default_value = float(light.ambient.mean())
    world.cycles.sampling_method = "NONE"
    bpy.context.scene.world = world


def _add_backdrop(simulation: Simulation, camera: Camera) -> None:
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
    shine = 0.7 + float((simulation.light.ambient + simulation.light.key).mean()) * 0.5
    plane = add_mesh("wall", np.array([corners]), np.ones((1, 3)), _glowing("wall", wall, shine))
    layer = plane.data.uv_layers.new()
    layer.data.foreach_set("uv", np.array([0, 0, 1, 0, 1, 1, 0, 1], dtype=np.float32))
    plane.visible_shadow = plane.visible_diffuse = False


def _add_camera(camera: Camera) -> None:
    data = bpy.data.cameras.new("webcam")
    data.sensor_fit, data.angle = "HORIZONTAL", float(np.deg2rad(camera.view))
    data.clip_start, data.clip_end = 1.0, 20000.0
    thing = bpy.data.objects.new("webcam", data)
    right, down, forward = camera.axes
    matrix = np.column_stack([np.vstack([right, -down, -forward]).T, np.array(camera.eye)])
    thing.matrix_world = Matrix([*matrix.tolist(), [0, 0, 0, 1]])
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.scene.camera = thing
