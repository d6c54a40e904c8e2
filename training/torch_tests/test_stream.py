"""The stream of samples: what is in it, and what a training may take from it. Needs PyTorch."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
import torch

from layerwatch_train.bank import BLOCK, Bank, Truth
from layerwatch_train.rendered import Rendered, take_in
from layerwatch_train.samples import Material, decode_all
from layerwatch_train.train import Job, Recipe, Training

from .made_up import made_up

CPU = torch.device("cpu")


def test_workers_fill_the_bank_and_the_newest_samples_stay(tmp_path: Path) -> None:
    data = made_up(tmp_path)
    decode_all(data, tmp_path / "pictures.npy", 1)
    material = functools.partial(Material.load, data, tmp_path / "pictures.npy", frozenset(), None)
    with Bank(tmp_path, material, 64, 2 * BLOCK, CPU, 1, 0) as bank:
        bank.wait_for(10**6)
        assert bank.filled == bank.capacity == 2 * BLOCK
        while bank.made < 4 * BLOCK:
            bank.drain(BLOCK)
        assert bank.filled == bank.capacity
    assert bank.images.float().std() > 0
    assert set(np.unique(bank.truth.labels)) == {0.0, 1.0}
    assert not (tmp_path / "stream.npy").exists()


def test_workers_that_die_are_reported(tmp_path: Path) -> None:
    material = functools.partial(Material.load, tmp_path / "nowhere", tmp_path / "no.npy", frozenset(), None)
    with Bank(tmp_path, material, 64, BLOCK, CPU, 1, 0) as bank, pytest.raises(RuntimeError, match="died"):
        bank.wait_for(1)


class Still:
    """A bank of four samples: of picture 0, of 1, of 1 pasted into 0, and rendered."""

    filled = capacity = made = 4
    images = torch.zeros((4, 64, 64, 3), dtype=torch.uint8)
    truth = Truth.empty(4, 4)._replace(
        picture=np.array([0, 1, 0, -1]), patch=np.array([-1, -1, 1, -1]), rendered=np.array([-1, -1, -1, 5])
    )


def sees(outside: list[bool], recipe: Recipe) -> list[int]:
    training = Training(Job("one", recipe, np.array(outside)), CPU)
    return training.sees(Still()).tolist()  # type: ignore[arg-type]


def test_a_held_out_picture_is_seen_neither_as_scene_nor_as_patch() -> None:
    assert sees([False, False], Recipe()) == [0, 1, 2, 3]
    assert sees([False, True], Recipe()) == [0, 3]
    assert sees([True, False], Recipe()) == [1, 3]


def test_a_recipe_leaves_out_what_it_says() -> None:
    assert sees([False, False], Recipe(pasted=False)) == [0, 1, 3]
    assert sees([False, False], Recipe(rendered=False)) == [0, 1, 2]
    assert sees([False, False], Recipe(real=False)) == [3]


def test_rendering_goes_on_where_it_stopped(tmp_path: Path) -> None:
    store = Rendered(tmp_path, 3)
    picture, labels = np.full((48, 64, 3), 90, np.uint8), np.zeros((48, 64), np.uint8)
    store.keep(0, picture, labels, failed=False)
    store.keep(1, picture, labels, failed=True)  # a failure that is not to be seen
    again = Rendered(tmp_path, 3)
    assert again.positions().tolist() == [0]
    assert again.missing().tolist() == [2]


def test_path_traced_pictures_are_imported_once(tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "fine"
    folder.mkdir()
    labels = np.zeros((48, 64), np.uint8)
    labels[10:30, 10:40] = 1
    for seed, mask in ((2, np.zeros_like(labels)), (3, labels)):
        Image.new("RGB", (64, 48), (90, 90, 90)).save(folder / f"{seed:07d}.jpg")
        Image.fromarray(mask).save(folder / f"{seed:07d}.png")
        (folder / f"{seed:07d}.json").write_text("{}")
    store = Rendered(tmp_path / "store", 4)
    take_in(store, 2, folder)
    take_in(store, 2, folder)
    assert store.positions().tolist() == [2, 3]
    assert store.masks[3].any() and not store.masks[2].any()
    assert store.kinds[3].sum() == 1
