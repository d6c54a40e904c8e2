"""The wire's JSON objects, as OpenAPI describes them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from layerwatch.api.errors import ErrorType
from layerwatch.core.text import MAX_NAME_LENGTH

Level = Annotated[StrictInt, Field(ge=1, le=5)]
Label = Annotated[StrictStr, Field(max_length=MAX_NAME_LENGTH, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]


class CreateContext(BaseModel):
    """How sure to be before a warning or a pause, and names that are shown to the account's people.

    Names hold no control and no text-direction characters. Unknown fields are ignored.
    """

    model_config = ConfigDict(extra="allow")

    WarningConfidenceLevel: Level | None = Field(
        3, description="1 warns sooner, 5 only when more certain; null means 3."
    )
    PauseConfidenceLevel: Level | None = Field(
        3, description="1 pauses sooner, 5 only when more certain; null means 3."
    )

    Name: Label | None = Field(None, description="The print's name.")
    Printer: Label | None = Field(None, description="The printer's name.")
    Camera: Label | None = Field(None, description="The camera's name.")
    File: Label | None = Field(None, description="The name of the file that is printed.")


class CreatedContext(BaseModel):
    """A context: one print's session, for 14 days."""

    ContextId: Annotated[str, Field(pattern="^[0-9A-Za-z]{1,64}$")]
    ProcessRequestUrl: str = Field(description="Post the print's pictures here.")
    FallbackProcessRequestUrl: str = Field(description="Or here, while the first does not answer.")


class IntervalObject(BaseModel):
    """The interval in dialect 2, seconds."""

    Minimum: Annotated[StrictInt, Field(ge=20)] = Field(description="Sooner is refused.")
    Recommended: Annotated[StrictInt, Field(ge=20)] = Field(description="What serves the print best.")


class DetailBox(BaseModel):
    """Where a failure is seen: corner and size in fractions of the picture."""

    Kind: str
    Probability: Annotated[float, Field(ge=0, le=1)] = Field(
        description="The highest value of HeatMap in the box. It ranks places; FailureProbability, which is "
        "calibrated, may be lower."
    )
    Left: float
    Top: float
    Width: float
    Height: float


class DetailHeatMap(BaseModel):
    """Failure probability by place: row by row, 0..255 for 0..1."""

    Rows: int
    Columns: int
    Cells: list[Annotated[int, Field(ge=0, le=255)]]


class DetailObject(BaseModel):
    """What was seen, asked for with `?detail=1`."""

    Kind: str | None = Field(description="The likely kind of failure; null while nothing looks wrong.")
    FailureProbability: Annotated[float, Field(ge=0, le=1)] = Field(description="Of this picture alone.")
    Kinds: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        description="The probability that each kind of failure is in this picture. Kinds do not exclude each "
        "other, so the values do not add up to 1; none is above FailureProbability."
    )
    Boxes: list[DetailBox]
    HeatMap: DetailHeatMap
    Condition: Literal["ok", "dark", "overexposed", "blurred", "blocked", "frozen", "moved", "no_print"] = (
        Field(description="The picture's condition; anything but ok is no evidence about the print.")
    )
    Note: str | None = Field(
        None,
        description="Why the quality is lower than the print's course alone would make it, as in "
        "`looked like this from the start`; null otherwise.",
    )
    PrintInView: Annotated[float, Field(ge=0, le=1)]
    Brightness: float
    Sharpness: float
    Milliseconds: float
    ModelVersion: str


class _Verdict(BaseModel):
    PrintQuality: Annotated[StrictInt, Field(ge=1, le=10)] = Field(
        description="1 failure, 2 probable failure, 3 possible failure, 4-5 watching a possible issue, "
        "6-7 good, 8-9 great, 10 perfect."
    )
    WarningSuggested: StrictBool
    PauseSuggested: StrictBool
    Score: Annotated[StrictInt, Field(ge=0, le=100)] = Field(
        description="0 perfect, 100 strong probability of failure."
    )


class ProcessAnswer1(_Verdict):
    """The answer in dialect 1."""

    NextProcessIntervalSec: Annotated[StrictInt, Field(ge=20)] = Field(
        description="Seconds to wait before the next request; earlier ones are rejected."
    )
    Detail: DetailObject | None = Field(None, description="Only with ?detail=1.")


class ProcessAnswer2(_Verdict):
    """The answer in dialect 2."""

    NextProcessIntervalSec: IntervalObject
    FasterInspectionSuggested: StrictBool = Field(description="The print looks suspicious.")
    Detail: DetailObject | None = Field(None, description="Only with ?detail=1.")


class Feedback(BaseModel):
    """What a person says of the print now."""

    model_config = ConfigDict(extra="allow")

    Kind: Literal["false_alarm", "resumed", "missed", "undo"]


class FeedbackTaken(BaseModel):
    """The feedback was taken."""

    ContextId: str
    Kind: Literal["false_alarm", "resumed", "missed", "undo"]


class UsageTier(BaseModel):
    """The price of the next call: a tier of the account's price book."""

    Number: Annotated[StrictInt, Field(ge=1)] = Field(description="Counts from 1.")
    UpTo: Annotated[StrictInt, Field(ge=1)] | None = Field(
        description="The last call of the month in this tier; null: it has no end."
    )
    MicroDollarsPerCall: Annotated[StrictInt, Field(ge=0)]


class Usage(BaseModel):
    """An account's current calendar month (UTC). A million micro-dollars are one dollar; they are exact."""

    Month: Annotated[str, Field(pattern=r"^\d{4}-\d{2}$")]
    Calls: Annotated[StrictInt, Field(ge=0)] = Field(description="Billable calls so far, without test keys'.")
    FreeCalls: Annotated[StrictInt, Field(ge=0)] | None = Field(
        description="Calls of a month that cost nothing; null: all of them."
    )
    FreeCallsLeft: Annotated[StrictInt, Field(ge=0)] | None
    FreeOnly: StrictBool = Field(description="Whether process is refused once no free call is left.")
    Tier: UsageTier
    SpendMicroDollars: Annotated[StrictInt, Field(ge=0)]
    SpendDollars: Annotated[float, Field(ge=0)]
    ProjectedCalls: Annotated[StrictInt, Field(ge=0)] = Field(
        description="At the end of the month, at the rate of the month so far."
    )
    ProjectedMicroDollars: Annotated[StrictInt, Field(ge=0)]
    ProjectedDollars: Annotated[float, Field(ge=0)]
    TestCallsToday: Annotated[StrictInt, Field(ge=0)] = Field(description="Of all test keys; the day is UTC.")
    TestCallsLeftToday: Annotated[StrictInt, Field(ge=0)]
    ResetsAt: str = Field(description="When the month ends, RFC 3339.")


class Error(BaseModel):
    """Every refusal."""

    ErrorType: ErrorType
    ErrorDetails: str = Field(description="What is wrong and how to mend it.")
