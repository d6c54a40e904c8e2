"""A detector file that is damaged, wrong, or changed under a running server."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from layerwatch.config import load
from layerwatch.learning import LearningError
from layerwatch.learning.rollout.model_store import ModelStore
from layerwatch.storage.objects import FolderObjects
from layerwatch.vision import Picture, RawDetection, Vision
from layerwatch.vision.detector import OnnxDetector
from layerwatch.vision.errors import ModelError
from tests.support.fake_detector import FakeDetector, picture
from tests.support.onnx_models import build_model, save_model
from tests.support.servers import Server, running

SEED = 20261122
GREY = np.full((64, 64, 3), 127, dtype=np.uint8)


def truncated(good: bytes, rng: random.Random) -> bytes:
    return good[: rng.randrange(1, len(good))]


def noise(good: bytes, rng: random.Random) -> bytes:
    return rng.randbytes(len(good))


def empty(_: bytes, __: random.Random) -> bytes:
    return b""


def gives_nan(_: bytes, __: random.Random) -> bytes:
    return _with_weights(np.nan)


def gives_infinities(_: bytes, __: random.Random) -> bytes:
    return _with_weights(np.inf)


def wrong_outputs(_: bytes, __: random.Random) -> bytes:
    model = build_model()
    del model.graph.output[1]
    return bytes(model.SerializeToString())


def other_kinds(_: bytes, __: random.Random) -> bytes:
    return bytes(build_model(metadata={"layerwatch.kinds": "cat,dog"}).SerializeToString())


def _with_weights(value: float) -> bytes:
    model = build_model()
    for weight in model.graph.initializer:
        if weight.data_type == onnx.TensorProto.FLOAT and len(weight.dims) == 4:
            weight.CopyFrom(numpy_helper.from_array(np.full(weight.dims, value, np.float32), weight.name))
    return bytes(model.SerializeToString())


POISONS: list[Callable[[bytes, random.Random], bytes]] = [
    *(truncated, noise, empty, gives_nan, gives_infinities, wrong_outputs, other_kinds)
]


@pytest.mark.parametrize("poison", POISONS, ids=lambda poison: poison.__name__)
def test_it_is_refused_with_its_name(poison: Callable[..., bytes], tmp_path: Path) -> None:
    good, rng = save_model(tmp_path / "good.onnx").read_bytes(), random.Random(SEED)
    for _ in range(10):
        (tmp_path / "bad.onnx").write_bytes(poison(good, rng))
        with pytest.raises(ModelError, match=r"bad\.onnx|Model stand-in"):
            OnnxDetector(tmp_path / "bad.onnx")


def test_a_server_does_not_start_with_it_and_says_why(tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(save_model(tmp_path / "good.onnx").read_bytes()[:5000])
    program = [sys.executable, "-m", "layerwatch", "serve", "--port", "0", "--data-dir", str(tmp_path / "d")]
    done = subprocess.run(
        program,
        env={"LAYERWATCH_DETECTOR": str(bad)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "bad.onnx" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_whose_file_changed_in_the_store_is_not_loaded(tmp_path: Path) -> None:
    """Even one that would run: a flipped bit in a weight is found by the hash."""
    objects = FolderObjects(tmp_path / "objects")
    store = ModelStore(objects, tmp_path / "models")
    digest, _ = store.put(save_model(tmp_path / "good.onnx"))
    inside = tmp_path / "objects" / "models" / f"{digest}.onnx"
    data, rng = bytearray(inside.read_bytes()), random.Random(SEED)
    for _ in range(20):
        place, bit = rng.randrange(len(data)), 1 << rng.randrange(8)
        data[place] ^= bit
        inside.write_bytes(data)
        with pytest.raises(LearningError, match="damaged"):
            store.path(digest)
        data[place] ^= bit


def test_a_file_swapped_under_a_running_server_changes_nothing_until_the_next_start(tmp_path: Path) -> None:
    path = save_model(tmp_path / "model.onnx")
    with Vision(OnnxDetector(path)) as vision:
        before = vision.inspect(picture(0.3)).failure_probability
        path.write_bytes(random.Random(SEED).randbytes(5000))
        assert vision.inspect(picture(0.3)).failure_probability == before
    with pytest.raises(ModelError, match=r"model\.onnx"):
        OnnxDetector(path)


def test_nonsense_for_one_picture_costs_that_call_and_nothing_else(tmp_path: Path, sqlite_url: str) -> None:
    """A model that passes every check at the start, and fails in service."""

    class Moody(FakeDetector):
        def detect(self, images: list[Picture]) -> list[RawDetection]:  # type: ignore[override]
            found = super().detect(images)
            if any(each.failure > 0.9 for each in found):
                raise ModelError("Model moody gave values outside 0..1. Replace the model file.")
            return found

    settings = load(data_dir=tmp_path, database=sqlite_url, log_level="error")
    with running(settings, detector=Moody()) as server:
        _one_bad_picture(server)


def _one_bad_picture(server: Server) -> None:
    key, account = server.new_key_of()
    context = server.new_context(key)
    bad = server.process(key, context, picture(1.0), repeat="3f0c5a4e-9c5f-4d3c-8a3c-0a8a4b7f9d11")
    assert (bad.status_code, bad.json()["ErrorType"]) == (500, "OE_INTERNAL_ERROR")
    assert bad.json()["ErrorDetails"] != "Failed to get context object.", (
        "it would cost the print its context"
    )
    good = server.process(key, context, picture(0.1), repeat="3f0c5a4e-9c5f-4d3c-8a3c-0a8a4b7f9d11")
    assert good.status_code == 200
    assert server.billed(account) == 1
