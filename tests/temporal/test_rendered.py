"""Rendered prints: pictures kept once, looked at by any detector, closer where it finds them odd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from layerwatch.vision import Condition, Evidence, HeatMap
from layerwatch_train.temporal import rendered
from layerwatch_train.temporal.prints import Print


class Eye:
    """A detector that finds every picture odd, or none."""

    def __init__(self, probability: float) -> None:
        self.probability = probability

    def inspect(self, jpeg: bytes) -> Evidence:
        pixels = np.frombuffer(jpeg[-768:].rjust(768, b"\0"), np.uint8)
        return Evidence(
            failure_probability=self.probability,
            kinds=(self.probability,) * 8,
            heat=HeatMap(8, 8, bytes(64)),
            boxes=(),
            print_in_view=1.0,
            condition=Condition.OK,
            brightness=0.5,
            sharpness=0.5,
            thumbnail=pixels.tobytes(),
            model_version="test",
            milliseconds=0.0,
        )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(rendered, "SHORT_HOURS", (0.08, 0.09))
    monkeypatch.setattr(rendered, "LONG_SHARE", 0.0)
    monkeypatch.setattr(rendered, "SIZE", (64, 48))
    rendered.render(tmp_path, 2, 5, lambda text: None)
    return tmp_path


def look(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, probability: float) -> list[Print]:
    monkeypatch.setattr(rendered, "_key_of", lambda model: name)
    monkeypatch.setattr(rendered.Vision, "load", lambda *arguments, **named: Eye(probability))
    return list(rendered.rendered_prints(folder, None, lambda text: None))


def test_the_second_of_two_prints_fails_and_both_are_kept_at_a_client_s_pace(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy, failing = look(folder, monkeypatch, "calm", 0.05)
    assert healthy.tags[0] == "healthy" and healthy.onset is None
    assert set(np.diff(healthy.seconds)) == {rendered.PACE}
    assert failing.tags[0] != "healthy" and failing.well_until is not None
    after = failing.seconds[failing.seconds > failing.well_until]
    assert set(np.diff(after)) == {rendered.CLOSE_PACE}


def test_a_detector_that_finds_a_print_odd_gets_pictures_between_the_kept_ones(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm = look(folder, monkeypatch, "calm", 0.05)[0]
    odd = look(folder, monkeypatch, "odd", 0.9)[0]
    assert set(calm.seconds) < set(odd.seconds)
    assert np.diff(odd.seconds).min() == rendered.CLOSE_PACE


def test_what_is_there_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look(folder, monkeypatch, "calm", 0.05)
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*.npz")}
    rendered.render(folder, 2, 5, lambda text: None)
    look(folder, monkeypatch, "calm", 0.05)
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*.npz")} == before
