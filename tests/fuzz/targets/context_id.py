"""Context ids: only one that was made here is read, by its own account, until it expires."""

from __future__ import annotations

from datetime import UTC, datetime

from layerwatch.contexts import ContextIds
from layerwatch.contexts.context_id import LIFETIME
from layerwatch.contexts.errors import ContextLost

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
ACCOUNT = 7
_IDS = ContextIds(bytes(range(32)))
_TRUE = _IDS.read("00OQtmfli5FjNqHQwiNE92CfCdb5dmH2bglxvjntZ4nVKh9XLPAKDtXl8IQs", ACCOUNT, NOW)


def check(data: bytes) -> None:
    """The data are the id, as UTF-8; then they say which characters of a true one are replaced by which."""
    _is_no_id(data.decode("utf-8", "surrogateescape"))
    changed = list(_TRUE.id)
    for place, value in zip(data[::2], data[1::2], strict=False):
        changed[place % len(changed)] = chr(value)
    _is_no_id("".join(changed))


def _is_no_id(text: str) -> None:
    try:
        context = _IDS.read(text, ACCOUNT, NOW)
    except ContextLost:
        return
    assert context == _TRUE
    for account, at in ((ACCOUNT + 1, NOW), (ACCOUNT, NOW + LIFETIME)):
        try:
            _IDS.read(text, account, at)
        except ContextLost:
            continue
        raise AssertionError("read by another account, or after its time")
