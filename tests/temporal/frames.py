"""Evidence made by hand: a print's pictures as the tests need them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from layerwatch.temporal import Levels, PrinterMemory, PrintState, Verdict, step
from layerwatch.vision import KINDS, Condition, Evidence, HeatMap

INTERVAL = 20.0
_GRID = 8
_SCENE = np.random.default_rng(7).uniform(40, 200, (24, 32))


class Camera:
    """A camera that watches one scene: noise from `seed`, and things that people do to it."""

    def __init__(self, seed: int = 0, scene: int | None = None) -> None:
        self.random = np.random.default_rng(seed)
        self.scene = _SCENE.copy()
        if scene is not None:
            self.scene = np.random.default_rng(scene).uniform(40, 200, self.scene.shape)
        self.scenery: dict[tuple[int, int], float] = {}

    def sees(
        self,
        probability: float,
        *,
        at: Iterable[tuple[int, int]] = ((4, 4),),
        condition: Condition = Condition.OK,
        kind: str = "spaghetti",
    ) -> Evidence:
        """A picture in which the detector gives `probability`, in the places `at` (row, column of 8 x 8)."""
        heat = self.random.uniform(0.01, 0.06, (_GRID, _GRID))
        for place, value in self.scenery.items():
            heat[place] = value
        for place in at:
            heat[place] = max(heat[place], probability)
        pixels = self.scene + self.random.normal(0, 1.5, self.scene.shape)
        return Evidence(
            failure_probability=probability,
            kinds=tuple(probability if name == kind else 0.01 for name in KINDS),
            heat=HeatMap(_GRID, _GRID, np.rint(heat * 255).astype(np.uint8).tobytes()),
            boxes=(),
            print_in_view=0.99,
            condition=condition,
            brightness=0.5,
            sharpness=0.5,
            thumbnail=np.clip(np.rint(pixels), 0, 255).astype(np.uint8).tobytes(),
            model_version="test",
            milliseconds=1.0,
        )

    def healthy(self) -> Evidence:
        """A picture of a print that goes well."""
        return self.sees(float(np.clip(self.random.normal(0.06, 0.03), 0.01, 0.2)))

    def failing(self, at: Iterable[tuple[int, int]] = ((4, 4), (4, 5))) -> Evidence:
        """A picture of a failure that the detector sees well."""
        return self.sees(float(np.clip(self.random.normal(0.95, 0.02), 0.9, 0.995)), at=at)


class Watch:
    """A print being watched: feeds pictures to the model at an interval and keeps the verdicts."""

    def __init__(
        self,
        levels: Levels | None = None,
        interval: float = INTERVAL,
        memory: PrinterMemory | None = None,
    ) -> None:
        self.levels = levels or Levels()
        self.memory = memory
        self.interval = interval
        self.state: PrintState | None = None
        self.second = -interval
        self.verdicts: list[Verdict] = []

    def see(self, evidence: Evidence, camera: str = "") -> Verdict:
        """The verdict after the next picture."""
        self.second += self.interval
        self.state, verdict = step(self.state, evidence, self.second, self.levels, camera, self.memory)
        self.verdicts.append(verdict)
        return verdict

    def see_all(self, pictures: Iterable[Evidence]) -> list[Verdict]:
        """The verdicts after each of these pictures."""
        return [self.see(evidence) for evidence in pictures]

    def until(self, flag: str, pictures: Iterable[Evidence]) -> int:
        """How many of these pictures it takes until `flag` (warning or pause) is up. Fails if it never is."""
        for count, evidence in enumerate(pictures, 1):
            if getattr(self.see(evidence), flag):
                return count
        raise AssertionError(f"no {flag} in {count} pictures: quality {self.verdicts[-1].quality}")
