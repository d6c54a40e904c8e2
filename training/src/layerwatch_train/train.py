"""Training: any number of detectors side by side, on one stream of samples.

Each training has its own recipe and its own pictures that it must not see (the printers of its fold, say),
and draws its batches from what the rest of the bank shows.
"""

from __future__ import annotations

import ctypes
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from layerwatch_train.bank import Bank, on, pictures
from layerwatch_train.images import resized
from layerwatch_train.index import UNKNOWN
from layerwatch_train.losses import distillation_loss, losses
from layerwatch_train.mixing import color_jitter, cutmix, hflip
from layerwatch_train.model import VARIANTS, Detector, Output

Weights = dict[str, Tensor]

BEGIN_WITH = 2_000
"""Samples in the bank before the first step, so that the first batches are not all of the same few."""

_WARM = 0.1
"""Share of a training in which the learning rates rise."""

_KEEP_EVERY = 300.0
"""Seconds between checkpoints."""

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""What glibc's malloc.h calls M_TRIM_THRESHOLD (-1: never) and M_MMAP_MAX."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything tuned. Tuned on out-of-fold webcam pictures, see the model card."""

    variant: str = "lite0"
    size: int = 320
    steps: int = 860
    batch: int = 128
    trunk_rate: float = 4e-4
    lower_rate: float = 1.5e-4
    """Learning rate up to stride 8, whose filters are the most general."""
    head_rate: float = 2e-3
    weight_decay: float = 0.05
    ema: float = 0.998
    cutmix: float = 0.3
    map_weight: float = 1.0
    kinds_weight: float = 0.25
    view_weight: float = 0.1
    teaching: float = 0.7
    """Where there is a teacher: share of the failure and map losses that asks for its answers."""
    seed: int = 0
    boxes: bool = True
    """Whether the map learns where a failure is; else only that there is one."""
    heads_only: bool = False
    """Leave the backbone as ImageNet gave it."""
    real: bool = True
    pasted: bool = True
    rendered: bool = True
    """Which samples to learn from."""


@dataclass(frozen=True, slots=True)
class Job:
    """One training to do. outside: [pictures of the index] what it must not see. teacher: name of another
    job of the same run whose averaged answers it learns besides the labels."""

    name: str
    recipe: Recipe
    outside: NDArray[np.bool_]
    teacher: str = ""


