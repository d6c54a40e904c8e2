"""Rendered prints through the real detector: the simulator's pictures, whole prints at the client's pace.

Two steps, because detectors change more often than pictures: `render` keeps JPEGs and truth, one file a print
and resumable; `rendered_prints` runs a detector over them and keeps its evidence beside them, by model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layerwatch.simulator import Simulation
from layerwatch.vision import Condition, ImageDecodeError, Vision
from layerwatch_train.temporal.prints import Print

SIZE = (480, 360)
VISIBLE = 0.002
"""Share of the picture that a failure must cover to count as begun: what cannot be seen cannot be caught."""


def render(folder: Path, count: int, seed: int, log: Callable[[str], None]) -> None:
    """Render `count` short prints into `folder`, odd ones failing; those already there are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        file = folder / f"{index:04d}.npz"
        if file.exists():
            continue
        print_seed = seed + index
        rng = np.random.default_rng(print_seed)
        duration, interval = float(rng.uniform(1500, 3600)), float(rng.uniform(25, 40))
        simulation = Simulation(
            print_seed, "random" if index % 2 else None, duration=duration, size=SIZE, nuisance=True
        )
        _save(file, simulation, interval)
        log(f"{file.name}: {simulation.world.kind}, onset {simulation.onset}")


def rendered_prints(folder: Path, vision: Vision, log: Callable[[str], None]) -> Iterator[Print]:
    """The rendered prints as `vision` sees them; what it saw is kept for the next time."""
    for file in sorted(folder.glob("[0-9]*.npz")):
        version = hashlib.sha256(vision.model_version.encode()).hexdigest()[:12]
        seen = folder / f"seen-{version}" / file.name
        if not seen.exists():
            seen.parent.mkdir(exist_ok=True)
            _look(file, seen, vision)
            log(f"{file.name} looked at")
        yield _read(file, seen)


def _save(file: Path, simulation: Simulation, interval: float) -> None:
    jpegs, seconds, visible, failed, events = [], [], [], [], set()
    for frame in simulation.frames(interval):
        jpegs.append(np.frombuffer(frame.jpeg(), np.uint8))
        seconds.append(frame.truth.second)
        visible.append(frame.truth.visible)
        failed.append(frame.truth.failed)
        events |= set(frame.truth.events)
    failure = simulation.failure.name if simulation.failure else ""
    about = {"world": simulation.world.kind, "view": simulation.viewpoint.name, "failure": failure}
    partial = file.with_suffix(".partial.npz")
    np.savez(
        partial,
        pixels=np.concatenate(jpegs),
        lengths=np.array([len(jpeg) for jpeg in jpegs]),
        seconds=np.array(seconds),
        visible=np.array(visible),
        failed=np.array(failed),
        about=np.array(json.dumps({**about, "events": sorted(events)})),
    )
    partial.rename(file)


def _look(file: Path, seen: Path, vision: Vision) -> None:
    with np.load(file) as held:
        pixels, lengths = held["pixels"], held["lengths"]
    jpegs = np.split(pixels, np.cumsum(lengths)[:-1])
    scores, kinds, heats, thumbnails, conditions = [], [], [], [], []
    for jpeg in jpegs:
        try:
            evidence = vision.inspect(jpeg.tobytes())
        except ImageDecodeError as error:
            raise RuntimeError(f"{file}: {error}") from error
        scores.append(evidence.failure_probability)
        kinds.append(evidence.kinds)
        heat = np.frombuffer(evidence.heat.cells, np.uint8)
        heats.append(heat.reshape(evidence.heat.rows, evidence.heat.columns))
        thumbnails.append(np.frombuffer(evidence.thumbnail, np.uint8))
        conditions.append(evidence.condition.value)
    np.savez_compressed(
        seen,
        scores=np.array(scores),
        kinds=np.array(kinds),
        heat=np.stack(heats),
        thumbnails=np.stack(thumbnails),
        conditions=np.array(conditions),
    )


def _read(file: Path, seen: Path) -> Print:
    with np.load(file) as held, np.load(seen) as looked:
        seconds: NDArray[np.float64] = held["seconds"]
        failed, visible = held["failed"], held["visible"]
        about = json.loads(str(held["about"]))
        begun = np.flatnonzero(failed & (visible >= VISIBLE))
        first_failed = np.flatnonzero(failed)
        return Print(
            name=f"{file.stem} {about['world']} {about['view']} {about['failure'] or 'healthy'}",
            seconds=seconds - seconds[0],
            scores=looked["scores"],
            heat=looked["heat"],
            thumbnails=looked["thumbnails"],
            conditions=[Condition(value) for value in looked["conditions"]],
            onset=float(seconds[begun[0]] - seconds[0]) if begun.size else None,
            well_until=float(seconds[first_failed[0]] - seconds[0]) if first_failed.size else None,
            kinds=looked["kinds"],
            tags=(about["failure"] or "healthy", *about["events"]),
        )
