"""What must hold of every message: it is true when it is sent, is not sent twice, and comes in time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from watcher.tests.nights.plant import Plant, now
from watcher.tests.nights.scenarios import CAMERA, PRINTER, SERVICE, Fault
from watcher.tests.nights.service import Service

from layerwatch_watcher.notifications.event import Event, Kind

IN_TIME_S = 190.0
"""A blindness is reported within three minutes, and a poll."""
FROZEN_MORE_S = 90.0
"""That a picture is frozen shows by its repetition only."""
BACK_S = 130.0
REMIND_S = 3600.0
_ABOUT = {
    Kind.CAMERA_TROUBLE: "camera",
    Kind.SERVICE_TROUBLE: "service",
    Kind.PRINTER_TROUBLE: "printer",
    Kind.CAMERA_BACK: "camera",
    Kind.SERVICE_BACK: "service",
    Kind.PRINTER_BACK: "printer",
}
_BACK = (Kind.CAMERA_BACK, Kind.SERVICE_BACK, Kind.PRINTER_BACK)


@dataclass
class Message:
    """One message as it was sent."""

    at: float
    job: int
    event: Event


@dataclass
class Checks:
    """wrong: every sentence that did not hold."""

    service: Service
    sent: dict[int, list[Message]] = field(default_factory=dict)
    open: dict[tuple[int, str], Message] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    messages: Counter[str] = field(default_factory=Counter)
    started: Counter[tuple[int, int]] = field(default_factory=Counter)

    def hear(self, plant: Plant, event: Event) -> None:
        """A message is being sent."""
        plant.tick()
        said = Message(now(), plant.job, Event(event.kind, event.printer, event.title, event.text))
        self.messages[event.kind.value] += 1
        if not self._true(plant, event):
            self._wrong(plant, f"claims {event.title!r} ({event.text}) while {self._truth(plant)}")
        self._once(plant, said)
        mine = self.sent.setdefault(plant.number, [])
        mine.append(said)
        del mine[:-60]

    def _truth(self, plant: Plant) -> str:
        hot = {name: target for name, target in plant.targets.items() if target}
        return f"{plant.state}, {sorted(plant.faults)}, hot {hot}, paused by order {plant.paused_by_order}"

    def _true(self, plant: Plant, event: Event) -> bool:
        kind, title = event.kind, event.title
        if kind in _ABOUT:
            about = _ABOUT[kind]
            names = {"camera": CAMERA, "service": SERVICE, "printer": PRINTER[plant.kind]}[about]
            wrong = any(name in plant.faults for name in names)
            return wrong is (kind not in _BACK)
        if kind is Kind.ACTION_FAILED and "heaters are still on" in title:
            return any(plant.targets.values())
        return {
            Kind.PRINT_STARTED: plant.busy,
            Kind.PRINT_FINISHED: plant.state == "finished",
            Kind.PRINT_ENDED: plant.state == "cancelled" or plant.elapsed < 30,
            Kind.PAUSED: plant.paused_by_order is not None and plant.state in ("paused", "printing"),
            Kind.RESUMED: plant.state == "printing",
            Kind.WARNING: plant.failing,
            Kind.ACTION_FAILED: plant.state != "paused",
            Kind.HEATERS_OFF: "are off" not in title or not any(plant.targets.values()),
        }.get(kind, False)

    def _once(self, plant: Plant, said: Message) -> None:
        event = said.event
        if event.kind is Kind.PRINT_STARTED:
            self.started[plant.number, plant.job] += 1
        if event.kind in _ABOUT:
            where = (plant.number, _ABOUT[event.kind])
            before = self.open.pop(where, None)
            if event.kind not in _BACK:
                self.open[where] = said
                if before is not None and before.job == said.job:
                    self._wrong(plant, f"reports {event.title!r} a second time")
            elif before is None:
                self._wrong(plant, f"reports {event.title!r} without a trouble before")
            return
        for one in self.sent.get(plant.number, ()):
            same = (one.job, one.event.kind, one.event.title) == (said.job, event.kind, event.title)
            if same and (event.kind is not Kind.ACTION_FAILED or said.at - one.at < REMIND_S - 1):
                self._wrong(plant, f"reports {event.title!r} a second time, after {said.at - one.at:.0f} s")

    def fault_over(self, fault: Fault) -> None:
        """Some minutes after a fault: was it reported once, in time, and its end?"""
        about = [
            one
            for one in self.sent.get(fault.plant.number, ())
            if _ABOUT.get(one.event.kind) == fault.about and fault.begin <= one.at <= fault.end + BACK_S
        ]
        begun = [one for one in about if one.event.kind not in _BACK]
        ended = [one for one in about if one.event.kind in _BACK]
        where = f"{fault.name} for {fault.end - fault.begin:.0f} s"
        if not fault.long:
            if about:
                self._wrong(fault.plant, f"reports {where}")
            return
        limit = IN_TIME_S + (FROZEN_MORE_S if fault.name == "camera frozen" else 0.0)
        if len(begun) != 1 or begun[0].at > fault.begin + limit:
            after = [round(one.at - fault.begin) for one in begun]
            self._wrong(fault.plant, f"{where}: reported {len(begun)} times, after {after} s")
        if len(ended) != 1 or ended[0].at < fault.end:
            self._wrong(fault.plant, f"{where}: its end was reported {len(ended)} times")

    def minute(self, plant: Plant, printing_for: float) -> None:
        """A minute of a print that has been printing for so long: it is seen, or reported as not seen."""
        looks = self.service.looks.get(plant.number, [])
        unseen = min(printing_for, now() - (looks[-1] if looks else 0.0))
        reported = any((plant.number, about) in self.open for about in ("camera", "service"))
        if unseen > IN_TIME_S + FROZEN_MORE_S and not reported:
            self._wrong(plant, f"nothing was seen for {unseen:.0f} s, and nothing was said of it")
        del looks[:-5]

    def failed_print(self, plant: Plant, detail: str, orders: int, seconds: float) -> None:
        """A print that failed: was it paused once, in time?"""
        if detail.startswith("refused"):
            return
        if seconds > 300:
            self._wrong(plant, f"a failing print was not paused in time ({detail}): {seconds:.0f} s")
        most = 2 if detail.startswith(("late", "lost", "answer lost")) else 1
        if orders > most:
            self._wrong(plant, f"{orders} pauses were ordered ({detail})")

    def print_over(self, plant: Plant, job: int) -> None:
        times = self.started.pop((plant.number, job), 0)
        if times != 1:
            self._wrong(plant, f"print {job} was reported as begun {times} times")
        contexts = self.service.opened.pop((plant.number, job), 0)
        if contexts > 1:
            self._wrong(plant, f"print {job} had {contexts} contexts")
        for about in ("camera", "service", "printer"):
            self.open.pop((plant.number, about), None)

    def _wrong(self, plant: Plant, what: str) -> None:
        hours, rest = divmod(int(now()), 3600)
        self.wrong.append(
            f"{hours:02d}:{rest // 60:02d} {plant.kind} {plant.number}, print {plant.job}: {what}"
        )
