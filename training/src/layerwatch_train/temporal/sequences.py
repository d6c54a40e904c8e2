"""Real sequences with held-out scores: what a detector that never saw the printer says of its frames."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from layerwatch.vision import Vision
from layerwatch.vision.evidence import Condition
from layerwatch.vision.image_quality import MEASURED_SIZE, judge, measure
from layerwatch_train.index import Picture, read_index
from layerwatch_train.temporal.prints import Print, weights_key

INTERVAL = 30.0
"""Seconds between frames. The real ones are not known (videos and time-lapses); a client would use this."""

CUT = 3


def real_sequences(data: Path, held_out: Sequence[Path], cache: Path) -> list[Print]:
    """Every sequence of the index whose frames all have held-out scores.

    data: folder of index.csv.  held_out: `oof.npz` files of cross-validation, one row a row of the index,
        NaN where a picture was not held out; a later file fills what an earlier one lacks. Their run's
        `calibration.json` lies beside them or one folder up.
    cache: where to keep the pictures' thumbnails and measures. Raises FileNotFoundError.
    """
    pictures = read_index(data)
    scores = _merged(held_out)
    order: dict[str, list[int]] = defaultdict(list)
    for at, picture in enumerate(pictures):
        if picture.sequence:
            order[picture.sequence].append(at)
    prints = []
    for name, rows in order.items():
        rows.sort(key=lambda at: (pictures[at].frame, at))
        if np.isnan(scores["failure"][rows]).any():
            continue
        for number, part in enumerate(parts_of([pictures[at].label for at in rows])):
            own = rows[part]
            part_name = f"{name}#{number + 1}" if number else name
            prints.append(_print(part_name, data, [pictures[at] for at in own], own, scores, cache))
    return prints


def detected_sequences(data: Path, cache: Path) -> list[Print]:
    """Every sequence of the index with the packaged detector's scores, which are kept for the next time.

    The detector was trained on many of these pictures: good for what follows a score, not for how good it is.
    """
    vision, key = Vision.load(threads=1), weights_key(None)
    order: dict[str, list[Picture]] = defaultdict(list)
    for picture in read_index(data):
        if picture.sequence:
            order[picture.sequence].append(picture)
    prints = []
    for name, pictures in order.items():
        pictures.sort(key=lambda picture: picture.frame)
        kept = cache / f"seen-{key}" / f"{name}.npz"
        if not kept.exists():
            _detect([data / picture.file for picture in pictures], vision, kept)
        with np.load(kept) as seen:
            for number, part in enumerate(parts_of([picture.label for picture in pictures])):
                own = pictures[part]
                onset, well = onset_of([picture.label for picture in own])
                prints.append(
                    Print(
                        name=f"{name}#{number + 1}" if number else name,
                        seconds=np.arange(len(own), dtype=np.float64) * INTERVAL,
                        scores=seen["scores"][part],
                        heat=seen["heat"][part],
                        thumbnails=seen["thumbnails"][part],
                        conditions=[Condition(value) for value in seen["conditions"][part]],
                        onset=None if onset is None else onset * INTERVAL,
                        well_until=well * INTERVAL,
                        kinds=seen["kinds"][part],
                        tags=(own[0].source,),
                    )
                )
    return prints


def _detect(files: Sequence[Path], vision: Vision, kept: Path) -> None:
    """Have the detector inspect pictures of any format, and keep what it says."""
    rows = []
    for file in files:
        with Image.open(file) as picture:
            buffer = io.BytesIO()
            if picture.format != "JPEG":
                picture.convert("RGB").save(buffer, "JPEG", quality=95)
        rows.append(vision.inspect(buffer.getvalue() or file.read_bytes()))
    kept.parent.mkdir(parents=True, exist_ok=True)
    shape = (len(rows), rows[0].heat.rows, rows[0].heat.columns)
    partial = kept.with_suffix(".partial.npz")
    np.savez_compressed(
        partial,
        scores=np.array([row.failure_probability for row in rows]),
        kinds=np.array([row.kinds for row in rows]),
        heat=np.frombuffer(b"".join(row.heat.cells for row in rows), np.uint8).reshape(shape),
        thumbnails=np.frombuffer(b"".join(row.thumbnail for row in rows), np.uint8).reshape(len(rows), -1),
        conditions=np.array([row.condition.value for row in rows]),
    )
    partial.rename(kept)


def parts_of(labels: Sequence[str]) -> list[slice]:
    """A sequence cut where a failure is followed by good frames again: another print in the same video.

    Fewer than `CUT` frames of a label in a row count as labelling mistakes, not as a new print.
    """
    cuts, last = [0], ""
    for at in range(len(labels) - CUT + 1):
        run = set(labels[at : at + CUT])
        if run == {"failed"}:
            last = "failed"
        elif run == {"good"}:
            if last == "failed":
                cuts.append(at)
            last = "good"
    return [slice(begin, end) for begin, end in zip(cuts, [*cuts[1:], len(labels)], strict=True)]


def onset_of(labels: Sequence[str]) -> tuple[int | None, int]:
    """(first frame of the failure, or None; frames before which all is well).

    The failure begins at the first `failed` frame from which on at least four in five frames are failed;
    frames labelled `other` just before it are the moment of failing and count for neither side.
    """
    failed = np.array([label == "failed" for label in labels])
    for at in np.flatnonzero(failed).tolist():
        if failed[at:].mean() >= 0.8:
            well = at
            while well > 0 and labels[well - 1] == "other":
                well -= 1
            return at, well
    return None, len(labels)


def _merged(files: Sequence[Path]) -> dict[str, NDArray[np.float32]]:
    """Probabilities for every row of the index, as the exported detector would give them."""
    merged: dict[str, NDArray[np.float32]] = {}
    for file in files:
        for key, values in _calibrated(file).items():
            merged[key] = np.where(np.isnan(merged[key]), values, merged[key]) if key in merged else values
    if not merged:
        raise FileNotFoundError("no held-out scores given")
    return merged


def _calibrated(file: Path) -> dict[str, NDArray[np.float32]]:
    """Cross-validation keeps logits as the network gives them; the exported file scales and blends them."""
    from layerwatch_train.calibrate import sigmoid, widespread

    known = [at / "calibration.json" for at in (file.parent, file.parent.parent)]
    found = next((path for path in known if path.is_file()), None)
    if found is None:
        raise FileNotFoundError(f"no calibration.json beside {file}: run `layerwatch-train export` first")
    c = json.loads(found.read_text(encoding="utf-8"))
    with np.load(file) as held:
        failure, cells = held["failure"].astype(np.float64), held["map"].astype(np.float64)
        scores = {
            "failure": sigmoid(failure * c["scale"] + widespread(cells) * c["wide"] + c["shift"]),
            "map": sigmoid(cells * c["map_scale"] + c["map_shift"]),
            "kinds": held["kinds"],
            "in_view": held["in_view"],
        }
    return {key: values.astype(np.float32) for key, values in scores.items()}


def _print(
    name: str,
    data: Path,
    pictures: Sequence[Picture],
    rows: list[int],
    scores: dict[str, NDArray[np.float32]],
    cache: Path,
) -> Print:
    heat = scores["map"][rows]
    in_view = scores["in_view"][rows]
    thumbnails, conditions = [], []
    for picture, seen in zip(pictures, in_view, strict=True):
        thumbnail, condition = _look(data / picture.file, float(seen), cache)
        thumbnails.append(np.frombuffer(thumbnail, np.uint8))
        conditions.append(condition)
    onset, well = onset_of([picture.label for picture in pictures])
    return Print(
        name=name,
        seconds=np.arange(len(rows), dtype=np.float64) * INTERVAL,
        scores=scores["failure"][rows].astype(np.float64),
        heat=np.rint(heat * 255).astype(np.uint8),
        thumbnails=np.stack(thumbnails),
        conditions=conditions,
        onset=None if onset is None else onset * INTERVAL,
        well_until=well * INTERVAL,
        kinds=scores["kinds"][rows].astype(np.float64),
        tags=(pictures[0].source,),
    )


def _look(file: Path, in_view: float, cache: Path) -> tuple[bytes, Condition]:
    """Thumbnail and condition, measured as `Vision` does on a picture at the detector's size."""
    kept = cache / f"{file.parent.name}-{file.stem}.png"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with Image.open(file) as picture:
            picture.convert("RGB").resize((MEASURED_SIZE, MEASURED_SIZE), Image.Resampling.BILINEAR).save(
                kept
            )
    with Image.open(kept) as picture:
        measures = measure(picture)
    return measures.thumbnail, judge(measures, in_view)
