"""Training heads on kept tokens. A step takes a second on two processor cores, however many heads learn."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from layerwatch_train.index import Picture
from layerwatch_train.losses import losses
from layerwatch_train.model import Output
from layerwatch_train.split import unit
from layerwatch_train.teacher.cache import Cache
from layerwatch_train.teacher.head import Heads
from layerwatch_train.teacher.recipe import Recipe


def chances(
    pictures: Sequence[Picture], cache: Cache, places: NDArray[np.int64], webcam: float
) -> NDArray[np.float64]:
    """[len(places)] how likely each sample is drawn: of a share `webcam` pictures of webcams, half of them
    failed, evenly over the square root of each printer's number; the rest evenly. Not of unknown label."""
    made_of, patch, labels = cache["picture"][places], cache["patch"][places], cache["labels"][places]
    known = labels >= 0
    real = np.array(
        [n >= 0 and q < 0 and pictures[n].view == "webcam" for n, q in zip(made_of, patch, strict=True)]
    )
    keys = [
        (unit(pictures[n]), bool(k)) if r else ("", False)
        for n, k, r in zip(made_of, labels, real, strict=True)
    ]
    size = Counter(k for k, r in zip(keys, real & known, strict=True) if r)
    found = np.zeros(len(places))
    for label in (False, True):
        mine = real & known & ((labels > 0) == label)
        part = np.array([size[k] ** -0.5 for k, m in zip(keys, mine, strict=True) if m])
        found[mine] = webcam / 2 * part / part.sum() if len(part) else 0.0
    others = ~real & known
    if others.any():
        found[others] = (1 - webcam) / others.sum()
    total: NDArray[np.float64] = found / found.sum()
    return total


def fit(
    recipe: Recipe,
    cache: Cache,
    pictures: Sequence[Picture],
    places: NDArray[np.int64],
    outside: NDArray[np.bool_],
    log: Callable[[str], None],
) -> Heads:
    """Train a head for each row of `outside` [heads, pictures]: what it must not see. Returns the averaged
    heads, ready for use."""
    heads = Heads(len(outside), recipe.form, recipe.seed).train()
    average = {name: p.detach().clone() for name, p in heads.named_parameters()}
    optimizer = torch.optim.AdamW(heads.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay)
    hidden = np.concatenate([outside, np.zeros((len(outside), 1), bool)], axis=1)  # place -1: no picture
    said = time.monotonic()
    for step, (where, tokens) in enumerate(_batches(recipe, cache, pictures, places)):
        progress = step / recipe.steps
        optimizer.param_groups[0]["lr"] = recipe.rate * min(1.0, (progress + 0.01) / 0.1) * (1 - progress)
        made_of, patch = cache["picture"][where], cache["patch"][where]
        sees = ~(hidden[:, made_of] | hidden[:, patch])
        with torch.autocast("cpu", torch.bfloat16):
            out = heads(tokens)
        truth = [torch.from_numpy(cache[name][where]) for name in ("maps", "labels", "kinds", "in_view")]
        loss = _loss(recipe, out, truth, sees)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(heads.parameters(), 5.0 * len(outside) ** 0.5)
        optimizer.step()
        decay = min(recipe.average, (1 + step) / (10 + step))
        for name, p in heads.named_parameters():
            average[name].lerp_(p.detach(), 1 - decay)
        if time.monotonic() - said > 60:
            said = time.monotonic()
            log(f"step {step} of {recipe.steps}, loss of a head {float(loss.detach()) / len(outside):.3f}")
    heads.load_state_dict(average)
    return heads.eval()


def _loss(recipe: Recipe, out: Output, truth: list[Tensor], sees: NDArray[np.bool_]) -> Tensor:
    total = torch.zeros(())
    for head, rows in enumerate(sees):
        if not rows.any():
            continue
        mine = torch.from_numpy(np.flatnonzero(rows))
        parts = losses(Output(*(part[mine, head] for part in out)), *(t[mine] for t in truth))
        total = total + parts["failure"] + recipe.map_weight * parts["map"]
        total = total + recipe.kinds_weight * parts["kinds"] + recipe.view_weight * parts["in_view"]
    return total


def _batches(
    recipe: Recipe, cache: Cache, pictures: Sequence[Picture], places: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """(places, tokens) of each step; the next is read while one is learned from."""
    share = chances(pictures, cache, places, recipe.webcam)
    rng = np.random.default_rng(recipe.seed)
    tokens = cache["tokens"]
    spread = torch.randn(recipe.batch, *tokens.shape[1:]) * recipe.noise  # drawn once: drawing takes long

    def read() -> tuple[NDArray[np.int64], Tensor]:
        where = np.sort(rng.choice(places, recipe.batch, p=share))
        x = torch.from_numpy(tokens[where]).float()
        return where, x + spread[rng.integers(len(spread), size=len(x))]

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(read)
        for _ in range(recipe.steps):
            now, coming = coming, pool.submit(read)
            yield now.result()


def answers(heads: Heads, cache: Cache, places: NDArray[np.int64]) -> Output:
    """What the heads say of the samples at `places`: logits, with the head as second axis."""
    parts = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(places), 32):
            part = places[start : start + 32]
            parts.append(heads(torch.from_numpy(cache["tokens"][part]).float()))
    return Output(*(torch.cat(values).float() for values in zip(*parts, strict=True)))
