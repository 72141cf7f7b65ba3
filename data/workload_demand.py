"""What people know of a workload's demand beforehand: keys of `workloads.yaml` as types."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from data.calendars import holiday_calendar, time_zone
from data.workload_types import Model, Number, Positive, Text, Time

TimeZone = Annotated[Text, AfterValidator(time_zone)]
HolidayCalendar = Annotated[Text, AfterValidator(holiday_calendar)]


class KnownEvent(Model):
    """Something that multiplies demand for a while, past or to come: a campaign, a closing."""

    name: Text
    """What it is, for people."""
    start: Time
    """First moment, ISO 8601 with offset."""
    end: Time
    """End, exclusive, ISO 8601 with offset."""
    factor: Annotated[Number, Field(ge=0)]
    """Demand as a multiple of the usual: 2 is twice as much, 0 none."""

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.end <= self.start:
            raise ValueError("an end that is later than the start")
        return self


class Launch(Model):
    """What is expected of a workload that has no history yet; what is seen takes over within a day."""

    requests_per_s: Positive
    """Mean requests per second."""
    like: Text | None = None
    """Workload with history whose course over the day, and length of requests, it will have. Default: any."""
