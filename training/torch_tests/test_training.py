"""The whole pipeline on made-up pictures, and its parts. Needs PyTorch and the ImageNet weights."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

from layerwatch.vision.evidence import KINDS
from layerwatch_train.cli import app
from layerwatch_train.export import Calibration, export
from layerwatch_train.losses import losses
from layerwatch_train.mixing import cutmix
from layerwatch_train.model import Detector
from tests.support import clip_package

from .made_up import made_up


@pytest.mark.timeout(600)  # a dozen small trainings: four minutes on cores that others use, too
def test_every_step_runs_and_leaves_a_detector_in_the_served_format(tmp_path: Path) -> None:
    data, tower = made_up(tmp_path), tmp_path / "tower.onnx"
    onnx.save(clip_package.tower_model(), tower)
    arguments = [
        "all",
        "--data",
        str(data),
        "--out",
        str(tmp_path / "runs"),
        "--quick",
        "--tower",
        str(tower),
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "runs" / "teacher" / "head.onnx").is_file()
    assert (tmp_path / "runs" / "student" / "final.onnx").is_file()
    session = onnxruntime.InferenceSession(str(tmp_path / "runs" / "detector.onnx"))
    size = session.get_inputs()[0].shape[1]
    failure, kinds, cells, in_view = session.run(
        ["failure", "kinds", "map", "in_view"], {"image": np.zeros((2, size, size, 3), np.uint8)}
    )
    assert (failure.shape, kinds.shape, in_view.shape) == ((2,), (2, len(KINDS)), (2,))
    assert cells.shape == (2, size // 16, size // 16)


def test_the_exported_file_answers_as_the_model_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Detector("lite0").eval()
    path = export(
        model.state_dict(), "lite0", 64, Calibration(scale=0.5, shift=0.1), tmp_path / "d.onnx", "v", "day"
    )
    image = np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3), dtype=np.uint8)
    with torch.inference_mode():
        logit = model(torch.from_numpy(image).permute(0, 3, 1, 2)).failure
    answer = onnxruntime.InferenceSession(str(path)).run(["failure"], {"image": image})[0]
    assert answer == pytest.approx(torch.sigmoid(logit * 0.5 + 0.1).numpy(), abs=1e-4)


def test_the_exported_file_carries_its_metadata(tmp_path: Path) -> None:
    path = export(
        Detector("lite0").state_dict(), "lite0", 64, Calibration(), tmp_path / "d.onnx", "v1", "2026-01-01"
    )
    metadata = {p.key: p.value for p in onnx.load(path).metadata_props}
    assert metadata["layerwatch.size"] == "64"
    assert metadata["layerwatch.kinds"].split(",") == list(KINDS)


def test_a_failed_picture_without_a_box_pushes_no_cell_down() -> None:
    model = Detector("lite0").eval()
    out = model(torch.zeros(1, 3, 64, 64))
    cells = out.map.detach().requires_grad_()
    unknown = torch.full((1, 4, 4), -1.0)
    parts = losses(out._replace(map=cells), unknown, torch.ones(1), torch.full((1, 8), -1.0), torch.ones(1))
    parts["map"].backward()
    assert (cells.grad <= 0).all()


def test_a_pasted_failure_makes_a_good_sample_failed_just_there() -> None:
    dark = torch.zeros((1, 64, 64, 3), dtype=torch.uint8)
    for seed in range(20):
        images, maps = torch.cat([dark, dark + 1]), np.zeros((2, 4, 4), np.float32)
        maps[1, 1, 1:3] = 1.0
        labels, kinds = np.array([0.0, 1.0], np.float32), np.zeros((2, 8), np.float32)
        cutmix(images, maps, labels, kinds, 1.0, np.random.default_rng(seed))
        if labels[0] == 1:
            shown = torch.nn.functional.max_pool2d(images[:1, :, :, 0].float(), 16)[0] > 0
            assert np.array_equal(shown.numpy(), maps[0] > 0)
            return
    pytest.fail("no failure was pasted in 20 draws")
