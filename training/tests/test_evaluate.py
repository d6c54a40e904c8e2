"""What the report counts."""

import numpy as np
import pytest

from layerwatch_train.evaluate import judged, markdown, report
from layerwatch_train.index import Picture


def picture(label: str, source: str = "a/x", view: str = "webcam", group: str = "g") -> Picture:
    return Picture("f", source, "", label, "", view, group, "", -1, ())


PICTURES = [
    *[picture("good", group=f"g{n}") for n in range(10)],
    *[picture("failed", group=f"g{n}") for n in range(10)],
    *[picture("good", source="b/y", group="h")] * 4,
]
SCORES = np.concatenate([np.linspace(0, 0.5, 10), np.linspace(0.6, 1, 10), np.full(4, 0.9)])


def test_only_scored_webcam_pictures_of_a_sure_label_count() -> None:
    pictures = [picture("good"), picture("other"), picture("failed", view="closeup"), picture("failed")]
    assert judged(pictures, np.array([0.1, 0.2, 0.3, np.nan])).tolist() == [0]


def test_there_is_a_row_a_source_and_one_for_all() -> None:
    assert [row.name for row in report(PICTURES, SCORES, rounds=20)] == ["a", "b", "all"]


def test_a_source_without_failures_shows_its_false_alarms_instead_of_an_auroc() -> None:
    row = report(PICTURES, SCORES, rounds=20)[1]
    assert np.isnan(row.auroc)
    assert row.alarms == 1.0


def test_a_separable_source_is_perfect() -> None:
    row = report(PICTURES, SCORES, rounds=20)[0]
    assert (row.auroc, row.recall_1) == (1.0, 1.0)


def test_false_alarms_of_one_source_cost_the_total() -> None:
    assert report(PICTURES, SCORES, rounds=20)[2].recall_1 == pytest.approx(0.3)


def test_the_table_has_a_line_a_row() -> None:
    assert len(markdown(report(PICTURES, SCORES, rounds=20)).splitlines()) == 2 + 3
