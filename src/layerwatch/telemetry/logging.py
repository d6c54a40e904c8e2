"""Structured logs: one line an event, JSON for machines, colours for people. Never a key, never a picture."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import Literal, TextIO, cast

import structlog
from structlog.types import EventDict, Processor


def configure(
    level: str = "info", form: Literal["auto", "console", "json"] = "auto", *, worker: int | None = None
) -> None:
    """Set up structlog for this process, on standard error; the standard library's loggers join it.

    worker: this process's number among several, added to each line.
    """

    def name_worker(_: object, __: str, event: EventDict) -> EventDict:
        return event if worker is None else {**event, "worker": worker}

    people = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        name_worker,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # A traceback on a console; in JSON one field, without the values of local variables.
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if people
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    out = _Forgiving(sys.stderr)
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, out)),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(cast(TextIO, out))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(number, logging.WARNING) if number > logging.DEBUG else number)


class _Forgiving:
    """A stream whose lines are lost when they cannot be written: a full disk below the log, or a pipe that
    nobody reads any more, must not cost a print its watch."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()
