"""Demand of one workload minute by minute: what a replay plays and what the minute loop acts on.

Counts of longer intervals are spread over their minutes: rates are those of the middle of each interval,
linear in between, so that a jump from one interval to the next becomes a ramp. Minutes nobody counted stay
unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from optimizer.demand import mean_tokens
from optimizer.problem import Bools, Floats

MINUTE = pd.Timedelta(minutes=1)


@dataclass(frozen=True)
class MinuteLoad:
    """Requests of each minute from `start` on, and how long they were.

    Attributes:
        start: beginning of the first minute.
        requests: (t) within each minute; NaN where nobody counted.
        prompt, output: (t) mean tokens of a request; NaN throughout where the history counts no tokens.
    """

    start: pd.Timestamp
    requests: Floats
    prompt: Floats
    output: Floats

    @property
    def minutes(self) -> int:
        """How many there are."""
        return len(self.requests)


def minute_load(history: pd.DataFrame, begin: pd.Timestamp, end: pd.Timestamp) -> MinuteLoad:
    """One workload's history in [begin, end), minute by minute.

    Args:
        history: `ts, interval_s, requests, tokens_in, tokens_out, is_gap` of one workload, sorted by ts.
        begin: a whole minute.
        end: another.
    """
    minutes = round((end - begin) / MINUTE)
    unknown = np.full(minutes, np.nan)
    counted = history.loc[~history["is_gap"].astype(bool) & history["requests"].notna()]
    if counted.empty or minutes == 0:
        return MinuteLoad(begin, unknown, unknown, unknown)
    first = np.asarray((counted["ts"] - begin) / MINUTE, dtype=float)
    length = counted["interval_s"].to_numpy(dtype=float) / 60.0
    requests = counted["requests"].to_numpy(dtype=float)
    middle: Floats = first + length / 2
    moments: Floats = np.arange(minutes, dtype=float) + 0.5
    rate = np.interp(moments, middle, requests / length)
    covered = is_covered(first, length, minutes)
    known = np.where(covered, rate, np.nan)
    if mean_tokens(counted) is None:
        return MinuteLoad(begin, known, unknown, unknown)
    told = counted["requests"].gt(0) & counted["tokens_in"].add(counted["tokens_out"]).gt(0)
    prompt, output = (
        per_request(counted[name], requests, middle, moments, told.to_numpy(dtype=bool))
        for name in ("tokens_in", "tokens_out")
    )
    return MinuteLoad(begin, known, prompt, output)


def is_covered(first: Floats, length: Floats, minutes: int) -> Bools:
    """(t) whether a counted interval holds the minute."""
    edges = np.zeros(minutes + 1)
    np.add.at(edges, np.clip(np.round(first), 0, minutes).astype(int), 1)
    np.add.at(edges, np.clip(np.round(first + length), 0, minutes).astype(int), -1)
    return np.asarray(edges[:-1].cumsum() > 0)


def per_request(
    totals: pd.Series[float], requests: Floats, middle: Floats, moments: Floats, has: Bools
) -> Floats:
    """(t) mean tokens of a request, linear between intervals that counted any."""
    if not has.any():
        return np.full(len(moments), np.nan)
    return np.asarray(np.interp(moments, middle[has], totals.to_numpy(dtype=float)[has] / requests[has]))
