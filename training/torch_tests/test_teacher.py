"""The teacher on made-up pictures and a made-up tower: tokens, heads, the file that ships."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

from layerwatch.vision.large import make_large
from layerwatch.vision.large.tower import interpolated
from layerwatch.vision.large.tower import tower as rebuilt
from layerwatch_train.cli import app
from layerwatch_train.export import Calibration
from layerwatch_train.index import read_index
from layerwatch_train.samples import Material, decode_all
from layerwatch_train.teacher import cache
from layerwatch_train.teacher.export import export, together
from layerwatch_train.teacher.fit import answers, fit
from layerwatch_train.teacher.head import Form, Heads
from layerwatch_train.teacher.recipe import Recipe
from layerwatch_train.teacher.tower import POSITIONS, Tower, positions, read_weights
from tests.support import clip_package
from tests.support.onnx_models import save_model

from .made_up import made_up

SHAPE = cache.Shape(size=64, block=2, count=40, width=clip_package.WIDTH)


@pytest.fixture(scope="module")
def tower_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tower") / "tower.onnx"
    onnx.save(clip_package.tower_model(), path)
    return path


def test_the_towers_of_training_and_service_answer_alike(tower_file: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    served = rebuilt(onnx.load(tower_file), 64, 2).SerializeToString()
    expected = onnxruntime.InferenceSession(served).run(["tokens"], {"image": picture})[0]
    tower = Tower(read_weights(tower_file), 64, 2, torch.float32)
    found = tower(torch.from_numpy(picture).permute(0, 3, 1, 2))
    assert np.allclose(found.detach().numpy(), expected, atol=1e-3)


def test_both_interpolate_position_embeddings_alike(tower_file: Path) -> None:
    weights = read_weights(tower_file)
    for side in (2, 4, 5):
        expected = positions(weights, side).numpy()
        assert np.allclose(interpolated(weights[POSITIONS].numpy(), side), expected, atol=1e-5)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, tower_file: Path) -> tuple[Path, cache.Cache]:
    data = made_up(tmp_path_factory.mktemp("data"))
    material = Material.load(data, decoded(data), frozenset(), None)
    places = cache.plan(material.pictures, SHAPE.count, 0, np.zeros(0, np.int64))
    kept = cache.Cache(data / "tokens", SHAPE, write=True)
    tower = Tower(read_weights(tower_file), SHAPE.size, SHAPE.block)
    made = [cache.sample(p, material, SHAPE.size, np.random.default_rng(n)) for n, p in enumerate(places)]
    cache.keep(kept, range(SHAPE.count), places, made, tower)
    return data, kept


def decoded(data: Path) -> Path:
    decode_all(data, data / "pictures.npy", 1)
    return data / "pictures.npy"


def test_heads_learn_what_a_failure_looks_like_but_not_from_what_is_hidden(
    filled: tuple[Path, cache.Cache],
) -> None:
    data, kept = filled
    pictures = read_index(data)
    outside = np.zeros((2, len(pictures)), bool)
    outside[1] = [p.label == "failed" for p in pictures]  # the second head sees good pictures alone
    recipe = Recipe(form=Form(units=16, inputs=SHAPE.width), steps=60, batch=16, rate=1e-2)
    heads = fit(recipe, kept, pictures, kept.there(), outside, lambda text: None)
    plain = kept.there()[kept["plain"][kept.there()] > 0]
    failed = kept["labels"][plain] > 0
    said = answers(heads, kept, plain).failure.numpy()
    assert said[failed, 0].min() > said[~failed, 0].max()
    assert (said[:, 1] < 0).all()


def test_a_stopped_run_fills_only_what_is_missing(tmp_path: Path, tower_file: Path) -> None:
    data = made_up(tmp_path)
    decoded(data)
    shape = cache.Shape(size=64, block=2, count=12, width=clip_package.WIDTH)
    begun = cache.Cache(tmp_path / "tokens", shape, write=True)
    begun["state"][3], begun["labels"][3] = 1, 7
    material = functools.partial(Material.load, data, data / "pictures.npy", frozenset(), None)
    cache.fill(tmp_path / "tokens", shape, tower_file, material, 1, 0, lambda text: None)
    after = cache.Cache(tmp_path / "tokens", shape)
    assert len(after.missing()) == 0 and after["labels"][3] == 7
    assert np.isfinite(after["tokens"][0]).all() and after["tokens"][0].any()


def test_the_file_that_ships_answers_as_the_heads_do_and_joins_the_tower(tmp_path: Path) -> None:
    form = Form(units=80, inputs=clip_package.WIDTH)
    stacks = [Heads(3, form, seed).eval() for seed in (0, 1)]
    tokens = torch.randn(2, 17, clip_package.WIDTH)
    with torch.inference_mode():
        expected = torch.stack([stack(tokens).failure[:, 2] for stack in stacks]).mean(0)
    path = tmp_path / "head.onnx"
    export(together(stacks, 2), Calibration(scale=0.5, shift=0.2), 64, 2, path, "large-test", "2026-11-28")
    session = onnxruntime.InferenceSession(str(path))
    found = session.run(["failure"], {"tokens": tokens.numpy()})[0]
    assert found == pytest.approx(torch.sigmoid(expected * 0.5 + 0.2).numpy(), abs=2e-3)
    wheel, pinned = clip_package.wheel(tmp_path)
    standard = save_model(tmp_path / "standard.onnx")
    assert (
        make_large(tmp_path / "models", wheel, head=path, standard=standard, pinned=pinned).version
        == "large-test"
    )


def test_the_command_leaves_a_head_and_figures(tmp_path: Path, tower_file: Path) -> None:
    data = made_up(tmp_path)
    arguments = ["teacher", "--data", str(data), "--out", str(tmp_path / "runs"), "--quick"]
    result = CliRunner().invoke(app, [*arguments, "--tower", str(tower_file)])
    assert result.exit_code == 0, result.output
    assert "its source" in result.output
    assert onnx.load(tmp_path / "runs" / "teacher" / "head.onnx").graph.output[0].name == "failure"
