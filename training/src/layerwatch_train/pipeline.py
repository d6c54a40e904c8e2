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

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from layerwatch_train import clean, export, features, quantise, rendered, samples, sheets, train
from layerwatch_train.calibrate import blended, fit_platt, scene_weights, sigmoid, widespread
from layerwatch_train.evaluate import judged
from layerwatch_train.features import resized
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
    samples: int = 23_400
    rendered: int = 4_300
    folds: int = 5
    steps: int = 200
    seeds: int = 1
    """Trainings whose weights are averaged; three bought nothing out of fold."""
    final_steps: int = 260
    """For the model that is shipped: a third more, as it has more samples to learn from."""
    ablation_steps: int = 150
    ablation_folds: tuple[int, ...] = (0, 2)
    workers: int = 2
    seed: int = 1


QUICK = Plan(
    size=128,
    samples=160,
    rendered=24,
    folds=2,
    steps=4,
    seeds=2,
    final_steps=4,
    ablation_steps=2,
    ablation_folds=(0,),
)
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

    def features(self) -> NDArray[np.float16]:
        """[N, S/8, S/8, C] of every picture of the index, as it is."""
        size = self.plan.size
        return features.kept(self.out / f"features{size}.npy", self.images(), self.plan.variant, size)

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


def allowed(made: samples.Samples, out: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Positions of the samples that show nothing of the pictures where `out`, be it as scene or as pasted
    patch."""
    shown = np.append(out, False)  # position -1: no picture
    return np.flatnonzero(~(shown[made.picture] | shown[made.patch]))


def held_out(pictures: Sequence[Picture], folds: NDArray[np.int64], fold: int) -> NDArray[np.bool_]:
    """[len(pictures)] whether a picture shows a printer of this fold."""
    units = {unit(p) for p, f in zip(pictures, folds, strict=True) if f == fold}
    return np.array([unit(p) in units for p in pictures])


def fit_seeds(
    runs: Runs, made: samples.Samples, usable: NDArray[np.int64], steps: int, out: Path
) -> dict[str, torch.Tensor]:
    """The mean weights of `Plan.seeds` trainings from one beginning, each kept in `out`.SEED.pt."""
    plan = runs.plan
    recipe = train.Recipe(variant=plan.variant, size=plan.size, steps=steps)
    return train.mean_weights(
        [
            train.fit(made, usable, replace(recipe, seed=seed), Path(f"{out}.{seed}.pt"), runs.log)
            for seed in range(plan.seeds)
        ]
    )


Scores = dict[str, NDArray[np.float32]]


def cross_validate(runs: Runs) -> None:
    """Train a model a fold, export and quantise it, and judge the fold's webcam pictures by the int8 file.

    Leaves `folds/fold*.pt` (a training each), `fold*.int8.onnx`, and in `folds/oof.npz` for every picture of
    the index (NaN where it is in no fold): `failure` and `map` logits, `kinds` and `in_view` probabilities,
    and `float32` failure logits.
    """
    plan, out = runs.plan, runs.out / "folds"
    if (out / "oof.npz").is_file():
        return
    out.mkdir(parents=True, exist_ok=True)
    pictures, made = runs.pictures(), make_samples(runs)
    folds, scores = assign_folds(pictures, plan.folds), no_scores(len(pictures), plan.size)
    for fold in range(plan.folds):
        outside = held_out(pictures, folds, fold)
        usable = allowed(made, outside)
        named = sorted({unit(p) for p, o in zip(pictures, outside, strict=True) if o})
        runs.log(f"fold {fold}: {len(usable)} samples, holds out {', '.join(named)}")
        judge_fold(runs, fold, folds, fit_seeds(runs, made, usable, plan.steps, out / f"fold{fold}"), scores)
    np.savez_compressed(out / "oof.npz", **scores)


def fold_weights(runs: Runs, fold: int) -> dict[str, torch.Tensor]:
    """What `cross_validate` trained for a fold."""
    files = [runs.out / "folds" / f"fold{fold}.{seed}.pt" for seed in range(runs.plan.seeds)]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise FileNotFoundError(f"{runs.out / 'folds'} lacks {', '.join(missing)}: run `folds` first")
    return train.mean_weights([torch.load(file, weights_only=True)["average"] for file in files])


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


def train_final(runs: Runs) -> dict[str, torch.Tensor]:
    """The model that is shipped: trained in the same way on everything."""
    made = make_samples(runs)
    return fit_seeds(runs, made, np.arange(len(made)), runs.plan.final_steps, runs.out / "final")


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
