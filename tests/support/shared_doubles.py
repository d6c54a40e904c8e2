"""A clock and a detector that a test steers in other processes: by two files in a folder they all see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from layerwatch.vision import Picture, RawDetection
from tests.support.fake_detector import FakeDetector


class SharedClock:
    """Real time plus what the test added."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "seconds-ahead"

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._ahead())

    def advance(self, seconds: float) -> None:
        """Move every process's clock on."""
        part = self._file.with_suffix(".part")
        part.write_text(repr(self._ahead() + seconds))
        part.rename(self._file)

    def _ahead(self) -> float:
        return float(self._file.read_text()) if self._file.exists() else 0.0


class SharedDetector(FakeDetector):
    """The fast double; a test can make it crash with a message, in every process that has one."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._file = folder / "crash"

    @property
    def crash(self) -> str | None:
        """What it fails with."""
        return self._file.read_text() if self._file.exists() else None

    @crash.setter
    def crash(self, message: str | None) -> None:
        if message is None:
            self._file.unlink(missing_ok=True)
        else:
            self._file.write_text(message)

    def detect(self, images: Sequence[Picture]) -> list[RawDetection]:
        if (message := self.crash) is not None:
            raise RuntimeError(message)
        return super().detect(images)
