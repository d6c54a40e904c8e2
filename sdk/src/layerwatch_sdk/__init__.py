"""The Layerwatch client."""
