"""The steps from a folder of pictures to the committed model. Each keeps its result in RUNS and is skipped
when the result is there, so that an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import datetime
import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from layerwatch_train import clean, export, quantise, rendered, samples, sheets, train
from layerwatch_train.calibrate import fit_platt, scene_weights, sigmoid, widespread
from layerwatch_train.evaluate import judged
from layerwatch_train.index import Picture, read_index
from layerwatch_train.metrics import auroc
from layerwatch_train.split import assign_folds, unit

INT8_LOSS = 0.003
"""AUROC that quantisation may cost on held-out printers; beyond it the float32 file is kept."""

RANGE_PICTURES = 160
"""Real pictures that set the int8 ranges, drawn evenly over scenes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything. The defaults made the committed model."""

    variant: str = "lite0"
    size: int = 320
    samples: int = 19_000
    rendered: int = 1_300
    folds: int = 5
    first_steps: int = 200
    second_steps: int = 220
    final_steps: int = 420
    workers: int = 2
    seed: int = 1


QUICK = Plan(size=128, samples=160, rendered=24, folds=2, first_steps=4, second_steps=4, final_steps=4)
"""Everything once, in a few minutes, for a model of no use."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Where the pictures are and where results go."""

    data: Path
    out: Path
    plan: Plan
    log: Callable[[str], None]

    def pictures(self) -> list[Picture]:
        return read_index(self.data)

    def images(self) -> NDArray[np.uint8]:
        return samples.decode_all(self.data, self.out / "pictures.npy", self.plan.workers)

    def material(self) -> Callable[[], samples.Material]:
        """A recipe for the material that a worker process can carry out."""
        self.images()
        renders = self.out / "rendered" if self.plan.rendered else None
        return functools.partial(samples.Material.load, self.data, self.out / "pictures.npy", renders)

    def platform(self) -> dict[str, object]:
        return {"plan": asdict(self.plan), "torch": torch.__version__, "onnxruntime": onnxruntime.__version__}


def render(runs: Runs) -> None:
    """Render prints with exact masks."""
    if runs.plan.rendered:
        made = rendered.render(
            runs.out / "rendered", runs.plan.rendered, seed=100_000, workers=runs.plan.workers
        )
        runs.log(f"{len(made)} rendered pictures")


def make_samples(runs: Runs) -> samples.Samples:
    """Draw, augment and pass through the frozen part."""
    out = runs.out / "samples"
    if (out / "targets.npz").is_file():
        return samples.Samples(out)
    pictures, plan = runs.pictures(), runs.plan
    dropped = dropped_files(runs)
    usable = np.array([p.file not in dropped for p in pictures])
    count = len(samples.Rendered(runs.out / "rendered")) if plan.rendered else 0
    draws = samples.draw(pictures, usable, plan.samples, np.random.default_rng(plan.seed), count)
    done = 0

    def tick(made: int) -> None:
        nonlocal done
        if done // 1000 != (done + made) // 1000:
            runs.log(f"sample {done + made} of {len(draws)}")
        done += made

    return samples.build(out, runs.material(), draws, plan.variant, plan.size, plan.seed, plan.workers, tick)


def dropped_files(runs: Runs) -> set[str]:
    """Files listed in `RUNS/dropped.txt`, one a line: what a person struck out after `clean`."""
    path = runs.out / "dropped.txt"
    return set(path.read_text(encoding="utf-8").split()) if path.is_file() else set()


