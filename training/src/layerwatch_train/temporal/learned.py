"""The alternative to the Bayesian filter: a small recurrent network on the same features.

It sees what the filter sees of each picture (the score against the print's past, the excess over its places'
usual, what changed, how long ago) and learns what to make of it from modelled prints. Its belief goes through
the same quality bands and flags. Kept to compare, see docs/temporal.md. Only training needs torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layerwatch.temporal.alarm import AlarmState, quality_of
from layerwatch.temporal.baseline import logit
from layerwatch.temporal.constants import FROZEN_LOGIT
from layerwatch.temporal.places import Places, place_logits
from layerwatch.temporal.scene import Change, View, look, sketch_of
from layerwatch.vision.evidence import Condition
from layerwatch_train.temporal.equal import Contender
from layerwatch_train.temporal.judge import Flags
from layerwatch_train.temporal.prints import Print

Array = NDArray[np.float64]
FEATURES = 9
HIDDEN = 16
_WEIGHTS = ("w_in", "w_state", "b_in", "b_state", "head")


@dataclass(frozen=True, slots=True)
class Gru:
    """A gated recurrent unit and a logistic head, in torch's layout and gate order (reset, update, new)."""

    weight_in: Array
    weight_state: Array
    bias_in: Array
    bias_state: Array
    head: Array
    bias: float

    @classmethod
    def load(cls, file: Path) -> Gru:
        """Read what `fit` wrote."""
        with np.load(file) as held:
            w_in, w_state, b_in, b_state, head = (held[name] for name in _WEIGHTS)
            return cls(w_in, w_state, b_in, b_state, head, float(held["bias"]))

    def run(self, features: Array) -> Array:
        """[n, FEATURES] → [n] log-odds of failing."""
        state = np.zeros(HIDDEN)
        out = np.empty(len(features))
        for i, row in enumerate(features @ self.weight_in.T + self.bias_in):
            own = self.weight_state @ state + self.bias_state
            reset, update = _sigmoid(row[: 2 * HIDDEN] + own[: 2 * HIDDEN]).reshape(2, HIDDEN)
            new = np.tanh(row[2 * HIDDEN :] + reset * own[2 * HIDDEN :])
            state = (1 - update) * new + update * state
            out[i] = self.head @ state + self.bias
        return out


def features_of(print_: Print) -> Array:
    """[n, FEATURES]: what the filter sees, as numbers of about unit size."""
    rows = np.zeros((len(print_.seconds), FEATURES))
    view: View | None = None
    places: Places | None = None
    mean, last, frames = 0.0, 0.0, 0
    for i, evidence in enumerate(print_.evidence()):
        gap = print_.seconds[i] - print_.seconds[i - 1] if i else 30.0
        rows[i, 0], rows[i, 1] = 1.0, math.log(max(gap, 1.0) / 30)
        if evidence.condition is not Condition.OK or not math.isfinite(evidence.failure_probability):
            rows[i, 2] = 1.0
            continue
        value, seen = logit(evidence.failure_probability), place_logits(evidence.heat)
        sketch = sketch_of(evidence.thumbnail)
        change, novelty = Change.NONE, 1.0
        if view is None:
            view, mean = View.first(sketch), value
        else:
            glance = look(view, sketch, abs(value - last) <= FROZEN_LOGIT)
            change, view, novelty = glance.change, glance.view, glance.novelty
        if change is Change.FROZEN:
            rows[i, 2] = 1.0
            continue
        excess = places.excess(seen) if places is not None and seen is not None else 0.0
        frames += 1
        rows[i, 3:] = (
            value / 3,
            (value - mean) / 3,
            excess / 3,
            float(change is not Change.NONE),
            novelty,
            math.log(frames) / 5,
        )
        mean += (value - mean) * max(1 / frames, 0.02) * (1.0 if value < mean + 1.5 else 0.2)
        if seen is not None:
            places = Places.first(seen) if places is None else places.learn(seen, 1.0, frames, False)
        last = value
    return rows


def fit(
    prints: Sequence[Print], file: Path, log: Callable[[str], None], epochs: int = 40, seed: int = 0
) -> None:
    """Train on these prints and write the weights. The target is whether the print has failed by then."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    inputs = [torch.tensor(features_of(one), dtype=torch.float32) for one in prints]
    targets = [
        torch.tensor((one.seconds >= (math.inf if one.onset is None else one.onset)).astype(np.float32))
        for one in prints
    ]
    network, head = nn.GRU(FEATURES, HIDDEN, batch_first=True), nn.Linear(HIDDEN, 1)
    optimiser = torch.optim.Adam([*network.parameters(), *head.parameters()], lr=4e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    order = np.random.default_rng(seed)
    for epoch in range(epochs):
        total = 0.0
        for batch in np.array_split(order.permutation(len(prints)), max(1, len(prints) // 16)):
            padded = nn.utils.rnn.pad_sequence([inputs[i] for i in batch], batch_first=True)
            wanted = nn.utils.rnn.pad_sequence(
                [targets[i] for i in batch], batch_first=True, padding_value=-1
            )
            said = head(network(padded)[0])[..., 0]
            loss = nn.functional.binary_cross_entropy_with_logits(said, wanted.clamp(min=0), reduction="none")
            loss = loss[wanted >= 0].mean()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            total += float(loss.detach()) * len(batch)
        schedule.step()
        log(f"epoch {epoch + 1} of {epochs}: loss {total / len(prints):.4f}")
    arrays = [parameter.detach().numpy().astype(np.float64) for parameter in network.parameters()]
    arrays.append(head.weight.detach().numpy()[0].astype(np.float64))
    np.savez(file, **dict(zip(_WEIGHTS, arrays, strict=True)), bias=np.array(float(head.bias.detach()[0])))


@dataclass(slots=True)
class Learned:
    """The network as a method to compare: what it makes of each print is worked out once."""

    gru: Gru
    log_odds: dict[int, Array] = field(default_factory=dict)

    def flags(self, strictness: float, print_: Print) -> Flags:
        """Its log-odds, lowered by `strictness`, through the same bands and flags as ours at level 3."""
        if id(print_) not in self.log_odds:
            self.log_odds[id(print_)] = self.gru.run(features_of(print_))
        n = len(print_.seconds)
        warning, pause, quality = np.zeros(n, bool), np.zeros(n, bool), np.zeros(n, np.int64)
        alarm, last = AlarmState(), 10
        for i, value in enumerate(self.log_odds[id(print_)] - strictness):
            now = quality_of(round(100 * float(_sigmoid(np.array(value)))))
            gap = float(print_.seconds[i] - print_.seconds[i - 1]) if i else 0.0
            if print_.conditions[i] is Condition.OK:
                alarm, last = alarm.after(last, now, float(value), gap, nats=math.inf, patience=1.0), now
            warning[i], pause[i], quality[i] = alarm.warned >> 2 & 1, alarm.paused >> 2 & 1, last
        return Flags(warning, pause, quality)


def as_contender(gru: Gru) -> Contender:
    """The network with its strictness as the knob, in nats."""
    strict = tuple(float(value) for value in np.arange(-3, 8.01, 0.5))
    return Contender("small recurrent network", Learned(gru).flags, 0.0, strict)


def _sigmoid(values: Array) -> Array:
    result: Array = 1 / (1 + np.exp(-np.clip(values, -40, 40)))
    return result
