"""Pictures made up for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def made_up(folder: Path, count: int = 24) -> Path:
    """Grey scenes of four printers; failed ones hold a boxed patch of noise."""
    rng = np.random.default_rng(0)
    rows = ["file,source,licence,label,failure_type,view,group,sequence,frame,boxes"]
    for n in range(count):
        failed = n % 2 == 1
        image = np.full((96, 128, 3), 90 + 20 * (n % 4), np.uint8)
        if failed:
            image[40:70, 30:80] = rng.integers(0, 255, (30, 50, 3))
        Image.fromarray(image).save(folder / f"{n}.jpg")
        boxes = '"spaghetti:0.43,0.57,0.39,0.31"' if failed else ""
        label, kind = ("failed", "spaghetti") if failed else ("good", "")
        rows.append(f"{n}.jpg,made up,,{label},{kind},webcam,printer{n // 2 % 4},,,{boxes}")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return folder
