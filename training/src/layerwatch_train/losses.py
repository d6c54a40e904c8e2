"""What a detector is asked for: the failure, where it is, of which kind, and whether a print is in view."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from layerwatch_train.model import Output

SMOOTHING = 0.02
"""Of the failure's label, 0 or 1: labels are not all right."""


def losses(out: Output, maps: Tensor, labels: Tensor, kinds: Tensor, view: Tensor) -> dict[str, Tensor]:
    """The four parts of the loss, each a mean over the batch.

    The map is asked cell by cell where a box, a composite or a rendering tells; of a failed picture without
    one it is asked that some few cells rise (multiple-instance learning), of a good picture that none does.
    """
    soft = labels * (1 - 2 * SMOOTHING) + SMOOTHING
    failure = F.binary_cross_entropy_with_logits(out.failure, soft)
    flat, target = out.map.flatten(1), maps.flatten(1)
    unknown = target[:, 0] < 0
    positive, negative = (target > 0.5).float(), (target == 0).float()
    up, down = F.softplus(-flat), F.softplus(flat)
    boxed = (up * positive).sum(1) / positive.sum(1).clamp(min=1)
    quiet = (down * negative).sum(1) / negative.sum(1).clamp(min=1)
    worst = torch.topk(down * negative, max(1, flat.shape[1] // 50), dim=1).values.mean(1)
    some = F.softplus(-torch.topk(flat, max(1, flat.shape[1] // 33), dim=1).values.mean(1))
    place = torch.where(unknown, some, 0.5 * boxed + quiet + 0.25 * worst * (1 - labels))
    mask = (kinds >= 0).float()
    kind = F.binary_cross_entropy_with_logits(out.kinds, kinds.clamp(min=0), weight=mask)
    seen = F.binary_cross_entropy_with_logits(out.in_view, view)
    return {"failure": failure, "map": place.mean(), "kinds": kind, "in_view": seen}


def distillation_loss(out: Output, teacher: Output) -> Tensor:
    """Cross-entropy with a teacher's probabilities of failure and of every map cell (Hinton et al. 2015)."""
    return F.binary_cross_entropy_with_logits(
        out.failure, teacher.failure.sigmoid()
    ) + F.binary_cross_entropy_with_logits(out.map, teacher.map.sigmoid())
