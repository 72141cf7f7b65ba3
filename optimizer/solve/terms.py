"""A problem as its pricing kernel reads it, and which prices of shared things fall on which option.

What workloads share has rows: a limited pool in a period, and the on-demand hours of a pool that commitments
reach in a period. An option draws on at most three rows a period, all by its pool units: the limits of its
pool and of its quota, and the cover of its pool. Options that draw alike are of one kind, so that prices are
added up once per kind, not per option.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.problem import Bools, Floats, Ints, Problem

PAIR = 2  # options that one plan of a workload may use

# Columns of `Terms.options`: compiled code reads one array faster than many.
PRICE, CAPACITY, UNITS, EGRESS, IS_FIRM, ACTIVATION, CURRENT, MIGRATION = range(8)
# Columns of `Terms.rules`.
FIRM_SHARE, FEWEST, MOST, FEWEST_FIRM, MOST_OPTIONS = range(5)


@dataclass(frozen=True)
class Terms:
    """Plain arrays for compiled code.

    Attributes:
        begin: (W + 1,) first option of each workload.
        kind: (I,) kind of each option.
        options: (I, 8) USD per replica-hour, capacity, pool units, egress in USD per unit and hour, 1 for
            firm, USD for being used at all (0 where it runs now), replicas now, USD per replica changed
            against them in the first period.
        rules: (W, 5) share of demand that must be firm, fewest and most replicas, fewest firm ones, options.
        demand: (W, T).
        hours: (T,).
    """

    begin: Ints
    kind: Ints
    options: Floats
    rules: Floats
    demand: Floats
    hours: Floats


@dataclass(frozen=True)
class Kinds:
    """Which rows each kind of option draws on; -1 where none.

    Attributes:
        limit, quota: (K,) rows of limited pools.
        cover: (K,) rows of covered pools.
        limited: (L,) pools with a limit; the rows of `limit` and `quota`.
        covered: (O,) pools that a commitment reaches and an on-demand option draws on.
    """

    limit: Ints
    quota: Ints
    cover: Ints
    limited: Ints
    covered: Ints

    def prices(self, rent: Floats, saved: Floats) -> Floats:
        """(K, T) USD per unit on top of the price: (L, T) rent of limits less (O, T) what cover saves."""
        none = np.zeros((1, rent.shape[1]))  # the row -1
        rent, saved = np.vstack([rent, none]), np.vstack([saved, none])
        return np.asarray(rent[self.limit] + rent[self.quota] - saved[self.cover], dtype=float)

    def drawn(self, units: Floats) -> tuple[Floats, Floats]:
        """(L, T) and (O, T) units drawn on limits and under cover by (K, T) units of each kind."""
        on_limits = np.zeros((len(self.limited) + 1, units.shape[1]))
        np.add.at(on_limits, self.limit, units)
        np.add.at(on_limits, self.quota, units)
        under_cover = np.zeros((len(self.covered) + 1, units.shape[1]))
        np.add.at(under_cover, self.cover, units)
        return on_limits[:-1], under_cover[:-1]

    @property
    def draws(self) -> Ints:
        """(K, 2) rows of limits that each kind draws on."""
        return np.stack([self.limit, self.quota], axis=1)

    @property
    def shared(self) -> Ints:
        """(K, K, 2) rows of limits that two kinds have in common; -1 where none."""
        mine = self.draws
        common = (mine[:, None, :, None] == mine[None, :, None, :]).any(axis=3)
        return np.asarray(np.where(common & (mine >= 0)[:, None, :], mine[:, None, :], -1), dtype=np.int64)


def is_plain(p: Problem) -> Bools:
    """(W,) workloads whose plans the kernel knows: at most two options, no rule about places or changes.

    Nor about caps, scenarios, work that may shift or nodes that are shared.
    Options that may not be used must have been taken out (`optimizer.admit`); where every origin may be
    served by every option at the same cost, routing decides nothing and is filled in afterwards.
    """
    free = (p.min_regions <= 1) & (p.max_region_share >= 1) & ~p.survive_region_loss
    free &= ~p.survival.survive_zone_loss & ~np.isfinite(p.ramp.max_replicas) & p.routes.is_free
    free[p.option_workload[p.bounds.option]] = False
    free[p.option_workload[~p.is_admissible]] = False
    free[p.option_workload[p.nodes.is_shared]] = False
    free &= ~p.caps.member.any(axis=0) & ~p.scenarios.is_paid & ~p.work.is_asked
    count = np.bincount(p.option_workload, minlength=len(p.workloads))
    return np.asarray(free & (np.minimum(p.max_options, count) <= PAIR), dtype=bool)


def terms_of(p: Problem) -> tuple[Terms, Kinds]:
    """The arrays of a problem whose options are in the order of its workloads."""
    kind, kinds = kinds_of(p)
    w = p.option_workload
    taken_up = np.where(p.current_replicas > 0, 0.0, p.activation_cost_usd[w])
    options = (
        p.price_hourly, p.capacity, p.pool_units, p.egress_usd_per_unit, ~p.is_spot, taken_up,
        p.current_replicas, p.migration_cost_usd,
    )  # fmt: skip
    firm = 1.0 - p.max_spot_share
    rules = (firm, p.min_replicas, p.max_replicas, p.min_on_demand_replicas, p.max_options)
    return Terms(
        begin=np.searchsorted(w, np.arange(len(p.workloads) + 1)).astype(np.int64),
        kind=kind,
        options=np.ascontiguousarray(np.stack(options, axis=1), dtype=np.float64),
        rules=np.ascontiguousarray(np.stack(rules, axis=1), dtype=np.float64),
        demand=np.ascontiguousarray(p.demand, dtype=np.float64),
        hours=p.hours,
    ), kinds


def kinds_of(p: Problem) -> tuple[Ints, Kinds]:
    """(I,) kind of each option, and the rows of each kind."""
    limited = np.flatnonzero(np.isfinite(p.pool_limit).any(axis=1))
    reached = (~np.isnan(p.committed_rate)).any(axis=0)
    used = np.zeros(len(p.pools), dtype=bool)
    used[p.pool[p.is_coverable & (p.pool >= 0)]] = True
    covered = np.flatnonzero(reached & used)
    limit, quota = row_of(limited, p.pool), row_of(limited, p.quota_pool)
    quota[p.quota_pool == p.pool] = -1  # one limit counts once
    cover = np.where(p.is_coverable, row_of(covered, p.pool), -1)
    rows, kind = np.unique(np.stack([limit, quota, cover], axis=1), axis=0, return_inverse=True)
    limit, quota, cover = (np.ascontiguousarray(column) for column in rows.T)
    return kind.astype(np.int64).ravel(), Kinds(limit, quota, cover, limited, covered)


def row_of(pools: Ints, of: Ints) -> Ints:
    """(I,) place of each option's pool among some pools; -1 where it is none of them."""
    place = np.full(max(int(of.max(initial=-1)), int(pools.max(initial=-1))) + 2, -1, dtype=np.int64)
    place[pools] = np.arange(len(pools))
    return np.asarray(place[of], dtype=np.int64)
