"""Logging, tracing and metrics. They take primitives and import no domain."""
