"""Milliseconds and AUROC by input size and precision: the fold models exported at other sizes than they were
trained at."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from layerwatch_train import export, quantise
from layerwatch_train.evaluate import judged
from layerwatch_train.images import resized
from layerwatch_train.metrics import auroc, recall_at
from layerwatch_train.pipeline import calibrated, calibration, held_out, logit, range_pictures, run, trained
from layerwatch_train.runs import Runs
from layerwatch_train.split import assign_folds

SIZES = (224, 256, 320, 384)


def table(runs: Runs, per_fold: int = 200) -> str:
    """A Markdown table: for each size and precision the mean AUROC and recall over folds, on `per_fold`
    held-out pictures of each, and median milliseconds for one picture on one thread, without decoding."""
    pictures, images = runs.pictures(), runs.images()
    folds, c = assign_folds(pictures, runs.plan.folds), calibration(runs)
    rng = np.random.default_rng(0)
    lines = [
        "| input | precision | mean AUROC | mean recall at 1 % | ms on one thread |",
        "|---|---|---|---|---|",
    ]
    for size in SIZES:
        found: dict[str, list[tuple[float, float, float]]] = {"float32": [], "int8": []}
        for fold in range(runs.plan.folds):
            keep = judged(pictures, np.where(folds == fold, 0.0, np.nan))
            keep = rng.permutation(keep)[:per_fold]
            failed = np.array([pictures[n].label == "failed" for n in keep])
            inside = ~held_out(pictures, folds, fold)
            for precision, path in _files(runs, fold, size, inside).items():
                p, ms = _judge(path, resized(images, keep, size), c)
                found[precision].append((auroc(p, failed), recall_at(p, failed, 0.01), ms))
        for precision, rows in found.items():
            area, recall, ms = np.nanmean(rows, axis=0)
            lines.append(f"| {size} | {precision} | {area:.3f} | {recall:.3f} | {ms:.1f} |")
    return "\n".join(lines)


def _files(runs: Runs, fold: int, size: int, inside: NDArray[np.bool_]) -> dict[str, Path]:
    folder = runs.out / "sizes"
    whole, small = folder / f"fold{fold}.{size}.float32.onnx", folder / f"fold{fold}.{size}.int8.onnx"
    if not small.is_file():
        weights = trained(runs, f"fold{fold}")
        export.export(
            weights, runs.plan.recipe.variant, size, export.Calibration(), whole, "sizes", "2000-01-01"
        )
        picked = range_pictures(runs.pictures(), inside, np.random.default_rng(runs.plan.seed))
        quantise.quantise(whole, small, resized(runs.images(), picked, size))
    return {"float32": whole, "int8": small}


def _judge(path: Path, images: NDArray[np.uint8], c: export.Calibration) -> tuple[NDArray[np.float64], float]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options)
    answer = run(session, images)
    taken = []
    for image in images[:30]:
        began = time.perf_counter()
        session.run(None, {"image": image[None]})
        taken.append(time.perf_counter() - began)
    p = calibrated(c, logit(answer["failure"]), logit(answer["map"]))
    return p, float(np.median(taken)) * 1e3
