"""The reports that `layerwatch-train evaluate` prints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from layerwatch_train import baseline, evaluate, plots, public, transfer
from layerwatch_train.images import resized
from layerwatch_train.metrics import auroc, recall_at, threshold_at
from layerwatch_train.pipeline import calibrated, calibration, logit, run
from layerwatch_train.robustness import CORRUPTIONS
from layerwatch_train.runs import Runs
from layerwatch_train.split import assign_folds

ROBUSTNESS_PICTURES = 300

Say = Callable[[str], None]


def out_of_fold(runs: Runs) -> NDArray[np.float64]:
    """[N] calibrated out-of-fold failure probabilities, NaN where a picture is in no fold."""
    with np.load(runs.out / "folds" / "oof.npz") as kept:
        failure, cells = kept["failure"].astype(np.float64), kept["map"]
    return calibrated(calibration(runs), failure, cells)


def report_folds(runs: Runs, say: Say) -> None:
    """Per source, in total and per scene, from the cross-validated int8 models."""
    pictures, probability = runs.pictures(), out_of_fold(runs)
    say("Printers and cameras held out (folds by printer), webcam pictures only:\n")
    say(evaluate.markdown(evaluate.report(pictures, probability)))
    sequences = [row for row in evaluate.by_scene(pictures, probability) if row[2]]
    caught = sum(row[4] > 0 for row in sequences)
    say(f"\nFailing sequences found, by a frame at least, at 1 % pooled: {caught} of {len(sequences)}")
    say("\n| scene | good | failed | AUROC within | found at 1 % pooled |\n|---|---|---|---|---|")
    for name, good, failed, area, found in evaluate.by_scene(pictures, probability):
        if failed:
            say(f"| {name} | {good} | {failed} | {area:.3f} | {found:.2f} |")


def report_worst(runs: Runs, say: Say) -> None:
    """Contact sheets of each source's worst misses and false alarms."""
    with np.load(runs.out / "folds" / "oof.npz") as kept:
        cells = kept["map"]
    for path in transfer.worst(runs, out_of_fold(runs), cells):
        say(f"wrote {path}")


def report_reliability(runs: Runs, say: Say) -> None:
    """A reliability plot of the out-of-fold probabilities, `OUT/reliability.png`."""
    pictures, probability = runs.pictures(), out_of_fold(runs)
    keep = evaluate.judged(pictures, probability)
    failed = np.array([pictures[n].label == "failed" for n in keep])
    path = runs.out / "reliability.png"
    plots.reliability(probability[keep], failed, path)
    say(f"wrote {path}")


def report_public(runs: Runs, folder: Path, say: Say) -> None:
    """Other people's detectors on all webcam pictures, as plain files in `folder` (see `public`)."""
    pictures, images = runs.pictures(), runs.images()
    keep = evaluate.judged(pictures, np.zeros(len(pictures)))
    failed = np.array([pictures[n].label == "failed" for n in keep])
    say("\n| public detector | AUROC | recall at 1 % |\n|---|---|---|")
    for detector in public.read_detectors(folder):
        scores = np.array([detector.score(images[n]) for n in keep], np.float64)
        say(f"| {detector.name} | {auroc(scores, failed):.3f} | {recall_at(scores, failed, 0.01):.3f} |")


def report_model(runs: Runs, model: Path, say: Say) -> None:
    """Judge one detector file on the webcam pictures of the index."""
    session = onnxruntime.InferenceSession(str(model))
    size = int(session.get_inputs()[0].shape[1])
    pictures, images = runs.pictures(), runs.images()
    chosen = np.flatnonzero([p.view == "webcam" and p.label != "other" for p in pictures])
    probability = np.full(len(pictures), np.nan)
    for start in range(0, len(chosen), 64):
        part = chosen[start : start + 64]
        probability[part] = run(session, resized(images, part, size))["failure"]
    say(evaluate.markdown(evaluate.report(pictures, probability)))


def report_baseline(runs: Runs, say: Say) -> None:
    """The frozen backbone with a logistic head on the same folds."""
    pictures, scores = runs.pictures(), baseline.scores(runs)
    say("\nBaseline, logistic head on frozen features, same folds:\n")
    say(evaluate.markdown(evaluate.report(pictures, scores)))


def report_robustness(runs: Runs, say: Say) -> None:
    """Each corruption at three strengths, on a sample of the held-out pictures of each fold."""
    pictures, images, plan = runs.pictures(), runs.images(), runs.plan
    folds = assign_folds(pictures, plan.folds)
    rng = np.random.default_rng(0)
    clean = out_of_fold(runs)
    keep = evaluate.judged(pictures, clean)
    failed_all = np.array([p.label == "failed" for p in pictures])
    picked = np.concatenate(
        [
            rng.permutation(keep[failed_all[keep] == label])[: ROBUSTNESS_PICTURES // 2]
            for label in (True, False)
        ]
    )
    failed = failed_all[picked]
    one = threshold_at(clean[keep], failed_all[keep], 0.01)
    c = calibration(runs)
    sessions = {
        int(f): onnxruntime.InferenceSession(str(runs.out / "folds" / f"fold{f}.int8.onnx"))
        for f in np.unique(folds[picked])
    }

    def line(name: str, change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> str:
        p = np.zeros(len(picked))
        for place, number in enumerate(picked):
            image = change(resized(images, np.array([number]), plan.recipe.size)[0])
            answer = run(sessions[int(folds[number])], image[None])
            p[place] = calibrated(c, logit(answer["failure"]), logit(answer["map"]))[0]
        found, alarms = (p[failed] > one).mean(), (p[~failed] > one).mean()
        figures = f"{auroc(p, failed):.3f} | {recall_at(p, failed, 0.01):.2f} | {found:.2f} | {alarms:.3f}"
        return f"| {name} | {figures} |"

    say(f"\nCorruptions, {len(picked)} held-out pictures; threshold of 1 % false alarms on clean pictures:\n")
    say("| corruption, strength | AUROC | recall at 1 % | found | false alarms |\n|---|---|---|---|---|")
    say(line("none", lambda x: x))
    for name, corrupt in CORRUPTIONS.items():
        for strength in range(3):
            say(line(f"{name}, {strength + 1}", lambda x, c=corrupt, s=strength: c(x, s)))  # type: ignore[misc]
