"""The student on made-up pictures and a made-up tower: the file it begins with, views, what it makes."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from layerwatch.vision.detector import OnnxDetector
from layerwatch.vision.evidence import KINDS
from layerwatch_train import export, quantise
from layerwatch_train.cli import app
from layerwatch_train.model import Detector, Output
from layerwatch_train.public import DetectorFileError
from layerwatch_train.rendered import Rendered
from layerwatch_train.student.calibration import CHANGES, Labelled, fitted, spoilt
from layerwatch_train.student.feed import Batch
from layerwatch_train.student.fit import asked
from layerwatch_train.student.recipe import Recipe
from layerwatch_train.student.served import read, read_calibration
from layerwatch_train.student.stills import Stills
from layerwatch_train.student.views import draw_turn, picture, turned
from layerwatch_train.train import load
from tests.support import clip_package

from .made_up import made_up

SIZE = 64


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An int8 detector file for small pictures, as `layerwatch-train export` makes it."""
    torch.manual_seed(3)
    folder, weights = tmp_path_factory.mktemp("shipped"), Detector().state_dict()
    for name, value in weights.items():  # equal constants would be kept once
        if name.endswith((".shift", ".bias", "blend")):
            weights[name] = value + 0.1 * torch.randn_like(value)
    whole = export.export(
        weights, "lite0", SIZE, export.Calibration(), folder / "whole.onnx", "test", "2026-11-28"
    )
    pictures = np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 3), dtype=np.uint8)
    return quantise.quantise(whole, folder / "detector.onnx", pictures)


def test_the_weights_of_a_file_answer_as_the_file_does(shipped: Path) -> None:
    model = load("lite0", read(shipped))
    pictures = np.random.default_rng(1).integers(0, 256, (4, SIZE, SIZE, 3), dtype=np.uint8)
    maps, in_view = onnxruntime.InferenceSession(str(shipped)).run(["map", "in_view"], {"image": pictures})
    with torch.inference_mode():
        out = model(torch.from_numpy(pictures).permute(0, 3, 1, 2))
    assert np.abs(out.map.sigmoid().numpy() - maps).mean() < 0.03  # what int8 activations move
    assert np.abs(out.in_view.sigmoid().numpy() - in_view).mean() < 0.03


@pytest.mark.parametrize(
    "calibration",
    [export.Calibration(0.5, 0.5), export.Calibration(0.8, 0.4, -1.2, 1.3, -2.0)],
    ids=["factors of 1 and sums with 0, which quantisation leaves out", "all"],
)
def test_the_calibration_of_a_file_is_read_back(tmp_path: Path, calibration: export.Calibration) -> None:
    torch.manual_seed(3)
    weights = Detector().state_dict()
    whole = export.export(weights, "lite0", SIZE, calibration, tmp_path / "whole.onnx", "test", "2026-11-28")
    pictures = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)
    for file in (whole, quantise.quantise(whole, tmp_path / "int8.onnx", pictures)):
        assert astuple(read_calibration(file)) == pytest.approx(astuple(calibration))


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    onnx.save(clip_package.tower_model(), tmp_path / "tower.onnx")
    with pytest.raises(DetectorFileError, match=r"tower\.onnx is not a .*detector of this trainer"):
        read(tmp_path / "tower.onnx")


def test_picture_and_map_are_turned_alike() -> None:
    rng = np.random.default_rng(5)
    truth = np.zeros((20, 20), np.float32)
    truth[6:11, 8:14] = 1
    image = np.repeat(np.kron(truth, np.ones((16, 16)))[..., None] * 255, 3, axis=2).astype(np.uint8)
    for _ in range(20):
        turn = draw_turn(truth, rng)
        seen = picture(image, turn, 320)[..., 0].reshape(20, 16, 20, 16).mean((1, 3)) / 255
        assert np.abs(turned(truth[None], turn, 20)[0].numpy() - seen).mean() < 0.02


def test_a_view_keeps_most_of_a_failure_at_the_edge() -> None:
    rng = np.random.default_rng(6)
    truth = np.zeros((20, 20), np.float32)
    truth[:4, :3] = 1
    kept = [float(turned(truth[None], draw_turn(truth, rng), 20).sum() / truth.sum()) for _ in range(60)]
    assert np.mean(np.array(kept) > 0.4) > 0.95


