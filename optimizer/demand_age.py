"""How old the demand is that a plan is made from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from data.workloads import Workload

OLD = "old demand: "  # how its note begins
MOST_AGE = pd.Timedelta(days=1)


def old_demand(workloads: Sequence[Workload], demand: pd.DataFrame, as_of: datetime) -> list[str]:
    """A note where demand was last counted more than a day before as-of: forecasts stand on what is past.

    Not of workloads that are planned without it.
    """
    asked = [w.name for w in workloads if not w.do_not_touch and w.work_units is None]
    rows = demand.loc[demand["workload"].isin(asked) & demand["requests"].notna()]
    if rows.empty:
        return []
    ends = rows["ts"] + pd.to_timedelta(rows["interval_s"], unit="s")
    newest = ends.groupby(rows["workload"]).max()
    old = newest.loc[pd.Timestamp(as_of) - newest > MOST_AGE]
    if old.empty:
        return []
    names = ", ".join(name for name in asked if name in old.index)
    known = f"what is known of {names} ends at {old.max():%Y-%m-%d %H:%M} UTC or before"
    mend = "load newer demand, or plan for that moment with --as-of"
    return [f"{OLD}{known}, more than a day before the moment of this plan; {mend}"]
