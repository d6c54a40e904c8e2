"""Fine pictures show what the fast ones show; their beads are whole."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest

from layerwatch.simulator import Simulation, still
from layerwatch.simulator.camera import SimulatedCamera
from layerwatch.simulator.geometry import loft, rectangle
from layerwatch.simulator.plates import body_from_solids
from layerwatch.simulator.scene import BodyView, Scene, Strand
from layerwatch_train.path_traced.beads import wall_lines
from layerwatch_train.path_traced.exr import read_exr
from layerwatch_train.path_traced.looks import framed, random_look, tangled
from layerwatch_train.path_traced.photo import metered, photograph, srgb, toned
from layerwatch_train.path_traced.recipe import Recipe, scene_of

WHITE = (1.0, 1.0, 1.0)


def tower(layers: int = 10, **more: object) -> BodyView:
    body = body_from_solids("object", [loft("tower", rectangle(20, 10), 10.0)], 1.0, 10)
    return BodyView(body, layers, np.ones((11, 3)), **more)  # type: ignore[arg-type]


def test_every_layer_is_one_closed_bead() -> None:
    lines = wall_lines(tower(), 1.0, np.zeros(3))[0, WHITE]
    assert len(lines) == 10
    for number, line in enumerate(lines):
        assert line[:, 2] == pytest.approx(np.full(len(line), number + 0.5))
        assert line[0] == pytest.approx(line[-1])
        assert np.hypot(*np.diff(line[:, :2], axis=0).T).sum() == pytest.approx(60)


def test_layers_not_yet_printed_have_no_bead() -> None:
    assert len(wall_lines(tower(4), 1.0, np.zeros(3))[0, WHITE]) == 4


def test_layers_of_another_colour_are_beads_of_their_own() -> None:
    view = tower()
    view.colours = np.repeat([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], [4, 7], axis=0)
    lines = wall_lines(view, 1.0, np.zeros(3))
    assert {colour: len(found) for (_, colour), found in lines.items()} == {(1, 0, 0): 4, (0, 0, 1): 6}


def test_failed_layers_are_beads_of_their_own_label() -> None:
    lines = wall_lines(tower(label=4, label_from=6), 1.0, np.array([1.0, 2.0, 3.0]))
    assert {label: len(found) for (label, _), found in lines.items()} == {0: 6, 4: 4}


def test_missing_walls_are_missing_beads() -> None:
    whole = sum(len(line) for line in wall_lines(tower(), 1.0, np.zeros(3))[0, WHITE])
    gappy = wall_lines(tower(gaps=np.full(11, 0.5)), 1.0, np.zeros(3))[0, WHITE]
    assert len(gappy) > 20
    assert sum(len(line) - 1 for line in gappy) < 0.7 * whole


@pytest.mark.parametrize("seed", [4, 5])
def test_a_seed_gives_the_moment_of_its_still(seed: int) -> None:
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


def test_looks_differ_and_a_seed_keeps_its_own() -> None:
    looks = [random_look(seed) for seed in range(60)]
    assert looks == [random_look(seed) for seed in range(60)]
    assert len(set(looks)) == 60
    assert {bool(look.metal) for look in looks} == {bool(look.clear) for look in looks} == {False, True}


def test_a_tangle_grows_by_copies_that_stay_above_the_bed() -> None:
    t = np.linspace(0, 20, 200)
    strand = Strand(np.stack([np.cos(t) * 20 + 30, np.sin(t) * 20, t / 4], axis=1), 0.3, np.ones(3), label=1)
    hair = replace(strand, label=0)
    look = replace(random_look(1), copies=3, thick=2.0)
    grown = tangled(Scene(0.2, np.zeros(3), strands=[strand, hair]), look, 1)
    assert [one.label for one in grown].count(1) == 4
    assert [one.label for one in grown].count(0) == 1
    for one in grown:
        assert one.points[:, 2].min() >= 0
        assert one.radius == pytest.approx(0.6)


def test_a_framed_camera_shows_the_print_larger_in_the_middle() -> None:
    camera = SimulatedCamera((0.0, -300.0, 150.0), (0.0, 0.0, 0.0), 60.0, 320, 240)
    part = np.random.default_rng(3).uniform([40, 20, 0], [70, 50, 30], (200, 3))
    closer = framed(camera, part, 0.6)
    before, after = camera.project(part)[0], closer.project(part)[0]
    assert np.ptp(after[:, 0]) > 1.5 * np.ptp(before[:, 0])
    assert after.mean(axis=0) == pytest.approx([160, 120], abs=25)
    assert closer.eye == camera.eye
    assert framed(camera, part, 0.01) == camera


def test_bloom_brightens_what_is_beside_a_glare() -> None:
    light = np.full((60, 80, 3), 0.1, dtype=np.float32)
    light[20:40, 30:50] = 5.0
    plain = np.asarray(toned(light, replace(random_look(2), bloom=0.0)))
    glaring = np.asarray(toned(light, replace(random_look(2), bloom=0.5)))
    assert glaring[30, 53].mean() > plain[30, 53].mean() + 5
    assert np.array_equal(glaring[0, 0], plain[0, 0])


def test_a_hand_covers_picture_and_mask() -> None:
    simulation = Simulation(6, "spaghetti", nuisance=["hand"], size=(160, 120))
    hand = min(simulation.timeline.events, key=lambda event: event.start)
    light, labels = np.full((120, 160, 3), 0.2, dtype=np.float32), np.ones((120, 160), dtype=np.uint8)
    look = random_look(6)
    _, covered = photograph(simulation, (hand.start + hand.end) / 2, look, light, labels)
    rgb, free = photograph(simulation, hand.start - 1, look, light, labels)
    assert rgb.shape == (120, 160, 3)
    assert (free == 1).all()
    assert 0 < (covered == 1).sum() < covered.size
