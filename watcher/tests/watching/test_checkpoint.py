"""The checkpoint of a print: whose it is, and that it is written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import pytest

from layerwatch_watcher.printers.base import PrinterState, PrinterStatus
from layerwatch_watcher.watching.checkpoint import (
    Checkpoint,
    CheckpointStore,
    KeptSession,
    default_folder,
    file_of,
)
from layerwatch_watcher.watching.watch_state import Phase, WatchState

NOTE = Checkpoint(1000.0, file="benchy.gcode", elapsed=600.0)
STATUS = PrinterStatus(PrinterState.PRINTING, None, "benchy.gcode", 0.5, 610.0)


@pytest.mark.parametrize(
    ("note", "status", "away", "same"),
    [
        ({}, {}, 10, True),
        ({}, {"elapsed": 580.0}, 10, True),
        ({}, {"elapsed": 500.0}, 10, False),
        ({}, {"file": "vase.gcode"}, 10, False),
        ({}, {"elapsed": None}, 10, False),
        ({}, {"elapsed": 4000.0}, 3400, True),
        ({}, {"elapsed": 3000.0}, 3400, False),
        ({}, {"elapsed": 605.0, "state": PrinterState.PAUSED}, 86400, True),
        ({}, {"elapsed": 605.0, "state": PrinterState.PRINTING}, 86400, False),
        ({"job": "7"}, {"job": "7", "file": None, "elapsed": None}, 86400, True),
        ({"job": "7"}, {"job": "8"}, 10, False),
        ({"job": "7"}, {}, 10, True),
        ({"job": "7"}, {"job": "7"}, 15 * 86400, False),
        ({"elapsed": None}, {"elapsed": None}, 10, True),
        ({"elapsed": 0.0}, {"elapsed": 0.0}, 10, True),
        ({"elapsed": 0.0, "state": WatchState(phase=Phase.PAUSED)}, {"elapsed": 0.0}, 10, False),
        ({"in_print": False}, {}, 10, False),
        ({}, {}, -3600, True),
    ],
)
def test_which_print_is_the_same(
    note: dict[str, Any], status: dict[str, Any], away: float, same: bool
) -> None:
    assert replace(NOTE, **note).is_of(replace(STATUS, **status), 1000.0 + away) is same


@pytest.mark.parametrize(("next_at", "wait"), [(1020.0, 20.0), (900.0, 0.0), (9e9, 300.0)])
def test_a_clock_change_causes_no_long_wait(next_at: float, wait: float) -> None:
    assert KeptSession(next_at=next_at).wait(1000.0) == wait


@pytest.mark.parametrize("when", range(4))
def test_a_write_that_is_cut_off_leaves_the_old_note_or_the_new(
    when: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    path = tmp_path / "a.json"
    CheckpointStore(path).write(NOTE)
    steps = iter(range(100))

    def dies(step: Callable[..., Any]) -> Callable[..., Any]:
        def maybe(*given: Any, **named: Any) -> Any:
            if next(steps) == when:
                raise KeyboardInterrupt
            return step(*given, **named)

        return maybe

    for name in ("open", "fdopen", "fsync"):
        monkeypatch.setattr(os, name, dies(getattr(os, name)))
    monkeypatch.setattr(Path, "replace", dies(Path.replace))
    with pytest.raises(KeyboardInterrupt):
        CheckpointStore(path).write(replace(NOTE, enabled=False), durable=True)
    monkeypatch.undo()
    assert CheckpointStore(path).kept in (NOTE, replace(NOTE, enabled=False))


def test_two_printers_of_one_name_have_two_notes(tmp_path: Path) -> None:
    names = {
        file_of(tmp_path, name, {"kind": "octoprint", "url": url})
        for name, url in (
            ("Mk 4", "http://a"),
            ("Mk 4", "http://b"),
            ("Mk-4", "http://a"),
            ("打印机", "http://a"),
        )
    }
    assert len(names) == 4
    assert all(path.parent == tmp_path for path in names)


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        ({"STATE_DIRECTORY": "/var/lib/layerwatch:/x"}, "/var/lib/layerwatch/prints"),
        ({"XDG_STATE_HOME": "/s"}, "/s/layerwatch/prints"),
        ({}, None),
    ],
)
def test_where_notes_are_kept(
    given: dict[str, str], folder: Optional[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    expected = Path(folder) if folder else Path.home() / ".local" / "state" / "layerwatch" / "prints"
    assert default_folder() == expected
