"""The tables behind the report: what the frames of ReportData say, summed up for one reader.

Pure functions of ReportData. Numbers stay numbers here; text.py writes them, the templates place them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from optimizer.report.data import Recommendation, ReportData
from optimizer.report.text import is_known

MOST_GROUPS = 12  # rows of a spend table; the rest is one row
MOST_POINTS = 240  # of one forecast chart: about two for each pixel column it is drawn on
MOST_INTERVALS = 1_000_000  # of a history searched for gaps: two years of minutes
QUANTILES = ("q0.1", "q0.5", "q0.9", "q0.99")


@dataclass(frozen=True)
class SpendRow:
    """Costs of one provider, service or team in the bill's currency; before: billed the month before."""

    name: str
    billed: float
    effective: float
    before: float
    change_share: float


@dataclass(frozen=True)
class Outcome:
    """One workload's forecast: where it peaks, and how far earlier forecasts came true.

    at_or_below_* are the shares of the `known` points that stayed at or under that quantile.
    """

    workload: str
    model: str
    origin: pd.Timestamp
    peak: float
    peak_at: pd.Timestamp | None
    known: int
    at_or_below_q90: float
    at_or_below_q99: float


@dataclass(frozen=True)
class CapacityRow:
    """One option of one workload, replicas and USD per hour, now and as planned."""

    provider: str
    region: str
    instance_type: str
    purchase: str
    option_id: str
    replicas_now: float
    replicas_planned: float
    usd_now: float
    usd_planned: float


@dataclass(frozen=True)
class CapacityGroup:
    """All options of one workload; the totals are NaN as soon as one part is not known."""

    workload: str
    rows: tuple[CapacityRow, ...]
    replicas_now: float
    replicas_planned: float
    usd_now: float
    usd_planned: float


def by_saving(each: Recommendation) -> tuple[int, float, str]:
    """Shortages, then the largest saving, those with an unknown saving last; ties by id."""
    saving = each.saving_usd_per_month_mid
    known = saving is not None and is_known(saving)
    place = 0 if each.kind == "shortage" else 1 if known else 2
    return place, -saving if saving is not None and known else 0.0, each.id


def months(data: ReportData) -> tuple[str | None, str | None]:
    """The last full month of the bill and the one before it; the month of as_of where no other is known."""
    known = sorted(set(data.spend["month"].dropna()))
    full = [month for month in known if month < month_of(data)] or known
    return (full[-1] if full else None), (full[-2] if len(full) > 1 else None)


def month_of(data: ReportData) -> str:
    """The month of as_of, which is not over: YYYY-MM."""
    return f"{pd.Timestamp(data.as_of).tz_convert('UTC'):%Y-%m}"


def spend_rows(data: ReportData, by: str) -> list[SpendRow]:
    """Last full month by provider, service or team, most expensive first, a long tail as one row."""
    month, before = months(data)
    spend = data.spend.assign(**{by: data.spend[by].fillna(f"no {by}")})
    now = _sums(spend[spend["month"] == month], by)
    earlier = _sums(spend[spend["month"] == before], by)["billed_cost"]
    now = now.join(earlier.rename("before"), how="outer" if before else "left")
    now = now.sort_values(["billed_cost", by], ascending=[False, True], na_position="last")
    rows = [_spend_row(str(name), *cost) for name, *cost in now.itertuples()]
    if len(rows) <= MOST_GROUPS + 1:
        return rows
    rest = now.iloc[MOST_GROUPS:]
    totals = [float(rest[column].sum(min_count=1)) for column in ("billed_cost", "effective_cost", "before")]
    return [*rows[:MOST_GROUPS], _spend_row(f"{len(rest)} others", *totals)]


def spend_total(data: ReportData) -> SpendRow:
    """The whole bill of the same months; what is missing in single rows is left out, as in their sums."""
    month, before = months(data)
    costs = ["billed_cost", "effective_cost"]
    now, earlier = (
        data.spend.loc[data.spend["month"] == name, costs].sum(min_count=1) for name in (month, before)
    )
    return _spend_row("all", *(float(each) for each in (*now, earlier["billed_cost"])))


def _sums(spend: pd.DataFrame, by: str) -> pd.DataFrame:
    return spend.groupby(by)[["billed_cost", "effective_cost"]].sum(min_count=1)


def _spend_row(name: str, billed: float, effective: float, before: float) -> SpendRow:
    compares = is_known(billed) and is_known(before) and before > 0
    return SpendRow(name, billed, effective, before, billed / before - 1 if compares else float("nan"))


def outcomes(data: ReportData) -> list[Outcome]:
    """One row per workload with a forecast, by name."""
    return [_outcome(str(name), rows) for name, rows in data.forecasts.groupby("workload", sort=True)]


