"""Render fine pictures, one seed after the other; stop and start it at will."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from layerwatch.simulator.optics import Moment
from layerwatch.simulator.randomness import stream
from layerwatch.simulator.simulation import boxes_of
from layerwatch.simulator.stills import IN_SIGHT
from layerwatch_train.fine.looks import metered, random_look, toned
from layerwatch_train.fine.recipe import Recipe, scene_of

UNDER = 0.75
"""How far under the wanted brightness the sensor is exposed: a camera's gain makes up for it, whites stay."""


def main() -> None:
    """Read the command line and render what is missing."""
    parser = argparse.ArgumentParser(prog="python -m layerwatch_train.fine", description=__doc__)
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
    if options.threads == 1:
        _stay_on_one_core(options.first)
    for seed in range(options.first, options.first + options.count * options.step, options.step):
        if not (options.out / f"{seed:07d}.json").exists():
            began = time.monotonic()
            one(seed, recipe, options.out, options.threads, options.device)
            print(f"seed {seed}: {time.monotonic() - began:.1f} s", flush=True)


def _stay_on_one_core(number: int) -> None:
    """Keep this process on one processor core, where the system can: Blender's helper threads, which take no
    notice of Cycles' own number, else burn three quarters as much again in waiting.
    """
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[number % len(cores)]})


def one(seed: int, recipe: Recipe, out: Path, threads: int, device: str = "CPU") -> None:
    """Render one seed: picture, mask and truth. The truth is written last and marks it as done."""
    from layerwatch_train.fine.cycles import render
    from layerwatch_train.fine.stage import build

    simulation, second = scene_of(seed, recipe)
    name = f"{seed:07d}"
    if seed % 2 and (simulation.glance(second).visible or 0) < IN_SIGHT:
        (out / f"{name}.json").write_text(
            json.dumps({"seed": seed, "skipped": "the failure is out of sight"})
        )
        return
    look = random_look(seed)
    build(simulation, second, look)
    with tempfile.TemporaryDirectory() as folder:
        light, labels = render(recipe, Path(folder), threads, device)
    picture = toned(light * metered(light, simulation.exposure * UNDER), look)
    moment = replace(Moment(), gain=simulation.metered(picture) * look.gain)
    optics = replace(simulation.optics, sharpen=max(simulation.optics.sharpen, look.sharpen))
    rgb = optics.develop(picture, moment, stream(seed, "fine moment"), second)
    mask = np.ascontiguousarray(simulation.optics.bend(labels))
    Image.fromarray(rgb).save(out / f"{name}.jpg", quality=simulation.optics.quality)
    Image.fromarray(mask).save(out / f"{name}.png")
    truth = replace(
        simulation.truth(second), boxes=boxes_of(mask), visible=float(np.count_nonzero(mask)) / mask.size
    )
    written = {"seed": seed, "fine": True, "samples": recipe.samples, **truth.as_dict()}
    (out / f"{name}.json").write_text(json.dumps(written))


if __name__ == "__main__":
    main()
