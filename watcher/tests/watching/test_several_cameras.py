"""Several cameras of one print: each looks for itself, and the print has one alarm and one pause."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import pytest
from watcher.tests.stand_ins.judge import HEALTHY, PAUSE, WARN, Verdict, inspection
from watcher.tests.watching.conftest import MemoryCamera, Scene

from layerwatch_sdk.errors import NoAnswer
from layerwatch_sdk.models import Context, Inspection, PrintLabels
from layerwatch_watcher.notifications.event import Kind

Make = Callable[..., Scene]
LIMIT_S = 180


@pytest.fixture
def two(scene: Make) -> Scene:
    """A printer with the cameras `side` and `top`, of which each has its own verdict and condition."""
    s = scene()
    s.cameras = {"side": MemoryCamera(), "top": MemoryCamera()}
    s.judge = judge = Judges(s)  # type: ignore[assignment]
    judge.verdicts = {"side": HEALTHY, "top": HEALTHY}
    return s


class Judges:
    """Judges each context by the camera that it was opened for."""

    def __init__(self, scene: Scene) -> None:
        self.clock = scene.clock
        self.verdicts: dict[str, Verdict] = {}
        self.conditions: dict[str, str] = {}
        self.contexts: list[str] = []
        self.judged: list[str] = []
        self.feedback_received: list[tuple[str, str]] = []
        self.away = False

    async def create_context(
        self, warning_level: int = 3, pause_level: int = 3, *, labels: Optional[PrintLabels] = None
    ) -> Context:
        assert labels is not None and labels.camera is not None
        if self.away:
            raise NoAnswer("away")
        self.contexts.append(labels.camera)
        return Context(labels.camera, "http://x/1", "http://x/2", warning_level, pause_level)

    async def process(self, context: Context, jpeg: bytes, **more: Any) -> Inspection:
        if self.away:
            raise NoAnswer("away")
        camera = context.context_id
        self.judged.append(camera)
        condition = self.conditions.get(camera, "ok")
        return inspection(self.verdicts[camera], 20, self.clock.monotonic(), condition)

    async def feedback(self, context: Context, kind: str, **details: Any) -> None:
        self.feedback_received.append((context.context_id, kind))

    async def close(self) -> None:
        pass


async def printing(s: Scene) -> Any:
    s.watch()
    s.start_print()
    await s.run(60)
    return s.judge


async def test_each_camera_has_a_context_and_pictures_of_its_own(two: Scene) -> None:
    judge = await printing(two)
    assert judge.contexts == ["side", "top"]
    assert judge.judged.count("side") >= 3 and judge.judged.count("top") >= 3


async def test_what_one_camera_sees_pauses_the_print_once(two: Scene) -> None:
    judge = await printing(two)
    judge.verdicts["top"] = PAUSE
    await two.run(60)
    assert two.machine.commands == ["pause"]
    assert two.kinds() == [Kind.PRINT_STARTED, Kind.PAUSED]
    assert "seen by top" in two.events[-1].text


async def test_what_both_cameras_see_is_one_alarm(two: Scene) -> None:
    judge = await printing(two)
    judge.verdicts = {"side": WARN, "top": WARN}
    await two.run(300)
    assert two.kinds() == [Kind.PRINT_STARTED, Kind.WARNING]
    judge.verdicts = {"side": PAUSE, "top": PAUSE}
    await two.run(60)
    assert two.machine.commands == ["pause"] and two.kinds().count(Kind.PAUSED) == 1


async def test_a_camera_that_sees_nothing_wrong_does_not_end_the_other_ones_alarm(two: Scene) -> None:
    judge = await printing(two)
    judge.verdicts["top"] = WARN
    await two.run(60)
    judge.conditions["top"] = "dark"
    await two.run(300)
    judge.conditions["top"] = "ok"
    await two.run(60)
    assert two.kinds().count(Kind.WARNING) == 1
    judge.verdicts["top"] = HEALTHY
    await two.run(120)
    judge.verdicts["top"] = WARN
    await two.run(60)
    assert two.kinds().count(Kind.WARNING) == 2, "it was gone, and is there again"


async def test_a_resume_by_a_person_is_known_in_every_context(two: Scene) -> None:
    judge = await printing(two)
    judge.verdicts["top"] = PAUSE
    await two.run(60)
    two.machine.resume()
    await two.run(60)
    assert sorted(judge.feedback_received) == [("side", "resumed"), ("top", "resumed")]
    assert two.machine.commands == ["pause", "resume"]


async def test_a_false_alarm_belongs_to_the_camera_that_saw_it(two: Scene) -> None:
    judge = await printing(two)
    judge.verdicts["top"] = WARN
    await two.run(60)
    two.watcher.feedback("false_alarm", "anna")
    await two.run(60)
    assert judge.feedback_received == [("top", "false_alarm")]


async def test_one_blind_camera_is_reported_with_who_still_watches(two: Scene) -> None:
    judge = await printing(two)
    two.cameras["top"].broken = "unplugged"
    await two.run(LIMIT_S)
    (trouble,) = [event for event in two.events if event.kind is Kind.CAMERA_TROUBLE]
    assert trouble.title.startswith("mk4 is not seen by top: unplugged")
    assert "still watched by side" in trouble.text
    assert two.watcher.seen
    judge.verdicts["side"] = PAUSE
    await two.run(30)
    assert two.machine.commands == ["pause"]


async def test_when_the_last_camera_goes_blind_no_camera_is_said_to_watch(two: Scene) -> None:
    await printing(two)
    two.cameras["top"].broken = two.cameras["side"].broken = "unplugged"
    await two.run(LIMIT_S)
    troubles = [event for event in two.events if event.kind is Kind.CAMERA_TROUBLE]
    assert len(troubles) == 2 and "no other camera sees it either" in troubles[-1].text
    assert not two.watcher.seen
    two.cameras["side"].broken = None
    await two.run(90)
    assert two.kinds()[-1] is Kind.CAMERA_BACK
    assert two.events[-1].title == "mk4: the camera side is back"
    assert two.events[-1].text == "it is watched again; not by top"
    assert two.watcher.seen


async def test_a_service_that_is_away_is_reported_once_for_all_cameras(two: Scene) -> None:
    judge = await printing(two)
    judge.away = True
    await two.run(2 * LIMIT_S)
    judge.away = False
    await two.run(LIMIT_S)
    services = [kind for kind in two.kinds() if kind in (Kind.SERVICE_TROUBLE, Kind.SERVICE_BACK)]
    assert services == [Kind.SERVICE_TROUBLE, Kind.SERVICE_BACK]
    assert Kind.CAMERA_TROUBLE not in two.kinds()


async def test_a_restart_goes_on_in_every_context(two: Scene) -> None:
    judge = await printing(two)
    await two.die()
    two.watch()
    await two.run(60)
    assert judge.contexts == ["side", "top"]
    assert two.kinds() == [Kind.PRINT_STARTED]


async def test_a_missed_failure_is_reported_for_every_camera(two: Scene) -> None:
    judge = await printing(two)
    judge.verdicts["top"] = WARN
    await two.run(60)
    assert two.watcher.feedback("missed_failure", "anna")
    await two.run(60)
    assert sorted(judge.feedback_received) == [("side", "missed_failure"), ("top", "missed_failure")]
