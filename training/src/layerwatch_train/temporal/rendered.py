"""Rendered prints through the real detector: the simulator's pictures, whole prints at the client's pace.

`render` keeps JPEGs and truth, one file a print and resumable, and needs no detector. `rendered_prints` has a
detector look at them and keeps what it said, by the detector's weights: detectors change more often than
pictures do.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layerwatch.simulator import Simulation
from layerwatch.simulator.truth import Frame, Truth
from layerwatch.temporal import Levels, PrintState, step
from layerwatch.temporal.baseline import logit
from layerwatch.vision import Condition, Evidence, ImageDecodeError, Vision
from layerwatch_train.temporal.prints import Print
from layerwatch_train.temporal.prints import weights_key as _key_of

SIZE = (320, 240)
"""The detector sees 320 x 320, and a picture of twice the size takes 2.5 times as long to render."""

FAILING_EVERY = 5
"""One print in so many of a rendered printer fails."""

SHORT_HOURS, LONG_HOURS = (0.7, 3.0), (3.0, 12.0)
PRINTER_HOURS = (0.5, 1.5)
LONG_SHARE = 0.7
"""Most prints are long: hours in which all is well, while the part grows, are what false alarms come from."""

PACE, CLOSE_PACE = 40.0, 20.0
"""Seconds between pictures of a healthy print, and of a suspicious one or a failure that has just begun."""

CLOSE_AFTER = 1200.0
"""Seconds from the onset in which all pictures are close."""

WATCHED_AFTER = 3600.0
"""Seconds from the onset after which somebody comes, and the recording ends."""

ELEVATED = 0.8
"""Logits above the median of the last pictures from which on the closer pace is kept, suspicious or not, so
that another tuning of the temporal model finds the pictures that it would ask for."""

SIZES = ((0.01, "under 1 %"), (0.03, "1 to 3 %"), (1.0, "over 3 %"))
"""How large a failure becomes: the highest share of the picture that it covers, and its name."""

VISIBLE = 0.002
"""Share of the picture that a failure must cover to count as begun: what cannot be seen cannot be caught."""


def render(folder: Path, count: int, seed: int, log: Callable[[str], None]) -> None:
    """Render `count` prints into `folder`, odd ones failing; those already there are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        file = folder / f"{index:04d}.npz"
        if not file.exists():
            log(render_one(file, seed + index, index % 2 == 1))


def render_printers(folder: Path, printers: int, prints: int, seed: int, log: Callable[[str], None]) -> None:
    """Render prints of each printer in order, one in `FAILING_EVERY` failing; existing ones are kept.

    A file is named after its printer and its place in order, two digits each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for printer in range(printers):
        first = seed + 1000 * printer
        failing = np.random.default_rng(first).permutation(prints) % FAILING_EVERY == 0
        for at in range(prints):
            file = folder / f"{printer:02d}{at:02d}.npz"
            if not file.exists():
                log(render_one(file, first + 1 + at, bool(failing[at]), first))


def render_one(file: Path, seed: int, failing: bool, printer: int | None = None) -> str:
    """Render one print into `file`, and say in a line what it is. printer: its seed, see `Simulation`."""
    rng = np.random.default_rng(seed)
    hours = LONG_HOURS if rng.random() < LONG_SHARE else SHORT_HOURS
    if printer is not None:
        hours = PRINTER_HOURS
    duration = 3600 * float(rng.uniform(*hours))
    simulation = _simulation(seed, failing, duration, printer)
    frames = _record(file, simulation, failing, duration)
    failure = simulation.failure.name if simulation.failure else "healthy"
    return (
        f"{file.name}: {frames} pictures, {simulation.duration / 3600:.1f} h, {simulation.world.kind}, "
        f"{simulation.viewpoint.name}, {failure}"
    )


def rendered_prints(folder: Path, model: Path | None, log: Callable[[str], None]) -> Iterator[Print]:
    """The rendered prints as a detector sees them; what it saw is kept for the next time.

    model: the detector that looks at them; None for the packaged one.
    """
    key, vision = _key_of(model), Vision.load(model, threads=1)
    for file in sorted(folder.glob("[0-9]*.npz")):
        if file.name.endswith(".partial.npz"):
            continue
        seen = folder / f"seen-{key}" / file.name
        if not seen.exists():
            log(f"{file.name}: looked at {_watch(file, seen, vision)} pictures")
        yield _read(file, seen)


@dataclass(slots=True)
class _Looks:
    """What the detector said of each picture, and what is true of it."""

    rows: list[Evidence] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    failed: list[bool] = field(default_factory=list)
    visible: list[float] = field(default_factory=list)

    def add(self, evidence: Evidence, second: float, failed: bool, visible: float) -> None:
        self.rows.append(evidence)
        self.seconds.append(second)
        self.failed.append(failed)
        self.visible.append(visible)

    def save(self, file: Path) -> None:
        file.parent.mkdir(exist_ok=True)
        rows = self.rows
        shape = (len(rows), rows[0].heat.rows, rows[0].heat.columns)
        partial = file.with_suffix(".partial.npz")
        np.savez_compressed(
            partial,
            seconds=np.array(self.seconds),
            failed=np.array(self.failed),
            visible=np.array(self.visible),
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


def _simulation(seed: int, failing: bool, duration: float, printer: int | None) -> Simulation:
    return Simulation(
        seed, "random" if failing else None, duration=duration, size=SIZE, nuisance=True, printer=printer
    )


def _record(file: Path, simulation: Simulation, failing: bool, duration: float) -> int:
    """One print at a client's pace while all is well, closer after the onset."""
    onset = simulation.onset
    until = simulation.duration if onset is None else min(simulation.duration, onset + WATCHED_AFTER)
    jpegs: list[NDArray[np.uint8]] = []
    truths: list[Truth] = []
    second = 0.0
    while second < until:
        frame = simulation.frame(second)
        jpegs.append(np.frombuffer(frame.jpeg(), np.uint8))
        truths.append(frame.truth)
        begun = onset is not None and onset - PACE <= second < onset + CLOSE_AFTER
        second += CLOSE_PACE if begun else PACE
    about = {
        "seed": simulation.seed,
        "printer": None if simulation.printer == simulation.seed else simulation.printer,
        "failing": failing,
        "planned": duration,
        "world": simulation.world.kind,
        "view": simulation.viewpoint.name,
        "failure": simulation.failure.name if simulation.failure else "",
        "events": sorted({event for truth in truths for event in truth.events}),
    }
    partial = file.with_suffix(".partial.npz")
    np.savez(
        partial,
        pixels=np.concatenate(jpegs),
        lengths=np.array([len(jpeg) for jpeg in jpegs]),
        seconds=np.array([truth.second for truth in truths]),
        visible=np.array([truth.visible for truth in truths]),
        failed=np.array([truth.failed for truth in truths]),
        about=np.array(json.dumps(about)),
    )
    partial.rename(file)
    return len(jpegs)


