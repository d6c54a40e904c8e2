"""Searching the local network for printers, when asked to.

Only multicast groups are asked; nothing is sent to what answers.
"""

from __future__ import annotations

import asyncio
from typing import Tuple

from layerwatch_watcher.setup.found import FoundPrinter
from layerwatch_watcher.setup.mdns import DiscoveryError, search_mdns
from layerwatch_watcher.setup.ssdp import search_ssdp

SEARCH_S = 6.0
"""Bambu Lab's printers announce themselves every 5 s."""


async def search(seconds: float = SEARCH_S) -> Tuple[list[FoundPrinter], str]:
    """All printers that answer within `seconds`, and what could not be searched, in words ("" if nothing)."""
    bambu = asyncio.ensure_future(search_ssdp(seconds))
    try:
        found, missed = await search_mdns(seconds), ""
    except DiscoveryError as error:
        found, missed = [], str(error)
    finally:
        heard = await bambu
    return [*found, *heard], missed
