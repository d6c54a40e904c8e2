"""Evidence over time → Verdict: the temporal combination model.

A pure function: no clock, no input or output, no randomness. The same frames give the same verdicts, so a
print can be replayed, simulated and fuzzed. `docs/temporal.md` derives it.
"""

from layerwatch.temporal.explanation import Explanation, explain
from layerwatch.temporal.feedback import (
    LESSONS,
    TEACHERS,
    UNDO,
    UNDO_EARLIER,
    correct_alarm,
    false_alarm,
    forget,
    good,
    missed,
    resumed,
    undo,
    undo_earlier,
)
from layerwatch.temporal.levels import Levels
from layerwatch.temporal.memory import MemoryFormatError, PrinterMemory, ended_well, learn
from layerwatch.temporal.model import step
from layerwatch.temporal.state import PrintState, StateFormatError
from layerwatch.temporal.verdict import Verdict, flags_of

__all__ = [
    "LESSONS",
    "TEACHERS",
    "UNDO",
    "UNDO_EARLIER",
    "Explanation",
    "Levels",
    "MemoryFormatError",
    "PrintState",
    "PrinterMemory",
    "StateFormatError",
    "Verdict",
    "correct_alarm",
    "ended_well",
    "explain",
    "false_alarm",
    "flags_of",
    "forget",
    "good",
    "learn",
    "missed",
    "resumed",
    "step",
    "undo",
    "undo_earlier",
]
