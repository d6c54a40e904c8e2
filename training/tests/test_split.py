"""Which pictures may not be on both sides of a split."""

from collections import Counter

import pytest

from layerwatch_train.index import Picture
from layerwatch_train.split import assign_folds, unit


def picture(group: str, label: str, view: str = "webcam") -> Picture:
    return Picture("f", "s", "", label, "", view, group, "", -1, ())


MANY = [picture(f"printer{n % 9}", "failed" if (n // 9) % 2 else "good") for n in range(180)]


def test_a_group_is_in_one_fold() -> None:
    folds = assign_folds(MANY, 3)
    assert all(
        len({f for p, f in zip(MANY, folds, strict=True) if p.group == g}) == 1
        for g in {p.group for p in MANY}
    )


def test_every_fold_can_be_judged() -> None:
    seen = Counter((int(f), p.label) for p, f in zip(MANY, assign_folds(MANY, 3), strict=True))
    assert all(seen[fold, label] > 0 for fold in range(3) for label in ("good", "failed"))


def test_prints_of_one_printer_go_together() -> None:
    assert unit(picture("emptydeck_P1_A", "good")) == unit(picture("emptydeck_P1_B", "good"))


def test_a_close_up_of_a_held_out_group_is_held_out_too() -> None:
    pictures = [*MANY, picture("printer0", "good", "closeup")]
    folds = assign_folds(pictures, 3)
    assert folds[-1] == folds[0]


def test_a_group_without_webcam_pictures_is_always_trained_on() -> None:
    assert assign_folds([*MANY, picture("photo", "good", "closeup")], 3)[-1] == -1


def test_the_split_does_not_depend_on_chance() -> None:
    assert (assign_folds(MANY, 4) == assign_folds(MANY, 4)).all()


def test_one_fold_is_no_split() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        assign_folds(MANY, 1)
