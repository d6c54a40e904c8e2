"""The whole loop on made-up pictures: a real server, its users, its reviewer, its operator."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from layerwatch_train.cli import app

from .test_improve import current

__all__ = ["current"]


def two_sources(folder: Path) -> Path:
    """Twelve printers of two sources, each before a background of its own; failed pictures hold noise."""
    folder.mkdir()
    rng = np.random.default_rng(4)
    rows = ["file,source,licence,label,failure_type,view,group,sequence,frame,boxes"]
    for n in range(72):
        printer, failed = n % 12, n // 12 % 2 == 1
        field = rng.integers(0, 200, (8, 10, 3), dtype=np.uint8)
        image = cv2.resize(field, (160, 128), interpolation=cv2.INTER_CUBIC)
        if failed:
            image[40:100, 40:120] = rng.integers(0, 255, (60, 80, 3))
        Image.fromarray(image).save(folder / f"{n}.jpg")
        source, kind = ("new", "old")[printer % 2], "failed,spaghetti" if failed else "good,"
        rows.append(f"{n}.jpg,{source}/x,,{kind},webcam,printer{printer},,,")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.mark.timeout(600)
def test_feedback_over_the_api_becomes_a_judged_candidate(tmp_path: Path, current: Path) -> None:
    arguments = ["improve-demo", "--data", str(two_sources(tmp_path / "data")), "--source", "new"]
    arguments += ["--begin", str(current), "--out", str(tmp_path / "out"), "--steps", "4"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    table = (tmp_path / "out" / "table.md").read_text()
    assert "new, printers that nobody reported" in table and "other sources" in table
    assert "of them judged wrongly" in result.output
    assert "refused" in result.output or "is active" in result.output.split("reviewed", 1)[1]
