"""What is to be beaten: a logistic regression on the frozen, pooled ImageNet features of the same trunk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from layerwatch_train.calibrate import scene_weights
from layerwatch_train.index import Picture
from layerwatch_train.model import VARIANTS, Detector
from layerwatch_train.split import unit

REGULARISATION = 1e-3
"""scikit-learn's C for standardised features; of 1e-4 to 1e-1 the best on the same folds, in the
baseline's favour."""


def pooled_features(low: NDArray[np.float16], variant: str) -> NDArray[np.float32]:
    """[N, S/8, S/8, C] features of the frozen lower part → [N, D] means of the trunk's strides 16 and 32."""
    model = Detector(variant).eval()
    model.trunk.load_imagenet(VARIANTS[variant])
    model = model.to(memory_format=torch.channels_last)
    rows = []
    with torch.inference_mode():
        for start in range(0, len(low), 16):
            x = torch.from_numpy(np.ascontiguousarray(low[start : start + 16])).float().permute(0, 3, 1, 2)
            fine = model.trunk.middle(x)
            coarse = model.trunk.upper(fine)
            rows.append(torch.cat([fine.mean((2, 3)), coarse.mean((2, 3)), coarse.amax((2, 3))], 1).numpy())
    return np.concatenate(rows)


def features(path: Path, low: NDArray[np.float16], variant: str) -> NDArray[np.float32]:
    """`pooled_features`, kept in the file `path`."""
    if not path.is_file():
        np.save(path, pooled_features(low, variant))
    kept: NDArray[np.float32] = np.load(path)
    return kept


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
