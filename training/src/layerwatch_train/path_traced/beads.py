"""Wall segments of a simulated body joined to the beads that a printer lays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layerwatch.simulator.bodies import lifted
from layerwatch.simulator.scene import BodyView

Points = NDArray[np.float64]
Bead = tuple[int, tuple[float, float, float]]
"""A label and a colour."""
SHADES = 12
"""Number of shades of a colour: layers of a rainbow share materials."""


def wall_lines(view: BodyView, step: float, offset: Points) -> dict[Bead, list[Points]]:
    """Wall segments joined to polylines (n, 3), by label and colour."""
    body = view.body
    chosen = body.layer < view.layers
    if view.gaps is not None:
        noise = np.abs(np.sin(np.arange(len(body.layer)) * 12.9898 + body.layer * 78.233)) * 0.999
        chosen &= noise >= view.gaps[body.layer]
    layer, a, b = body.layer[chosen], body.start[chosen], body.end[chosen]
    if view.shift is not None:
        a, b = a + view.shift[layer], b + view.shift[layer]
    height = ((layer + 0.5) * step)[:, None]
    starts, ends = lifted(view, np.hstack([a, height])), lifted(view, np.hstack([b, height]))
    labels = np.where(layer >= view.label_from, view.label, 0)
    if view.label_where is not None:
        labels = np.where(view.label_where((starts + ends) / 2), labels, 0)
    world_a, world_b = view.to_bed(starts) + offset, view.to_bed(ends) + offset
    lines: dict[Bead, list[Points]] = {}
    shades = np.round(view.colours * SHADES) / SHADES
    if not len(layer):
        return lines
    joined = (
        (np.abs(a[1:] - b[:-1]).max(axis=1) < 1e-6) & (layer[1:] == layer[:-1]) & (labels[1:] == labels[:-1])
    )
    for piece in np.split(np.arange(len(layer)), np.flatnonzero(~joined) + 1):
        line = np.vstack([world_a[piece], world_b[piece[-1:]]])
        r, g, b = shades[min(layer[piece[0]], len(shades) - 1)].tolist()
        lines.setdefault((int(labels[piece[0]]), (r, g, b)), []).append(line)
    return lines
