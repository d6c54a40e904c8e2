"""Pausing, resuming and cancelling prints from the console, through a connected watcher."""

from layerwatch.acting.actions import ActionRefused, Connection, Order, PrintAction, Report, Stage
from layerwatch.acting.exchange import WatcherExchange

__all__ = ["ActionRefused", "Connection", "Order", "PrintAction", "Report", "Stage", "WatcherExchange"]
