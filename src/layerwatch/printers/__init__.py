"""Printers that are known: what is remembered of each from print to print, and how its bed looks empty."""

from layerwatch.printers.service import MemorySweeper, PrinterMemories, start_of

__all__ = ["MemorySweeper", "PrinterMemories", "start_of"]
