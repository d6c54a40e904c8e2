"""Who gets which pictures in the demo of the loop."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from layerwatch_train.improve_demo.data import PER_PRINTER, Division, divide, write_folder
from layerwatch_train.index import IndexFormatError, Picture, read_index
from layerwatch_train.split import unit


def picture(source: str, group: str, n: int) -> Picture:
    label = "failed" if n % 2 else "good"
    return Picture(f"{group}-{n}.jpg", f"{source}/x", "", label, "", "webcam", group, "", n, ())


PICTURES = [picture("new", f"new{g}", n) for g in range(6) for n in range(80)]
PICTURES += [picture("old", f"old{g}", n) for g in range(6) for n in range(30)]


def division(alike: np.ndarray | None = None) -> Division:
    return divide(PICTURES, "new", np.arange(len(PICTURES)) if alike is None else alike)


def test_a_printer_is_used_for_one_thing_only() -> None:
    parts = division()
    used = [
        {unit(PICTURES[n]) for n in part}
        for part in (parts.base, parts.elsewhere, parts.reported, parts.held)
    ]
    assert all(not a & b for i, a in enumerate(used) for b in used[i + 1 :])
    assert all(used)


def test_the_first_detector_sees_neither_the_source_nor_what_looks_like_it() -> None:
    alike = np.arange(len(PICTURES))
    alike[-1] = alike[0]
    parts = division(alike)
    assert not any(PICTURES[n].source.startswith("new") for n in parts.base)
    assert len(PICTURES) - 1 not in [*parts.base, *parts.elsewhere]


def test_of_a_printer_both_labels_are_shown_and_no_more_than_a_bounded_number() -> None:
    held = division().held
    for group in {PICTURES[n].group for n in held}:
        mine = [PICTURES[n].label for n in held if PICTURES[n].group == group]
        assert len(mine) <= PER_PRINTER and set(mine) == {"good", "failed"}


def test_a_source_that_is_not_there_is_named() -> None:
    with pytest.raises(IndexFormatError, match=r"nobody.*new, old"):
        divide(PICTURES, "nobody", np.arange(len(PICTURES)))


def test_a_folder_has_the_rows_and_finds_the_pictures(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "images").mkdir(parents=True)
    (data / "images" / "1.jpg").write_bytes(b"one")
    with (data / "index.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "source", "label", "view", "group"])
        table.writerows([f"images/{n}.jpg", "s", "good", "webcam", f"g{n}"] for n in range(3))
    folder = write_folder(tmp_path / "part", data, [1])
    (row,) = read_index(folder)
    assert row.group == "g1"
    assert (folder / row.file).read_bytes() == b"one"


def test_both_halves_of_the_printers_may_report() -> None:
    alike = np.arange(len(PICTURES))
    one, other = (divide(PICTURES, "new", alike, half) for half in (0, 1))
    assert one.reported.tolist() == other.held.tolist()
    assert one.held.tolist() == other.reported.tolist()
    assert one.base.tolist() == other.base.tolist()
