"""The student's steps, each kept in `RUNS/student` and skipped when its result is there."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from layerwatch.vision.model_files import packaged_models
from layerwatch_train import export, quantise
from layerwatch_train.finetune import fit
from layerwatch_train.images import resized
from layerwatch_train.index import IndexFormatError, Picture
from layerwatch_train.metrics import Labels, Scores, auroc, recall_at
from layerwatch_train.pipeline import logit, range_pictures, run
from layerwatch_train.rendered import SOURCE_SIZE, Rendered, render
from layerwatch_train.runs import Runs
from layerwatch_train.samples import GRID_STRIDE
from layerwatch_train.split import source
from layerwatch_train.student.calibration import Labelled, fitted, spoilt
from layerwatch_train.student.feed import Feed
from layerwatch_train.student.fit import Student
from layerwatch_train.student.lessons import Lessons
from layerwatch_train.student.served import read
from layerwatch_train.student.stills import Stills
from layerwatch_train.teacher import steps as teachers
from layerwatch_train.teacher.cache import Cache
from layerwatch_train.teacher.fit import fit as fit_heads
from layerwatch_train.teacher.head import Heads
from layerwatch_train.train import Weights, load

VARIANT = "lite0"

_OTHER_SEEDS = 8_000_000

COMMITTED = export.Calibration(0.73, 0.73, -0.236, 1.036, -1.505)
"""Of the file in the repository."""

CHECK, FINAL = 0, 1
"""The teacher's heads, and the students: one that sees nothing of the sources left out, one that sees all."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a student goes on from. file: a detector that ships. without: sources that it never saw, which
    the student that is judged does not see either."""

    file: Path
    without: frozenset[str]


def start(file: Path | None, without: Sequence[str], pictures: Sequence[Picture]) -> Start:
    """`file`, or the packaged detector. Raises IndexFormatError for a source that the index does not hold."""
    known = {source(p) for p in pictures}
    if missing := sorted(set(without) - known):
        raise IndexFormatError(
            f"no picture is of {', '.join(missing)}; the index holds {', '.join(sorted(known))}"
        )
    return Start(file or packaged_models()[0], frozenset(without))


def outside(runs: Runs, without: frozenset[str]) -> NDArray[np.bool_]:
    """[2, pictures] what CHECK and FINAL must not see: sources, and what looks like a picture of them."""
    left_out = np.array([source(p) in without for p in runs.pictures()])
    alike = teachers.alike(runs)
    return np.stack([left_out | np.isin(alike, alike[left_out]), np.zeros(len(left_out), bool)])


def stacks(runs: Runs, kept: Cache, hidden: NDArray[np.bool_]) -> list[Heads]:
    """The teacher's two heads, once for each seed."""
    recipe, made = runs.plan.student, []
    for seed in range(recipe.teacher_seeds):
        path = runs.out / "student" / f"teacher{seed}.pt"
        own = runs.plan.teacher.seeded(seed, kept.shape.width, recipe.teacher_steps)
        if path.is_file():
            heads = Heads(len(hidden), own.form)
            heads.load_state_dict(torch.load(path, weights_only=True))
        else:
            heads = fit_heads(own, kept, runs.pictures(), kept.there(), hidden, runs.log)
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(heads.state_dict(), path)
        made.append(heads.eval())
    return made


def train(runs: Runs, tower: Path, begin: Start) -> dict[str, Weights]:
    """Teach both students, `check` and `final`; `check` only where sources are left out."""
    recipe, folder = runs.plan.student, runs.out / "student"
    kept, hidden = teachers.kept(runs, tower), outside(runs, begin.without)
    first = read(begin.file, VARIANT)
    units = runs.plan.teacher.recipe.form.units
    lessons = Lessons(folder / "lessons", kept, len(hidden), units, recipe.size)
    lessons.prepare(stacks(runs, kept, hidden), load(VARIANT, first), runs.log)
    stills = _stills(runs)
    made: dict[str, Weights] = {}
    for name, head in (("check", CHECK), ("final", FINAL)):
        if head == CHECK and not begin.without:
            continue
        shown = ~np.append(hidden[head], False)  # number -1: no picture
        there = lessons.there()
        places = there[shown[kept["picture"][there]] & shown[kept["patch"][there]]]
        if not len(places):
            raise IndexFormatError(
                f"nothing is left to learn from without {', '.join(sorted(begin.without))}"
            )
        weights = first
        for number, phase in enumerate(recipe.phases, 1):
            feed = Feed(
                recipe, phase, lessons, head, runs.pictures(), places, stills if phase.stills else None
            )
            student = Student(recipe, phase, weights, VARIANT, units)
            weights = fit(student, feed.batch, folder / f"{name}{number}.pt", runs.log)
        made[name] = weights
    return made


