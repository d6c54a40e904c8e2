"""Rendering with Cycles on the CPU: the picture, then the labels as flat grey values."""

from __future__ import annotations

from pathlib import Path

import bpy  # type: ignore[import-not-found]
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from layerwatch_train.fine.recipe import Recipe

LABEL_STEP = 25
"""Grey levels of 255 between one label and the next."""


def render(recipe: Recipe, folder: Path, threads: int) -> tuple[Image.Image, NDArray[np.uint8]]:
    """The RGB picture and the labels (H, W) uint8 of the scene that stands in Blender."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = recipe.size
    scene.render.resolution_percentage = 100
    scene.render.threads_mode, scene.render.threads = "FIXED", threads
    scene.render.image_settings.file_format = "PNG"
    scene.cycles.device = "CPU"
    scene.cycles.samples = recipe.samples
    scene.cycles.use_denoising = True
    scene.cycles.max_bounces = 4
    scene.view_settings.view_transform = "Standard"
    picture = _write(folder / "picture.png").convert("RGB")
    _flatten()
    scene.cycles.samples = 1
    scene.cycles.use_denoising = False
    scene.cycles.filter_width = 0.01
    scene.cycles.max_bounces = 0
    scene.view_settings.view_transform = "Raw"
    scene.render.dither_intensity = 0
    grey = np.asarray(_write(folder / "labels.png").convert("L")).astype(int)
    return picture, np.round(grey / LABEL_STEP).astype(np.uint8)


def _write(path: Path) -> Image.Image:
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    with Image.open(path) as image:
        return image.copy()


def _flatten() -> None:
    """Give every object a material that glows with its label, and put the lamps out."""
    materials = {}
    for thing in bpy.context.scene.objects:
        if thing.type == "LIGHT":
            thing.hide_render = True
        if thing.type not in ("MESH", "CURVE"):
            continue
        label = int(thing.get("label", 0))
        if label not in materials:
            material = bpy.data.materials.new(f"label{label}")
            material.use_nodes = True
            nodes, links = material.node_tree.nodes, material.node_tree.links
            nodes.clear()
            glow, out = nodes.new("ShaderNodeEmission"), nodes.new("ShaderNodeOutputMaterial")
            glow.inputs["Color"].default_value = (1, 1, 1, 1)
            glow.inputs["Strength"].default_value = label * LABEL_STEP / 255
            links.new(glow.outputs["Emission"], out.inputs["Surface"])
            materials[label] = material
        thing.data.materials.clear()
        thing.data.materials.append(materials[label])
    bpy.context.scene.world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.0
