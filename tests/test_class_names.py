"""A class name means one thing: two public classes of the shipped packages share one only where listed."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("src/layerwatch", "sdk/src/layerwatch_sdk", "watcher/src/layerwatch_watcher")
ONE_IDEA_ON_BOTH_SIDES = {
    # the wire, as the service and as its client see it
    *(
        "ApiError",
        "BedCheck",
        "Box",
        "Context",
        "ContextLost",
        "HeatMap",
        "LeftOver",
        "Levels",
        "PrintLabels",
    ),
    # what judges pictures: the detector in the service, the service or a detector for its client
    "Inspector",
    # time and settings, which the packages do not share because each is installed without the other
    *("Clock", "SystemClock", "Settings", "ConfigError"),
    # in several domains' trees of errors: nothing that the caller may see; it does not fit what is there
    *("NotFound", "NotPossible"),
}


def test_no_class_name_stands_for_two_ideas() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.parse(file.read_text("utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(str(file.relative_to(ROOT)))
    twice = {name: files for name, files in places.items() if len(files) > 1}
    assert {name: files for name, files in twice.items() if name not in ONE_IDEA_ON_BOTH_SIDES} == {}
    assert twice.keys() >= ONE_IDEA_ON_BOTH_SIDES, "take off the list what is unique by now"
