"""Reading a slicer's G-code as a print: extrusion moves become walls, caps and beads.

Understood: G0-G3, G20/G21, G28, G90/G91, G92, M82/M83 and the `;TYPE:` comments of PrusaSlicer, OrcaSlicer,
Bambu Studio and Cura. Everything else is passed over. Times follow the feed rates; accelerations are not
modelled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layerwatch.simulator.geometry import Points
from layerwatch.simulator.slicer import DRAWN_LAYERS, Body, Print, body_from_loops, loop_area

MAX_MOVES = 4_000_000
"""Moves read at most; a larger file is refused."""
_WORD = re.compile(r"([A-Z])\s*([-+]?\d*\.?\d+)")
_OUTER = ("external perimeter", "outer wall", "wall-outer", "overhang")
_SUPPORT = ("support",)
_SKIRT = ("skirt", "brim")


class GcodeError(ValueError):
    """The file is no G-code that prints anything; the message says why."""


@dataclass
class _Line:
    """Beads laid without a stop: points (n, 2), height and what the slicer called them."""

    kind: str
    z: float
    points: list[tuple[float, float]]


@dataclass
class _State:
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    e: float = 0.0
    feed: float = 1800.0
    scale: float = 1.0
    relative: bool = False
    relative_e: bool = False
    kind: str = ""
    lines: list[_Line] = field(default_factory=list)
    seconds: dict[float, float] = field(default_factory=dict)
    moves: int = 0


def read_gcode(source: str | Path | Iterable[str]) -> Print:
    """A print from a G-code file, or from its lines, centred on the bed.

    Raises GcodeError where nothing is extruded or the file is too long, OSError where it cannot be read.
    """
    if isinstance(source, (str, Path)):
        with Path(source).open(encoding="utf-8", errors="replace") as lines:
            state = _run(lines)
        name = Path(source).stem
    else:
        state, name = _run(source), "gcode"
    laid = [line for line in state.lines if len(line.points) > 1]
    if not laid:
        raise GcodeError("There is no extrusion in this G-code: no G1 move has an E value that rises.")
    return _print_from(laid, state.seconds, name)


def _run(lines: Iterable[str]) -> _State:
    state = _State()
    for text in lines:
        code, _, comment = text.partition(";")
        lower = comment.strip().lower()
        if lower.startswith("type:"):
            state.kind = lower[5:].strip()
        code = code.strip().upper()
        if not code or code[0] not in "GM":
            continue
        words = {letter: float(value) for letter, value in _WORD.findall(code)}
        _step(state, words)
    return state


def _step(state: _State, words: dict[str, float]) -> None:
    if "M" in words:
        if words["M"] in (82, 83):
            state.relative_e = words["M"] == 83
        return
    command = words.get("G")
    if command in (0, 1, 2, 3):
        _move(state, words, int(command))
    elif command in (20, 21):
        state.scale = 25.4 if command == 20 else 1.0
    elif command in (90, 91):
        state.relative = state.relative_e = command == 91
    elif command == 28:
        state.x = state.y = 0.0
    elif command == 92:
        state.x = words.get("X", state.x / state.scale) * state.scale
        state.y = words.get("Y", state.y / state.scale) * state.scale
        state.z = words.get("Z", state.z / state.scale) * state.scale
        state.e = words.get("E", state.e)


def _move(state: _State, words: dict[str, float], command: int) -> None:
    state.moves += 1
    if state.moves > MAX_MOVES:
        raise GcodeError(
            f"This G-code has more than {MAX_MOVES:,} moves; that is more than can be simulated."
        )
    start = np.array([state.x, state.y])
    for axis in ("x", "y", "z"):
        if axis.upper() in words:
            base = getattr(state, axis) if state.relative else 0.0
            setattr(state, axis, base + words[axis.upper()] * state.scale)
    if "F" in words and words["F"] > 0:
        state.feed = words["F"] * state.scale
    fed = 0.0
    if "E" in words:
        fed = words["E"] if state.relative_e else words["E"] - state.e
        state.e = state.e + words["E"] if state.relative_e else words["E"]
    end = np.array([state.x, state.y])
    way = _arc(start, end, words, command) if command in (2, 3) else np.stack([start, end])
    length = float(np.hypot(*np.diff(way, axis=0).T).sum())
    if length > 0:
        state.seconds[state.z] = state.seconds.get(state.z, 0.0) + length / state.feed * 60
    if fed <= 0 or length == 0:
        return
    line = state.lines[-1] if state.lines else None
    if line is None or line.kind != state.kind or line.z != state.z or line.points[-1] != tuple(start):
        line = _Line(state.kind, state.z, [(float(start[0]), float(start[1]))])
        state.lines.append(line)
    line.points += [(float(x), float(y)) for x, y in way[1:]]


def _arc(start: Points, end: Points, words: dict[str, float], command: int) -> Points:
    """A G2 or G3 arc as chords of about 1 mm; a straight line where its centre is not given."""
    if "I" not in words and "J" not in words:
        return np.stack([start, end])
    centre = start + np.array([words.get("I", 0.0), words.get("J", 0.0)])
    a, b = start - centre, end - centre
    first, last = np.arctan2(a[1], a[0]), np.arctan2(b[1], b[0])
    turn = (first - last) % (2 * np.pi) if command == 2 else (last - first) % (2 * np.pi)
    turn = turn or 2 * np.pi
    radius = float(np.hypot(*a))
    count = int(np.clip(radius * turn, 2, 200))
    angle = first + np.linspace(0, turn, count + 1) * (-1 if command == 2 else 1)
    way: Points = centre + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    way[-1] = end
    return way


def _print_from(laid: list[_Line], seconds: dict[float, float], name: str) -> Print:
    heights = sorted({line.z for line in laid})
    every = np.concatenate(
        [np.array(line.points) for line in laid if not _named(line, _SKIRT)] or [np.array(laid[0].points)]
    )
    centre = (every.min(axis=0) + every.max(axis=0)) / 2
    top = heights[-1]
    layer_height = float(np.median(np.diff([0.0, *heights])))
    step = max(layer_height, top / DRAWN_LAYERS)
    count = max(int(np.ceil(top / step - 1e-6)), 1)
    drawn: list[list[_Line]] = [[] for _ in range(count)]
    spent = np.zeros(count)
    chosen: dict[int, float] = {}
    for z in heights:
        number = min(max(int(np.ceil(z / step - 1e-6)) - 1, 0), count - 1)
        chosen[number] = z
        spent[number] += seconds.get(z, 0.0)
    shown = set(chosen.values())
    for line in laid:
        if line.z in shown:
            drawn[min(max(int(np.ceil(line.z / step - 1e-6)) - 1, 0), count - 1)].append(line)
    walls: list[list[tuple[Points, bool]]] = []
    supports: list[list[tuple[Points, bool]]] = []
    strips: list[Points] = []
    ways: dict[int, tuple[Points, NDArray[np.bool_]]] = {}
    for number, lines in enumerate(drawn):
        pieces = [np.array(line.points) - centre for line in lines]
        named = any(_named(line, _OUTER) for line in lines)
        walls.append(
            outlines(
                [
                    piece
                    for piece, line in zip(pieces, lines, strict=True)
                    if (_named(line, _OUTER) if named else not _named(line, _SUPPORT + _SKIRT))
                ]
            )
        )
        supports.append([(p, False) for p, line in zip(pieces, lines, strict=True) if _named(line, _SUPPORT)])
        if number == 0:
            strips = [p for p, line in zip(pieces, lines, strict=True) if _named(line, _SKIRT)]
        if pieces:
            lays = np.ones(sum(map(len, pieces)), dtype=bool)
            lays[np.cumsum([0] + [len(piece) for piece in pieces[:-1]])] = False
            ways[number] = (np.concatenate(pieces), lays)
    bodies = _bodies(walls)
    if any(supports):
        bodies.append(body_from_loops("support", supports, thin=True))
    if not bodies:
        thin = [[(np.array(line.points) - centre, False) for line in lines] for lines in drawn]
        bodies = [body_from_loops("object", thin, thin=True)]
    done = np.cumsum(np.maximum(spent, 0.5))
    return Print(
        name, bodies, strips, step, top, layer_height, float(done[-1]), 2.0, given=ways, times=done / done[-1]
    )


def _named(line: _Line, names: tuple[str, ...]) -> bool:
    return any(name in line.kind for name in names)


def outlines(pieces: list[Points]) -> list[tuple[Points, bool]]:
    """The outermost closed loops among `pieces`, each with whether it bounds a hole.

    Loops that run beside a larger one are its inner perimeters and are left out.
    """
    loops = [
        p[:-1] for p in pieces if len(p) > 3 and np.hypot(*(p[0] - p[-1])) < 1.0 and abs(loop_area(p)) > 0.5
    ]
    loops.sort(key=lambda loop: -abs(loop_area(loop)))
    kept: list[Points] = []
    for loop in loops:
        some = loop[:: max(len(loop) // 24, 1)]
        beside = any(
            float(np.median(np.hypot(*(some[:, None] - _dense(other)[None]).transpose(2, 0, 1)).min(axis=1)))
            < 1.1
            for other in kept
        )
        if not beside:
            kept.append(loop)
    found = []
    for loop in kept:
        depth = sum(inside(loop[0], other) for other in kept if other is not loop)
        found.append((loop, depth % 2 == 1))
    return found


def _dense(loop: Points) -> Points:
    """Points along a loop at most about 1 mm apart, 400 at most."""
    closed = np.vstack([loop, loop[:1]])
    reach = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    want = np.linspace(0, reach[-1], int(np.clip(reach[-1], 8, 400)))
    return np.stack([np.interp(want, reach, closed[:, 0]), np.interp(want, reach, closed[:, 1])], axis=1)


def inside(point: Points, loop: Points) -> bool:
    """Whether `point` (2,) lies inside the closed `loop` (n, 2), by crossings."""
    following = np.roll(loop, -1, axis=0)
    crossing = (loop[:, 1] > point[1]) != (following[:, 1] > point[1])
    if not crossing.any():
        return False
    a, b = loop[crossing], following[crossing]
    x = a[:, 0] + (point[1] - a[:, 1]) * (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1])
    return bool(np.count_nonzero(x > point[0]) % 2)


def _bodies(layers: list[list[tuple[Points, bool]]]) -> list[Body]:
    """Loops gathered into things that stand apart on the plate: those whose boxes, grown by 1 mm, overlap."""
    groups: list[tuple[Points, list[tuple[int, Points, bool]]]] = []
    for number, loops in enumerate(layers):
        for loop, hole in loops:
            bounds = np.array([loop.min(axis=0) - 1, loop.max(axis=0) + 1])
            members = [(number, loop, hole)]
            apart = []
            for other, theirs in groups:
                if np.all(bounds[0] < other[1]) and np.all(other[0] < bounds[1]):
                    bounds = np.array([np.minimum(bounds[0], other[0]), np.maximum(bounds[1], other[1])])
                    members = theirs + members
                else:
                    apart.append((other, theirs))
            groups = [*apart, (bounds, members)]
    bodies = []
    for _, members in groups:
        split: list[list[tuple[Points, bool]]] = [[] for _ in layers]
        for number, loop, hole in members:
            split[number].append((loop, hole))
        bodies.append(body_from_loops("object", split))
    return bodies
