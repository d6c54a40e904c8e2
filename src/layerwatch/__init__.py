"""Layerwatch: watches 3D prints through their webcams and says when one is failing."""

__version__ = "0.1.0"