def _watch(file: Path, seen: Path, vision: Vision) -> int:
    """Have a detector look at a print's pictures, and at more between them where the print looks odd to it.

    Those are rendered for the occasion: a frame depends on the seed and the second alone.
    """
    with np.load(file) as held:
        pixels, ends = held["pixels"], np.cumsum(held["lengths"])
        seconds, failed, visible = held["seconds"], held["failed"], held["visible"]
        about = json.loads(str(held["about"]))
    jpegs = [part.tobytes() for part in np.split(pixels, ends[:-1])]
    simulation: Simulation | None = None
    looks = _Looks()
    late: deque[float] = deque(maxlen=15)
    state: PrintState | None = None
    for at, jpeg in enumerate(jpegs):
        evidence = _look(vision, jpeg, file)
        looks.add(evidence, float(seconds[at]), bool(failed[at]), float(visible[at]))
        state, verdict = step(state, evidence, float(seconds[at]), Levels())
        value = logit(evidence.failure_probability)
        elevated = bool(late) and value > float(np.median(late)) + ELEVATED
        late.append(value)
        far = at + 1 < len(jpegs) and seconds[at + 1] - seconds[at] > CLOSE_PACE
        if far and (elevated or verdict.suspicious):
            if simulation is None:
                simulation = _simulation(
                    about["seed"], about["failing"], about["planned"], about.get("printer")
                )
            between: Frame = simulation.frame(float(seconds[at]) + CLOSE_PACE)
            evidence = _look(vision, between.jpeg(), file)
            truth = between.truth
            looks.add(evidence, truth.second, truth.failed, truth.visible or 0.0)
            state, _ = step(state, evidence, truth.second, Levels())
    looks.save(seen)
    return len(looks.rows)


def _look(vision: Vision, jpeg: bytes, file: Path) -> Evidence:
    try:
        return vision.inspect(jpeg)
    except ImageDecodeError as error:
        raise RuntimeError(f"{file}: {error}") from error


def _read(file: Path, seen: Path) -> Print:
    with np.load(file) as held:
        about = json.loads(str(held["about"]))
    with np.load(seen) as looked:
        seconds: NDArray[np.float64] = looked["seconds"]
        failed = looked["failed"]
        begun = np.flatnonzero(failed & (looked["visible"] >= VISIBLE))
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
            tags=(about["failure"] or "healthy", _size_of(looked["visible"][failed]), *about["events"]),
        )


def _size_of(visible: NDArray[np.float64]) -> str:
    """The name of the largest of these shares of the picture."""
    if not visible.size:
        return "healthy"
    return next(name for share, name in SIZES if visible.max() <= share)
