"""A camera is enough: a print is under way while something moves in its pictures."""

from __future__ import annotations

import io
from typing import Optional

import pytest
from PIL import Image

from layerwatch_watcher.cameras import Camera, CameraError
from layerwatch_watcher.printers.base import NotSupported, PrinterError, PrinterState
from layerwatch_watcher.printers.camera_only import SAMPLE_S, STILL_S, CameraOnly


class Scene:
    """A grey bed with a dark head on it, filmed by a camera with noise."""

    def __init__(self) -> None:
        self.now = 0.0
        self.head = 0
        self.lamp = 0
        self.broken: Optional[str] = None
        self.frozen: Optional[bytes] = None
        self.taken = 0
        self.seen: Optional[Camera] = None

    def printer(self) -> CameraOnly:
        """The printer of which only this camera is known."""
        printer = CameraOnly(lambda: self.now)
        self.seen = printer.through(self)
        return printer

    async def snapshot(self) -> bytes:
        if self.broken:
            raise CameraError(self.broken, "plug it in")
        if self.frozen is not None:
            return self.frozen
        self.taken += 1
        image = Image.effect_noise((320, 240), 4).point(lambda value: value - 28 + self.lamp)
        image.paste(20, (self.head, 60, self.head + 50, 120))
        out = io.BytesIO()
        image.convert("RGB").save(out, "JPEG", quality=85)
        return out.getvalue()

    async def close(self) -> None:
        pass


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def pass_time(scene: Scene, printer: CameraOnly, seconds: float, *, moving: bool) -> PrinterState:
    """As the watcher does: the printer every 5 s, a picture every 40 s while it prints."""
    assert scene.seen is not None
    due = scene.now
    status = await printer.status()
    for _ in range(int(seconds / 5)):
        scene.now += 5
        if moving:
            scene.head = int(scene.now * 7) % 250
        status = await printer.status()
        if status.state is PrinterState.PRINTING and scene.now >= due:
            due = scene.now + 40
            await scene.seen.snapshot()
    return status.state


async def test_it_prints_from_the_start_and_ends_when_nothing_moves(scene: Scene) -> None:
    printer = scene.printer()
    assert await pass_time(scene, printer, 3600, moving=True) is PrinterState.PRINTING
    assert await pass_time(scene, printer, STILL_S - 60, moving=False) is PrinterState.PRINTING
    assert await pass_time(scene, printer, 120, moving=False) is PrinterState.IDLE
    assert "nothing has moved" in (await printer.status()).message


async def test_the_next_print_is_another_one_and_begins_within_two_minutes(scene: Scene) -> None:
    printer = scene.printer()
    await pass_time(scene, printer, STILL_S + 300, moving=False)
    first = (await printer.status()).job
    assert await pass_time(scene, printer, 120, moving=True) is PrinterState.PRINTING
    assert (await printer.status()).job != first


async def test_a_hand_or_a_lamp_is_no_print(scene: Scene) -> None:
    printer = scene.printer()
    await pass_time(scene, printer, STILL_S + 300, moving=False)
    scene.head = 100  # somebody takes the part
    await pass_time(scene, printer, SAMPLE_S + 5, moving=False)
    assert await pass_time(scene, printer, 600, moving=False) is PrinterState.IDLE
    scene.lamp = 60
    assert await pass_time(scene, printer, 600, moving=False) is PrinterState.IDLE


async def test_a_frozen_camera_does_not_end_a_print(scene: Scene) -> None:
    printer = scene.printer()
    await pass_time(scene, printer, 600, moving=True)
    scene.frozen = await scene.snapshot()
    assert await pass_time(scene, printer, 2 * STILL_S, moving=False) is PrinterState.PRINTING


async def test_no_picture_between_prints_is_a_printer_that_does_not_answer(scene: Scene) -> None:
    printer = scene.printer()
    await pass_time(scene, printer, STILL_S + 300, moving=False)
    scene.broken = "the camera is gone"
    scene.now += SAMPLE_S
    with pytest.raises(PrinterError, match="the camera is gone"):
        await printer.status()


async def test_nothing_can_be_paused(scene: Scene) -> None:
    with pytest.raises(NotSupported, match="only a camera"):
        await CameraOnly(lambda: scene.now).pause()


async def test_motion_that_one_of_several_cameras_sees_is_a_print(scene: Scene) -> None:
    printer, behind = scene.printer(), Scene()
    blind = printer.through(behind)
    await blind.snapshot()
    assert await pass_time(scene, printer, STILL_S + 300, moving=True) is PrinterState.PRINTING
    assert await pass_time(scene, printer, STILL_S + 60, moving=False) is PrinterState.IDLE
    behind.broken = "unplugged"
    assert await pass_time(scene, printer, 120, moving=True) is PrinterState.PRINTING
