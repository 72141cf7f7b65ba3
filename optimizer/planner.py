"""Which model plans: Trimtab's own, unless the newest backtest has put another in its place."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from data.lake import Lake
from models.peers import named
from optimizer.demand import REQUESTS
from optimizer.rows import rows_of

PLANNED = pd.Timedelta(days=1)  # how far plans look: who is good an hour ahead may not be good at that
TRUSTED = pd.Timedelta(days=35)  # a backtest older than this says little about the demand of today


@dataclass(frozen=True)
class Planner:
    """A model and the latest moment it was judged from."""

    model: str
    last_origin: pd.Timestamp

    @property
    def note(self) -> str:
        """What a plan says of it."""
        judged = f"{self.last_origin:%Y-%m-%d %H:%M} UTC"
        return f"demand is forecast by {self.model}, which the backtest up to {judged} preferred"


def planner_at(lake: Lake, as_of: pd.Timestamp) -> Planner | None:
    """Who has taken the place of Trimtab's own model, as known at a moment; None where nobody has."""
    window = {"since": (as_of - TRUSTED).to_pydatetime(), "until": as_of.to_pydatetime()}
    rows = lake.read("forecast_planner", metric=REQUESTS, least_s=int(PLANNED.total_seconds()), **window)
    found = [Planner(str(model), origin) for model, origin in rows_of(rows, "model", "last_origin")]
    # A model of another version may be gone since: then it is as if nobody had been preferred.
    return found[0] if found and named(found[0].model, PLANNED) is not None else None
