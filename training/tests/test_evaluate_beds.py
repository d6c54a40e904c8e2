"""`evaluate-beds`: rendered and real beds, half of the pictures with something on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from layerwatch.vision.bed import BedAnswer
from layerwatch_train.beds import HEAD, Tally
from layerwatch_train.cli import app

CLEAR, FOUND, UNKNOWN = BedAnswer.CLEAR, BedAnswer.NOT_CLEAR, BedAnswer.CANNOT_SAY


def save(path: Path, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    Image.fromarray(pixels).save(path, "JPEG", quality=92)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One empty bed, one that is torn, and a failure of a colour that the bed has not."""
    rng = np.random.default_rng(1)
    bed = np.kron(rng.uniform(80, 120, (12, 16, 3)), np.ones((40, 40, 1))).astype(np.uint8)
    failed = bed.copy()
    failed[160:400, 200:480] = (230, 60, 200)
    save(tmp_path / "bed.jpg", bed)
    save(tmp_path / "torn.jpg", bed)
    save(tmp_path / "failed.jpg", failed)
    columns = "file,source,licence,label,failure_type,view,group,sequence,frame,boxes,note"
    rows = (
        "bed.jpg,s,MIT,other,,webcam,a,,,,an empty bed",
        'torn.jpg,s,MIT,other,,webcam,b,,,,"an empty bed, torn"',
        'failed.jpg,s,MIT,failed,spaghetti,webcam,c,,,"spaghetti:0.53,0.58,0.43,0.49",',
    )
    (tmp_path / "index.csv").write_text("\n".join((columns, *rows)) + "\n")
    return tmp_path


def test_a_row_gives_shares_of_clear_and_of_occupied_beds() -> None:
    row = Tally("parked", [CLEAR, CLEAR, FOUND, UNKNOWN], [FOUND, FOUND, FOUND, CLEAR]).row()
    assert row == "| parked | 4 | 25.0 % | 25.0 % | 4 | 75.0 % | 0.0 % |"


def test_no_bed_is_no_share() -> None:
    assert Tally("none", [], []).row() == "| none | 0 | - | - | 0 | - | - |"


@pytest.mark.timeout(600)
def test_the_command_judges_rendered_and_real_beds(data: Path) -> None:
    judged = CliRunner().invoke(app, ["evaluate-beds", "--data", str(data), "--printers", "1"])
    assert judged.exit_code == 0, judged.output
    assert judged.stdout.startswith(HEAD)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in judged.stdout.splitlines()[2:]]
    assert [(name, clear, left) for name, clear, _, _, left, _, _ in rows] == [
        ("rendered, parked, shown once", "8", "8"),
        ("rendered, parked, learned from 6 starts", "8", "8"),
        ("rendered, printing already, shown once", "8", "8"),
        ("rendered, printing already, learned from 6 starts", "8", "8"),
        ("1 real beds, left-overs pasted, shown once", "20", "20"),  # the torn one is left out
    ]
    *_, real = rows
    assert real[2] == "0.0 %" and real[5] == "100.0 %"
