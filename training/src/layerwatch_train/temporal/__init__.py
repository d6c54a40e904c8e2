"""Judging and calibrating the temporal model. Needs numpy and layerwatch, never torch."""
