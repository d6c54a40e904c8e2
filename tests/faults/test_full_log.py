"""A log that cannot be written costs its lines and nothing else."""

from __future__ import annotations

import io

import structlog

from layerwatch.telemetry.logging import configure


class Full(io.StringIO):
    """The disk below it is full."""

    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_line_that_cannot_be_written_raises_nothing(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("sys.stderr", Full())
    try:
        configure("info", "json")
        structlog.get_logger().error("the disk is full")
    finally:
        monkeypatch.undo()
        configure("error", "console")
