"""How heads are split and judged: what looks alike stays together, and every source is judged unseen."""

from __future__ import annotations

import numpy as np
import pytest

from layerwatch_train.index import Picture
from layerwatch_train.split import split_sources
from layerwatch_train.teacher.judge import figures, jobs, judged_by


def picture(source: str, group: str, label: str) -> Picture:
    return Picture("f.jpg", f"{source}/set", "", label, "", "webcam", group, "", -1, ())


PICTURES = [
    *(picture("large", f"printer{n % 4}", "failed" if n % 2 else "good") for n in range(40)),
    *(picture("small", f"cam{n}", "failed" if n == 0 else "good") for n in range(4)),
    *(picture("healthy", f"cam{n}", "good") for n in range(4)),
]
ALL_DIFFERENT = np.arange(len(PICTURES))


def test_the_source_with_most_failures_is_split_and_the_others_are_held_out_whole() -> None:
    assert split_sources(PICTURES) == {"large"}
    made = jobs(PICTURES, 2, ALL_DIFFERENT)
    assert made.names == ["fold0", "fold1", "without large", "final"]
    folds = {
        name: {made.fold_head[n] for n, p in enumerate(PICTURES) if p.source == f"{name}/set"}
        for name in ("large", "small", "healthy")
    }
    assert folds["large"] == {0, 1} and len(folds["small"]) == len(folds["healthy"]) == 1


def test_no_head_sees_what_it_judges() -> None:
    made = jobs(PICTURES, 2, ALL_DIFFERENT)
    sources, groups = np.array([p.source for p in PICTURES]), np.array([p.group for p in PICTURES])
    for n in range(len(PICTURES)):
        assert made.outside[made.fold_head[n]][groups == groups[n]][
            sources[groups == groups[n]] == sources[n]
        ].all()
        assert made.outside[made.source_head[n]][sources == sources[n]].all()
    assert not made.outside[-1].any()


def test_what_looks_like_a_held_out_picture_is_hidden_with_it() -> None:
    alike = ALL_DIFFERENT.copy()
    alike[44] = alike[0]  # a picture of `healthy` is a copy of one of `large`
    made = jobs(PICTURES, 2, alike)
    assert made.outside[made.fold_head[0], 44] and made.outside[made.names.index("without large"), 44]


def test_each_picture_is_judged_by_its_own_head() -> None:
    logits = np.array([[1.0, 2.0], [3.0, 4.0]])
    found = judged_by(np.array([1, -1, 0]), np.array([0, 2]), logits)
    assert found[0] == 2 and np.isnan(found[1]) and found[2] == 3


def test_a_source_with_good_pictures_alone_is_held_against_all_failures() -> None:
    scores = np.array([3.0, 0.0, 1.0, 4.0, np.nan])
    failed = np.array([True, False, True, False, True])
    found = figures(scores, failed, ["a", "a", "a", "b", "b"])
    assert found.auroc == pytest.approx(0.5)
    assert found.mean_auroc == pytest.approx((1.0 + 0.0) / 2)
    assert found.mean_recall_1 == pytest.approx(0.5)
