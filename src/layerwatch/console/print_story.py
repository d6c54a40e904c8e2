"""What happened to a print, in words: from its course and from what people did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from layerwatch.console.live_prints import CONDITIONS, FEEDBACK_WORDS
from layerwatch.console.print_view import PrintView
from layerwatch.core.languages import gettext as _
from layerwatch.prints.events import PrintEvent
from layerwatch.prints.moments import Moment
from layerwatch.vision.evidence import Condition

MAX_LINES = 100
"""The newest are shown."""
UNJUDGED_PICTURES = 3
"""So many pictures in a row that are unfit to judge by are worth a line."""


@dataclass(frozen=True, slots=True)
class StoryLine:
    """One thing that happened. who: who did it; empty for Layerwatch and the printer.
    second: the moment to look at; None for what has none."""

    at: datetime
    words: str
    who: str = ""
    tone: str = ""
    second: int | None = None


def story(view: PrintView) -> list[StoryLine]:
    """What happened, the newest first."""
    lines = [StoryLine(view.opened_at, _("Watching began")), *_from_course(view)]
    lines += [StoryLine(event.at, _words(event), event.who) for event in view.events]
    if view.live is None and view.seen_at is not None:
        lines.append(StoryLine(view.seen_at, _("Last picture")))
    return sorted(lines, key=lambda line: line.at, reverse=True)[:MAX_LINES]


def _from_course(view: PrintView) -> Iterator[StoryLine]:
    warning = pause = halted = False
    unjudged: list[Moment] = []

    def line(moment: Moment, words: str, tone: str = "") -> StoryLine:
        return StoryLine(view.time_of(moment.second), words, tone=tone, second=moment.second)

    for one in view.course:
        if one.pause and not pause:
            yield line(one, _("Pause suggested") + _kind(one), "bad")
        elif one.warning and not (warning or pause):
            yield line(one, _("Warning") + _kind(one), "watch")
        elif (warning or pause) and not (one.warning or one.pause):
            yield line(one, _("The alarm is over"), "good")
        if one.halted != halted:
            yield line(one, _("The printer reports a pause") if one.halted else _("The printer prints again"))
        warning, pause, halted = one.warning, one.pause, one.halted
        if one.condition is Condition.OK:
            if len(unjudged) >= UNJUDGED_PICTURES:
                yield line(one, _("Seen again"))
            unjudged = []
            continue
        unjudged.append(one)
        if len(unjudged) == UNJUDGED_PICTURES:
            yield line(unjudged[0], _(CONDITIONS[one.condition.value]), "watch")


def _kind(moment: Moment) -> str:
    return f": {_(moment.kind.replace('_', ' '))}" if moment.kind else ""


def _words(event: PrintEvent) -> str:
    if event.kind == "undo":
        about = FEEDBACK_WORDS.get(event.detail, "")
        return _("Taken back: %(feedback)s", feedback=_(about)) if about else _("Feedback taken back")
    if event.kind in FEEDBACK_WORDS:
        return _(FEEDBACK_WORDS[event.kind])
    words = _(event.kind.replace("_", " ").capitalize())
    return f"{words}: {event.detail}" if event.detail else words
