"""Reads the uncompressed multilayer EXR that Cycles writes: every pass of one render in one small file."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

_KINDS = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}
"""OpenEXR's pixel types: uint, half, float."""


def read_exr(data: bytes) -> dict[str, NDArray[np.float32]]:
    """The channels (H, W) by name of a single-part scanline EXR without compression.

    Layout: https://openexr.com/en/latest/OpenEXRFileLayout.html. Raises ValueError for any other file.
    """
    magic, version = struct.unpack_from("<II", data)
    if magic != 20000630 or version & 0x1A00:
        raise ValueError("not a single-part scanline EXR")
    at, header = 8, {}
    while data[at]:
        name, at = _text(data, at)
        _, at = _text(data, at)
        (size,) = struct.unpack_from("<I", data, at)
        header[name], at = data[at + 4 : at + 4 + size], at + 4 + size
    if header["compression"] != b"\0":
        raise ValueError("the EXR is compressed")
    left, top, right, bottom = struct.unpack("<4i", header["dataWindow"])
    width, height = right - left + 1, bottom - top + 1
    fields = [(name, _KINDS[kind], (width,)) for name, kind in _channels(header["channels"])]
    line = np.dtype([("y", "<i4"), ("size", "<i4"), *fields])
    rows = np.frombuffer(data, line, height, at + 1 + 8 * height)
    return {name: rows[name].astype(np.float32) for name, _, _ in fields}


def _channels(data: bytes) -> list[tuple[str, int]]:
    at, found = 0, []
    while data[at]:
        name, at = _text(data, at)
        found.append((name, struct.unpack_from("<i", data, at)[0]))
        at += 16
    return found


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode(), end + 1
