r"""Prices of what workloads share, and the bound they prove.

With $\mu_{rt} \ge 0$ the rent of a limited row and $\pi_{ct} \ge 0$ the worth of a committed dollar, one
more on-demand unit under cover saves
$\rho_{ot} = \max_c (h_t\,\mathrm{list}_{co} - \mathrm{rate}_{co}\,\pi_{ct})^+$: cover needs no price of its
own. For any such prices

$$L(\mu, \pi) = \sum_w V_w(\mu - \rho) - \sum_{rt} \mu_{rt} Q_{rt} - \sum_{ct} \pi_{ct} B_c
  + \sum_c \min(0,\; f_c H - \sum_t \pi_{ct})\, O_c$$

is at most the cost of every placement (Lagrangian relaxation of the Dantzig–Wolfe master; $V_w$ cheapest plan
of a workload at these prices, $B_c$ committed, $O_c$ on offer, $f_c$ fee, $H$ hours).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from optimizer.coverage import cover_units
from optimizer.problem import Floats, Problem
from optimizer.solve.terms import Kinds

GRAIN = 1e-3  # pool units are told apart to this much
OUT_OF_REACH = -1e18  # list price of a pool that a commitment does not reach


@dataclass(frozen=True)
class Shared:
    """The rows of the master.

    Attributes:
        limit: (L, T) units of limited pools; infinite where a period has no limit.
        listed, rate: (C, O) USD a covered unit-hour saves, USD of commitment it uses up.
        held, offered: (C,) USD per hour committed, and on offer.
        fee: (C,) USD per hour for one more USD per hour.
        hours: (T,).
        kinds: of options, by the rows they draw on.
        anyway: (O, T) units under cover that run whatever is chosen.
    """

    limit: Floats
    listed: Floats
    rate: Floats
    held: Floats
    offered: Floats
    fee: Floats
    hours: Floats
    kinds: Kinds
    anyway: Floats

    @classmethod
    def of(cls, p: Problem, kinds: Kinds) -> Shared:
        """The rows of a problem."""
        reached = ~np.isnan(p.committed_rate[:, kinds.covered])
        return cls(
            limit=reachable(p)[kinds.limited],
            listed=np.where(reached, p.covered_list_price[:, kinds.covered], OUT_OF_REACH),
            rate=np.where(reached, p.committed_rate[:, kinds.covered], 0.0),
            held=p.committed_usd_per_hour,
            offered=p.offered_max_usd_per_hour,
            fee=p.fee_per_usd,
            hours=p.hours,
            kinds=kinds,
            anyway=np.zeros((len(kinds.covered), len(p.periods))),
        )

    def at(self, period: int) -> Shared:
        """The same in one period only."""
        t = [period]
        return replace(self, limit=self.limit[:, t], hours=self.hours[t], anyway=self.anyway[:, t])

    def less(self, on_limits: Floats, under_cover: Floats) -> Shared:
        """What is left where (L, T) and (O, T) units are drawn already."""
        return replace(self, limit=self.limit - on_limits, anyway=self.anyway + under_cover)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Numbers of rents, of worths, of periods."""
        periods = len(self.hours)
        return len(self.limit) * periods, len(self.held) * periods, periods

    def split(self, prices: Floats) -> tuple[Floats, Floats]:
        """(L, T) rents and (C, T) worths of one vector of prices."""
        rents, _, periods = self.sizes
        return prices[:rents].reshape(-1, periods), prices[rents:].reshape(-1, periods)

    def bounds(self, usd_per_unit: float) -> tuple[Floats, Floats]:
        """Least and most that each price may be; a limit may cost so many times an ordinary unit's price."""
        rent = np.where(np.isfinite(self.limit), usd_per_unit * self.hours, 0.0)
        reached = self.rate > 0
        yields = np.divide(self.listed, self.rate, out=np.zeros_like(self.rate), where=reached)
        worth = yields.max(axis=1, initial=0.0)[:, None] * self.hours
        most = np.concatenate([rent.ravel(), np.maximum(worth, 0.0).ravel()])
        return np.zeros_like(most), most

    def saved(self, worth: Floats) -> Floats:
        """(O, T) what one more unit under cover saves."""
        if not len(self.held):
            return np.zeros((len(self.kinds.covered), len(self.hours)))
        return np.asarray(np.maximum(self.worths(worth).max(axis=0), 0.0))

    def worths(self, worth: Floats) -> Floats:
        """(C, O, T) what a unit saves that a commitment covers, less the commitment it uses up."""
        listed = self.listed[:, :, None] * self.hours
        return np.asarray(listed - self.rate[:, :, None] * worth[:, None, :])

    def saved_smoothly(self, worth: Floats, softness: float) -> tuple[Floats, Floats]:
        """The same with the maximum made smooth, and (C, O, T) the share each commitment has in it."""
        if not len(self.held):
            return self.saved(worth), np.zeros((0, len(self.kinds.covered), len(self.hours)))
        each = self.worths(worth)
        most = np.maximum(each.max(axis=0), 0.0)
        weights = np.exp((each - most) / softness)
        total = weights.sum(axis=0) + np.exp(-most / softness)
        return most + softness * np.log(total), weights / total

    def room(self, used: Floats, worth: Floats) -> tuple[Floats, Floats, Floats]:
        """(O, T) what a unit saves within the room under commitments and beyond it, and the room left.

        Within are the units covered now, and those that idle commitments could cover; beyond, only a
        commitment that reaches several pools saves anything, as much as `worth` says that moving it does.

        Args:
            used: (O, T) on-demand units that run.
            worth: (C, T) of a committed dollar.
        """
        covered = self.cover(used)
        rate = np.where(self.rate > 0, self.rate, np.nan)
        idle = np.maximum(self.held[:, None] - np.einsum("co,cot->ct", self.rate, covered), 0.0)
        more = np.nansum(idle[:, None, :] / rate[:, :, None], axis=0)
        reached = np.maximum(np.where(np.isnan(rate), 0.0, self.listed).max(axis=0, initial=0.0), 0.0)
        within = reached[:, None] * self.hours
        several = (self.rate > 0).sum(axis=1) > 1
        moved = self.worths(worth)[several].max(axis=0, initial=0.0)
        return within, np.minimum(np.maximum(moved, 0.0), within), covered.sum(axis=0) + more - used

    def cover_usd(self, used: Floats) -> float:
        """USD that existing commitments save of (O, T) on-demand units that run."""
        listed = np.where(self.rate > 0, self.listed, 0.0)
        return float(np.einsum("co,cot,t->", listed, self.cover(used), self.hours))

    def cover(self, used: Floats) -> Floats:
        """(C, O, T) units that existing commitments cover of (O, T) on-demand units that run."""
        reached = self.rate > 0
        listed, rate = np.where(reached, self.listed, np.nan), np.where(reached, self.rate, np.nan)
        return cover_units(listed, rate, used, self.held)

    def added(self, prices: Floats) -> Floats:
        """(K, T) USD per unit that shared things add to the price of each kind of option."""
        rent, worth = self.split(prices)
        return self.kinds.prices(rent, self.saved(worth))

    def swing(self, prices: Floats, box: tuple[Floats, Floats]) -> Floats:
        """(K, T) most that a kind's added price may change where prices leave `prices` but not the box."""
        rent, worth = self.split(np.maximum(box[1] - prices, prices - box[0]))
        moved = (self.rate[:, :, None] * worth[:, None, :]).max(axis=0, initial=0.0)
        none = np.zeros((1, rent.shape[1]))
        rent, moved = np.vstack([rent, none]), np.vstack([moved, none])
        return np.asarray(rent[self.kinds.limit] + rent[self.kinds.quota] + moved[self.kinds.cover])

    def constant(self, prices: Floats) -> float:
        """What the bound has beside the workloads' plans and what runs anyway."""
        rent, worth = self.split(prices)
        short = np.minimum(0.0, self.fee * self.hours.sum() - worth.sum(axis=1))
        limits = np.where(np.isfinite(self.limit), self.limit, 0.0)
        return float(short @ self.offered - (rent * limits).sum() - (worth * self.held[:, None]).sum())

    def anyway_usd(self, saved: Floats) -> float:
        """What cover saves of the units that run anyway, as a cost."""
        return -float((saved * self.anyway).sum())

    def slope(self, prices: Floats, limit_units: Floats, cover_units: Floats, share: Floats) -> Floats:
        """Derivative of the bound by the prices where plans draw so many units."""
        _, worth = self.split(prices)
        limits = np.where(np.isfinite(self.limit), self.limit, 0.0)
        by_rent = np.where(np.isfinite(self.limit), limit_units - limits, 0.0)
        used = np.einsum("ot,co,cot->ct", cover_units + self.anyway, self.rate, share)
        buys = self.fee * self.hours.sum() < worth.sum(axis=1)
        by_worth = used - (self.held + np.where(buys, self.offered, 0.0))[:, None]
        return np.concatenate([by_rent.ravel(), by_worth.ravel()])


def reachable(p: Problem) -> Floats:
    """(P, T) limits brought down to a multiple of what all replicas of a pool draw: the rest is of no use."""
    limit = p.pool_limit.copy()
    for k in np.flatnonzero(np.isfinite(limit).any(axis=1)):
        units = p.pool_units[p.members(int(k))]
        parts = np.unique(np.rint(units[units > 0] / GRAIN).astype(np.int64))
        if parts.size and np.allclose(np.rint(units / GRAIN) * GRAIN, units, rtol=0, atol=1e-9):
            step = float(np.gcd.reduce(parts)) * GRAIN
            limit[k] = np.where(np.isfinite(limit[k]), np.floor(limit[k] / step + 1e-9) * step, limit[k])
    return limit
