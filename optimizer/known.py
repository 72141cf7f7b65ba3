"""What is known before a forecast is made: of demand to come, of models, of how past forecasts did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from data.calendars import public_holidays
from models.forecaster import Forecaster
from models.known import Event, Known, Launch

if TYPE_CHECKING:
    from data.workloads import Workload


@dataclass(frozen=True)
class Beforehand:
    """What a forecast may use besides the history.

    Attributes:
        known: of demand to come, by workload.
        members: further members of the ensemble.
        past: `unique_id, ds, quantile, value` what stored forecasts said of slots that have passed.
        planner: name of the model in the place of the ladder's ensembles; None for them.
    """

    known: Mapping[str, Known] = field(default_factory=dict)
    members: tuple[Forecaster, ...] = ()
    past: pd.DataFrame | None = None
    planner: str | None = None


def known_of(workloads: Sequence[Workload], as_of: datetime) -> dict[str, Known]:
    """By workload: its clock, its holidays a year around as-of, events and what is expected of a launch."""
    years = range(as_of.year - 1, as_of.year + 2)
    return {
        w.name: Known(
            zone=w.time_zone,
            holidays=frozenset(map(pd.Timestamp, public_holidays(w.holidays, *years)))
            if w.holidays
            else frozenset(),
            events=tuple(Event(pd.Timestamp(e.start), pd.Timestamp(e.end), e.factor) for e in w.known_events),
            launch=Launch(w.launch.requests_per_s, w.launch.like) if w.launch else None,
        )
        for w in workloads
    }


def unseen_series(workload: Workload, slots: Mapping[str, pd.Timedelta], as_of: datetime) -> pd.DataFrame:
    """A series of gaps that ends at as-of, for a launch: `unique_id, ds, y` on the grid of its like.

    Args:
        workload: one with a launch.
        slots: length of a slot by workload with history; the shortest serves a launch that is like none.
        as_of: end of the series.
    """
    like = workload.launch.like if workload.launch else None
    slot = slots.get(like or "", min(slots.values(), default=pd.Timedelta(10, unit="min")))
    end = pd.Timestamp(as_of).as_unit("us")
    return pd.DataFrame(
        {"unique_id": workload.name, "ds": [end - 2 * slot, end - slot], "y": [np.nan, np.nan]}
    )
