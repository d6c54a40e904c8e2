"""What a Bambu Lab printer's put-together report means."""

from __future__ import annotations

from typing import Any

from layerwatch_watcher.printers.bambu_codes import (
    CANCELLED,
    print_error_text,
)
from layerwatch_watcher.printers.base import (
    PrinterState,
    PrinterStatus,
    count,
    fraction,
    refined,
)
from layerwatch_watcher.printers.http import mapping

_STATES = {
    "IDLE": PrinterState.IDLE,
    "INIT": PrinterState.OFFLINE,
    "OFFLINE": PrinterState.OFFLINE,
    "SLICING": PrinterState.PREPARING,
    "PREPARE": PrinterState.PREPARING,
    "RUNNING": PrinterState.PRINTING,
    "PAUSE": PrinterState.PAUSED,
    "FINISH": PrinterState.FINISHED,
    "FAILED": PrinterState.ERROR,
}

# `stg_cur` while RUNNING: levelling, heating, sweeping, scanning, homing, cleaning, calibrating, cooling.
_PREPARING_STAGES = frozenset({1, 2, 3, 7, 8, 9, 11, 12, 13, 14, 15, 18, 19, 25, 29})

# `stg_cur` while PAUSE: filament runout, change, loading; front cover off; malfunctions.
_ATTENTION_STAGES = frozenset({4, 6, 17, 20, 21, 22, 23, 24, 26, 27, 28, 32, 33, 34, 35})


def extruders_of(report: dict[str, Any]) -> list[int]:
    """Temperature and target of each extruder, packed into a number; of printers with several."""
    listed = mapping(mapping(report.get("device")).get("extruder")).get("info")
    packed = [mapping(one).get("temp") for one in listed] if isinstance(listed, list) else []
    return [number for number in packed if isinstance(number, int)]


def status_of(report: dict[str, Any], age: float = 0.0) -> PrinterStatus:
    """What a printer's put-together report means. age: seconds since it came."""
    state = _STATES.get(str(report.get("gcode_state")), PrinterState.IDLE)
    stage = report.get("stg_cur")
    if state is PrinterState.PRINTING and stage in _PREPARING_STAGES:
        state = PrinterState.PREPARING
    elif state is PrinterState.PAUSED and stage in _ATTENTION_STAGES:
        state = PrinterState.ATTENTION
    error = report.get("print_error")
    if state is PrinterState.ERROR and (error in CANCELLED or error in (0, None)):
        state = PrinterState.CANCELLED
    # Local prints have task and subtask 0; then the start time tells prints apart, where it is reported.
    parts = [str(report.get(name) or "0") for name in ("task_id", "subtask_id", "gcode_start_time")]
    job = "-".join(parts)
    name = report.get("subtask_name") or report.get("gcode_file")
    progress = fraction(report.get("mc_percent"), 100.0)
    layer, layers = count(report.get("layer_num")), count(report.get("total_layer_num"))
    text = print_error_text(error) if state is PrinterState.ERROR or state.standing else ""
    return PrinterStatus(
        refined(state, progress=progress, layer=layer if layers else None),
        job=None if set(parts) == {"0"} else job,
        file=str(name) if name else None,
        progress=progress,
        message=text,
        layer=layer or None,
        layers=layers or None,
        age=age,
    )
