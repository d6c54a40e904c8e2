"""The steps from a folder of pictures to the committed model. Each keeps its result in RUNS and is skipped
when the result is there, so that an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import datetime
import functools
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from layerwatch_train import clean, export, quantise, rendered, samples, sheets, train
from layerwatch_train.bank import Bank, capacity_of
from layerwatch_train.calibrate import blended, fit_platt, scene_weights, sigmoid, widespread
from layerwatch_train.evaluate import judged
from layerwatch_train.images import resized
from layerwatch_train.index import Picture
from layerwatch_train.metrics import auroc
from layerwatch_train.runs import Runs
from layerwatch_train.split import assign_folds, unit

INT8_LOSS = 0.003
"""AUROC that quantisation may cost on held-out printers; beyond it the float32 file is kept."""

RANGE_PICTURES = 160
"""Real pictures that set the int8 ranges, drawn evenly over scenes."""


def render(runs: Runs) -> None:
    """Render prints with exact masks, and import path-traced pictures from `OUT/fine`, if any."""
    plan = runs.plan
    if plan.rendered:
        store = rendered.Rendered(runs.out / "rendered", plan.rendered + plan.path_traced)
        rendered.render(store, plan.rendered, seed=100_000, workers=plan.workers)
        rendered.take_in(store, plan.rendered, runs.out / "fine")
        runs.log(f"{len(store.positions())} rendered pictures")


@contextmanager
def bank(runs: Runs) -> Iterator[Bank]:
    """The stream of samples that every training of a run draws from."""
    runs.images()
    plan, device = runs.plan, runs.device()
    renders = runs.out / "rendered" if (runs.out / "rendered" / "state.npy").is_file() else None
    material = functools.partial(
        samples.Material.load, runs.data, runs.out / "pictures.npy", runs.dropped(), renders
    )
    capacity = capacity_of(device, plan.recipe.size, plan.bank)
    with Bank(runs.out, material, plan.recipe.size, capacity, device, plan.workers, plan.seed) as made:
        yield made


def train_jobs(runs: Runs, jobs: Sequence[train.Job], folder: Path) -> dict[str, train.Weights]:
    """Train what is not in `folder` yet; the averaged weights of all, by name."""
    missing = [job for job in jobs if not (folder / f"{job.name}.weights.pt").is_file()]
    if missing:
        seconds = runs.plan.minutes * 60 if runs.plan.minutes else None
        with bank(runs) as stream:
            made = train.fit(missing, stream, runs.device(), folder, runs.log, seconds)
        for name, weights in made.items():
            torch.save({k: v.cpu() for k, v in weights.items()}, folder / f"{name}.weights.pt")
            (folder / f"{name}.pt").unlink(missing_ok=True)
    return {job.name: torch.load(folder / f"{job.name}.weights.pt", weights_only=True) for job in jobs}


def main_jobs(runs: Runs) -> list[train.Job]:
    """A job for each fold, and `final`, which sees everything."""
    pictures, plan = runs.pictures(), runs.plan
    folds = assign_folds(pictures, plan.folds)
    jobs = [
        train.Job(f"fold{fold}", plan.recipe, held_out(pictures, folds, fold)) for fold in range(plan.folds)
    ]
    return [*jobs, train.Job("final", plan.recipe, np.zeros(len(pictures), bool))]


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


def held_out(pictures: Sequence[Picture], folds: NDArray[np.int64], fold: int) -> NDArray[np.bool_]:
    """[len(pictures)] whether a picture shows a printer of this fold."""
    units = {unit(p) for p, f in zip(pictures, folds, strict=True) if f == fold}
    return np.array([unit(p) in units for p in pictures])


Scores = dict[str, NDArray[np.float32]]


def cross_validate(runs: Runs) -> None:
    """Train a model a fold and the final one, side by side; export and quantise the folds' models, and
    judge each fold's webcam pictures by its int8 file.

    Leaves `models/*.weights.pt`, `folds/fold*.int8.onnx`, and in `folds/oof.npz` for every picture of the
    index (NaN where it is in no fold): `failure` and `map` logits, `kinds` and `in_view` probabilities, and
    `float32` failure logits.
    """
    plan, out = runs.plan, runs.out / "folds"
    if (out / "oof.npz").is_file():
        return
    out.mkdir(parents=True, exist_ok=True)
    pictures = runs.pictures()
    folds, scores = assign_folds(pictures, plan.folds), no_scores(len(pictures), plan.recipe.size)
    weights = train_jobs(runs, main_jobs(runs), runs.out / "models")
    for fold in range(plan.folds):
        judge_fold(runs, fold, folds, weights[f"fold{fold}"], scores)
        runs.log(f"fold {fold} judged by its int8 file")
    np.savez_compressed(out / "oof.npz", **scores)


def trained(runs: Runs, name: str) -> train.Weights:
    """What `cross_validate` trained: `fold0`, … or `final`. Raises FileNotFoundError."""
    path = runs.out / "models" / f"{name}.weights.pt"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: run `folds` first")
    weights: train.Weights = torch.load(path, weights_only=True)
    return weights


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
    pictures, images, size = runs.pictures(), runs.images(), runs.plan.recipe.size
    inside = ~held_out(pictures, folds, fold)
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
    recipe = plan.recipe
    version = f"{recipe.variant}-{recipe.size}-{today:%Y%m%d}"
    export.export(weights, recipe.variant, recipe.size, calibration, whole, version, today.isoformat())
    picked = range_pictures(runs.pictures(), inside, np.random.default_rng(plan.seed))
    quantise.quantise(whole, small, resized(runs.images(), picked, plan.recipe.size))
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
    scale, shift = fit_platt(blended(failure[keep], cells[keep]), failed, weights)
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


def ship(runs: Runs) -> Path:
    """Export, quantise, choose int8 unless it costs too much on held-out printers; `RUNS/detector.onnx`."""
    pictures = runs.pictures()
    everything = np.ones(len(pictures), bool)
    deploy(runs, trained(runs, "final"), everything, runs.out / "detector", calibration(runs))
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
