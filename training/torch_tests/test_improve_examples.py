"""Reviewed examples: what may be used, and what is held out."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from layerwatch_train.improve.examples import Example, read_examples, split_newest
from layerwatch_train.index import IndexFormatError, Picture

HEADER = "file,source,licence,label,failure_type,view,group,sequence,frame,sha256,account,reviewed_at,near\n"


def picture_file(folder: Path, name: str, seed: int) -> str:
    """A JPEG of noise; its SHA-256."""
    noise = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / name)
    return hashlib.sha256((folder / name).read_bytes()).hexdigest()


def row(name: str, digest: str, label: str = "good", account: str = "a", at: str = "2026-11-01") -> str:
    return f"{name},feedback,,{label},,webcam,{account},{name},,{digest},{account},{at},\n"


def test_a_withdrawn_picture_is_not_used_and_its_file_need_not_exist(tmp_path: Path) -> None:
    kept = picture_file(tmp_path, "kept.jpg", 0)
    (tmp_path / "index.csv").write_text(HEADER + row("kept.jpg", kept) + row("gone.jpg", "f" * 64))
    (tmp_path / "withdrawn.txt").write_text("f" * 64 + "\n")
    assert [example.sha256 for example in read_examples(tmp_path)] == [kept]


def test_a_withdrawal_finds_a_picture_in_base_data_under_another_name(tmp_path: Path) -> None:
    digest = picture_file(tmp_path, "other-name.jpg", 0)
    kept = picture_file(tmp_path, "kept.jpg", 1)
    (tmp_path / "index.csv").write_text(
        "file,source,label,view,group\nother-name.jpg,s,good,webcam,g\nkept.jpg,s,good,webcam,g\n"
    )
    assert [e.sha256 for e in read_examples(tmp_path, frozenset({digest}))] == [kept]


def test_a_file_that_is_not_the_reviewed_one_is_refused(tmp_path: Path) -> None:
    picture_file(tmp_path, "swapped.jpg", 0)
    (tmp_path / "index.csv").write_text(HEADER + row("swapped.jpg", "a" * 64))
    with pytest.raises(IndexFormatError, match="not the picture that was reviewed"):
        read_examples(tmp_path)


def test_the_newest_review_of_a_picture_counts(tmp_path: Path) -> None:
    digest = picture_file(tmp_path, "one.jpg", 0)
    rows = row("one.jpg", digest, "failed", at="2026-11-02") + row("one.jpg", digest, "good", at="2026-11-01")
    (tmp_path / "index.csv").write_text(HEADER + rows)
    assert [e.failed for e in read_examples(tmp_path)] == [True]


def example(group: str, at: str, near: str = "", scene: str = "", label: str = "good") -> Example:
    picture = Picture("f", "feedback", "", label, "", "webcam", group, scene, -1, ())
    digest = f"{group}{scene}{at}"
    return Example(picture, digest, group, at, near or digest)


def test_the_newest_groups_are_held_out_whole() -> None:
    examples = [example(f"g{n}", f"2026-11-0{n + 1}", scene=str(k)) for n in range(4) for k in range(3)]
    learn, newest = split_newest(examples, 0.25)
    assert {e.account for e in newest} == {"g3"}
    assert {e.account for e in learn} == {"g0", "g1", "g2"}


def test_look_alikes_stay_on_one_side() -> None:
    examples = [example("g0", "2026-11-01"), example("g1", "2026-11-02", near="x")]
    examples += [example("g2", "2026-11-03"), example("g3", "2026-11-04", near="x")]
    _, newest = split_newest(examples, 0.25)
    assert {e.account for e in newest} == {"g1", "g3"}


def test_of_a_single_account_whole_prints_are_held_out() -> None:
    examples = [example("g", f"2026-11-0{n + 1}", scene=f"print{n // 2}") for n in range(6)]
    _, newest = split_newest(examples, 0.25)
    assert [e.picture.scene for e in newest] == ["print2", "print2"]


def test_all_failures_are_never_held_out() -> None:
    examples = [example(f"g{n}", f"2026-11-0{n + 1}", label="failed" if n == 5 else "good") for n in range(6)]
    learn, newest = split_newest(examples, 0.25)
    assert [e.account for e in learn if e.failed] == ["g5"]
    assert {e.account for e in newest} == {"g3", "g4"}
