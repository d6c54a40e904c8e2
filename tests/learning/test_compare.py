"""A candidate becomes the active model only when it is better on the reviewed pictures."""

from __future__ import annotations

from layerwatch.learning.compare import auroc, compare


def test_a_candidate_is_better_only_when_it_mends_more_than_it_breaks() -> None:
    pictures = [(bytes([n]), n >= 5) for n in range(10)]

    def weak(picture: bytes) -> float:
        return 0.1 if picture[0] < 7 else 0.9

    def strong(picture: bytes) -> float:
        return 0.1 if picture[0] < 5 else 0.9

    assert compare(pictures, weak, strong).better
    assert not compare(pictures, strong, weak).better
    assert not compare(pictures, strong, strong).better


def test_auroc_counts_ties_half_and_needs_both_labels() -> None:
    assert auroc([False, True], [0.5, 0.5]) == 0.5
    assert auroc([False, True, True], [0.1, 0.2, 0.05]) == 0.5
    assert auroc([True, True], [0.1, 0.2]) is None