class Training:
    """A job under way."""

    def __init__(self, job: Job, device: torch.device):
        torch.manual_seed(job.recipe.seed)
        recipe = job.recipe
        self.job, self.device, self.step = job, device, 0
        model = Detector(recipe.variant)
        model.trunk.load_imagenet(VARIANTS[recipe.variant])
        self.model = model.to(device=device, memory_format=torch.channels_last)
        self.ema = {name: p.detach().clone() for name, p in self.model.state_dict().items()}
        self.model.trunk.requires_grad_(not recipe.heads_only)
        lower = [*self.model.trunk.stem.parameters(), *self.model.trunk.lower.parameters()]
        upper = [*self.model.trunk.middle.parameters(), *self.model.trunk.upper.parameters()]
        groups = [
            {"params": [p for p in lower if p.requires_grad], "lr": recipe.lower_rate},
            {"params": [p for p in upper if p.requires_grad], "lr": recipe.trunk_rate},
            {"params": list(self.model.heads.parameters()), "lr": recipe.head_rate},
        ]
        groups = [group for group in groups if group["params"]]
        self.rates = [float(group["lr"]) for group in groups]  # type: ignore[arg-type]
        self.optimizer = torch.optim.AdamW(
            groups, weight_decay=recipe.weight_decay, fused=device.type == "cuda"
        )
        self.parameters = [p for group in groups for p in group["params"]]  # type: ignore[attr-defined]
        self.running = torch.zeros(4, device=device)
        self.model.train()

    def sees(self, bank: Bank) -> NDArray[np.int64]:
        """Positions of the bank that this job may learn from."""
        truth, recipe, n = bank.truth, self.job.recipe, bank.filled
        shown = np.append(self.job.outside, False)  # position -1: no picture
        keep = ~(shown[truth.picture[:n]] | shown[truth.patch[:n]])
        if not recipe.real:
            keep &= truth.picture[:n] < 0
        if not recipe.pasted:
            keep &= truth.patch[:n] < 0
        if not recipe.rendered:
            keep &= truth.rendered[:n] < 0
        return np.flatnonzero(keep)

    def learn(self, bank: Bank, progress: float, teacher: Training | None) -> None:
        """One step. progress: 0..1 of the whole training."""
        recipe = self.job.recipe
        rng = np.random.default_rng([recipe.seed, self.step])
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * _share_of_rate(progress, 1 / recipe.steps)
        images, maps, labels, kinds, view = self._batch(bank, rng)
        with torch.autocast(self.device.type, torch.bfloat16):
            out = Output(*(part.float() for part in self.model(images)))
            parts = losses(out, maps, labels, kinds, view)
            supervised = parts["failure"] + recipe.map_weight * parts["map"]
            if teacher is not None:
                distilled = distillation_loss(out, teacher.answer(images))
                supervised = (1 - recipe.teaching) * supervised + recipe.teaching * distilled
            loss = supervised + recipe.kinds_weight * parts["kinds"] + recipe.view_weight * parts["in_view"]
            self.running.lerp_(torch.stack([p.detach() for p in parts.values()]), 0.05)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.parameters, 5.0)
        self.optimizer.step()
        decay = min(recipe.ema, (1 + self.step) / (10 + self.step))
        now = self.model.state_dict()
        torch._foreach_lerp_(list(self.ema.values()), [now[name] for name in self.ema], 1 - decay)
        self.step += 1

    def _batch(self, bank: Bank, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        recipe, truth, device = self.job.recipe, bank.truth, self.device
        usable = self.sees(bank)
        pick = usable[rng.integers(0, len(usable), recipe.batch)]
        images = bank.images[on(pick, device)]
        maps, labels, kinds = truth.maps[pick], truth.labels[pick], truth.kinds[pick]
        if recipe.boxes:
            cutmix(images, maps, labels, kinds, recipe.cutmix, rng)
        else:
            maps[labels > 0.5] = UNKNOWN
        images, cells = hflip(images, on(maps, device), rng)
        x = color_jitter(pictures(images))
        if recipe.size != x.shape[2]:
            x = F.interpolate(x, (recipe.size, recipe.size), mode="bilinear", antialias=True)
            cells = F.adaptive_avg_pool2d(cells[:, None], recipe.size // 16)[:, 0]
        targets = (on(a, device) for a in (labels, kinds, truth.in_view[pick]))
        return (x, cells, *targets)  # type: ignore[return-value]

    @torch.no_grad()
    def answer(self, images: Tensor) -> Output:
        """What the averaged weights say of [B, 3, S, S] pictures."""
        out = torch.func.functional_call(self.model.eval(), self.ema, (images,))
        self.model.train()
        return Output(*(part.float() for part in out))

    def state(self) -> dict[str, object]:
        """What `resume` goes on from."""
        return {
            "recipe": asdict(self.job.recipe),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.ema,
            "step": self.step,
        }

    def resume(self, path: Path) -> None:
        """Go on from `path`, if it is of the same recipe."""
        kept = torch.load(path, map_location=self.device, weights_only=True)
        if kept["recipe"] == asdict(self.job.recipe):
            self.model.load_state_dict(kept["model"])
            self.optimizer.load_state_dict(kept["optimizer"])
            self.ema, self.step = kept["average"], kept["step"]


def _share_of_rate(progress: float, least: float) -> float:
    """Up in a line, then down as a cosine. least: share to begin with, so that no step is lost."""
    rise = min(1.0, max(progress, least) / _WARM)
    return rise * (0.5 + 0.5 * math.cos(math.pi * min(progress, 1.0)))


def fit(
    jobs: Sequence[Job],
    bank: Bank,
    device: torch.device,
    out: Path,
    log: Callable[[str], None],
    seconds: float | None = None,
) -> dict[str, Weights]:
    """Train all `jobs`, a step each in turn; returns their averaged weights by name.

    Keeps each in `out`/NAME.pt every five minutes and goes on from there. `seconds` ends the run after that
    time, however many steps were made: learning rates then fall with the time.
    """
    out.mkdir(parents=True, exist_ok=True)
    if device.type == "cpu":
        keep_freed_memory()
    torch.backends.cudnn.benchmark, torch.backends.cudnn.benchmark_limit = True, 3
    trainings = {job.name: Training(job, device) for job in jobs}
    for name, one in trainings.items():
        if (out / f"{name}.pt").is_file():
            one.resume(out / f"{name}.pt")
    bank.wait_for(BEGIN_WITH)
    began = kept = said = time.monotonic()
    first = sum(one.step for one in trainings.values())
    while True:
        spent = time.monotonic() - began
        timed = spent / seconds if seconds else 0.0
        going = [one for one in trainings.values() if timed < 1 and one.step < one.job.recipe.steps]
        if not going:
            break
        bank.drain(going[0].job.recipe.batch)
        for one in going:
            progress = max(timed, one.step / one.job.recipe.steps)
            one.learn(bank, progress, trainings.get(one.job.teacher))
        now = time.monotonic()
        if now - said > 20:
            said = now
            steps = sum(one.step for one in trainings.values()) - first
            pace = steps * going[0].job.recipe.batch / (now - began)
            parts = "  ".join(f"{v:.3f}" for v in torch.stack([t.running for t in going]).mean(0).tolist())
            log(
                f"step {going[0].step}, {pace:.0f} samples/s, {bank.made} made; "
                f"failure, map, kinds, view: {parts}"
            )
        if now - kept > _KEEP_EVERY:
            kept = now
            for one in going:
                _keep(one, out)
    for one in trainings.values():
        _keep(one, out)
    return {name: one.ema for name, one in trainings.items()}


def keep_freed_memory() -> None:
    """Have the C library keep freed memory, where it has that setting.

    A step's activations are hundreds of megabytes; to get them from the kernel page by page and give them
    back, step after step, takes as long as to learn from them.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, -1)


def _keep(one: Training, out: Path) -> None:
    path = out / f"{one.job.name}.pt"
    torch.save(one.state(), path.with_suffix(".part"))
    path.with_suffix(".part").rename(path)


def load(variant: str, weights: Weights, device: torch.device | None = None) -> Detector:
    """A model for use, not for training."""
    model = Detector(variant)
    model.load_state_dict(weights)
    return model.eval().to(device=device or torch.device("cpu"), memory_format=torch.channels_last)


def predict(
    weights: Weights, recipe: Recipe, images: NDArray[np.uint8], device: torch.device
) -> dict[str, NDArray[np.float32]]:
    """Logits of `failure` [N], `kinds` [N, 8], `map` [N, G, G] and `in_view` [N] for [N, H, W, 3]
    pictures."""
    model = load(recipe.variant, weights, device)
    parts: dict[str, list[NDArray[np.float32]]] = {"failure": [], "kinds": [], "map": [], "in_view": []}
    with torch.inference_mode():
        for start in range(0, len(images), 64):
            part = np.arange(start, min(start + 64, len(images)))
            x = pictures(torch.from_numpy(resized(images, part, recipe.size)).to(device))
            for name, value in model(x)._asdict().items():
                parts[name].append(value.cpu().numpy())
    return {name: np.concatenate(values) for name, values in parts.items()}
