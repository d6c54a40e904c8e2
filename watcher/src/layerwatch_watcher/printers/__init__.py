"""Printers: whatever runs the print, as a thing that says how it goes and can be stopped.

Each kind has its module, imported only where it is used: `octoprint`, `moonraker`, `moonraker_socket`,
`prusalink`, `bambu`, `duet`.
"""

from layerwatch_watcher.printers.base import (
    NotSupported,
    Printer,
    PrinterError,
    PrinterSetupError,
    PrinterState,
    PrinterStatus,
)

__all__ = ["NotSupported", "Printer", "PrinterError", "PrinterSetupError", "PrinterState", "PrinterStatus"]