def test_a_small_view_may_show_the_picture_at_half_of_its_size() -> None:
    rng = np.random.default_rng(6)
    truth = np.zeros((20, 20), np.float32)
    sizes = [np.linalg.det(draw_turn(truth, rng, small=1.0)[:, :2]) for _ in range(200)]
    assert np.abs(sizes).max() > 2.5


def test_stills_of_rare_kinds_are_drawn_often(tmp_path: Path) -> None:
    store = Rendered(tmp_path, 40)
    picture_, mask = np.zeros((48, 64, 3), np.uint8), np.zeros((48, 64), np.uint8)
    mask[10:30, 20:40] = 1 + KINDS.index("spaghetti")
    rare = np.where(mask > 0, 1 + KINDS.index("warping"), 0).astype(np.uint8)
    for place in range(20):
        store.keep(place, picture_, np.zeros_like(mask), failed=False)
        store.keep(20 + place, picture_, rare if place == 0 else mask, failed=True)
    stills, rng = Stills(store, 24), np.random.default_rng(0)
    drawn = [stills.draw(rng) for _ in range(300)]
    kinds = np.array([still.kinds for still in drawn])
    assert 0.1 < kinds[:, KINDS.index("warping")].mean() / kinds.max(1).mean() < 0.6
    assert 0.5 < np.mean([not still.failed for still in drawn]) < 0.9
    assert all(still.failed == bool(still.truth.max() == 1) for still in drawn)


def test_a_still_has_its_labels_and_no_answers_of_the_teacher() -> None:
    out = Output(torch.zeros(2), torch.zeros(2, 8), torch.zeros(2, 4, 4), torch.zeros(2))
    out = Output(*(part.requires_grad_() for part in out))
    batch = Batch(
        images=torch.zeros(2, 64, 64, 3, dtype=torch.uint8),
        maps=torch.ones(2, 4, 4),
        labels=torch.ones(2),
        kinds=torch.zeros(2, 8),
        in_view=torch.ones(2),
        failure=torch.tensor([-9.0, -9.0]),
        where=torch.full((2, 4, 4), -9.0),
        units=torch.zeros(2, 1, 4, 4),
        whole=torch.zeros(2, 1),
        taught=torch.tensor([True, False]),
    )
    asked(out, batch, Recipe(labels=0.0)).backward()
    assert out.failure.grad is not None
    assert out.failure.grad[0] > 0 > out.failure.grad[1]  # down to the teacher's answer, up to the label


def test_calibration_is_fitted_on_pictures_that_cameras_spoil_too() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (12, SIZE, SIZE, 3), dtype=np.uint8)
    real = Labelled(images, np.arange(12) % 2 == 0)
    assert len(spoilt(real).images) == len(spoilt(real).failed) == 12 * len(CHANGES)
    found = fitted(Detector(), [(real, 0.4), (spoilt(real), 0.6)])
    assert found.scale == found.wide > 0 and found.map_scale > 0


def test_the_command_leaves_a_detector_and_figures_of_what_neither_saw(tmp_path: Path, shipped: Path) -> None:
    data, tower = made_up(tmp_path), tmp_path / "tower.onnx"
    rows = (data / "index.csv").read_text()
    for n, seen in enumerate(np.random.default_rng(9).integers(0, 256, (2, 6, 8, 3), dtype=np.uint8)):
        Image.fromarray(seen).resize((128, 96)).save(
            data / f"{n}.jpg"
        )  # unlike all others, so that these stay
        rows = rows.replace(f"\n{n}.jpg,made up", f"\n{n}.jpg,new")
    (data / "index.csv").write_text(rows)
    onnx.save(clip_package.tower_model(), tower)
    arguments = ["student", "--data", str(data), "--out", str(tmp_path / "runs"), "--quick"]
    arguments += ["--tower", str(tower), "--begin", str(shipped), "--without", "new"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "| student: new |" in result.output
    assert OnnxDetector(tmp_path / "runs" / "student" / "final.onnx").size == SIZE


def test_a_source_that_is_not_there_is_said(tmp_path: Path, shipped: Path) -> None:
    arguments = ["student", "--data", str(made_up(tmp_path)), "--out", str(tmp_path / "runs"), "--quick"]
    result = CliRunner().invoke(app, [*arguments, "--begin", str(shipped), "--without", "nobody"])
    assert result.exit_code == 2 and "nobody" in result.output
