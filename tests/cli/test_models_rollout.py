"""`layerwatch models` on a server that runs, with real detector files."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.test_serve import PROGRAM, environment, needs_detector, serving
from tests.support.onnx_models import save_model

pytestmark = needs_detector


def models(data_dir: Path, *command: str, refused: bool = False) -> Any:
    """What the command prints as JSON, a line each; its error, if it is to be refused."""
    done = subprocess.run(
        [*PROGRAM, "models", *command, "--data-dir", str(data_dir), *([] if refused else ["--json"])],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode != 0) is refused, done.stderr
    return done.stderr if refused else [json.loads(line) for line in done.stdout.splitlines()]


def until_it_looks_with(url: str, version: str, seconds: float = 60) -> None:
    """Wait until the server says that this model is active."""
    deadline = time.monotonic() + seconds
    while (model := httpx.get(f"{url}/readyz", timeout=20).json()["Model"]) != version:
        assert time.monotonic() < deadline, model
        time.sleep(0.2)


def test_a_running_server_takes_a_model_over_and_goes_back(tmp_path: Path) -> None:
    file = save_model(tmp_path / "candidate.onnx", metadata={"layerwatch.version": "candidate-7"})
    with serving("--data-dir", str(tmp_path / "data")) as (_, said):
        url = str(said["url"])
        packaged = httpx.get(f"{url}/readyz", timeout=20).json()["Model"]
        (added,) = models(tmp_path / "data", "add", str(file), "--note", "a test")
        assert added["version"] == "candidate-7"
        models(tmp_path / "data", "promote", added["model"][:8], "--force")
        until_it_looks_with(url, "candidate-7")
        (back,) = models(tmp_path / "data", "rollback")
        assert back["active"] == "packaged"
        until_it_looks_with(url, packaged)
    (step,) = models(tmp_path / "data", "history")
    assert (step["stage"], step["outcome"]) == ("full", "rolled back: by hand")
    listed = models(tmp_path / "data", "list")
    assert [row["role"] for row in listed] == ["active", ""]


def test_a_candidate_that_its_training_calls_worse_is_refused(tmp_path: Path) -> None:
    report = json.dumps({"verdict": "worse", "why": ["other sources: AUROC 0.950 → 0.900"]})
    file = save_model(tmp_path / "worse.onnx", metadata={"layerwatch.report": report})
    assert "AUROC 0.950" in models(tmp_path / "data", "add", str(file), refused=True)
    (added,) = models(tmp_path / "data", "add", str(file), "--force")
    assert len(added["model"]) == 64


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["promote", "0123456789", "--force"], "no known model"),
        (["canary", "packaged", "--share", "0.5"], "active already"),
        (["rollback"], "nothing to go back to"),
        (["promote", "packaged"], "no reviewed pictures yet"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, command: list[str], why: str) -> None:
    assert why in models(tmp_path, *command, refused=True)
