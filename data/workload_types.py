"""Values in `workloads.yaml`: strict, so that nothing is guessed, and each with what a wrong one is told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _time_with_offset(value: object) -> object:
    """An ISO 8601 time as UTC; the zone must be written, a number of seconds is not a time."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError("an ISO 8601 time such as 2026-05-12T03:00:00+00:00") from None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("a time with its zone, such as 2026-05-12T03:00:00+00:00")
    return value.astimezone(UTC)


Text = Annotated[str, Field(strict=True, min_length=1, pattern=r"^\S(?:.*\S)?$")]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
Count = Annotated[int, Field(strict=True, ge=0)]
Flag = Annotated[bool, Field(strict=True)]
Time = Annotated[datetime, BeforeValidator(_time_with_offset)]
Country = Annotated[str, Field(strict=True, pattern=r"^[A-Z]{2}$")]


class Model(BaseModel):
    """Values that never change and know all their keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
