"""`layerwatch inspect`, as a person and as a script use it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from layerwatch.cli import app
from layerwatch.vision import KINDS, Vision
from tests.support.fake_detector import FakeDetector, picture

FIELDS = ["file", "failure_probability", "kind", "condition", "ms"]


@pytest.fixture(autouse=True)
def fake_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Vision, "load", lambda *_, **__: Vision(FakeDetector()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty frames, a tenth of them failing, in two folders, and a file that is none."""
    (tmp_path / "frames" / "more").mkdir(parents=True)
    for number in range(20):
        name = f"more/{number:03}.jpg" if number >= 15 else f"{number:03}.JPG"
        (tmp_path / "frames" / name).write_bytes(
            picture(0.9 if number % 10 == 7 else 0.02 * number, 160, 120)
        )
    (tmp_path / "frames" / "notes.txt").write_text("not a picture")
    return tmp_path / "frames"


def inspect(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["inspect", *map(str, arguments)])


def test_json_is_one_object_a_line_with_exactly_the_promised_fields(folder: Path) -> None:
    result = inspect(folder, "--json")
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == 20
    assert all(list(line) == FIELDS for line in lines)
    assert lines[7]["failure_probability"] == pytest.approx(0.9, abs=0.02)
    assert (lines[7]["kind"], lines[0]["kind"]) == ("spaghetti", None)
    assert {line["condition"] for line in lines} == {"ok"}


def test_output_is_in_the_order_of_input(folder: Path) -> None:
    names = [str(folder / "012.JPG"), str(folder / "003.JPG"), str(folder / "009.JPG")]
    lines = inspect(*names, "--json", "--threads", 3).stdout.splitlines()
    assert [json.loads(line)["file"] for line in lines] == names


def test_probabilities_keep_their_digits(folder: Path) -> None:
    found = [
        json.loads(line)["failure_probability"] for line in inspect(folder, "--json").stdout.splitlines()
    ]
    assert any(round(value, 6) != value for value in found)


def test_a_bad_file_is_an_error_line_and_the_others_go_on(folder: Path) -> None:
    (folder / "004.JPG").write_bytes((folder / "004.JPG").read_bytes()[:900])
    result = inspect(folder, folder / "gone.jpg", "--json")
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 19
    errors = [json.loads(line) for line in result.stderr.splitlines()]
    assert [Path(error["file"]).name for error in errors] == ["004.JPG", "gone.jpg"]
    assert "cut off" in errors[0]["error"]


def test_a_file_too_large_is_not_read(folder: Path) -> None:
    with (folder / "huge.jpg").open("wb") as huge:
        huge.truncate(10 * 1024**3)
    result = inspect(folder / "huge.jpg")
    assert result.exit_code == 1
    assert "larger than" in result.stderr


def test_detail_adds_kinds_boxes_and_heat(folder: Path) -> None:
    (line,) = inspect(folder / "007.JPG", "--json", "--detail").stdout.splitlines()
    seen = json.loads(line)
    assert list(seen)[:5] == FIELDS
    assert list(seen["kinds"]) == list(KINDS)
    assert seen["boxes"][0]["kind"] == "spaghetti"
    assert len(seen["heat"]) == 4
    assert seen["model_version"] == "fake"


def test_people_get_a_line_a_picture_and_a_summary(folder: Path) -> None:
    result = inspect(folder)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) == 21
    assert "90" in lines[7]
    assert "spaghetti" in lines[7]
    assert lines[-1].startswith("20 pictures in")
    assert "2 at 50 % or more" in lines[-1]


def test_overlays_are_saved_side_by_side_even_if_names_repeat(folder: Path, tmp_path: Path) -> None:
    (folder / "more" / "007.jpg").write_bytes(picture(0.5, 160, 120))
    result = inspect(
        folder / "007.JPG", folder / "more" / "007.jpg", "--save-overlay", tmp_path / "new" / "out"
    )
    assert result.exit_code == 0
    saved = sorted((tmp_path / "new" / "out").iterdir())
    assert [path.name for path in saved] == ["007-2.jpg", "007.jpg"]
    assert all(Image.open(io.BytesIO(path.read_bytes())).size == (160, 120) for path in saved)


def test_a_folder_without_pictures_says_so(tmp_path: Path) -> None:
    result = inspect(tmp_path)
    assert result.exit_code == 2
    assert "No JPEG files" in result.stderr


def test_a_model_that_cannot_be_used_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    result = inspect(folder, "--model", folder / "notes.txt")
    assert result.exit_code == 2
    assert "notes.txt is not a model" in result.stderr
