"""Fine pictures show what the fast ones show; their beads are whole."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from layerwatch.simulator import still
from layerwatch.simulator.geometry import loft, rectangle
from layerwatch.simulator.plates import body_from_solids
from layerwatch.simulator.scene import BodyView
from layerwatch_train.fine.__main__ import metered, srgb
from layerwatch_train.fine.beads import wall_lines
from layerwatch_train.fine.exr import read_exr
from layerwatch_train.fine.recipe import Recipe, scene_of


def tower(layers: int = 10, **more: object) -> BodyView:
    body = body_from_solids("object", [loft("tower", rectangle(20, 10), 10.0)], 1.0, 10)
    return BodyView(body, layers, np.ones((11, 3)), **more)  # type: ignore[arg-type]


def test_every_layer_is_one_closed_bead() -> None:
    lines = wall_lines(tower(), 1.0, np.zeros(3))[0]
    assert len(lines) == 10
    for number, line in enumerate(lines):
        assert line[:, 2] == pytest.approx(np.full(len(line), number + 0.5))
        assert line[0] == pytest.approx(line[-1])
        assert np.hypot(*np.diff(line[:, :2], axis=0).T).sum() == pytest.approx(60)


def test_layers_not_yet_printed_have_no_bead() -> None:
    assert len(wall_lines(tower(4), 1.0, np.zeros(3))[0]) == 4


def test_failed_layers_are_beads_of_their_own_label() -> None:
    lines = wall_lines(tower(label=4, label_from=6), 1.0, np.array([1.0, 2.0, 3.0]))
    assert {label: len(found) for label, found in lines.items()} == {0: 6, 4: 4}


def test_missing_walls_are_missing_beads() -> None:
    whole = sum(len(line) for line in wall_lines(tower(), 1.0, np.zeros(3))[0])
    gappy = wall_lines(tower(gaps=np.full(11, 0.5)), 1.0, np.zeros(3))[0]
    assert len(gappy) > 20
    assert sum(len(line) - 1 for line in gappy) < 0.7 * whole


@pytest.mark.parametrize("seed", [4, 5])
def test_a_seed_stands_for_the_moment_of_its_still(seed: int) -> None:
    recipe = Recipe(size=(160, 120))
    simulation, second = scene_of(seed, recipe)
    assert simulation.frame(second).truth == still(seed, recipe.size).truth


def exr(channels: dict[str, np.ndarray], flags: int = 0, compression: int = 0) -> bytes:
    """A small EXR as OpenEXR lays it out."""
    height, width = next(iter(channels.values())).shape
    names = sorted(channels)
    listed = b"".join(name.encode() + b"\0" + struct.pack("<iIii", 2, 0, 1, 1) for name in names) + b"\0"
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    data = struct.pack("<II", 20000630, 2 | flags)
    for name, kind, value in (
        ("channels", "chlist", listed),
        ("compression", "compression", bytes([compression])),
        ("dataWindow", "box2i", window),
    ):
        data += name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<I", len(value)) + value
    data += b"\0" + bytes(8 * height)
    for y in range(height):
        row = b"".join(channels[name][y].astype("<f4").tobytes() for name in names)
        data += struct.pack("<ii", y, len(row)) + row
    return data


def test_every_pass_of_a_render_is_read_back() -> None:
    passes = {
        name: np.random.default_rng(k).random((3, 5)).astype(np.float32) for k, name in enumerate("BGRX")
    }
    read = read_exr(exr(passes))
    assert sorted(read) == sorted(passes)
    for name, pixels in passes.items():
        assert np.array_equal(read[name], pixels)


@pytest.mark.parametrize(("flags", "compression"), [(0x200, 0), (0x1000, 0), (0, 3)])
def test_an_exr_of_another_layout_is_refused(flags: int, compression: int) -> None:
    with pytest.raises(ValueError, match="EXR"):
        read_exr(exr({"X": np.zeros((2, 2))}, flags, compression))


def test_bytes_that_are_no_exr_are_refused() -> None:
    with pytest.raises(ValueError, match="EXR"):
        read_exr(b"\x89PNG\r\n\x1a\n" + bytes(60))


@pytest.mark.parametrize("brightness", [0.003, 0.05, 0.8])
def test_exposure_brings_a_dark_and_a_bright_scene_close(brightness: float) -> None:
    light = np.full((4, 4, 3), brightness, dtype=np.float32)
    seen = srgb(light * metered(light, 0.46)).mean()
    assert 0.3 < seen < 0.6
