"""What a capacity plan leaves to the minute loop, and what it plans itself: the floor of each interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from data.workloads import Workload
from optimizer.formulate import Need, Offer
from optimizer.minute_load import MINUTE
from optimizer.minute_plan import Loop
from optimizer.problem import Bools, Floats
from optimizer.rows import rows_of

MOST_CUTS = 200  # intervals more than there would be; beyond, capacity is there for whole intervals
BEFORE_EVENTS = pd.Timedelta(minutes=15)  # capacity is there before an event begins


@dataclass(frozen=True)
class Timeline:
    """The planned intervals: equal in length but for those cut, and the last, which ends with the horizon."""

    starts: pd.DatetimeIndex
    ends: pd.DatetimeIndex

    @classmethod
    def of(cls, begin: pd.Timestamp, horizon: pd.Timedelta, length: pd.Timedelta) -> Timeline:
        """Intervals of a length from `begin` on."""
        starts = pd.date_range(begin, begin + horizon, freq=length, inclusive="left", unit="us")
        return cls(starts, pd.DatetimeIndex([*starts[1:], begin + horizon]).as_unit("us"))

    def cut_after(self, *lengths: pd.Timedelta) -> Timeline:
        """The same, the intervals that go on when so much has passed cut in two."""
        cuts = {self.starts[0] + length for length in lengths}
        inside = {cut for cut in cuts if cut < self.ends[-1]}
        starts = pd.DatetimeIndex(sorted({*self.starts, *inside})).as_unit("us")
        return Timeline(starts, pd.DatetimeIndex([*starts[1:], self.ends[-1]]).as_unit("us"))

    @property
    def hours(self) -> Floats:
        """(T,) length of each interval."""
        return np.asarray((self.ends - self.starts) / pd.Timedelta(hours=1), dtype=float)


def to_the_minute(times: Timeline, loops: Iterable[Loop]) -> Timeline:
    """Intervals that begin and end where scheduled spikes want capacity; as they are where that were many."""
    minutes = round((times.ends[-1] - times.starts[0]) / MINUTE)
    turns = {int(minute) for loop in loops for minute in loop.turns(max(1, minutes))}
    return times.cut_after(*(minute * MINUTE for minute in turns)) if len(turns) <= MOST_CUTS else times


def with_floor(need: Need, loop: Loop | None, times: Timeline, offers: Sequence[Offer]) -> Need:
    """A need that leaves to the loop what the loop adds: the floor of each interval is left to plan.

    What a forecast says is planned as a whole where an announced event multiplies demand, and where the loop
    could not reach it: then all there is should run, and the rest is told as missing.
    """
    if loop is None:
        return need
    minutes = round((times.ends[-1] - times.starts[0]) / MINUTE)
    path = loop.floor(max(1, minutes))
    begins = np.minimum(((times.starts - times.starts[0]) / MINUTE).astype(int), len(path) - 1)
    floor = np.maximum.reduceat(path, begins)
    own = need.pairs.loc[need.pairs["option_id"].eq(loop.option_id), "capacity"]
    counted = floor * float(own.iloc[0]) / loop.capacity  # the need counts standard requests
    whole = is_announced(need.workload, times) | (need.demand > reachable(need, loop))
    demand = np.where(whole, need.demand, counted)
    return replace(need, demand=demand, pairs=worth_it(need.pairs, loop, offers))


def reachable(need: Need, loop: Loop) -> float:
    """What the loop's options can serve within quotas and max_replicas, in the unit of the need."""
    capacity = dict(rows_of(need.pairs, "option_id", "capacity"))
    left, reached = need.workload.max_replicas, 0.0
    for option_id, limit in loop.limits.items():  # in the order in which the loop takes them
        count = limit if left is None else min(limit, left)
        reached += count * capacity.get(option_id, 0.0)
        left = None if left is None else left - count
    return reached


def worth_it(pairs: pd.DataFrame, loop: Loop, offers: Sequence[Offer]) -> pd.DataFrame:
    """Options for a floor: the loop's own, what is bought already, spot, and dearer ones if a quota is short.

    Any other would only round a floor to which the loop adds replicas within the minute.
    """
    bought = {place for offer in offers if offer.existing_usd_per_hour > 0 for place in offer.rates}
    places = zip(pairs["provider"], pairs["region"], pairs["instance_type"], strict=True)
    kept = pairs["option_id"].isin({loop.option_id, *loop.most(1.0)}) | pairs["purchase"].eq("spot")
    return pairs.loc[kept | pd.Series([place in bought for place in places], index=pairs.index, dtype=bool)]


def is_announced(workload: Workload, times: Timeline) -> Bools:
    """(T) intervals in which an event multiplies demand that yesterday does not know of."""
    found = np.zeros(len(times.starts), dtype=bool)
    for event in workload.known_events:
        if event.factor > 1:
            found |= np.asarray(
                (times.starts < pd.Timestamp(event.end))
                & (times.ends > pd.Timestamp(event.start) - BEFORE_EVENTS)
            )
    return found
