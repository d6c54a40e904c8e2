"""Other people's detectors are read from plain files with a description, and answer with one number."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from layerwatch_train.public import DetectorFileError, failure_score, fitted, read_detectors

RED = np.zeros((30, 60, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
BLUE = RED[..., ::-1].copy()


def redness(folder: Path, description: dict[str, Any] | None, layout: str = "nchw") -> None:
    """A detector whose two answers are the mean red and the mean blue of its input."""
    shape = [1, 3, 8, 8] if layout == "nchw" else [1, 8, 8, 3]
    axes = [0, 2, 3] if layout == "nchw" else [0, 1, 2]
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["x"], ["means"], axes=axes, keepdims=0),
            helper.make_node("Gather", ["means", "which"], ["y"]),
        ],
        "redness",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
        [helper.make_tensor("which", TensorProto.INT64, [2], [0, 2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, folder / "redness.onnx")
    if description is not None:
        (folder / "redness.json").write_text(json.dumps(description))


def described(**input_: Any) -> dict[str, Any]:
    return {"input": {"size": 8, **input_}, "output": {"form": "probability", "failures": [0]}}


def test_a_picture_reaches_the_network_as_described(tmp_path: Path) -> None:
    redness(tmp_path, described())
    (detector,) = read_detectors(tmp_path)
    assert detector.score(RED) == pytest.approx(1.0)
    assert detector.score(BLUE) == pytest.approx(0.0)


def test_channels_may_be_in_the_other_order_and_last(tmp_path: Path) -> None:
    redness(tmp_path, described(order="bgr", layout="nhwc"), layout="nhwc")
    (detector,) = read_detectors(tmp_path)
    assert detector.score(BLUE) == pytest.approx(1.0)


def test_pixels_are_scaled_and_shifted(tmp_path: Path) -> None:
    redness(tmp_path, described(scale=1.0, mean=[127, 127, 127], std=[128, 128, 128]))
    (detector,) = read_detectors(tmp_path)
    assert detector.score(RED) == pytest.approx(1.0)
    assert detector.score(BLUE) == pytest.approx(-127 / 128)


def test_a_letterbox_keeps_the_proportions() -> None:
    boxed = fitted(RED, 8, "letterbox")
    assert (boxed[:2] == 114).all()
    assert (boxed[-2:] == 114).all()
    assert (boxed[3:5] == [255, 0, 0]).all()


def test_a_crop_takes_the_middle() -> None:
    wide = np.concatenate([BLUE[:, :15], RED[:, :30], BLUE[:, :15]], axis=1)
    assert (fitted(wide, 8, "crop") == [255, 0, 0]).all()


@pytest.mark.parametrize("turned", [False, True])
def test_of_boxes_the_most_certain_failure_counts(turned: bool) -> None:
    boxes = np.zeros((50, 4 + 3), np.float32)
    boxes[:, :4] = 300.0  # places, not scores
    boxes[7, 4:] = [0.2, 0.9, 0.1]
    boxes[9, 4:] = [0.6, 0.1, 0.1]
    answer = (boxes.T if turned else boxes)[None]
    assert failure_score(answer, "yolo", (0, 2)) == pytest.approx(0.6)


def test_objectness_weighs_a_boxes_class() -> None:
    boxes = np.zeros((50, 5 + 1), np.float32)
    boxes[3, 4:] = [0.5, 0.8]
    boxes[4, 4:] = [0.1, 1.0]
    assert failure_score(boxes[None], "yolo-objectness", (0,)) == pytest.approx(0.4)


def test_logits_become_a_share() -> None:
    assert failure_score(np.array([[0.0, 0.0]], np.float32), "logits", (1,)) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("description", "said"),
    [
        (None, r"needs redness\.json"),
        ({"input": {}}, r"redness\.json"),
        ({"input": {"size": 8}, "output": {"form": "ssd"}}, "'ssd' is none of probability"),
        ({"input": {"size": 8, "fit": "squash"}, "output": {"form": "yolo"}}, "'squash' is none of"),
    ],
)
def test_what_is_wrong_with_a_description_is_said(
    tmp_path: Path, description: dict[str, Any] | None, said: str
) -> None:
    redness(tmp_path, description)
    with pytest.raises(DetectorFileError, match=said):
        read_detectors(tmp_path)


def test_a_folder_without_detectors_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DetectorFileError, match="holds no"):
        read_detectors(tmp_path)


def test_an_invalid_network_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"no network")
    (tmp_path / "a.json").write_text(json.dumps(described()))
    with pytest.raises(DetectorFileError, match=r"a\.onnx is no ONNX file"):
        read_detectors(tmp_path)