def resized(images: NDArray[np.uint8], positions: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
    """[len(positions), size, size, 3] of the kept pictures."""
    return np.stack([cv2.resize(images[n], (size, size), interpolation=cv2.INTER_AREA) for n in positions])


def range_pictures(
    pictures: list[Picture], usable: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Positions of pictures to set int8 ranges with, webcams first, evenly over scenes."""
    scenes: dict[str, list[int]] = {}
    for number, picture in enumerate(pictures):
        if usable[number] and picture.view == "webcam":
            scenes.setdefault(picture.scene, []).append(number)
    members = list(scenes.values())
    return np.array([rng.choice(members[n % len(members)]) for n in range(RANGE_PICTURES)], np.int64)


def allowed(made: samples.Samples, pictures: Sequence[Picture], held_out: set[str]) -> NDArray[np.int64]:
    """Positions of the samples that show nothing of the held-out units, be it as scene or as pasted patch."""
    out = np.array([unit(p) in held_out for p in pictures] + [False])  # position -1: no picture
    return np.flatnonzero(~(out[made.picture] | out[made.patch]))


def recipes(plan: Plan, second_steps: int, seed: int) -> tuple[train.Recipe, train.Recipe]:
    """The first round and the second, which goes on from it more gently; their weights are then averaged."""
    first = train.Recipe(variant=plan.variant, size=plan.size, steps=plan.first_steps, seed=seed)
    second = replace(
        first, steps=second_steps, seed=seed + 20, trunk_rate=2.5e-4, head_rate=1.2e-3, ema=0.985
    )
    return first, second


Scores = dict[str, NDArray[np.float32]]


def cross_validate(runs: Runs) -> None:
    """Train a model a fold, export and quantise it, and judge the fold's webcam pictures by the int8 file.

    Leaves `folds/fold*.first.pt` and `.second.pt`, `fold*.int8.onnx`, and in `folds/oof.npz` for every
    picture of the index (NaN where it is in no fold): `failure` and `map` logits, `kinds` and `in_view`
    probabilities, and `float32` failure logits.
    """
    plan, out = runs.plan, runs.out / "folds"
    if (out / "oof.npz").is_file():
        return
    out.mkdir(parents=True, exist_ok=True)
    pictures, made = runs.pictures(), make_samples(runs)
    folds, scores = assign_folds(pictures, plan.folds), no_scores(len(pictures), plan.size)
    for fold in range(plan.folds):
        held_out = {unit(p) for p, f in zip(pictures, folds, strict=True) if f == fold}
        usable = allowed(made, pictures, held_out)
        runs.log(f"fold {fold}: {len(usable)} samples, holds out {', '.join(sorted(held_out))}")
        first_recipe, second_recipe = recipes(plan, plan.second_steps, plan.seed + fold)
        first = train.fit(made, usable, first_recipe, out / f"fold{fold}.first.pt", runs.log)
        second = train.fit(made, usable, second_recipe, out / f"fold{fold}.second.pt", runs.log, first)
        judge_fold(runs, fold, folds, train.mean_weights([first, second]), scores)
    np.savez_compressed(out / "oof.npz", **scores)


def no_scores(total: int, size: int) -> Scores:
    """Arrays for `total` pictures, all NaN."""
    shapes = {
        "failure": (total,),
        "float32": (total,),
        "kinds": (total, 8),
        "map": (total, size // 16, size // 16),
        "in_view": (total,),
    }
    return {name: np.full(shape, np.nan, np.float32) for name, shape in shapes.items()}


def judge_fold(
    runs: Runs, fold: int, folds: NDArray[np.int64], weights: dict[str, torch.Tensor], scores: Scores
) -> None:
    """Export and quantise a fold's model, and fill in `scores` of the fold's webcam pictures."""
    pictures, images, size = runs.pictures(), runs.images(), runs.plan.size
    held_out = {unit(p) for p, f in zip(pictures, folds, strict=True) if f == fold}
    inside = np.array([unit(p) not in held_out for p in pictures])
    whole, small = deploy(runs, weights, inside, runs.out / "folds" / f"fold{fold}", export.Calibration())
    chosen = np.flatnonzero((folds == fold) & np.array([p.view == "webcam" for p in pictures]))
    for start in range(0, len(chosen), 64):
        part = chosen[start : start + 64]
        batch = resized(images, part, size)
        answer = run(small, batch)
        scores["failure"][part] = logit(answer["failure"])
        scores["map"][part] = logit(answer["map"])
        scores["kinds"][part], scores["in_view"][part] = answer["kinds"], answer["in_view"]
        scores["float32"][part] = logit(run(whole, batch)["failure"])


def deploy(
    runs: Runs,
    weights: dict[str, torch.Tensor],
    inside: NDArray[np.bool_],
    out: Path,
    calibration: export.Calibration,
) -> tuple[onnxruntime.InferenceSession, onnxruntime.InferenceSession]:
    """Write `out`.float32.onnx and `out`.int8.onnx; ranges from pictures where `inside`. Returns sessions."""
    plan, today = runs.plan, datetime.datetime.now(datetime.UTC).date()
    whole, small = Path(f"{out}.float32.onnx"), Path(f"{out}.int8.onnx")
    version = f"{plan.variant}-{plan.size}-{today:%Y%m%d}"
    export.export(weights, plan.variant, plan.size, calibration, whole, version, today.isoformat())
    picked = range_pictures(runs.pictures(), inside, np.random.default_rng(plan.seed))
    quantise.quantise(whole, small, resized(runs.images(), picked, plan.size))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = plan.workers
    return onnxruntime.InferenceSession(str(whole), options), onnxruntime.InferenceSession(
        str(small), options
    )


def run(session: onnxruntime.InferenceSession, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """The served outputs for [N, S, S, 3] pictures, by name, one picture at a time (as the service mostly
    does)."""
    names = [output.name for output in session.get_outputs()]
    rows = [session.run(names, {"image": image[None]}) for image in images]
    return {name: np.concatenate([row[i] for row in rows]) for i, name in enumerate(names)}


def logit(probability: NDArray[np.float32]) -> NDArray[np.float64]:
    """Inverse of the logistic function, finite."""
    p = np.clip(probability.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.log(p / (1 - p))


def calibration(runs: Runs) -> export.Calibration:
    """Platt scaling of the out-of-fold logits, of the picture and of the map's cells (by their highest)."""
    path = runs.out / "calibration.json"
    if path.is_file():
        return export.Calibration(**json.loads(path.read_text(encoding="utf-8")))
    pictures = runs.pictures()
    with np.load(runs.out / "folds" / "oof.npz") as kept:
        failure, cells = kept["failure"].astype(np.float64), kept["map"].astype(np.float64)
    keep = judged(pictures, failure)
    failed = np.array([pictures[n].label == "failed" for n in keep])
    weights = scene_weights([pictures[n].scene for n in keep], failed)
    # Half the pooled heads, half the spread: the heads rank better, the spread finds more at few alarms.
    scale, shift = fit_platt((failure[keep] + widespread(cells[keep])) / 2, failed, weights)
    top = np.sort(cells[keep].reshape(len(keep), -1), axis=1)[:, -4:].mean(1)
    map_scale, map_shift = fit_platt(top, failed, weights)
    found = export.Calibration(scale / 2, scale / 2, shift, map_scale, map_shift)
    path.write_text(json.dumps(asdict(found)), encoding="utf-8")
    return found


def calibrated(
    c: export.Calibration, failure: NDArray[np.float64], cells: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Failure logits [N] and map logits [N, G, G], as uncalibrated files give them, → probabilities [N]."""
    return sigmoid(failure * c.scale + widespread(cells) * c.wide + c.shift)


def train_final(runs: Runs) -> dict[str, torch.Tensor]:
    """The model that is shipped: the last fold's first round, trained on with everything."""
    path, plan = runs.out / "final.pt", runs.plan
    if path.is_file():
        kept: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
        return kept
    begun = runs.out / "folds" / f"fold{plan.folds - 1}.first.pt"
    if not begun.is_file():
        raise FileNotFoundError(f"{begun} is missing: the final model goes on from it, so run `folds` first")
    first = torch.load(begun, weights_only=True)["average"]
    made, (_, recipe) = make_samples(runs), recipes(plan, plan.final_steps, plan.seed)
    second = train.fit(made, np.arange(len(made)), recipe, runs.out / "final.second.pt", runs.log, first)
    weights = train.mean_weights([first, second])
    torch.save(weights, path)
    return weights


def ship(runs: Runs) -> Path:
    """Export, quantise, choose int8 unless it costs too much on held-out printers; `RUNS/detector.onnx`."""
    pictures = runs.pictures()
    everything = np.ones(len(pictures), bool)
    deploy(runs, train_final(runs), everything, runs.out / "detector", calibration(runs))
    with np.load(runs.out / "folds" / "oof.npz") as kept:
        small, whole = kept["failure"].astype(np.float64), kept["float32"].astype(np.float64)
    keep = judged(pictures, small)
    failed = np.array([pictures[n].label == "failed" for n in keep])
    loss = auroc(whole[keep], failed) - auroc(small[keep], failed)
    chosen = "int8" if loss < INT8_LOSS else "float32"
    runs.log(f"int8 costs {loss * 100:.2f} points of AUROC on held-out printers: {chosen} it is")
    final = runs.out / "detector.onnx"
    final.write_bytes((runs.out / f"detector.{chosen}.onnx").read_bytes())
    return final


def find_errors(runs: Runs) -> None:
    """Contact sheets of suspected mislabels, worst misses and false alarms, and a list of near-duplicates."""
    pictures, images, out = runs.pictures(), runs.images(), runs.out / "clean"
    pairs = clean.near_duplicates(images, pictures)
    out.mkdir(parents=True, exist_ok=True)
    lines = [f"{pictures[a].file} {pictures[b].file}" for a, b in pairs]
    (out / "near_duplicates.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with np.load(runs.out / "folds" / "oof.npz") as kept:
        failure, cells = kept["failure"].astype(np.float64), kept["map"]
    c = calibration(runs)
    probability = calibrated(c, failure, cells)
    suspects = clean.suspected_mislabels(pictures, probability)
    keep = judged(pictures, probability)
    order = keep[np.argsort(probability[keep])]
    lists = {
        "suspects": suspects[:100],
        "misses": np.array([n for n in order if pictures[n].label == "failed"][:100]),
        "false_alarms": np.array([n for n in order[::-1] if pictures[n].label == "good"][:100]),
    }
    for name, picked in lists.items():
        if len(picked):
            captions = [
                f"{probability[n]:.2f} {pictures[n].label[:4]} {pictures[n].scene[-14:]}" for n in picked
            ]
            heat = [sigmoid(cells[n].astype(np.float64) * c.map_scale + c.map_shift) for n in picked]
            shown = [images[n] for n in picked]
            sheets.contact_sheet(shown, captions, out / f"{name}.png", heat)
        (out / f"{name}.txt").write_text("".join(f"{pictures[n].file}\n" for n in picked), encoding="utf-8")
    runs.log(f"{len(pairs)} near-duplicate pairs over groups, {len(suspects)} suspected mislabels: see {out}")
