"""Bambu Lab's error codes in plain words: those that a print's watcher may meet.

Two spaces of codes: `print_error`, eight hexadecimal digits (0300-8004), and HMS entries, sixteen
(0500-0500-0001-0007), as attribute and code. The meanings are those of Bambu Lab's wiki.
"""

from __future__ import annotations

from typing import Any, Optional

from layerwatch_watcher.printers.http import mapping

COMMANDS_REFUSED = (0x05000500, 0x00010007)
"""The HMS entry of firmware that drops commands from other programs."""
DEVELOPER_HINT = (
    "on the printer's screen, Settings → Network: switch on LAN-only mode and then developer mode; newer "
    "firmware takes commands from other programs in no other mode"
)
CANCELLED = frozenset({0x0300400C, 0x0500400E})
"""`print_error` of a print that a person stopped."""

_PRINT_ERRORS = {
    0x0300400C: "the print was cancelled",
    0x0500400E: "the print was cancelled",
    0x03008000: "paused for an unknown reason",
    0x03008001: "paused by a person",
    0x03008002: "the printer found faults in the first layer",
    0x03008003: "the printer's own detection found spaghetti",
    0x03008004: "the filament has run out",
    0x03008005: "the toolhead's front cover has come off",
    0x03008006: "the build plate was not recognised",
    0x03008007: "a print was interrupted by a power loss",
    0x03008008: "the nozzle does not keep its temperature",
    0x03008009: "the heated bed does not keep its temperature",
    0x0300800A: "filament has piled up in the waste chute",
    0x0300800B: "the filament cutter is stuck",
    0x0300800C: "the printer lost steps and recovered",
    0x0300800D: "the extruder does not extrude normally",
    0x0300800F: "the door is open",
    0x03008013: "paused by a command in the file",
    0x03008015: "the filament has run out",
    0x05024007: "the printer did not take the command",
    0x07008011: "the filament in the AMS has run out",
    0x07FF8030: "the filament has run out",
}
_HMS = {COMMANDS_REFUSED: "the printer refuses commands from other programs (developer mode is off)"}


def print_error_text(code: object) -> str:
    """A `print_error` in words, with its number; empty for none."""
    if isinstance(code, bool) or not isinstance(code, int) or code <= 0:
        return ""
    number = f"{code >> 16:04X}-{code & 0xFFFF:04X}"
    words = _PRINT_ERRORS.get(code)
    return f"{words} ({number})" if words else f"error {number}"


def hms_entries(report: dict[str, Any]) -> list[tuple[int, int]]:
    """The report's HMS entries as (attribute, code)."""
    listed = report.get("hms")
    entries = map(mapping, listed) if isinstance(listed, list) else ()
    return [
        (entry["attr"], entry["code"])
        for entry in entries
        if isinstance(entry.get("attr"), int) and isinstance(entry.get("code"), int)
    ]


def hms_text(entry: tuple[int, int]) -> str:
    """An HMS entry in words, with its number."""
    attribute, code = entry
    parts = (attribute >> 16, attribute & 0xFFFF, code >> 16, code & 0xFFFF)
    number = "HMS " + "-".join(f"{part & 0xFFFF:04X}" for part in parts)
    words = _HMS.get(entry)
    return f"{words} ({number})" if words else number


def developer_mode(report: dict[str, Any]) -> Optional[bool]:
    """Whether commands from other programs are taken; None if the firmware does not say."""
    if COMMANDS_REFUSED in hms_entries(report):
        return False
    try:
        return not int(str(report["fun"]), 16) & 0x20000000
    except (KeyError, ValueError):
        return None
