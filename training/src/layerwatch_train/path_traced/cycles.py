"""One render with Cycles: the picture in linear light, and the labels as the same render's object index."""

from __future__ import annotations

from pathlib import Path

import bpy  # type: ignore[import-not-found]
import numpy as np
from numpy.typing import NDArray

from layerwatch_train.path_traced.exr import read_exr
from layerwatch_train.path_traced.recipe import Recipe

Light = NDArray[np.float32]


def render(
    recipe: Recipe, folder: Path, threads: int, device: str = "CPU"
) -> tuple[Light, NDArray[np.uint8]]:
    """Linear light (H, W, 3) and labels (H, W) of Blender's current scene.

    device: CPU, CUDA or OPTIX; `folder` holds the render's temporary file. A label is what the first light
    path of a pixel met, so that an edge is sharp and never a mixture. Raises RuntimeError if the device is
    missing.
    """
    scene = bpy.context.scene
    settings, cycles = scene.render, scene.cycles
    settings.engine = "CYCLES"
    settings.resolution_x, settings.resolution_y = recipe.size
    settings.resolution_percentage = 100
    settings.threads_mode, settings.threads = "FIXED", threads
    settings.use_compositing = settings.use_sequencer = False
    cycles.device = "CPU" if device == "CPU" else "GPU"
    if device != "CPU":
        _choose(device)
    cycles.samples = recipe.samples
    cycles.use_adaptive_sampling = cycles.use_light_tree = False
    cycles.use_denoising = True
    cycles.denoiser = "OPENIMAGEDENOISE"
    cycles.denoising_prefilter = cycles.denoising_quality = "FAST"
    cycles.denoising_use_gpu = device != "CPU"
    cycles.max_bounces = 3
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.use_fast_gi = True
    cycles.ao_bounces_render = 1
    scene.view_layers[0].use_pass_object_index = True
    for thing in scene.objects:
        thing.pass_index = int(thing.get("label", 0))
    path = folder / "render.exr"
    image = settings.image_settings
    image.media_type, image.file_format = "MULTI_LAYER_IMAGE", "OPEN_EXR_MULTILAYER"
    image.exr_codec, image.color_depth, image.use_exr_interleave = "NONE", "32", True
    settings.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    channels = {name.split(".", 1)[1]: pixels for name, pixels in read_exr(path.read_bytes()).items()}
    path.unlink()
    light = np.stack([channels[f"Combined.{channel}"] for channel in "RGB"], axis=-1)
    return light, np.round(channels["Object Index.X"]).astype(np.uint8)


def _choose(device: str) -> None:
    preferences = bpy.context.preferences.addons["cycles"].preferences
    found = preferences.get_devices_for_type(device)
    if not any(one.type == device for one in found):
        raise RuntimeError(f"Cycles finds no {device} device here; render on the CPU")
    preferences.compute_device_type = device
    for one in found:
        one.use = one.type == device
