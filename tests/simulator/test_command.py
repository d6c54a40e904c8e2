"""`layerwatch simulate` writes pictures in name order with a line of truth for each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from layerwatch.cli import app

SHORT = ["--hours", "0.1", "--interval", "120", "--size", "160x120"]


def simulate(*words: str) -> str:
    result = CliRunner().invoke(app, ["simulate", *words], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_pictures_and_truth_lie_side_by_side(tmp_path: Path) -> None:
    simulate("--seed", "7", "--failure", "spaghetti", "--onset", "100", *SHORT, "--out", str(tmp_path / "a"))
    truths = [json.loads(line) for line in (tmp_path / "a" / "truth.jsonl").read_text().splitlines()]
    names = sorted(path.name for path in (tmp_path / "a").glob("*.jpg"))
    assert [truth["file"] for truth in truths] == names
    assert names[0] == "000000.jpg"
    assert Image.open(tmp_path / "a" / names[0]).size == (160, 120)
    assert [truth["failed"] for truth in truths] == [truth["second"] >= truth["onset"] for truth in truths]


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        simulate("--seed", "9", *SHORT, "--out", str(tmp_path / name))
    assert (tmp_path / "a/000001.jpg").read_bytes() == (tmp_path / "b/000001.jpg").read_bytes()


def test_json_prints_the_truth(tmp_path: Path) -> None:
    said = simulate("--json", *SHORT, "--out", str(tmp_path / "a"))
    assert said == (tmp_path / "a" / "truth.jsonl").read_text()


def test_list_names_everything_that_can_be_asked_for() -> None:
    groups = json.loads(simulate("--list", "--json"))
    assert "spaghetti" in groups["failures"]
    assert groups["worlds"] == ["bedslinger", "corexy", "delta"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--out"),
        (["--out", "x", "--interval", "0"], "--interval"),
        (["--out", "x", "--size", "big"], "--size"),
        (["--out", "x", "--size", "10x10"], "--size"),
        (["--out", "x", "--failure", "melted"], "melted"),
        (["--out", "x", "--gcode", "missing.gcode"], "missing.gcode"),
        (["--out", "x", "--interval", "0.001", "--hours", "2"], "--interval"),
    ],
)
def test_mistakes_are_named(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["simulate", *words])
    assert result.exit_code in (1, 2)
    assert said in result.stderr
    assert not list(tmp_path.iterdir())


def test_it_does_not_write_among_other_pictures(tmp_path: Path) -> None:
    (tmp_path / "mine.jpg").write_bytes(b"")
    result = CliRunner().invoke(app, ["simulate", *SHORT, "--out", str(tmp_path)])
    assert result.exit_code == 1 and "already" in result.stderr
