"""Training of the Layerwatch models."""
