"""Counted zeros that are no demand: the minute loop reads them as if nobody had counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from models.frames import check_series
from models.gaps import flag_outages
from optimizer.demand import slot_of
from optimizer.inputs import Inputs


def without_outages(inputs: Inputs, series: pd.DataFrame) -> Inputs:
    """Inputs with nothing but one workload's demand, outages marked as gaps.

    Args:
        inputs: what is known.
        series: the workload's demand by slot, as `optimizer.demand.demand_series` gives it.
    """
    demand = inputs.history_of(str(series["unique_id"].iloc[0]))
    slot = slot_of(series)
    flagged = flag_outages(check_series(series, slot))[0]
    if not flagged.any():
        return replace(inputs, demand=demand)
    place = ((demand["ts"] - series["ds"].iloc[0]) // slot).to_numpy()
    inside = (place >= 0) & (place < len(flagged))
    hit = inside & flagged[np.clip(place, 0, len(flagged) - 1)]
    # Zeros before and after the flagged slots are of the same outage.
    is_zero = demand["requests"].eq(0)
    run = (is_zero != is_zero.shift()).cumsum()
    lost = is_zero & run.isin(run[hit & is_zero])
    return replace(inputs, demand=demand.assign(is_gap=demand["is_gap"].astype(bool) | lost))