def _outcome(workload: str, rows: pd.DataFrame) -> Outcome:
    last = rows[rows["origin"] == rows["origin"].max()]
    known = rows[rows["actual"].notna()]
    peak = last.loc[last["q0.99"].idxmax()] if last["q0.99"].notna().any() else None

    def held(column: str) -> float:
        judged = known[known[column].notna()]
        return float((judged["actual"] <= judged[column]).mean()) if len(judged) else float("nan")

    return Outcome(
        workload=workload,
        model=", ".join(sorted(set(last["model"].dropna()))),
        origin=rows["origin"].max(),
        peak=float("nan") if peak is None else float(peak["q0.99"]),
        peak_at=None if peak is None else peak["ds"],
        known=len(known),
        at_or_below_q90=held("q0.9"),
        at_or_below_q99=held("q0.99"),
    )


def demand_window(data: ReportData, workload: str) -> pd.DataFrame:
    """What the chart of one workload shows: ds, the quantiles, origin, actual, is_gap, by time.

    The forecasts, and before them as much history again, a day at least. Of several forecasts of one moment
    the newest counts. Long windows are put into buckets that keep the extremes: the lowest of q0.1, the
    highest of everything else. History and forecast may have different intervals.
    """
    forecasts = data.forecasts[data.forecasts["workload"] == workload]
    return window(forecasts, data.history[data.history["workload"] == workload], pd.Timestamp(data.as_of))


def window(forecasts: pd.DataFrame, history: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """The same from `ds, origin, q…, actual` and `ds, actual` of one series."""
    forecasts = forecasts.sort_values(["ds", "origin"]).drop_duplicates("ds", keep="last").set_index("ds")
    history = history.drop_duplicates("ds").set_index("ds")
    actual = forecasts["actual"].combine_first(history["actual"]).sort_index()
    if len(forecasts):
        lead = max(forecasts.index[-1] - forecasts.index[0], pd.Timedelta(days=1))
        actual = actual[actual.index >= forecasts.index[0] - lead]
    gaps = _gaps(actual, as_of)
    index = actual.index.union(gaps)
    whole = forecasts.reindex(index)[[*QUANTILES, "origin"]].assign(actual=actual.reindex(index), ds=index)
    return _thinned(whole.assign(is_gap=index.isin(gaps)))


def _gaps(actual: pd.Series[float], as_of: pd.Timestamp) -> pd.DatetimeIndex:
    """Starts of the intervals before as_of that should have a value and have none.

    The interval is the usual distance of the values known; where they keep no regular grid, none is claimed.
    """
    known = pd.DatetimeIndex(actual.dropna().index)
    if len(known) < 3:
        return known[:0]
    step = pd.Timedelta(pd.Series(known).diff().median())
    last = max(known[-1], as_of - step)
    if (last - known[0]) / step > MOST_INTERVALS:
        return known[:0]
    grid = pd.date_range(known[0], last, freq=step, unit="us")
    return grid.difference(known) if known.isin(grid).all() else known[:0]


def _thinned(window: pd.DataFrame) -> pd.DataFrame:
    bucket = max(1, -(-len(window) // MOST_POINTS))
    rules = {
        "ds": "first", "q0.1": "min", "q0.5": "max", "q0.9": "max", "q0.99": "max", "origin": "last",
        "actual": "max", "is_gap": "max",
    }  # fmt: skip
    shown = window.groupby(np.arange(len(window)) // bucket).agg(rules)
    return shown.assign(is_gap=shown["is_gap"].astype(bool) & shown["actual"].isna())


def capacity_groups(data: ReportData) -> list[CapacityGroup]:
    """Options that run now or will run, by workload; an option with neither is left out."""
    idle = (data.capacity["current_replicas"] == 0) & (data.capacity["planned_replicas"] == 0)
    order = ["workload", "planned_usd_per_hour", "option_id"]
    shown = data.capacity[~idle].sort_values(order, ascending=[True, False, True])
    return [_group(str(workload), rows) for workload, rows in shown.groupby("workload", sort=True)]


def _group(workload: str, rows: pd.DataFrame) -> CapacityGroup:
    numbers = ["current_replicas", "planned_replicas", "current_usd_per_hour", "planned_usd_per_hour"]
    columns = ["provider", "region", "instance_type", "purchase", "option_id", *numbers]
    options = tuple(CapacityRow(*row) for row in rows[columns].itertuples(index=False))
    return CapacityGroup(workload, options, *(float(rows[each].sum(skipna=False)) for each in numbers))


def total(groups: list[CapacityGroup]) -> CapacityGroup:
    """All workloads together; NaN where one of them is not known."""
    sums = (
        float(np.sum([getattr(group, name) for group in groups]))
        for name in ("replicas_now", "replicas_planned", "usd_now", "usd_planned")
    )
    return CapacityGroup("all workloads", (), *sums)


def charted(data: ReportData, most: int) -> list[str]:
    """Workloads to draw, by name: all with a forecast or a history, or the `most` busiest of them."""
    peaks = pd.concat(
        [
            data.forecasts.groupby("workload")[["q0.99", "actual"]].max().max(axis=1),
            data.history.groupby("workload")["actual"].max(),
        ]
    )
    busiest = peaks.groupby(level=0).max().sort_values(ascending=False, kind="stable").index[:most]
    return sorted(str(name) for name in busiest)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dictionaries, for templates."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
