"""Composition root: builds every part of the server once, and is the only room that knows them all."""

from layerwatch.app.application import create_app
from layerwatch.app.build_services import MakeOwnWatcher, MakePeers, Parts
from layerwatch.app.detectors import MakeInspector, OpenModel

__all__ = ["MakeInspector", "MakeOwnWatcher", "MakePeers", "OpenModel", "Parts", "create_app"]
