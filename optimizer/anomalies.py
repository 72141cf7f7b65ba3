"""Incidents of a workspace: days on which cost or utilisation was not what it should have been.

    lake → daily series → models.anomaly → Benjamini–Hochberg over the series of each day → episodes
         → grouped over what they share → incidents with money, contributions and causes

The newest days of a bill are not judged before they are settled (`optimizer.settled`). A day without charges
costs nothing, if the bill covers it. Money is the excess over the 0.9 quantile of the forecast (of a fall,
what is below the 0.1 quantile, negative), as long as the cost stays out of that band.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from data.lake import Lake
from models.anomaly import judge
from models.frames import FloatArray
from optimizer.anomaly_causes import USAGE, effects, main_cause
from optimizer.incidents import COST, DAY, PLACE, UTILISATION, Episode, Incident, grouped
from optimizer.rows import rows_of
from optimizer.settled import settled

HISTORY = 180 * DAY  # what the forecast of a day may look back on
SHOWN = 30 * DAY  # incidents that are told unless --since says otherwise
FALSE_SHARE = 0.1  # of the alerts of a day that may be chance, by Benjamini and Hochberg
LEAST_PER_DAY = 1.0  # an excess below one unit of currency a day is not worth an alert
LEAST_SHARE = 0.2  # utilisation that is off by less than a fifth of what was expected is not worth one
KEY = (*PLACE, "currency")
BASELINE_DAYS = 14  # before an incident: what the causes compare with


@dataclass(frozen=True)
class Watched:
    """Incidents and what they were looked for in."""

    incidents: tuple[Incident, ...]
    series: Mapping[str, int]
    since: pd.Timestamp | None
    settled: Mapping[str, pd.Timestamp]


def find(lake: Lake, *, settle_days: int, since: datetime | None = None) -> Watched:
    """Incidents that began on or after `since`, by default in the last 30 settled days; newest first."""
    believed = settled(lake, settle_days).by_provider
    newest = newest_day(lake, believed)
    if newest is None:
        return Watched((), {COST: 0, UTILISATION: 0}, None, believed)
    begin = pd.Timestamp(since).floor("D") if since else newest - SHOWN
    costs = daily_costs(lake, believed, begin - HISTORY, newest)
    used, places = utilisation(lake, begin - HISTORY, newest)
    episodes = [with_cause(lake, one, begin - HISTORY) for one in cost_episodes(costs, begin)]
    episodes += utilisation_episodes(used, places, begin)
    return Watched(
        grouped(episodes),
        {COST: costs["unique_id"].nunique(), UTILISATION: used["unique_id"].nunique()},
        begin,
        believed,
    )


def newest_day(lake: Lake, believed: Mapping[str, pd.Timestamp]) -> pd.Timestamp | None:
    """End of the days that can be judged; None where there is neither bill nor utilisation."""
    if believed:
        return max(believed.values())
    ages = lake.read("freshness")
    ends = ages.loc[ages["table_name"].eq("usage"), "newest_data"].dropna()
    return None if ends.empty else pd.Timestamp(ends.iloc[0]).floor("D")


# -- series ----------------------------------------------------------------------------------------------


def daily_costs(
    lake: Lake, believed: Mapping[str, pd.Timestamp], since: pd.Timestamp, until: pd.Timestamp
) -> pd.DataFrame:
    """`unique_id, ds, y` and the series' key: every settled day that the provider's bill covers."""
    window = {"since": since.to_pydatetime(), "until": until.to_pydatetime()}
    rows = lake.read("daily_cost_series", **window).rename(columns={"day": "ds", "effective_cost": "y"})
    rows = rows.loc[rows["ds"] < rows["provider"].map(believed)]
    keys = rows[list(KEY)].drop_duplicates().reset_index(drop=True)
    keys = keys.assign(unique_id=keys.index.astype("int64"))
    covered = rows[["provider", "ds"]].drop_duplicates()
    whole = keys.merge(covered, on="provider").merge(rows, on=[*KEY, "ds"], how="left")
    return whole.assign(y=whole["y"].fillna(0.0).round(9))


def utilisation(
    lake: Lake, since: pd.Timestamp, until: pd.Timestamp
) -> tuple[pd.DataFrame, dict[str, dict[str, str | float]]]:
    """`unique_id, ds, y, resource, metric` per day; where each resource is and what a day of it costs."""
    window = {"since": since.to_pydatetime(), "until": until.to_pydatetime()}
    rows = lake.read("daily_utilisation", **window).rename(columns={"day": "ds", "value": "y"})
    rows = rows.assign(unique_id=rows.groupby(["resource", "metric", "unit"], dropna=False).ngroup())
    costs = lake.read("resource_cost_per_day", **window).sort_values("cost_per_day")
    columns = ("resource", *KEY, "cost_per_day")
    names = (*KEY, "cost_per_day")
    found = {
        str(resource): dict(zip(names, rest, strict=True)) for resource, *rest in rows_of(costs, *columns)
    }
    return rows, found


# -- episodes --------------------------------------------------------------------------------------------


def judged(series: pd.DataFrame) -> pd.DataFrame:
    """The series with what the detector says; only alerts that chance does not explain are left."""
    made = judge(series).sort_values(["unique_id", "ds"], ignore_index=True)
    limit = made.groupby("ds")["p_value"].transform(lambda p: highest_rejected(p.to_numpy()))
    return made.assign(is_anomaly=made["is_anomaly"] & made["p_value"].le(limit))


def highest_rejected(p_values: FloatArray, false_share: float = FALSE_SHARE) -> float:
    """The largest p-value that Benjamini and Hochberg reject among these; -1 where they reject none."""
    ordered = np.sort(p_values)
    below = np.flatnonzero(ordered <= false_share * np.arange(1, ordered.size + 1) / max(ordered.size, 1))
    return float(ordered[below[-1]]) if below.size else -1.0


def runs(made: pd.DataFrame, begin: pd.Timestamp) -> Iterator[tuple[pd.DataFrame, FloatArray]]:
    """Rows of each series from an alert to the last day out of the band, with the excess of each day.

    The band keeps the width that it had at the alert: what follows would widen it. What began before `begin`
    is left out as a whole: a later alert in it is no beginning.
    """
    for _, rows in made.groupby("unique_id", sort=True):
        miss, below, above = ((rows[name] - rows["expected"]).to_numpy() for name in ("y", "low", "high"))
        done = -1
        for start in np.flatnonzero(rows["is_anomaly"].to_numpy()):
            if start <= done:
                continue
            ahead = miss[start:]
            excess = np.maximum(ahead - above[start], 0.0) + np.minimum(ahead - below[start], 0.0)
            back = np.flatnonzero(np.sign(excess) != np.sign(excess[0]))
            length = int(back[0]) if back.size else excess.size
            done = int(start) + max(length, 1) - 1
            if length and rows["ds"].iloc[start] >= begin:
                yield rows.iloc[start : start + length], excess[:length]


def cost_episodes(costs: pd.DataFrame, begin: pd.Timestamp) -> list[Episode]:
    """Episodes of cost that are worth an alert."""
    if costs.empty:
        return []
    return [
        Episode(
            kind=COST,
            place={name: str(rows[name].iloc[0]) for name in PLACE if pd.notna(rows[name].iloc[0])},
            currency=str(rows["currency"].iloc[0]),
            excess=float(excess.sum()),
            **measures(rows),
        )
        for rows, excess in runs(judged(costs), begin)
        if abs(excess.mean()) >= LEAST_PER_DAY
    ]


def measures(rows: pd.DataFrame) -> dict[str, Any]:
    """What all episodes say: days, score, mean actual and expected value."""
    return {
        "first": rows["ds"].iloc[0],
        "last": rows["ds"].iloc[-1],
        "score": float(rows["score"].max()),
        "actual": float(rows["y"].mean()),
        "expected": float(rows["expected"].mean()),
    }


def utilisation_episodes(
    used: pd.DataFrame, places: Mapping[str, Mapping[str, str | float]], begin: pd.Timestamp
) -> list[Episode]:
    """Episodes of utilisation; their money is what the resource cost on those days, where that is known."""
    if used.empty:
        return []
    found = []
    for rows, _ in runs(judged(used), begin):
        if abs((rows["y"] - rows["expected"]).mean()) < LEAST_SHARE * abs(rows["expected"].mean()):
            continue
        resource = str(rows["resource"].iloc[0])
        place = places.get(resource, {})
        per_day = place.get("cost_per_day")
        found.append(
            Episode(
                kind=UTILISATION,
                place={name: str(place[name]) for name in PLACE if pd.notna(place.get(name))},
                currency=str(place["currency"]) if place else None,
                excess=None if per_day is None else float(per_day) * len(rows),
                resource=resource,
                metric=str(rows["metric"].iloc[0]),
                cause=USAGE,
                **measures(rows),
            )
        )
    return found


# -- causes ----------------------------------------------------------------------------------------------


def with_cause(lake: Lake, episode: Episode, history: pd.Timestamp) -> Episode:
    """The episode of cost with its change split by cause, against the two weeks before it."""
    begins = max(episode.first - BASELINE_DAYS * DAY, history)
    key = {name: episode.place.get(name) for name in PLACE} | {"currency": episode.currency}
    window = {"since": begins.to_pydatetime(), "until": (episode.last + DAY).to_pydatetime()}
    detail = lake.read("cost_detail", **window, **key)
    if detail.empty:
        return episode
    before = max(int((episode.first - max(begins, detail["day"].min())) // DAY), 1)
    found = effects(detail, begins=episode.first, days_before=before, days_after=episode.days)
    return replace(episode, cause=main_cause(found, episode.actual - episode.expected), effects=found)
