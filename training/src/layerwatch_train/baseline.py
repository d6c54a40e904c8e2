"""The baseline: a logistic regression on the frozen, pooled ImageNet features of the same backbone."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from layerwatch_train.bank import pictures
from layerwatch_train.calibrate import scene_weights
from layerwatch_train.images import resized
from layerwatch_train.index import Picture
from layerwatch_train.model import VARIANTS, Detector
from layerwatch_train.runs import Runs
from layerwatch_train.split import assign_folds, unit

REGULARISATION = 1e-3
"""scikit-learn's C for standardised features; of 1e-4 to 1e-1 the best on the same folds, in the
baseline's favour."""


def pooled_features(runs: Runs) -> NDArray[np.float32]:
    """[N, D] means (and at stride 32 maxima) of the frozen backbone's features at strides 16 and 32, kept."""
    path, recipe, images = runs.out / "baseline.npy", runs.plan.recipe, runs.images()
    if not path.is_file():
        model, device = Detector(recipe.variant).eval(), runs.device()
        model.trunk.load_imagenet(VARIANTS[recipe.variant])
        model = model.to(device=device, memory_format=torch.channels_last)
        rows = []
        with torch.inference_mode():
            for start in range(0, len(images), 32):
                part = resized(images, np.arange(start, min(start + 32, len(images))), recipe.size)
                fine, coarse = model.features(pictures(torch.from_numpy(part).to(device)))
                pooled = torch.cat([fine.mean((2, 3)), coarse.mean((2, 3)), coarse.amax((2, 3))], 1)
                rows.append(pooled.cpu().numpy())
        np.save(path, np.concatenate(rows))
    kept: NDArray[np.float32] = np.load(path)
    return kept


def scores(runs: Runs) -> NDArray[np.float64]:
    """[N] the baseline's probabilities on the same folds as the detector's."""
    listed = runs.pictures()
    return out_of_fold(pooled_features(runs), listed, assign_folds(listed, runs.plan.folds))


def out_of_fold(
    features: NDArray[np.float32], pictures: list[Picture], folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """[N] probabilities of webcam pictures by models that saw none of their printers; NaN elsewhere."""
    label = np.array([p.label for p in pictures])
    webcam = np.array([p.view == "webcam" for p in pictures])
    scores = np.full(len(pictures), np.nan)
    units = np.array([unit(p) for p in pictures])
    for fold in range(int(folds.max()) + 1):
        held_out = np.isin(units, list({u for u, f in zip(units, folds, strict=True) if f == fold}))
        fit = ~held_out & np.isin(label, ["good", "failed"])
        weights = scene_weights(
            [p.scene for p, k in zip(pictures, fit, strict=True) if k], label[fit] == "failed"
        )
        scaler = StandardScaler().fit(features[fit])
        model = LogisticRegression(C=REGULARISATION, max_iter=300)
        model.fit(scaler.transform(features[fit]), label[fit] == "failed", weights * fit.sum())
        judged = (folds == fold) & webcam
        scores[judged] = model.predict_proba(scaler.transform(features[judged]))[:, 1]
    return scores
