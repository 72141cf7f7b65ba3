"""Gathers what a workspace knows before a forecast is made."""

from __future__ import annotations

from optimizer.config import Settings
from optimizer.inputs import Inputs
from optimizer.known import Beforehand, known_of
from optimizer.members import members_of


def beforehand(inputs: Inputs, settings: Settings, metric: str) -> Beforehand:
    """All of it, for forecasts that are stored as `metric`."""
    past = inputs.past_forecasts
    mine = past.loc[past["metric"].eq(metric)].drop(columns="metric")
    return Beforehand(known_of(inputs.workloads, inputs.as_of), members_of(settings), mine, inputs.planner)


def stored_as(kind: str) -> str:
    """Metric of the forecasts of a kind of plan: each looks differently far ahead, at levels of its own.

    They count requests weighted by the work that each brings; see `optimizer.demand`.
    """
    return f"standard_requests_per_s_{kind}"
