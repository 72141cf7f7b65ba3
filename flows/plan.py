"""Forecasts and plans as of a moment."""

# No postponed annotations: a served flow is pickled without the names its signature would need later.

from datetime import datetime
from pathlib import Path
from typing import Literal

import pandas as pd
from prefect import flow
from pydantic import AwareDatetime, PositiveFloat

from flows.steps import moment, shown, step
from optimizer import pipeline
from optimizer.layout import Layout

Kind = Literal["capacity", "placement"]


@flow(name="trimtab-plan")
def plan(
    workspace: Path,
    kind: Kind = "capacity",
    as_of: AwareDatetime | None = None,
    horizon_hours: PositiveFloat = 24.0,
) -> Path:
    """Write plans/<kind>.json as of a moment, by default when the run was due."""
    return make_plan(workspace, kind, as_of or moment(), horizon_hours)


@step("forecast")
def forecast_demand(workspace: Path, as_of: datetime, horizon_hours: float) -> int:
    """Quantiles of demand into the lake; how many rows there are."""
    with shown("forecast") as progress:
        horizon = pd.Timedelta(hours=horizon_hours)
        quantiles, _ = pipeline.forecast(workspace, as_of=as_of, horizon=horizon, progress=progress)
        return len(quantiles)


@step("plan", "plan {kind}")
def make_plan(workspace: Path, kind: Kind, as_of: datetime, horizon_hours: float) -> Path:
    """A checked plan in plans/<kind>.json; its cost, gap and shortfalls are logged."""
    out, horizon = Layout(workspace).plans / f"{kind}.json", pd.Timedelta(hours=horizon_hours)
    with shown(f"plan-{kind}") as progress:
        made = pipeline.plan(workspace, as_of=as_of, horizon=horizon, kind=kind, out=out, progress=progress)
        cost = f"{made.expected_cost_usd:,.2f} USD, proven gap {made.proof.gap_share:.2%}"
        progress(f"{made.hash[:12]}: {cost}, {len(made.shortfalls)} shortfalls", 1.0)
    return out
