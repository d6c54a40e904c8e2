"""What one account can change: its weight is limited, and it is left out if its labels contradict all others.

The check is an out-of-fold one, as in confident learning (Northcutt et al. 2021), with accounts as folds: a
logistic regression on the current detector's features learns from base pictures and from all other accounts,
and predicts this account's labels. What is new to the detector, but labelled alike by several accounts, is
predicted well; flipped labels are not.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from layerwatch_train.calibrate import widespread
from layerwatch_train.improve.examples import Decoded, Example
from layerwatch_train.model import Detector

LEAST_PICTURES = 5
"""An account with fewer is not checked; its weight is small."""

LEAST_CONTRADICTED = 0.5
"""Share of an account's labels that must be contradicted before it is left out."""

SIGNIFICANCE = 0.001
"""Of a binomial test against the rate of the other accounts, divided by their number (Bonferroni)."""

USUAL_AT_LEAST = 0.1
"""Rate of contradiction that any account may have: pictures that are hard."""

_AT_ONCE = 16

Features = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AccountCheck:
    """An account's labels against what the others' predict. contradicted: of its `pictures`.  usual: the
    rate over the other accounts, 0..1.  left_out: whether nothing of it is used."""

    account: str
    pictures: int
    contradicted: int
    usual: float
    left_out: bool


def features(detector: Detector, decoded: Decoded, size: int) -> Features:
    """[N, D] of pictures: the trunk's pooled features, the logit, and how far the map spreads."""
    rows = []
    for start in range(0, len(decoded), _AT_ONCE):
        images = decoded.at(size, range(start, min(start + _AT_ONCE, len(decoded))))
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            fine, coarse = detector.features(torch.from_numpy(images).permute(0, 3, 1, 2))
            out = detector.heads(fine, coarse)
        logits = np.stack([out.failure.double().numpy(), widespread(out.map.float().numpy())], axis=1)
        rows.append(np.concatenate([coarse.float().mean((2, 3)).double().numpy(), logits], axis=1))
    return np.concatenate(rows)


def check_accounts(
    examples: Sequence[Example],
    seen: Features,
    base: Sequence[Example],
    base_seen: Features,
    trusted: frozenset[str] = frozenset(),
) -> list[AccountCheck]:
    """Every account of `examples`, by name. seen, base_seen: their features.

    trusted: accounts that are kept whatever the check says. The most suspicious account is left out first and
    the others are checked again without it: its labels make honest ones look wrong.
    """
    accounts = np.array([e.account for e in examples])
    failed = np.array([e.failed for e in examples])
    base_failed = np.array([e.failed for e in base])
    left_out: dict[str, AccountCheck] = {}
    while True:
        used = ~np.isin(accounts, list(left_out))
        found = _round(accounts[used], failed[used], seen[used], base_failed, base_seen)
        suspects = [one for one in found if one.left_out and one.account not in trusted]
        if not suspects:
            kept = [replace(one, left_out=False) for one in found]
            return sorted([*kept, *left_out.values()], key=lambda one: one.account)
        worst = max(suspects, key=lambda one: (one.contradicted / one.pictures, one.pictures))
        left_out[worst.account] = worst


def _round(
    accounts: NDArray[np.str_],
    failed: NDArray[np.bool_],
    seen: Features,
    base_failed: NDArray[np.bool_],
    base_seen: Features,
) -> list[AccountCheck]:
    """Each account against all others. Its own rate does not count among the usual ones."""
    size = Counter(accounts.tolist())
    wrong: dict[str, int] = {}
    for name in sorted(size):
        mine = accounts == name
        weights = np.array([size[other] ** -0.5 for other in accounts[~mine].tolist()])
        weights *= max(1, len(base_failed)) / max(1.0, weights.sum())
        x, y = np.concatenate([base_seen, seen[~mine]]), np.concatenate([base_failed, failed[~mine]])
        if len(set(y.tolist())) < 2:
            wrong[name] = 0
            continue
        predicted = _fitted(x, y, np.concatenate([np.ones(len(base_failed)), weights]), seen[mine])
        wrong[name] = int((predicted != failed[mine]).sum())
    found = []
    for name, count in sorted(size.items()):
        rest = [wrong[n] / size[n] for n in size if n != name and size[n] >= LEAST_PICTURES]
        usual = float(np.median(rest)) if rest else 0.0
        chance = float(binom.sf(wrong[name] - 1, count, max(usual, USUAL_AT_LEAST)))
        suspect = wrong[name] > LEAST_CONTRADICTED * count and chance < SIGNIFICANCE / len(size)
        found.append(AccountCheck(name, count, wrong[name], usual, suspect and count >= LEAST_PICTURES))
    return found


def _fitted(
    x: Features, failed: NDArray[np.bool_], weights: NDArray[np.float64], of: Features
) -> NDArray[np.bool_]:
    """What a regression on `x` [N, D] says of `of` [M, D]."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=300))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not fully converged does not matter
        model.fit(x, failed, logisticregression__sample_weight=weights)
    return np.asarray(model.predict(of), bool)


def account_shares(examples: Sequence[Example], total: float, most: float) -> NDArray[np.float64]:
    """[N] share of all samples that each example is drawn with; sums to `total` at most.

    An account counts by the square root of its number of prints, up to `most`; inside an account good and
    failed count alike, and inside of these prints do. Look-alikes share the weight of one picture.
    """
    prints: dict[str, set[str]] = {}
    for e in examples:
        prints.setdefault(e.account, set()).add(e.picture.scene)
    wanted = {name: len(scenes) ** 0.5 for name, scenes in prints.items()}
    share: dict[str, float] = {}
    while wanted:
        rest = (total - sum(share.values())) / sum(wanted.values())
        over = [name for name, weight in wanted.items() if weight * rest > most]
        for name in over or list(wanted):
            share[name] = min(most, wanted.pop(name) * rest)
    weights = np.ones(len(examples))
    keys = [(e.account, e.failed, e.picture.scene, e.near) for e in examples]
    for depth in (4, 3, 2):  # look-alikes, pictures of a print, prints of a label
        size = Counter(k[:depth] for k in (keys if depth == 4 else set(_cut(keys, depth + 1))))
        weights /= [size[k[:depth]] for k in keys]
    labels = Counter(account for account, _ in set(_cut(keys, 2)))
    return weights * [share[e.account] / labels[e.account] for e in examples]


def _cut(keys: Sequence[tuple[object, ...]], depth: int) -> list[tuple[object, ...]]:
    return [key[:depth] for key in keys]
