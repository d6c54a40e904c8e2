"""Finds coded data that were overwritten by a fill byte: blocks of a frame that never arrived.

The decoder reads such a hole as picture data, and now and then it happens to give as many blocks as were
lost, so that nothing is left over at the end. No encoder writes what is searched for here.
"""

from __future__ import annotations

import numpy as np

HOLE_BYTES = 15
"""As many zeros, or bytes FF, in a row are always found. With the tables of nearly all cameras they would be
40 coefficients of -1; the longest run of zeros in 5,958 scans of camera frames has 5, in 4 of them."""

_WORD = 8
_FULL_WORD = np.uint64(2**64 - 1)

_STANDARD_FIRST_SYMBOLS = {0: 0x01, 1: 0x00}
"""Symbol of the all-zero code in the AC tables of T.81 annex K, which MJPEG frames leave out, by table id."""


class HuffmanTables:
    """What an all-zero code means in each AC table that the picture's segments have defined so far."""

    def __init__(self) -> None:
        self._first_symbols = dict(_STANDARD_FIRST_SYMBOLS)

    def define(self, body: bytes) -> None:
        """Take in a DHT segment without its marker and length. A damaged one is left to the decoder."""
        while len(body) > 17:
            table, count = body[0], sum(body[1:17])
            if table & 0x10 and count:  # codes are given out in order of length: the first is all zeros
                self._first_symbols[table & 0x0F] = body[17]
            body = body[17 + count :]

    def zeros_are_coefficients(self, scan: bytes) -> bool:
        """Whether zero bytes in the scan with this SOS body are coefficients rather than empty blocks.

        Optimised tables may give the all-zero code to "end of block"; a flat picture is all zeros then.
        scan: a valid SOS body, as `header` has checked it.
        """
        last_coefficient, refines = scan[-2], scan[-1] >> 4
        if last_coefficient == 0 or refines:  # scans of a progressive picture with long runs of zero bits
            return False
        tables = (scan[at] & 0x0F for at in range(2, len(scan) - 3, 2))
        return any(self._first_symbols.get(table, 0) & 0x0F for table in tables)


def has_hole(data: bytes, start: int, end: int, zeros_are_coefficients: bool) -> bool:
    """Whether `HOLE_BYTES` or more of the coded data between the offsets were overwritten by FF or by 00.

    FF bytes right before `end` are fill bytes of the marker that follows.
    """
    # Any run as long covers a whole aligned word: 30 times faster than a search byte by byte.
    words = np.frombuffer(data, np.uint64, (end - start) // _WORD, start)
    if zeros_are_coefficients and not words.all():
        return True
    return bool((words == _FULL_WORD).any()) and b"\xff" * HOLE_BYTES in data[start:end].rstrip(b"\xff")
