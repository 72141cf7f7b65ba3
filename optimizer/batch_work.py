"""When work with a deadline may be done on a typical day, and how much of it that day does.

A day's blocks come round: of each the next whole one after as-of counts, if it ends by the deadline. Where
none does, the work is done in the time that is left inside a block, by machines that are paid for all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd

from data.workloads import Workload
from optimizer.formulate import Need, Shift
from optimizer.problem import Floats

DAY_S = 24 * 3600.0
HOUR = pd.Timedelta(hours=1)
SHORTEST = pd.Timedelta(minutes=1)  # a deadline nearer than this asks for no more machines


@dataclass(frozen=True)
class Turn:
    """What a typical day does of work with a deadline.

    Attributes:
        units: of work on that day.
        blocks: in which it may be done, in the order of time from as-of on; they may pass midnight.
        hours: of each block, until the block or the time for the work ends.
        is_whole: whether its blocks end by the deadline.
    """

    units: float
    blocks: tuple[int, ...]
    hours: float
    is_whole: bool = True

    @property
    def rate(self) -> float:
        """Units/s that do it evenly in its blocks."""
        return self.units / (self.hours * 3600.0 * len(self.blocks))


def turn_of(workload: Workload, as_of: datetime, blocks: int) -> Turn:
    """The share of a day in the work that is left: all of it where the deadline is within the day."""
    units = float(workload.work_units or 0.0)
    length = pd.Timedelta(hours=24) / blocks
    now = pd.Timestamp(as_of)
    first = now.ceil("D") if blocks == 1 else now.floor("D") + -(-(now - now.floor("D")) // length) * length
    due = pd.Timestamp(workload.deadline) if workload.deadline else first
    whole = int(np.clip((due - first) // length, 0, blocks))
    begin = int((first - first.floor("D")) // length) % blocks
    if not whole:
        return cut_short(units, now, first, due, blocks)
    share = min(1.0, DAY_S / (due - first).total_seconds()) if whole == blocks else 1.0
    return Turn(units * share, tuple((begin + k) % blocks for k in range(whole)), length / HOUR)


def cut_short(units: float, now: pd.Timestamp, first: pd.Timestamp, due: pd.Timestamp, blocks: int) -> Turn:
    """All of the work in a part of a block: the rest of the one that runs now, or of the next what is left.

    Of the two, the one with more time counts.
    """
    length = pd.Timedelta(hours=24) / blocks
    in_this, in_next = min(due, first) - now, due - first
    start = now if in_this >= in_next else first
    block = int((start - start.floor("D")) // length) % blocks
    left = max(in_this, in_next, SHORTEST)
    return Turn(units, (block,), left / HOUR, is_whole=False)


def as_work(need: Need, as_of: datetime) -> Need:
    """A need of work with a deadline, on the blocks of a typical day.

    The work may move within its blocks. It keeps an even rate where it is sent from origins, as routes are
    about demand, and where it has a part of a block.
    """
    blocks = len(need.demand)
    turn = turn_of(need.workload, as_of, blocks)
    if turn.is_whole and not need.workload.origins:
        window = (0, blocks - 1) if len(turn.blocks) == blocks else (turn.blocks[0], turn.blocks[-1])
        return replace(need, demand=np.zeros(blocks), shift=Shift(turn.units / 3600.0, *window))
    return replace(need, demand=even_rate(turn, blocks))


def even_rate(turn: Turn, blocks: int) -> Floats:
    """(blocks,) the same rate wherever the work may be done."""
    demand = np.zeros(blocks)
    demand[list(turn.blocks)] = turn.rate
    return demand
