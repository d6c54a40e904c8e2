"""What a candidate is trained with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything tuned, and the limits on what one account can change."""

    steps: int = 300
    batch: int = 32
    trunk_rate: float = 1e-4
    """Learning rate from stride 8 on; what is below is frozen."""
    head_rate: float = 3e-4
    weight_decay: float = 0.02
    average: float = 0.99
    keep: float = 0.5
    """Of base pictures: share of the loss that asks for the current detector's answers, so that little is
    forgotten (Li & Hoiem 2016, "Learning without Forgetting"); the rest asks for the labels."""
    map_weight: float = 1.0
    kinds_weight: float = 0.25
    view_weight: float = 0.1
    reviewed_share: float = 0.3
    """Most of all samples that reviewed examples may make up. Where they are of one label only, as many base
    pictures of the other label balance them."""
    account_share: float = 0.1
    """Most of all samples that one account's examples may make up."""
    repeats: float = 20.0
    """Most times that an example is drawn, on average, in a training."""
    newest_share: float = 0.25
    """Of the reviewed examples, the newest: left out of the training and judged on."""
    base_probes: int = 1_000
    """Base pictures that the check of accounts learns from."""
    seed: int = 0


QUICK = Recipe(steps=6, batch=8, base_probes=200)
"""To see that every step runs; the candidate is of no use."""
