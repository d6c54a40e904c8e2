"""JPEG: a strict reader of headers, and the decoder behind it."""
