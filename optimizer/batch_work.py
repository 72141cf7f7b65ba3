"""When work with a deadline may be done on a typical day, and how much of it that day does.

A day's blocks come round: of each the next whole one after as-of counts, if it ends by the deadline.
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


@dataclass(frozen=True)
class Turn:
    """What a typical day does of work with a deadline.

    Attributes:
        units: of work on that day.
        blocks: in which it may be done, in the order of time from as-of on; they may pass midnight.
    """

    units: float
    blocks: tuple[int, ...]

    @property
    def is_in_one_piece(self) -> bool:
        """Whether its blocks follow each other without passing midnight; the whole day always does."""
        inside = sorted(self.blocks)
        return inside[-1] - inside[0] + 1 == len(inside)


def turn_of(workload: Workload, as_of: datetime, blocks: int) -> Turn:
    """The share of a day in the work that is left: all of it where the deadline is within the day.

    With less than a whole block left, it is done in the block that runs now.
    """
    units = float(workload.work_units or 0.0)
    length = pd.Timedelta(hours=24) / blocks
    now = pd.Timestamp(as_of)
    first = now.ceil("D") if blocks == 1 else now.floor("D") + -(-(now - now.floor("D")) // length) * length
    left = pd.Timestamp(workload.deadline) - first if workload.deadline else pd.Timedelta(0)
    whole = int(np.clip(left // length, 0, blocks))
    begin = int((first - first.floor("D")) // length) % blocks
    if not whole:
        return Turn(units, ((now - now.floor("D")) // length,))
    share = min(1.0, DAY_S / left.total_seconds()) if whole == blocks else 1.0
    return Turn(units * share, tuple((begin + k) % blocks for k in range(whole)))


def as_work(need: Need, as_of: datetime) -> Need:
    """A need of work with a deadline, on the blocks of a typical day.

    The work may move within its blocks. It keeps an even rate where they pass midnight, as a window is in one
    piece, and where it is sent from origins, as routes are about demand.
    """
    blocks = len(need.demand)
    turn, hours = turn_of(need.workload, as_of, blocks), 24.0 / blocks
    amount = turn.units / 3600.0
    if turn.is_in_one_piece and not need.workload.origins:
        shift = Shift(amount, min(turn.blocks), max(turn.blocks))
        return replace(need, demand=np.zeros(blocks), shift=shift)
    return replace(need, demand=even_rate(turn, amount / (hours * len(turn.blocks)), blocks))


def even_rate(turn: Turn, rate: float, blocks: int) -> Floats:
    """(blocks,) the same rate wherever the work may be done."""
    demand = np.zeros(blocks)
    demand[list(turn.blocks)] = rate
    return demand
