"""Out-of-fold scores: every webcam picture judged by a model that saw neither its printer nor its camera."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layerwatch_train.index import Picture
from layerwatch_train.samples import Samples
from layerwatch_train.split import unit
from layerwatch_train.train import Recipe, fit, predict


def allowed(samples: Samples, pictures: Sequence[Picture], held_out: set[str]) -> NDArray[np.int64]:
    """Positions of the samples that show nothing of the held-out units, be it as scene or as pasted patch."""
    out = np.array([unit(p) in held_out for p in pictures] + [False])  # position -1: no picture
    return np.flatnonzero(~(out[samples.picture] | out[samples.patch]))


def cross_validate(
    samples: Samples,
    pictures: Sequence[Picture],
    folds: NDArray[np.int64],
    features: NDArray[np.float16],
    recipe: Recipe,
    out: Path,
    log: Callable[[str], None],
    dropped: NDArray[np.int64] | None = None,
    only: Sequence[int] | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Train one model a fold and judge the fold's webcam pictures with it.

    features: the whole index's plain pictures through the frozen part, [N, S/8, S/8, C].
    Returns logits for all N pictures, NaN where a picture is in no fold: failure [N], kinds [N, 8],
    map [N, G, G], in_view [N]; and keeps them in `out/oof.npz`. Each fold's weights stay in `out/fold*.pt`.
    """
    out.mkdir(parents=True, exist_ok=True)
    grid = samples.maps.shape[1]
    total = len(pictures)
    scores = {
        "failure": np.full(total, np.nan, np.float32),
        "kinds": np.full((total, 8), np.nan, np.float32),
        "map": np.full((total, grid, grid), np.nan, np.float32),
        "in_view": np.full(total, np.nan, np.float32),
    }
    webcam = np.array([p.view == "webcam" for p in pictures])
    for fold in range(int(folds.max()) + 1) if only is None else only:
        held_out = {unit(p) for p, f in zip(pictures, folds, strict=True) if f == fold}
        usable = allowed(samples, pictures, held_out)
        if dropped is not None:
            usable = usable[~np.isin(samples.picture[usable], dropped)]
        log(f"fold {fold}: {len(usable)} samples, holds out {len(held_out)} printers")
        weights = fit(samples, usable, replace(recipe, seed=recipe.seed + fold), out / f"fold{fold}.pt", log)
        judged = np.flatnonzero((folds == fold) & webcam)
        for name, values in predict(weights, recipe.variant, features[judged]).items():
            scores[name][judged] = values
    np.savez_compressed(out / "oof.npz", **scores)
    return scores