def _stills(runs: Runs) -> Stills | None:
    """The rendered stills that `layerwatch-train render` made, if it did."""
    folder = runs.out / "rendered"
    if not (folder / "state.npy").is_file():
        return None
    store = Rendered(folder)
    return Stills(store, SOURCE_SIZE // GRID_STRIDE) if len(store.positions()) else None


def calibration(runs: Runs, begin: Start, made: dict[str, Weights]) -> export.Calibration:
    """Fitted on the student that did not see the sources left out; that of the committed file without one."""
    if "check" not in made:
        return COMMITTED
    numbers, failed = _judged(runs, begin)
    size = runs.plan.student.size
    real = Labelled(resized(runs.images(), numbers, size), failed)
    sets = [(real, 0.25), (spoilt(real), 0.25), (_other_stills(runs), 0.5)]
    return fitted(load(VARIANT, made["check"]), sets)


def _other_stills(runs: Runs) -> Labelled:
    """Rendered stills of seeds that nothing is trained on."""
    plan, folder = runs.plan, runs.out / "student" / "stills"
    store = Rendered(folder, plan.student.judged_stills)
    render(store, len(store), _OTHER_SEEDS, plan.workers)
    places = store.positions()
    return Labelled(resized(store.images, places, plan.student.size), store.kinds[places].any(1))


def deploy(
    runs: Runs, name: str, weights: Weights, seen: NDArray[np.bool_], calibration: export.Calibration
) -> Path:
    """Write `RUNS/student/NAME.onnx`, int8, with ranges from pictures that are `seen`."""
    recipe, today = runs.plan.student, datetime.datetime.now(datetime.UTC).date()
    out = runs.out / "student" / f"{name}.onnx"
    version = f"{VARIANT}-{recipe.size}-{today:%Y%m%d}"
    whole = out.with_suffix(".float32.onnx")
    export.export(weights, VARIANT, recipe.size, calibration, whole, version, today.isoformat())
    picked = range_pictures(runs.pictures(), seen, np.random.default_rng(runs.plan.seed))
    return quantise.quantise(whole, out, resized(runs.images(), picked, recipe.size))


def _judged(runs: Runs, begin: Start) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Numbers of the webcam pictures of the sources left out, and which of them show a failure."""
    judged = [
        n
        for n, p in enumerate(runs.pictures())
        if source(p) in begin.without and p.view == "webcam" and p.label != "other"
    ]
    return np.array(judged, np.int64), np.array([runs.pictures()[n].label == "failed" for n in judged])


def table(runs: Runs, begin: Start, check: Path) -> str:
    """The detector at the start and the student, on webcam pictures of the sources that neither saw."""
    pictures, size = runs.pictures(), runs.plan.student.size
    judged, failed = _judged(runs, begin)
    images = resized(runs.images(), judged, size)
    names = [source(pictures[n]) for n in judged]
    lines = ["| detector | pictures | AUROC | recall at 1 % | at 5 % |", "|---|---|---|---|---|"]
    for title, file in (("at the start", begin.file), ("student", check)):
        scores = logit(run(onnxruntime.InferenceSession(str(file)), images)["failure"])
        lines.append(_line(title, scores, failed))
        for name in sorted(set(names)):
            mine = np.array([n == name for n in names])
            both = mine if failed[mine].any() and not failed[mine].all() else mine | failed
            lines.append(_line(f"{title}: {name}", scores[both], failed[both]))
    return "\n".join(lines)


def _line(title: str, scores: Scores, failed: Labels) -> str:
    values = (auroc(scores, failed), *(recall_at(scores, failed, share) for share in (0.01, 0.05)))
    return f"| {title} | {len(scores)} | " + " | ".join(f"{v:.3f}" for v in values) + " |"


def everything(runs: Runs, tower_given: Path | None, begin: Start, echo: Callable[[str], None]) -> None:
    """Every step; the teacher's tokens are made where they are missing."""
    tower = teachers.tower(runs, tower_given)
    teachers.tokens(runs, tower)
    made = train(runs, tower, begin)
    hidden = outside(runs, begin.without)
    scales = calibration(runs, begin, made)
    if "check" in made:
        echo(table(runs, begin, deploy(runs, "check", made["check"], ~hidden[CHECK], scales)))
    runs.log(f"the detector is {deploy(runs, 'final', made['final'], ~hidden[FINAL], scales)}")
