"""Render path-traced pictures, one seed after the other; stop and start it at will."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from layerwatch.simulator.simulation import boxes_of
from layerwatch.simulator.stills import IN_SIGHT
from layerwatch_train.path_traced.looks import random_look
from layerwatch_train.path_traced.photo import photograph
from layerwatch_train.path_traced.recipe import Recipe, scene_of

HIDDEN = IN_SIGHT / 2
"""Share of the picture under which a failure counts as hidden, and its picture is not kept."""


def main() -> None:
    """Read the command line and render what is missing."""
    parser = argparse.ArgumentParser(prog="python -m layerwatch_train.path_traced", description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for SEED.jpg, SEED.png (mask), SEED.json"
    )
    parser.add_argument(
        "--first", type=int, default=0, help="first seed; even seeds are healthy, odd ones failed"
    )
    parser.add_argument("--count", type=int, default=5000, help="seeds to render")
    parser.add_argument("--threads", type=int, default=1, help="threads of Cycles")
    parser.add_argument("--samples", type=int, default=Recipe.samples, help="light paths a pixel")
    parser.add_argument("--step", type=int, default=1, help="render every nth seed, for n processes at once")
    parser.add_argument("--device", choices=("CPU", "CUDA", "OPTIX"), default="CPU")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    recipe = replace(Recipe(), samples=options.samples)
    _load_blender(options.threads)
    for seed in range(options.first, options.first + options.count * options.step, options.step):
        if not (options.out / f"{seed:07d}.json").exists():
            began = time.monotonic()
            one(seed, recipe, options.out, options.threads, options.device)
            print(f"seed {seed}: {time.monotonic() - began:.1f} s", flush=True)


def _load_blender(threads: int) -> None:
    """Load Blender while the process may use `threads` cores only, where the system can do that.

    Otherwise its helper threads, one for each visible core whatever Cycles' own thread count is, spend three
    quarters as much processor time again in waiting.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(cores)[:threads]))
    importlib.import_module("bpy")
    os.sched_setaffinity(0, cores)


def one(seed: int, recipe: Recipe, out: Path, threads: int, device: str = "CPU") -> None:
    """Render one seed: picture, mask and truth. The truth is written last and marks it as done."""
    from layerwatch_train.path_traced.cycles import render
    from layerwatch_train.path_traced.stage import build

    simulation, second = scene_of(seed, recipe)
    place = out / f"{seed:07d}"
    if seed % 2 and (simulation.glance(second).visible or 0) < IN_SIGHT:
        _skip(seed, place)
        return
    look = random_look(seed)
    build(simulation, second, look)
    with tempfile.TemporaryDirectory() as folder:
        light, labels = render(recipe, Path(folder), threads, device)
    rgb, mask = photograph(simulation, second, look, light, labels)
    if seed % 2 and np.count_nonzero(mask) < HIDDEN * mask.size:
        _skip(seed, place)
        return
    Image.fromarray(rgb).save(place.with_suffix(".jpg"), quality=simulation.optics.quality)
    Image.fromarray(mask).save(place.with_suffix(".png"))
    truth = replace(
        simulation.truth(second), boxes=boxes_of(mask), visible=float(np.count_nonzero(mask)) / mask.size
    )
    written = {"seed": seed, "fine": True, "samples": recipe.samples, **truth.as_dict()}
    place.with_suffix(".json").write_text(json.dumps(written))


def _skip(seed: int, place: Path) -> None:
    place.with_suffix(".json").write_text(
        json.dumps({"seed": seed, "skipped": "the failure is out of sight"})
    )


if __name__ == "__main__":
    main()
