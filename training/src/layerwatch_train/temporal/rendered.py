"""Rendered prints through the real detector: the simulator's pictures, whole prints at the client's pace.

`render` keeps JPEGs, truth and the detector's evidence, one file a print and resumable; `rendered_prints`
reads them, and lets another detector look at the same pictures: detectors change more often than pictures.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layerwatch.simulator import Simulation
from layerwatch.simulator.truth import Truth
from layerwatch.temporal import Levels, PrintState, step
from layerwatch.temporal.baseline import logit
from layerwatch.vision import Condition, Evidence, ImageDecodeError, Vision
from layerwatch.vision.models import packaged_models
from layerwatch_train.temporal.prints import Print

SIZE = (400, 300)
"""The detector sees 320 x 320. At this size its logits lie 0.4±0.6 above those at 640 x 480 (64 frames)."""

HOURS = (1.0, 4.0)
"""Shortest and longest print."""

PACE, CLOSE_PACE = 40.0, 20.0
"""Seconds between pictures of a healthy print and of a suspicious one."""

ELEVATED = 0.8
"""Logits above the median of the last pictures from which on the closer pace is kept, suspicious or not, so
that another tuning of the temporal model finds the pictures that it would ask for."""

WATCHED_AFTER = 3600.0
"""Seconds from the onset after which somebody comes, and the recording ends; the first third is all close."""

VISIBLE = 0.002
"""Share of the picture that a failure must cover to count as begun: what cannot be seen cannot be caught."""


def render(folder: Path, count: int, seed: int, model: Path | None, log: Callable[[str], None]) -> None:
    """Render `count` prints into `folder`, odd ones failing; those already there are kept.

    model: the detector that looks at them; None for the packaged one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key = _key_of(model)
    vision = Vision.load(model, threads=1)
    for index in range(count):
        file = folder / f"{index:04d}.npz"
        if not file.exists():
            log(render_one(file, seed + index, index % 2 == 1, vision, key))


def render_one(file: Path, seed: int, failing: bool, vision: Vision, key: str) -> str:
    """Render one print into `file`, and say in a line what it is."""
    rng = np.random.default_rng(seed)
    simulation = Simulation(
        seed,
        "random" if failing else None,
        duration=3600 * float(rng.uniform(*HOURS)),
        size=SIZE,
        nuisance=True,
    )
    frames = _record(file, simulation, vision, key)
    failure = simulation.failure.name if simulation.failure else "healthy"
    return (
        f"{file.name}: {frames} pictures, {simulation.duration / 3600:.1f} h, {simulation.world.kind}, "
        f"{simulation.viewpoint.name}, {failure}"
    )


def rendered_prints(folder: Path, model: Path | None, log: Callable[[str], None]) -> Iterator[Print]:
    """The rendered prints as a detector sees them; what it saw is kept for the next time."""
    key, vision = _key_of(model), Vision.load(model)
    for file in sorted(folder.glob("[0-9]*.npz")):
        if file.name.endswith(".partial.npz"):
            continue
        seen = _seen_file(file, key)
        if not seen.exists():
            with np.load(file) as held:
                jpegs = np.split(held["pixels"], np.cumsum(held["lengths"])[:-1])
            looks = _Looks()
            for jpeg in jpegs:
                looks.add(_look(vision, jpeg.tobytes(), file))
            looks.save(seen)
            log(f"{file.name} looked at")
        yield _read(file, seen)


@dataclass(slots=True)
class _Looks:
    """What the detector said of each picture."""

    rows: list[Evidence] = field(default_factory=list)

    def add(self, evidence: Evidence) -> None:
        self.rows.append(evidence)

    def save(self, file: Path) -> None:
        file.parent.mkdir(exist_ok=True)
        rows = self.rows
        shape = (len(rows), rows[0].heat.rows, rows[0].heat.columns)
        partial = file.with_suffix(".partial.npz")
        np.savez_compressed(
            partial,
            scores=np.array([row.failure_probability for row in rows]),
            kinds=np.array([row.kinds for row in rows]),
            heat=np.frombuffer(b"".join(row.heat.cells for row in rows), np.uint8).reshape(shape),
            in_view=np.array([row.print_in_view for row in rows]),
            brightness=np.array([row.brightness for row in rows]),
            sharpness=np.array([row.sharpness for row in rows]),
            thumbnails=np.frombuffer(b"".join(row.thumbnail for row in rows), np.uint8).reshape(
                len(rows), -1
            ),
            conditions=np.array([row.condition.value for row in rows]),
        )
        partial.rename(file)


def _record(file: Path, simulation: Simulation, vision: Vision, key: str) -> int:
    """One print, at the pace of a client: closer while it looks odd, and after the onset."""
    onset = simulation.onset
    until = simulation.duration if onset is None else min(simulation.duration, onset + WATCHED_AFTER)
    jpegs: list[NDArray[np.uint8]] = []
    truths: list[Truth] = []
    looks = _Looks()
    state: PrintState | None = None
    late: deque[float] = deque(maxlen=15)
    second = 0.0
    while second < until:
        frame = simulation.frame(second)
        jpeg = frame.jpeg()
        evidence = _look(vision, jpeg, file)
        jpegs.append(np.frombuffer(jpeg, np.uint8))
        truths.append(frame.truth)
        looks.add(evidence)
        state, verdict = step(state, evidence, second, Levels())
        value = logit(evidence.failure_probability)
        elevated = bool(late) and value > float(np.median(late)) + ELEVATED
        late.append(value)
        begun = onset is not None and onset - PACE <= second < onset + WATCHED_AFTER / 3
        second += CLOSE_PACE if begun or elevated or verdict.suspicious else PACE
    looks.save(_seen_file(file, key))
    events = sorted({event for truth in truths for event in truth.events})
    about = {
        "seed": simulation.seed,
        "world": simulation.world.kind,
        "view": simulation.viewpoint.name,
        "failure": simulation.failure.name if simulation.failure else "",
        "events": events,
        "onset": onset,
        "duration": simulation.duration,
    }
    partial = file.with_suffix(".partial.npz")
    np.savez(
        partial,
        pixels=np.concatenate(jpegs),
        lengths=np.array([len(jpeg) for jpeg in jpegs]),
        seconds=np.array([truth.second for truth in truths]),
        visible=np.array([truth.visible for truth in truths]),
        failed=np.array([truth.failed for truth in truths]),
        severity=np.array([truth.severity for truth in truths]),
        events=np.array([",".join(truth.events) for truth in truths]),
        about=np.array(json.dumps(about)),
    )
    partial.rename(file)
    return len(jpegs)


def _seen_file(file: Path, key: str) -> Path:
    return file.parent / f"seen-{key}" / file.name


def _key_of(model: Path | None) -> str:
    """Names a detector by its weights: two of the same day have the same version."""
    digest = hashlib.sha256()
    for path in [model] if model else sorted(packaged_models()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _look(vision: Vision, jpeg: bytes, file: Path) -> Evidence:
    try:
        return vision.inspect(jpeg)
    except ImageDecodeError as error:
        raise RuntimeError(f"{file}: {error}") from error


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
