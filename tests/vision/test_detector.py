"""The detector file: what is accepted, what is refused at start and how, and what a call gives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from layerwatch.vision import KINDS, ModelError, OnnxDetector
from layerwatch.vision import model_files as packaged
from layerwatch.vision.model_files import choose_model
from tests.support.onnx_models import build_model, save_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="module")
def detector(model: Path) -> OnnxDetector:
    return OnnxDetector(model)


def noise(count: int, size: int = 64, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (size, size, 3), dtype=np.uint8) for _ in range(count)]


def test_it_reads_what_the_file_says_about_itself(detector: OnnxDetector) -> None:
    assert (detector.size, detector.version, detector.trained) == (64, "stand-in", "2026-11-22")
    assert len(detector.sha256) == 64


def test_each_picture_gets_its_own_answer_in_order(detector: OnnxDetector) -> None:
    images = noise(5)
    together = detector.detect(images)
    alone = [detector.detect([image])[0] for image in images]
    assert len({one.failure for one in alone}) == 5
    for one, other in zip(together, alone, strict=True):
        assert one.failure == pytest.approx(other.failure, abs=1e-5)
        assert one.kinds == pytest.approx(other.kinds, abs=1e-5)
        assert one.in_view == pytest.approx(other.in_view, abs=1e-5)
        assert np.allclose(one.map, other.map, atol=1e-5)


def test_an_answer_has_the_documented_shape(detector: OnnxDetector) -> None:
    (found,) = detector.detect(noise(1))
    assert len(found.kinds) == len(KINDS)
    assert found.map.shape == (4, 4)
    assert found.map.dtype == np.float32
    assert all(0 <= value <= 1 for value in (found.failure, found.in_view, *found.kinds))


def test_several_threads_may_call_it_at_once(detector: OnnxDetector) -> None:
    images = noise(24)
    expected = [detector.detect([image])[0].failure for image in images]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda image: detector.detect([image])[0].failure, images))
    assert found == expected


def broken(tmp_path: Path, model: onnx.ModelProto) -> Path:
    path = tmp_path / "broken.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        OnnxDetector(tmp_path / "none.onnx")


@pytest.mark.parametrize("content", [b"", b"not a model", bytes(1000)])
def test_a_file_that_is_no_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError):
        OnnxDetector(path)


def test_a_file_that_was_cut_off(tmp_path: Path, model: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(model.read_bytes()[:6000])
    with pytest.raises(ModelError):
        OnnxDetector(path)


def test_another_network_s_file(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "other",
        [value("x", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [value("y", TensorProto.FLOAT, ["N", 3, 8, 8])],
    )
    other = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    with pytest.raises(ModelError, match="inputs"):
        OnnxDetector(broken(tmp_path, other))


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"layerwatch.kinds": "spaghetti,cats"}, "another version"),
        ({"layerwatch.size": "320"}, "layerwatch.size"),
    ],
)
def test_metadata_that_contradict_the_network(tmp_path: Path, metadata: dict[str, str], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        OnnxDetector(broken(tmp_path, build_model(metadata=metadata)))


def test_another_number_of_kinds(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="kinds"):
        OnnxDetector(broken(tmp_path, build_model(kinds=5)))


def test_a_fixed_batch_size(tmp_path: Path) -> None:
    fixed = build_model()
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    with pytest.raises(ModelError, match="fixed batch size"):
        OnnxDetector(broken(tmp_path, fixed))


def test_weights_that_make_it_compute_nonsense(tmp_path: Path) -> None:
    poisoned = build_model()
    for weight in poisoned.graph.initializer:
        if len(weight.dims) == 4:
            weight.CopyFrom(numpy_helper.from_array(np.full(weight.dims, np.nan, np.float32), weight.name))
    with pytest.raises(ModelError, match=r"outside 0\.\.1"):
        OnnxDetector(broken(tmp_path, poisoned))


def test_an_unknown_provider_is_named_with_the_known_ones(model: Path) -> None:
    with pytest.raises(ModelError, match="cpu, cuda, tensorrt, openvino, coreml"):
        OnnxDetector(model, provider="abacus")


def test_a_provider_that_is_not_installed_says_what_to_install(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ModelError, match="Install onnxruntime-gpu"):
        OnnxDetector(model, provider="cuda")


class TestChoosingAmongThePackagedFiles:
    @pytest.fixture
    def files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
        fp32, int8 = tmp_path / "detector.onnx", tmp_path / "detector.int8.onnx"
        monkeypatch.setattr(packaged, "packaged_models", lambda: [p for p in (fp32, int8) if p.is_file()])
        return fp32, int8

    def test_none_is_a_clear_error(self, files: tuple[Path, Path]) -> None:
        with pytest.raises(ModelError, match=r"no detector\.onnx"):
            choose_model()

    @pytest.mark.parametrize(("int8_takes", "chosen"), [(0.5, "int8"), (0.95, "fp32"), (2.0, "fp32")])
    def test_int8_runs_where_it_is_clearly_faster(
        self, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, int8_takes: float, chosen: str
    ) -> None:
        for path, name in zip(files, ("fp32", "int8"), strict=True):
            save_model(path, metadata={"layerwatch.version": name})
        seconds = {"fp32": 1.0, "int8": int8_takes}
        monkeypatch.setattr(packaged, "best_time", lambda detector: seconds[detector.version])
        assert choose_model().version == chosen

    def test_one_alone_is_taken_without_a_trial(
        self, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save_model(files[1], metadata={"layerwatch.version": "int8"})
        monkeypatch.setattr(packaged, "best_time", lambda detector: pytest.fail("timed"))
        assert choose_model().version == "int8"
