"""The whole pipeline on made-up pictures, and its parts. Needs PyTorch and the ImageNet weights."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from layerwatch.vision.evidence import KINDS
from layerwatch_train.cli import app
from layerwatch_train.export import Calibration, export
from layerwatch_train.model import Detector
from layerwatch_train.train import Recipe, losses, paste_features


def made_up(folder: Path, count: int = 24) -> Path:
    """Grey scenes of four printers; failed ones hold a boxed patch of noise."""
    rng = np.random.default_rng(0)
    rows = ["file,source,licence,label,failure_type,view,group,sequence,frame,boxes"]
    for n in range(count):
        failed = n % 2 == 1
        image = np.full((96, 128, 3), 90 + 20 * (n % 4), np.uint8)
        if failed:
            image[40:70, 30:80] = rng.integers(0, 255, (30, 50, 3))
        Image.fromarray(image).save(folder / f"{n}.jpg")
        boxes = '"spaghetti:0.43,0.57,0.39,0.31"' if failed else ""
        label, kind = ("failed", "spaghetti") if failed else ("good", "")
        rows.append(f"{n}.jpg,made up,,{label},{kind},webcam,printer{n // 2 % 4},,,{boxes}")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_every_step_runs_and_leaves_a_detector_in_the_served_format(tmp_path: Path) -> None:
    data = made_up(tmp_path)
    result = CliRunner().invoke(app, ["all", "--data", str(data), "--out", str(tmp_path / "runs"), "--quick"])
    assert result.exit_code == 0, result.output
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


def test_the_exported_file_says_what_it_is(tmp_path: Path) -> None:
    path = export(
        Detector("lite0").state_dict(), "lite0", 64, Calibration(), tmp_path / "d.onnx", "v1", "2026-01-01"
    )
    told = {p.key: p.value for p in onnx.load(path).metadata_props}
    assert told["layerwatch.size"] == "64"
    assert told["layerwatch.kinds"].split(",") == list(KINDS)


def test_a_failed_picture_without_a_box_pushes_no_cell_down() -> None:
    model = Detector("lite0").eval()
    out = model(torch.zeros(1, 3, 64, 64))
    cells = out.map.detach().requires_grad_()
    unknown = torch.full((1, 4, 4), -1.0)
    parts = losses(
        out._replace(map=cells), unknown, torch.ones(1), torch.full((1, 8), -1.0), torch.ones(1), Recipe()
    )
    parts["map"].backward()
    assert (cells.grad <= 0).all()


def test_a_pasted_failure_makes_a_good_sample_failed_just_there() -> None:
    features = torch.cat([torch.zeros(1, 2, 8, 8), torch.ones(1, 2, 8, 8)])
    maps = torch.zeros(2, 4, 4)
    maps[1, 1, 1:3] = 1.0
    labels, kinds = torch.tensor([0.0, 1.0]), torch.zeros(2, 8)
    for seed in range(20):
        f, m, y = features.clone(), maps.clone(), labels.clone()
        paste_features(f, m, y, kinds, 1.0, np.random.default_rng(seed))
        shown = torch.nn.functional.max_pool2d(f[0, :1], 2)[0] > 0
        if y[0] == 1:
            assert torch.equal(shown, m[0] > 0)
            return
    pytest.fail("no failure was pasted in 20 draws")
