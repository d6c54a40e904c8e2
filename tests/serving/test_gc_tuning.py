"""A server that has started leaves what it started with out of later collections."""

from __future__ import annotations

import gc

from layerwatch.serving import gc_tuning


def test_nothing_is_collected_until_it_has_started_and_the_rest_is_after() -> None:
    before = gc.get_freeze_count()
    try:
        gc_tuning.hold()
        assert not gc.isenabled()
        gc_tuning.release()
        assert gc.isenabled()
        assert gc.get_freeze_count() > before + 10_000
    finally:
        gc.unfreeze()
        gc.enable()
