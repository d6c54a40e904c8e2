"""`layerwatch replay`: a past print, picture by picture."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from layerwatch.cli import app
from layerwatch.vision import Vision
from tests.support.fake_detector import FakeDetector, picture

run = CliRunner()
GOOD, FAILED = 0.05, 0.97


@pytest.fixture(autouse=True)
def detector(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(Vision, "load", classmethod(lambda cls, *a, **k: cls(FakeDetector(), workers=1)))
    return


@pytest.fixture
def failing_print(tmp_path: Path) -> Path:
    """Eight good pictures, then ten of a failure."""
    folder = tmp_path / "print"
    folder.mkdir()
    for number in range(18):
        (folder / f"{number:03d}.jpg").write_bytes(picture(GOOD if number < 8 else FAILED, seed=number))
    return folder


def lines(output: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


def test_json_gives_one_object_a_picture_with_exactly_the_promised_fields(failing_print: Path) -> None:
    result = run.invoke(app, ["replay", str(failing_print), "--interval", "25", "--json"])
    assert result.exit_code == 0, result.output
    printed = lines(result.stdout)
    assert [line["file"] for line in printed] == [f"{n:03d}.jpg" for n in range(18)]
    assert [line["second"] for line in printed] == [25.0 * n for n in range(18)]
    assert all(list(line) == ["file", "second", "quality", "score", "warning", "pause"] for line in printed)


def test_a_failing_print_is_warned_of_and_then_paused(failing_print: Path) -> None:
    printed = lines(run.invoke(app, ["replay", str(failing_print), "--json"]).stdout)
    warned = [line["file"] for line in printed if line["warning"]]
    paused = [line["file"] for line in printed if line["pause"]]
    assert warned and paused
    assert "008.jpg" < warned[0] <= paused[0]


def test_the_summary_says_when_it_first_warned_and_paused(failing_print: Path) -> None:
    result = run.invoke(app, ["replay", str(failing_print), "--onset", "240"])
    assert "First warning at 0:0" in result.stdout
    assert "s from the failure's onset" in result.stdout


def test_a_simulated_print_tells_its_interval_and_onset_itself(failing_print: Path) -> None:
    truth = [json.dumps({"second": 40.0 * n, "onset": 320.0}) for n in range(18)]
    (failing_print / "truth.jsonl").write_text("\n".join(truth) + "\n")
    result = run.invoke(app, ["replay", str(failing_print)])
    assert "18 pictures over 0:11:20." in result.stdout
    assert "s from the failure's onset" in result.stdout
    assert "Skipped" not in result.stderr
    printed = lines(run.invoke(app, ["replay", str(failing_print), "--interval", "20", "--json"]).stdout)
    assert printed[1]["second"] == 20.0


@pytest.mark.parametrize("truth", ["", "{", "[]", '{"second": null, "onset": 3}', '{"onset": 3}', "\xff"])
def test_a_truth_that_cannot_be_read_is_no_truth(failing_print: Path, truth: str) -> None:
    (failing_print / "truth.jsonl").write_text(truth, encoding="latin-1")
    result = run.invoke(app, ["replay", str(failing_print), "--json"])
    assert result.exit_code == 0, result.output
    assert lines(result.stdout)[1]["second"] == 30.0


def test_a_good_print_is_neither_warned_of_nor_paused(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number}.jpg").write_bytes(picture(GOOD, seed=number))
    result = run.invoke(app, ["replay", str(tmp_path)])
    assert "No warning." in result.stdout and "No pause." in result.stdout


def test_a_broken_jpeg_is_reported_takes_its_time_and_the_rest_is_judged(failing_print: Path) -> None:
    (failing_print / "003.jpg").write_bytes(picture(GOOD)[:200])
    result = run.invoke(app, ["replay", str(failing_print), "--json"])
    assert result.exit_code == 1
    printed = lines(result.stdout)
    assert len(printed) == 17 and printed[3] == {**printed[3], "file": "004.jpg", "second": 120.0}
    assert lines(result.stderr)[0]["file"] == "003.jpg"


def test_files_that_are_no_jpegs_are_skipped_with_a_note(failing_print: Path) -> None:
    (failing_print / "notes.txt").write_text("layer 40 looked odd")
    result = run.invoke(app, ["replay", str(failing_print), "--json"])
    assert result.exit_code == 0
    assert "notes.txt" in lines(result.stderr)[0]["note"]  # type: ignore[operator]
    assert len(lines(result.stdout)) == 18


def test_detail_adds_what_the_picture_alone_said(failing_print: Path) -> None:
    printed = lines(run.invoke(app, ["replay", str(failing_print), "--json", "--detail"]).stdout)
    assert printed[0]["condition"] == "ok"
    assert printed[-1]["kind"] == "spaghetti"
    assert printed[-1]["failure_probability"] == pytest.approx(FAILED, abs=0.03)


def test_motion_jpeg_needs_no_other_program(tmp_path: Path) -> None:
    video = tmp_path / "print.mjpeg"
    video.write_bytes(b"".join(picture(GOOD, seed=number) for number in range(5)))
    result = run.invoke(app, ["replay", str(video), "--json"])
    assert result.exit_code == 0, result.stderr
    assert [line["file"] for line in lines(result.stdout)] == [f"print.mjpeg#{n:05d}" for n in range(1, 6)]


def test_the_plot_is_a_picture_of_the_print(failing_print: Path, tmp_path: Path) -> None:
    plot = tmp_path / "course.png"
    assert run.invoke(app, ["replay", str(failing_print), "--plot", str(plot)]).exit_code == 0
    drawn = Image.open(io.BytesIO(plot.read_bytes()))
    red = sum(1 for pixel in drawn.convert("RGB").get_flattened_data() if pixel == (208, 40, 40))
    assert drawn.width >= 800 and red > 200  # the pause's line


@pytest.mark.parametrize(
    ("made", "says"),
    [("missing", "There is no folder or file"), ("empty", "holds no JPEG files")],
)
def test_a_source_without_pictures_is_said_so(tmp_path: Path, made: str, says: str) -> None:
    source = tmp_path / made
    if made == "empty":
        source.mkdir()
    result = run.invoke(app, ["replay", str(source)])
    assert result.exit_code == 2 and says in result.stderr


def test_a_lower_level_warns_no_later(failing_print: Path) -> None:
    first = {}
    for level in (1, 5):
        command = ["replay", str(failing_print), "--json", "--warning-level", str(level)]
        printed = lines(run.invoke(app, command).stdout)
        first[level] = next((line["second"] for line in printed if line["warning"]), 1e9)
    assert first[1] <= first[5]  # type: ignore[operator]
