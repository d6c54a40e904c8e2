"""Why a picture was not fit to judge by, in plain words."""

from __future__ import annotations

_WORDS = {
    "frozen": ("the camera's picture is frozen", "restart the camera or its streaming service"),
    "dark": (
        "the camera's picture is dark",
        "switch the light on, or configure it: light and light_on",
    ),
    "bright": ("the camera's picture is overexposed", "turn the lamp or the camera away"),
    "blurred": ("the camera's picture is blurred", "clean the lens and focus it"),
    "blocked": ("something blocks the camera's view, or it shows no signal", "check its picture"),
    "no-print": ("the camera's picture shows no print", "check its picture: no signal, or turned away"),
    "moved": ("the camera's picture keeps changing", "fix the camera so that it does not move"),
}


def explain(condition: str) -> tuple[str, str]:
    """What is wrong with a picture of this condition, and what to do."""
    return _WORDS.get(condition, (f"the camera's picture is {condition}", "check the camera's picture"))
