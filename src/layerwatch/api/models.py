"""The wire's JSON objects, as OpenAPI describes them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from layerwatch.api.errors import ErrorType

Level = Annotated[StrictInt, Field(ge=1, le=5)]


class CreateContext(BaseModel):
    """How sure to be before a warning or a pause. Unknown fields are ignored."""

    model_config = ConfigDict(extra="allow")

    WarningConfidenceLevel: Level | None = Field(
        3, description="1 warns sooner, 5 only when more certain; null means 3."
    )
    PauseConfidenceLevel: Level | None = Field(
        3, description="1 pauses sooner, 5 only when more certain; null means 3."
    )


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
    Probability: Annotated[float, Field(ge=0, le=1)]
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
    Kinds: dict[str, float] = Field(description="Every kind's probability, 0..1.")
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
        description="Come again after so many seconds; sooner is refused."
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


class Error(BaseModel):
    """Every refusal."""

    ErrorType: ErrorType
    ErrorDetails: str = Field(description="What is wrong and how to mend it.")
