"""How well heads do on printers and sources that they never saw.

Every picture is judged twice: by the head of its fold (which saw nothing of its printer and camera) and by
the head that saw nothing of its source. Both put all pictures on one scale, as a threshold in use does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerwatch_train.index import Picture
from layerwatch_train.metrics import auroc, recall_at
from layerwatch_train.split import assign_folds, source, split_sources, unit

FIRST_LAYER = "andrewbviola"
"""A source of first-layer flaws, which nothing else in training shows: figures are given without it, too."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """names: of the heads. outside: [heads, pictures] what each must not see. fold_head, source_head:
    [pictures] the head that judges a picture, which saw nothing of its printer, or nothing of its source;
    -1 for none."""

    names: list[str]
    outside: NDArray[np.bool_]
    fold_head: NDArray[np.int64]
    source_head: NDArray[np.int64]


def jobs(pictures: Sequence[Picture], folds: int, alike: NDArray[np.int64]) -> Jobs:
    """A head for each fold, one without each source that the folds split, and last the final one, which sees
    everything.

    A source is in one fold, so that its pictures are judged by a head that saw nothing of it; but for one
    that holds most failures (`split_sources`). alike: [pictures] a number that pictures of one look share
    (`clean.look_alikes`): what looks like a held-out picture is not seen either."""
    large = split_sources(pictures)
    keys = [unit(p) if source(p) in large else source(p) for p in pictures]
    key_of = dict(zip(map(id, pictures), keys, strict=True))
    fold = assign_folds(pictures, folds, lambda picture: key_of[id(picture)])
    sources = np.array([source(p) for p in pictures])
    held = [np.isin(keys, np.array(keys)[fold == n]) for n in range(folds)]
    held += [sources == name for name in sorted(large)]
    held = [mask | np.isin(alike, alike[mask]) for mask in held]
    source_head = fold.copy()
    for n, name in enumerate(sorted(large)):
        source_head[(sources == name) & (fold >= 0)] = folds + n
    return Jobs(
        [*(f"fold{n}" for n in range(folds)), *(f"without {name}" for name in sorted(large)), "final"],
        np.stack([*held, np.zeros(len(pictures), bool)]),
        fold,
        source_head,
    )


def judged_by(
    heads: NDArray[np.int64], pictures: NDArray[np.int64], logits: NDArray[np.floating]
) -> NDArray[np.float64]:
    """[pictures of the index] the logit that each picture's judge gives, NaN where there is none.

    heads: [pictures of the index] the judge. pictures: [n] which of them `logits` [n, heads] are of.
    """
    found = np.full(len(heads), np.nan)
    for row, number in enumerate(pictures):
        if heads[number] >= 0:
            found[number] = logits[row, heads[number]]
    return found


@dataclass(frozen=True, slots=True)
class Figures:
    """Of all pictures on one scale, and the mean over parts (folds or sources) that are judged each alone."""

    auroc: float
    recall_1: float
    recall_5: float
    mean_auroc: float
    mean_recall_1: float


def figures(scores: NDArray[np.float64], failed: NDArray[np.bool_], part: Sequence[str]) -> Figures:
    """A part with good pictures alone is held against all failures. Scores that are not finite do not
    count."""
    keep = np.isfinite(scores)
    s, f, parts = scores[keep], failed[keep], np.asarray(part)[keep]
    each = []
    for name in sorted(set(parts)):
        mine = parts == name
        if not f[mine].any():
            mine = mine | f
        if f[mine].any() and not f[mine].all():
            each.append((auroc(s[mine], f[mine]), recall_at(s[mine], f[mine], 0.01)))
    mean = np.mean(each, axis=0) if each else (float("nan"), float("nan"))
    return Figures(auroc(s, f), recall_at(s, f, 0.01), recall_at(s, f, 0.05), float(mean[0]), float(mean[1]))
