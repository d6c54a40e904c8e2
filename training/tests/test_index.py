"""What an index row means for training."""

from pathlib import Path

import numpy as np
import pytest

from layerwatch.vision.evidence import KINDS
from layerwatch_train.index import (
    UNKNOWN,
    IndexFormatError,
    LabelledBox,
    Picture,
    kinds_target,
    paint_boxes,
    parse_boxes,
    read_index,
)

HEADER = "file,source,licence,label,failure_type,view,group,sequence,frame,boxes\n"


def write_index(folder: Path, *rows: str) -> Path:
    (folder / "index.csv").write_text(HEADER + "".join(row + "\n" for row in rows))
    return folder


def picture(label: str = "failed", failure_type: str = "spaghetti", boxes: str = "") -> Picture:
    return Picture("a.jpg", "s", "", label, failure_type, "webcam", "g", "", -1, parse_boxes(boxes))


def test_a_row_is_read_with_its_boxes(tmp_path: Path) -> None:
    row = 'a.jpg,src,MIT,failed,spaghetti,webcam,g1,q1,12,"spaghetti:0.5,0.5,0.2,0.4;gantry:0.1,0.1,0.1,0.1"'
    (read,) = read_index(write_index(tmp_path, row))
    assert (read.scene, read.frame) == ("q1", 12)
    assert [box.kind for box in read.boxes] == ["spaghetti", "gantry"]


def test_a_printer_part_is_no_failure() -> None:
    read = picture(boxes="spaghetti:0.5,0.5,0.2,0.4;gantry:0.1,0.1,0.1,0.1")
    assert read.failures == (LabelledBox("spaghetti", 0.5, 0.5, 0.2, 0.4),)


def test_a_good_picture_has_no_failure_even_if_boxed() -> None:
    assert picture(label="good", boxes="spaghetti:0.5,0.5,0.2,0.4").failures == ()


@pytest.mark.parametrize(
    "text", ["spaghetti:1,2,3", "0.1,0.1,0.1,0.1", "blob:a,b,c,d", "blob:nan,0,0,0", "x:0,0,-1,1"]
)
def test_a_malformed_box_is_refused(text: str) -> None:
    with pytest.raises(IndexFormatError):
        parse_boxes(text)


def test_a_missing_index_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(IndexFormatError, match=r"no index\.csv"):
        read_index(tmp_path)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("file,source,label,view\na.jpg,s,good,webcam\n")
    with pytest.raises(IndexFormatError, match="group"):
        read_index(tmp_path)


def test_an_unknown_label_names_its_line(tmp_path: Path) -> None:
    folder = write_index(tmp_path, "a.jpg,s,,good,,webcam,g,,,", "b.jpg,s,,fine,,webcam,g,,,")
    with pytest.raises(IndexFormatError, match=r"line 3.*'fine'"):
        read_index(folder)


def test_a_good_picture_shows_no_kind() -> None:
    assert (kinds_target(picture(label="good", failure_type="")) == 0).all()


def test_spaghetti_is_no_other_kind() -> None:
    target = kinds_target(picture())
    assert target[KINDS.index("spaghetti")] == 1
    assert target.sum() == 1


def test_a_detached_print_may_be_spaghetti_too() -> None:
    target = kinds_target(picture(failure_type="detached"))
    assert target[KINDS.index("detachment")] == 1
    assert target[KINDS.index("spaghetti")] == UNKNOWN


def test_an_unnamed_failure_tells_no_kind() -> None:
    assert (kinds_target(picture(failure_type="unspecified")) == UNKNOWN).all()


def test_a_box_is_painted_where_it_is() -> None:
    mask = paint_boxes([LabelledBox("spaghetti", 0.25, 0.5, 0.5, 0.5)], 8)
    assert np.array_equal(np.argwhere(mask == 255).min(0), [2, 0])
    assert np.array_equal(np.argwhere(mask == 255).max(0), [5, 3])


def test_a_box_beyond_the_picture_is_cut_off() -> None:
    mask = paint_boxes([LabelledBox("spaghetti", 1.0, 1.0, 0.5, 0.5)], 8)
    assert int((mask == 255).sum()) == 4
