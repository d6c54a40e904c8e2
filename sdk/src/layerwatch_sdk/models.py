"""What the calls give back: small immutable values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Dict, Mapping, Optional, Tuple

from layerwatch_sdk.routing import Route


@dataclass(frozen=True)
class Context:
    """One print's session on the service. Lives 14 days; one per print.

    context_id: letters and digits, at most 64.
    process_url, fallback_url: complete URLs; the client changes between them by itself.
    warning_level, pause_level: 1 (soonest) to 5 (most certain), as asked for.

    The values are plain, so that a context can be stored and made again after a restart:
    `Context(context_id, process_url, fallback_url)`.
    """

    context_id: str
    process_url: str
    fallback_url: str
    warning_level: int = 3
    pause_level: int = 3
    route: Route = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "route", Route(self.process_url, self.fallback_url))


@dataclass(frozen=True)
class PrintLabels:
    """What people see of a print: sent once, when its context is opened. What is None is not sent.

    name: what the print is called.  printer, camera: which ones.  file: what is printed.
    Texts are cut to 120 characters; control characters are left out.
    """

    name: Optional[str] = None
    printer: Optional[str] = None
    camera: Optional[str] = None
    file: Optional[str] = None


@dataclass(frozen=True)
class PrintPosition:
    """Where a print is at the moment of a picture: sent with it. What is None is not sent.

    layer: 1 for the first.  layers: in all.  progress: 0..1.  state: the printer's, such as "printing".
    """

    layer: Optional[int] = None
    layers: Optional[int] = None
    progress: Optional[float] = None
    state: Optional[str] = None


FEEDBACK_KINDS = ("false_alarm", "correct_alarm", "missed", "missed_failure", "good", "resumed", "undo")
"""false_alarm: nothing is wrong. correct_alarm: the alarm is right. missed, missed_failure: it failed,
unnoticed. good: the print is fine. resumed: a person resumed the print. undo: takes back the last of them."""

MAX_COMMENT = 500
"""Characters of a comment on a print."""


@dataclass(frozen=True)
class Feedback:
    """What a person says of a print. Raises ValueError for what the service would refuse.

    kind: one of `FEEDBACK_KINDS`.  failure_kind: such as "spaghetti", if it is known.  comment: at most
    `MAX_COMMENT` characters.  share_images: False keeps the service from keeping pictures for training with
    this feedback; otherwise the account's consent decides.
    """

    kind: str
    failure_kind: Optional[str] = None
    comment: Optional[str] = None
    share_images: Optional[bool] = None

    def __post_init__(self) -> None:
        if self.kind not in FEEDBACK_KINDS:
            raise ValueError(f"feedback is one of {', '.join(FEEDBACK_KINDS)}, not {self.kind!r}")
        if self.comment is not None and len(self.comment) > MAX_COMMENT:
            raise ValueError(f"a comment has at most {MAX_COMMENT} characters")

    def fields(self) -> Dict[str, Any]:
        """The fields on the wire."""
        given = {
            "Kind": self.kind,
            "FailureKind": self.failure_kind,
            "Comment": self.comment,
            "ShareImages": self.share_images,
        }
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class NextInterval:
    """When the next picture may be sent, counted from the moment the answer came. Whole seconds.

    seconds: what to wait: `recommended`, or `minimum` while the print looks suspicious.
    minimum: binding; a picture sent sooner is refused.
    recommended: the interval that costs no more than it helps; never below `minimum`.

    An answer in the older dialect has one number, which then fills all three.
    """

    seconds: int
    minimum: int
    recommended: int


@dataclass(frozen=True)
class Box:
    """Where a failure is seen. Corner and size in fractions of the picture, 0..1."""

    kind: str
    probability: float
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class HeatMap:
    """Failure probability by place: `cells` is row-major, one byte (0..255 for 0..1) a cell."""

    rows: int
    columns: int
    cells: bytes


@dataclass(frozen=True)
class Detail:
    """What `detail=True` adds: what the picture shows, and where. What was left out is None or empty.

    kind: the likely kind of failure, or None.
    kinds: the probability of each kind, 0..1; they do not exclude each other, and none is above
        `failure_probability`.
    boxes: where failures are seen.
    condition: as `Inspection.condition`, but "overexposed" for "bright" and "no_print" for "no-print".
    model_version: the model that judged it.
    raw: the whole object as it came, for fields that this version does not know.
    failure_probability: of this picture alone, 0..1.
    heat_map: where a failure is likely.
    note: why the quality is lower than the print's course alone would make it, or None.
    """

    kind: Optional[str]
    kinds: Mapping[str, float]
    boxes: Tuple[Box, ...]
    condition: Optional[str]
    model_version: Optional[str]
    raw: Mapping[str, Any]
    failure_probability: Optional[float] = None
    heat_map: Optional[HeatMap] = None
    note: Optional[str] = None


@dataclass(frozen=True)
class LeftOver:
    """Something on the bed. Corner and size in fractions of the picture, 0..1; area: its share of it."""

    left: float
    top: float
    width: float
    height: float
    area: float


@dataclass(frozen=True)
class BedCheck:
    """Whether a bed is clear.

    clear: None where that cannot be said; `reason` then says why.
    left_overs: where something lies, largest first; empty unless `clear` is False.
    """

    clear: Optional[bool]
    reason: Optional[str] = None
    left_overs: Tuple[LeftOver, ...] = ()


@dataclass(frozen=True)
class Usage:
    """What the key's account has used of the current calendar month (UTC).

    month: as in "2026-11".
    calls: billable calls so far; calls of test keys are not among them.
    free_calls, free_calls_left: free calls of a month, and how many are left; None: all calls are free.
    free_only: whether `process` is refused once no free call is left.
    tier: number of the price tier of the next call, from 1.  micro_dollars_per_call: its price.
    spend_micro_dollars: what the calls cost; exact. A million micro-dollars are one dollar.
    projected_calls, projected_micro_dollars: at the end of the month, at the rate of the month so far.
    test_calls_today, test_calls_left_today: of the account's test keys.
    resets_at: when the month ends.
    """

    month: str
    calls: int
    free_calls: Optional[int]
    free_calls_left: Optional[int]
    free_only: bool
    tier: int
    micro_dollars_per_call: int
    spend_micro_dollars: int
    projected_calls: int
    projected_micro_dollars: int
    test_calls_today: int
    test_calls_left_today: int
    resets_at: datetime

    @property
    def spend_dollars(self) -> float:
        """`spend_micro_dollars` in dollars, to show."""
        return self.spend_micro_dollars / 1_000_000

    @property
    def projected_dollars(self) -> float:
        """`projected_micro_dollars` in dollars, to show."""
        return self.projected_micro_dollars / 1_000_000


@dataclass(frozen=True)
class Inspection:
    """The answer to one picture.

    next_interval: when the next picture may be sent.
    print_quality: 1 failure, 2 probable, 3 possible failure, 4-5 watching a possible issue, 6-7 good,
        8-9 great, 10 perfect. For people to see; act on the two suggestions instead.
    warning_suggested: warn the user.
    pause_suggested: pause the print.
    score: 0 perfect .. 100 strong probability of failure.
    faster_inspection_suggested: the print looks suspicious; always False in the older dialect.
    detail: only when asked for.
    received_at: when the answer came, in seconds of the client's monotonic clock.
    request_id: the answer's X-Request-Id.
    condition: the picture's: "ok", "frozen", "dark", "bright", "blurred", "blocked", "no-print" or "moved",
        or another word of a later service. Anything but "ok" is no evidence about the print. From the
        detail if the answer has no header for it; None if the service does not say.
    """

    next_interval: NextInterval
    print_quality: int
    warning_suggested: bool
    pause_suggested: bool
    score: int
    faster_inspection_suggested: bool = False
    detail: Optional[Detail] = None
    received_at: float = 0.0
    request_id: Optional[str] = None
    condition: Optional[str] = None

    def __post_init__(self) -> None:
        if self.condition is None and self.detail is not None and self.detail.condition is not None:
            word = {"overexposed": "bright"}.get(self.detail.condition, self.detail.condition)
            object.__setattr__(self, "condition", word.replace("_", "-"))
