"""What may run over the term of a commitment: draws of on-demand spend per pool and block of the day.

    listed[s, q, t, p] = Σ_w spend[w, p, t] × level[s, q, w] × day[s, q, t, w]     [USD/h at list price]

    s  draws       w  workloads     spend  what the placement plan runs on demand in a typical day
    q  steps       p  pools         level  how a workload's demand goes over months, 1 = as forecast now
    t  blocks                       day    its day-to-day need over the planned one

Levels are futures of daily requests (`models.monthly`): replayed errors, chained, so that they widen with
time. Days are the forecast's own quantiles. The numbers behind both are fixed: everything that is compared is
compared on the same draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import numpy as np
import pandas as pd

from optimizer.commitment_offers import HOURS_PER_YEAR
from optimizer.problem import Floats

SEED = 20
STEP_HOURS = HOURS_PER_YEAR / 4
MONTH_HOURS = HOURS_PER_YEAR / 12
CORRELATION = 0.5  # of any two workloads, by rank: of their levels, and of their days
MIN_DAY_SHARE = 0.5  # a day of which less was counted says too little
MOST_SERIES = 24  # workloads with futures of their own, the largest; a future takes up to 0.15 s to learn
GRID = np.linspace(-3.0, 3.0, 121)  # normal scores that a day is rounded to
DAY = pd.Timedelta(1, unit="D")


@dataclass(frozen=True)
class Steps:
    """The months ahead in stretches: quarters, cut where an existing commitment ends."""

    begin_h: Floats  # (Q,) hours from now
    hours: Floats  # (Q,)

    def within(self, hours: float) -> int:
        """How many steps begin before a moment."""
        return int((self.begin_h < hours - 1.0).sum())

    def at(self, hours: float) -> int:
        """The step that a moment lies in."""
        return int(np.searchsorted(self.begin_h, hours + 1.0) - 1)


def steps_until(hours: float, ends_h: Sequence[float] = ()) -> Steps:
    """Quarters up to a moment; ends of commitments count to the nearest month."""
    months = {round(end / MONTH_HOURS) for end in ends_h if np.isfinite(end)}
    cuts = {float(month * MONTH_HOURS) for month in months if 0 < month * MONTH_HOURS < hours}
    edges = np.array(sorted({*np.arange(0.0, hours, STEP_HOURS).tolist(), *cuts, hours}))
    return Steps(edges[:-1], np.diff(edges))


@dataclass(frozen=True)
class Demand:
    """What the draws are made of; `listed` gives one step at a time, for all would not fit in memory.

    Attributes:
        spend: (W, P, T) USD/h at list price that the plan runs on demand.
        level: (S, Q, W).
        levels: (L,) quantile levels, ascending.
        ratio: (W, T, L) need of a day at each level over the planned need.
    """

    spend: Floats
    level: Floats
    levels: Floats
    ratio: Floats
    seed: int = field(default=SEED)

    @property
    def draws(self) -> int:
        """Number of futures."""
        return len(self.level)

    @cached_property
    def table(self) -> Floats:
        """(K, T, W) need of a day over the planned one at the normal scores of GRID.

        Below the lowest and above the highest level the need stays as it is there.
        """
        from scipy.special import ndtr  # noqa: PLC0415  only commitments need it

        quantile = ndtr(GRID)
        at = np.clip(np.searchsorted(self.levels, quantile), 1, len(self.levels) - 1)
        low, high = self.levels[at - 1], self.levels[at]
        share = np.clip((quantile - low) / (high - low), 0.0, 1.0)
        below, above = self.ratio[:, :, at - 1], self.ratio[:, :, at]
        return np.ascontiguousarray((below + share * (above - below)).transpose(2, 1, 0))

    def days(self, step: int) -> Floats:
        """(S, T, W) need of a day over the planned one: each block of each step is a day of its own."""
        random = np.random.default_rng([self.seed, step])
        workloads, blocks, _ = self.ratio.shape
        shared = random.standard_normal((self.draws, blocks, 1))
        own = random.standard_normal((self.draws, blocks, workloads))
        score = np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * own
        place = np.rint((score - GRID[0]) / (GRID[1] - GRID[0])).astype(np.int64)
        near = np.clip(place, 0, len(GRID) - 1)
        return np.asarray(self.table[near, np.arange(blocks)[:, None], np.arange(workloads)])

    def listed(self, step: int) -> Floats:
        """(S, T, P) USD/h at list price in one step."""
        running = self.level[:, step, None, :] * self.days(step)  # (S, T, W)
        return np.stack(
            [running[:, t] @ self.spend[:, :, t] for t in range(self.spend.shape[2])],
            axis=1,
        )


def levels_ahead(
    demand: pd.DataFrame,
    workloads: Sequence[str],
    as_of: datetime,
    steps: Steps,
    *,
    size: Floats,
    draws: int,
    near_days: int,
) -> Floats:
    """(S, Q, W) demand of each workload over what is forecast for the next `near_days`.

    The largest workloads have futures of their own; each of the others takes those of one of them, in another
    order.

    Args:
        demand: `workload, ts, interval_s, requests`, in gaps NaN.
        workloads: names in the order of the answer; one without a counted day widens as models assume.
        as_of: start of the first step.
        steps: what the levels are means over.
        size: (W,) what a workload spends.
        draws: number of futures.
        near_days: days that the plan's typical day is made of.
    """
    place = np.argsort(np.argsort(-size, kind="stable"), kind="stable")
    names = [workloads[w] for w in np.argsort(-size, kind="stable")[:MOST_SERIES]]
    series = daily_requests(demand, names, as_of)
    level = simulated(series, names, as_of, steps, draws=draws, near_days=near_days)
    return correlated(level[:, :, place % len(names)])


def simulated(
    series: pd.DataFrame,
    names: Sequence[str],
    as_of: datetime,
    steps: Steps,
    *,
    draws: int,
    near_days: int,
) -> Floats:
    """(S, Q, N) levels of some workloads, each by itself."""
    from models.monthly import simulate  # noqa: PLC0415  statsmodels: a second that only commitments should cost

    today = pd.Timestamp(as_of).floor("D")
    past = int((today - series["ds"].max()) / DAY) - 1
    days = int(np.ceil(steps.hours.sum() / 24.0))
    paths = simulate(series, horizon_days=past + max(days, near_days), paths=draws, seed=SEED)
    ahead, expected = paths.draws[:, :, past : past + days], paths.expected[:, past : past + near_days]
    first = np.searchsorted(np.arange(days) * 24.0, steps.begin_h)
    counts = np.diff([*first, days])
    means = np.add.reduceat(ahead, first, axis=2) / counts  # (N, S, Q)
    now = expected.mean(axis=1)[:, None, None]
    level = np.divide(means, now, out=np.ones_like(means), where=now > 0)
    order = [paths.ids.get_loc(name) for name in names]
    return np.asarray(level[order].transpose(1, 2, 0))


def daily_requests(demand: pd.DataFrame, workloads: Sequence[str], as_of: datetime) -> pd.DataFrame:
    """`unique_id, ds, y`: mean requests/s of every whole day; yesterday alone where none was counted."""
    today = pd.Timestamp(as_of).floor("D")
    rows = demand.loc[demand["workload"].isin(workloads) & demand["requests"].notna()]
    rows = rows.loc[(rows["ts"] < today) & ~rows["is_gap"].astype(bool)]
    found = whole_days(rows) if len(rows) else rows.reindex(columns=["unique_id"])
    unseen = [name for name in workloads if name not in set(found["unique_id"])]
    blank = pd.DataFrame({"unique_id": pd.Series(unseen, dtype="str"), "ds": today - DAY, "y": 1.0})
    return pd.concat([part for part in (found, blank) if len(part)], ignore_index=True)


def whole_days(rows: pd.DataFrame) -> pd.DataFrame:
    """`unique_id, ds, y` of the days of which enough was counted."""
    days = rows.assign(ds=rows["ts"].dt.floor("D")).groupby(["workload", "ds"], as_index=False)
    sums = days.agg(requests=("requests", "sum"), seconds=("interval_s", "sum"))
    whole = sums.loc[sums["seconds"] >= MIN_DAY_SHARE * DAY.total_seconds()]
    rate = whole["requests"].astype(float) / whole["seconds"].astype(float)
    return pd.DataFrame({"unique_id": whole["workload"].astype("str"), "ds": whole["ds"], "y": rate})


def correlated(level: Floats) -> Floats:
    """(S, Q, W) the same paths of each workload, put in an order in which workloads go together.

    Paths are ranked by their mean; ranks follow normal scores with a common part (Iman and Conover 1982).
    """
    draws, _, workloads = level.shape
    random = np.random.default_rng([SEED, draws])
    shared, own = random.standard_normal((draws, 1)), random.standard_normal((draws, workloads))
    score = np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * own
    rank = np.argsort(np.argsort(score, axis=0, kind="stable"), axis=0)
    by_size = np.argsort(level.mean(axis=1), axis=0, kind="stable")  # (S, W)
    order = np.take_along_axis(by_size, rank, axis=0)
    return np.asarray(np.take_along_axis(level, order[:, None, :], axis=0))
