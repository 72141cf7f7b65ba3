"""A purchase in tranches: at once, or spread over the first year so that terms do not all end together.

A ladder of n buys its n-th part every 12 / n months and renews each part when its term ends. Later parts
follow demand: they are bought in proportion to what there is to cover then, as the quarter before shows it.
So a ladder covers less at first and loses less where demand falls. Each is as large as is best for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.commitment_demand import MONTH_HOURS, Steps
from optimizer.commitment_offers import HOURS_PER_YEAR
from optimizer.commitment_purchase import Column, Load, Risk, buy, losses
from optimizer.problem import Floats

TRANCHES = (1, 2, 4)
EXTRA_HOURS = HOURS_PER_YEAR  # beyond the first term: so long a ladder takes to be whole
MOST_GROWTH = 4.0  # a renewal is at most so much larger than what it renews
TINY = 1e-12


@dataclass(frozen=True)
class Rung:
    """One tranche of the first year: when, and how much at the demand that is expected then."""

    month: int
    usd_per_hour: float


@dataclass(frozen=True)
class Ladder:
    """One way of splitting a purchase.

    Attributes:
        losses: (S,) USD over the term and a year, against not buying.
    """

    rungs: tuple[Rung, ...]
    losses: Floats

    @property
    def usd_per_hour(self) -> float:
        """Everything bought in the first year."""
        return sum(rung.usd_per_hour for rung in self.rungs)


def seen(load: Floats) -> Floats:
    """(S, Q) what there is to cover in a step as known when it begins, over the most that is ever expected.

    What is expected for the step, times how the step before turned out against what was expected of it.
    """
    size = load.sum(axis=3).mean(axis=2)
    expected = size.mean(axis=0)
    surprise = np.divide(size, expected, out=np.ones_like(size), where=expected > 0)
    before = np.concatenate([np.ones((len(size), 1)), surprise[:, :-1]], axis=1)
    return np.asarray(before * expected / max(float(expected.max()), TINY))


def renewed(load: Floats) -> Floats:
    """(S, Q) the same over what there is to cover now: how much of a purchase is bought again."""
    follows = seen(load)
    now = follows[:, :1]
    ratio = np.divide(follows, now, out=np.ones_like(follows), where=now > 0)
    return np.asarray(np.minimum(ratio, MOST_GROWTH))


def in_force(steps: Steps, follows: Floats, term_h: float, tranches: int) -> Floats:
    """(S, Q) how much of a ladder is in force, in the unit of what its parts follow."""
    active = np.zeros_like(follows)
    for begin in starts(steps, term_h, tranches):
        start = steps.at(begin)
        held = (steps.begin_h > begin - 1.0) & (steps.begin_h < begin + term_h - 1.0)
        active[:, held] += follows[:, start, None] / tranches
    return active


def starts(steps: Steps, term_h: float, tranches: int) -> Iterator[float]:
    """Hours from now at which a tranche is bought or renewed."""
    end = float(steps.begin_h[-1] + steps.hours[-1])
    for part in range(tranches):
        yield from np.arange(part * HOURS_PER_YEAR / tranches, end - 1.0, term_h).tolist()


def ladder_of(
    loads: Sequence[Load],
    columns: Sequence[Column],
    steps: Steps,
    *,
    term_h: float,
    tranches: int,
    risk: Risk,
) -> Ladder:
    """The best ladder of so many tranches of one offer: the sum of its amounts in each group.

    `columns` say scale and fee per group.
    """
    months = [round(part * 12 / tranches) for part in range(tranches)]
    bought = np.zeros(tranches)
    lost = np.zeros(len(loads[0].usd_per_hour))
    for load, column in zip(loads, columns, strict=True):
        follows = seen(load.usd_per_hour)
        tied = replace(column, active=in_force(steps, follows, term_h, tranches))
        amount = buy(load, [tied], risk)
        lost += losses(load, [tied], amount)
        first = [follows[:, steps.at(month * MONTH_HOURS)].mean() for month in months]
        bought += amount[0] * np.array(first) / tranches
    rungs = tuple(Rung(month, float(usd)) for month, usd in zip(months, bought, strict=True))
    return Ladder(rungs, lost)


def best_of(ladders: Sequence[Ladder], risk: Risk) -> int:
    """The ladder with the least risk-weighted loss; of equals the one with the fewest tranches."""
    values = [risk.of(ladder.losses) for ladder in ladders]
    return int(np.argmin(np.round(values, 6)))
