"""Guided set-up: find a printer, try it, write the watcher's file."""
