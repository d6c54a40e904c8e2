"""A user's G-code becomes a print."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from layerwatch.simulator import Simulation
from layerwatch.simulator.gcode import GcodeError, read_gcode


def square(layers: int = 20, *, relative: bool = False, typed: bool = True, at: float = 100.0) -> list[str]:
    """A tower of 20 by 20 mm with two perimeters and a line of infill."""
    lines = ["G28", "G90", "M83" if relative else "M82", "G92 E0"]
    e = 0.0
    for layer in range(layers):
        lines.append(f"G1 Z{(layer + 1) * 0.2:.2f} F600")
        for inset, name in ((0.45, "Perimeter"), (0.0, "External perimeter")):
            low, high = at + inset, at + 20 - inset
            if typed:
                lines.append(f";TYPE:{name}")
            lines.append(f"G0 X{low} Y{low} F6000")
            for x, y in ((high, low), (high, high), (low, high), (low, low)):
                e += 1.0
                lines.append(f"G1 X{x} Y{y} E{1.0 if relative else e} F1800")
        if typed:
            lines.append(";TYPE:Internal infill")
        lines.append(f"G0 X{at + 2} Y{at + 2}")
        e += 1.0
        lines.append(f"G1 X{at + 18} Y{at + 18} E{1.0 if relative else e}")
    return lines


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("typed", [False, True])
def test_a_tower_has_its_outer_walls_centred_on_the_bed(relative: bool, typed: bool) -> None:
    plan = read_gcode(square(relative=relative, typed=typed))
    assert plan.height == pytest.approx(4.0)
    assert plan.layer_height == pytest.approx(0.2)
    assert plan.count == 20
    (body,) = plan.bodies
    assert body.start.min() == pytest.approx(-10, abs=0.01)
    assert body.start.max() == pytest.approx(10, abs=0.01)
    assert len(body.start) == 20 * 4


def test_time_follows_the_feed_rates() -> None:
    slow = [line.replace("F1800", "F900") for line in square()]
    assert read_gcode(slow).duration > 1.7 * read_gcode(square()).duration


def test_things_apart_on_the_plate_are_bodies_of_their_own() -> None:
    lines = square(at=60.0)
    for line in square(at=120.0)[4:]:
        lines.append(line)
    shifted = [line for line in lines if line != "G92 E0"]
    assert (
        len(read_gcode([*shifted[:3], "M83", *[line.replace("M82", "M83") for line in shifted[3:]]]).bodies)
        == 2
    )


def test_a_ring_drawn_with_arcs_is_round() -> None:
    lines = ["G90", "M83"]
    for layer in range(5):
        lines += [
            f"G1 Z{0.2 * (layer + 1):.1f}",
            "G0 X110 Y100",
            "G3 X90 Y100 I-10 J0 E2",
            "G3 X110 Y100 I10 J0 E2",
        ]
    plan = read_gcode(lines)
    radius = np.hypot(*plan.bodies[0].start.T)
    assert radius == pytest.approx(np.full(len(radius), 10.0), abs=0.1)


def test_a_hole_is_a_hole() -> None:
    lines = ["G90", "M83"]
    for layer in range(3):
        lines.append(f"G1 Z{0.2 * (layer + 1):.1f}")
        for half in (20, 8):
            corners = [
                (100 - half, 100 - half),
                (100 + half, 100 - half),
                (100 + half, 100 + half),
                (100 - half, 100 + half),
            ]
            lines.append(f"G0 X{corners[0][0]} Y{corners[0][1]}")
            lines += [f"G1 X{x} Y{y} E1" for x, y in [*corners[1:], corners[0]]]
    (body,) = read_gcode(lines).bodies
    assert [hole for _, hole in body.caps[0]] == [False, True]


def test_a_print_from_gcode_renders_and_fails_like_any_other() -> None:
    plan = read_gcode(square(200))
    simulation = Simulation(1, "spaghetti", "bedslinger", 3600, False, (160, 120), onset=1200, plan=plan)
    before, after = simulation.frame(1100.0).truth, simulation.frame(3300.0).truth
    assert before.mask is not None
    assert after.mask is not None
    assert not before.mask.any()
    assert after.failed


@pytest.mark.parametrize("lines", [[], ["; nothing"], ["G28", "G1 X10 Y10 F3000"], ["hello", "G1 XYZ"]])
def test_gcode_that_prints_nothing_is_refused(lines: list[str]) -> None:
    with pytest.raises(GcodeError, match="no extrusion"):
        read_gcode(lines)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_gcode(tmp_path / "none.gcode")
