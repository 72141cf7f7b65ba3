"""Whether work with a deadline comes again: it does if it was seen on most of the last days."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from optimizer.commitment_demand import DAY, daily_requests
from optimizer.inputs import Inputs

RECURS_DAYS, RECURS_SHARE = 14, 0.8  # work with a deadline that was done on so many days comes again


def usual_work(inputs: Inputs, workloads: Sequence[str]) -> dict[str, float]:
    """Units of work that each workload does on a usual day; 0 for what is done once."""
    if not workloads:
        return {}
    days = daily_requests(inputs.demand, workloads, inputs.as_of)
    recent = days.loc[days["ds"] >= pd.Timestamp(inputs.as_of).floor("D") - RECURS_DAYS * DAY]
    return {name: usual_units(recent.loc[recent["unique_id"].eq(name), "y"]) for name in workloads}


def usual_units(rates: pd.Series[float]) -> float:
    """Units of work on a day, from the rates of the last days; 0 where most of them had none."""
    is_usual = (rates > 0).sum() >= RECURS_SHARE * RECURS_DAYS
    return float(rates.mean()) * DAY.total_seconds() if is_usual else 0.0
