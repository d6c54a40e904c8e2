"""Reviewed examples, as `layerwatch feedback export` writes them, without what was withdrawn.

A picture is known by the SHA-256 of its file, so that a withdrawal finds it under every name and in every
folder.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layerwatch_train.images import resized
from layerwatch_train.index import IndexFormatError, Picture, read_index
from layerwatch_train.samples import decode

WITHDRAWN = "withdrawn.txt"
"""Beside index.csv: SHA-256 of pictures that must not be used any more, one a line."""


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled picture. sha256: of its file.  account: whose it is, a pseudonym; the group in base data.
    reviewed_at: ISO 8601.  near: what look-alikes share; the picture's hash where there are none."""

    picture: Picture
    sha256: str
    account: str = ""
    reviewed_at: str = ""
    near: str = ""

    @property
    def failed(self) -> bool:
        return self.picture.label == "failed"


class Decoded(Sequence[NDArray[np.uint8]]):
    """Pictures decoded when they are read, so that no copy is left behind. [n] is RGB, square."""

    def __init__(self, examples: Sequence[Example]):
        self._files = [Path(example.picture.file) for example in examples]

    def __getitem__(self, number: int) -> NDArray[np.uint8]:  # type: ignore[override]
        return decode(self._files[number])

    def __len__(self) -> int:
        return len(self._files)

    def at(self, size: int, numbers: Sequence[int]) -> NDArray[np.uint8]:
        """[len(numbers), size, size, 3]."""
        return resized(self, np.asarray(numbers, np.int64), size)  # type: ignore[arg-type]


def read_withdrawn(folder: Path) -> frozenset[str]:
    """Hashes listed in `folder/withdrawn.txt`; none without that file."""
    path = folder / WITHDRAWN
    return frozenset(path.read_text(encoding="ascii").split()) if path.is_file() else frozenset()


def read_examples(folder: Path, withdrawn: frozenset[str] = frozenset()) -> list[Example]:
    """The pictures of `folder/index.csv` with a label of good or failed, each file once, without those that
    are `withdrawn` there or in the argument. The newest review of a file counts.

    Files of withdrawn pictures need not exist. Raises IndexFormatError, also for a file that differs from its
    hash in the index.
    """
    withdrawn |= read_withdrawn(folder)
    pictures = read_index(folder)
    with (folder / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found: dict[str, Example] = {}
    for picture, row in zip(pictures, rows, strict=True):
        given = row.get("sha256") or ""
        if picture.label == "other" or given in withdrawn:
            continue
        path = folder / picture.file
        digest = _hash(path)
        if given and digest != given:
            raise IndexFormatError(f"{path} is not the picture that was reviewed: export it again")
        if digest in withdrawn:
            continue
        example = Example(
            replace(picture, file=str(path)),
            digest,
            row.get("account") or picture.group,
            row.get("reviewed_at") or "",
            row.get("near") or digest,
        )
        before = found.get(digest)
        if before is None or before.reviewed_at <= example.reviewed_at:
            found[digest] = example
    return list(found.values())


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise IndexFormatError(f"{path} is listed in the index but missing") from None


def split_newest(examples: Sequence[Example], share: float) -> tuple[list[Example], list[Example]]:
    """(to learn from, newest): at least `share` of the examples, whole groups, those reviewed last.

    Groups that hold look-alikes of each other stay on one side. Where everything is one group its prints
    are split. A group whose absence would leave nothing of its label to learn from stays in the first part.
    """
    groups = _linked(examples, [e.picture.group for e in examples])
    if len(set(groups)) == 1:
        groups = _linked(examples, [e.picture.scene for e in examples])
    last: dict[str, str] = {}
    for example, group in zip(examples, groups, strict=True):
        last[group] = max(last.get(group, ""), example.reviewed_at)
    newest: set[str] = set()
    left = Counter(example.failed for example in examples)
    for group in sorted(last, key=lambda name: (last[name], name), reverse=True):
        if left.total() <= (1 - share) * len(examples):
            break
        mine = Counter(e.failed for e, name in zip(examples, groups, strict=True) if name == group)
        if all(left[label] > count for label, count in mine.items()):
            newest.add(group)
            left -= mine
    parts: tuple[list[Example], list[Example]] = ([], [])
    for example, group in zip(examples, groups, strict=True):
        parts[group in newest].append(example)
    return parts


def _linked(examples: Sequence[Example], names: Sequence[str]) -> list[str]:
    """`names`, with one name for those that share a look-alike."""
    parent = {name: name for name in names}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    first: dict[str, str] = {}
    for example, name in zip(examples, names, strict=True):
        parent[root(name)] = root(first.setdefault(example.near, name))
    return [root(name) for name in names]
