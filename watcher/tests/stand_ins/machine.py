"""The simulated machine behind every stand-in printer, independent of its protocol."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Optional


@dataclass
class Machine:
    """A printer's state and the commands it received.

    state: offline, idle, heating, printing, paused, attention, finished, cancelled or error.
    stuck: Klipper's flag `is_paused` stays set. It then ignores PAUSE until CLEAR_PAUSE.
    """

    state: str = "idle"
    job: int = 0
    file: str = ""
    progress: float = 0.0
    elapsed: float = 0.0
    message: str = ""
    light: bool = False
    stuck: bool = False
    commands: list[str] = field(default_factory=list)
    targets: dict[str, float] = field(default_factory=lambda: {"tool0": 215.0, "bed": 60.0})
    changed: Optional[Callable[[], None]] = None

    def become(self, state: str) -> None:
        self.state = state
        if self.changed is not None:
            self.changed()

    def start(self, file: str = "benchy.gcode") -> None:
        """Begin a print: it heats first."""
        self.job += 1
        self.file, self.progress, self.elapsed = file, 0.0, 0.0
        self.become("heating")

    def print_on(self, elapsed: float, progress: float) -> None:
        """Come this far with the print."""
        self.elapsed, self.progress = elapsed, progress
        self.become("printing")

    def run_out(self) -> None:
        """The filament runs out: stand still and ask for a person."""
        self.become("attention")

    def finish(self) -> None:
        """The print comes to its end."""
        self.progress = 1.0
        self.become("finished")

    def fail(self, message: str) -> None:
        """Stop with an error."""
        self.message = message
        self.become("error")

    def switch_off(self) -> None:
        """Lose power; the host stays up."""
        self.become("offline")

    @property
    def busy(self) -> bool:
        """True between a print's start and its end."""
        return self.state in ("heating", "printing", "paused", "attention")

    def pause(self) -> bool:
        """Pause the print. False if nothing is printing."""
        self.commands.append("pause")
        if not self.busy:
            return False
        if self.stuck:
            return True
        if self.state in ("heating", "printing"):
            self.become("paused")
        return True

    def resume(self) -> bool:
        """Resume the print. False if nothing is paused."""
        self.commands.append("resume")
        if self.state not in ("paused", "attention"):
            return False
        self.become("printing")
        return True

    def cancel(self) -> bool:
        """Cancel the print. False if there is none."""
        self.commands.append("cancel")
        if not self.busy:
            return False
        self.become("cancelled")
        return True

    def gcode(self, lines: list[str]) -> None:
        """Run G-code. M104 without T addresses the first tool, as in Marlin."""
        self.commands += lines
        for line in lines:
            code, *words = line.split()
            values = {word[0]: word[1:] for word in words}
            if code == "CLEAR_PAUSE":
                self.stuck = False
            elif code == "TURN_OFF_HEATERS":
                self.targets = dict.fromkeys(self.targets, 0.0)
            elif code == "M104" and f"tool{values.get('T', 0)}" in self.targets:
                self.targets[f"tool{values.get('T', 0)}"] = float(values["S"])
            elif code == "M140":
                self.targets["bed"] = max(0.0, float(values.get("S", 0)))
            elif code == "M568":
                self.targets[f"tool{values['P']}"] = float(values["S"])

    def switch_light(self, on: bool) -> None:
        """Switch the light."""
        self.light = on
        self.commands.append(f"light {'on' if on else 'off'}")
