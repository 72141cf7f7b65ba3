"""What simpler policies would place: an answer to be cheaper than, judged by the same checker and cost.

Each is our own reading of how a known tool decides: one workload after another, largest first, and what
limits leave is for the next. None where a policy finds no room for a workload or breaks a rule.
"""

from __future__ import annotations

import numpy as np

from optimizer.check import check
from optimizer.problem import Bools, Floats, Ints, Placement, Problem
from optimizer.solve.components import restrict
from optimizer.solve.decomposition import with_cover
from optimizer.solve.dominance import only
from optimizer.solve.plans import Pricing
from optimizer.solve.small import share_out
from optimizer.solve.terms import is_plain, terms_of

ROUNDING = 1e-9


def current(problem: Problem) -> Placement | None:
    """The present fleet, in every period."""
    counts = np.rint(problem.current_replicas).astype(np.int64)
    return judged(problem, np.repeat(counts[:, None], len(problem.periods), axis=1))


def single_choice(problem: Problem, *, autoscaled: bool = True) -> Placement | None:
    """One on-demand option for each workload, the cheapest with room: how a task is placed by SkyPilot.

    Args:
        problem: what to place.
        autoscaled: replicas follow demand; otherwise they are those of its peak, always.
    """
    room, firm = Room(problem), ~problem.is_spot
    for w in largest_first(problem):
        options = problem.options_of(int(w))
        options = options[firm[options]]
        need = problem.demand[w] if autoscaled else np.full_like(problem.demand[w], problem.demand[w].max())
        floor = max(problem.min_replicas[w], problem.min_on_demand_replicas[w])
        if room.take_cheapest(options, need, floor) is None:
            return None
    return judged(problem, room.replicas)


def greedy(problem: Problem) -> Placement | None:
    """As Karpenter: the cheapest on-demand option for what spot may not carry, the cheapest spot beside it.

    A full pool sends a workload to the next in the list.
    """
    room = Room(problem)
    for w in map(int, largest_first(problem)):
        demand, options = problem.demand[w], problem.options_of(w)
        firm, spot = options[~problem.is_spot[options]], options[problem.is_spot[options]]
        alone = problem.max_options[w] < 2 or not len(spot)
        need = demand if alone else (1.0 - problem.max_spot_share[w]) * demand
        floor = max(problem.min_on_demand_replicas[w], problem.min_replicas[w] if alone else 0.0)
        taken = room.take_cheapest(firm, need, floor)
        if taken is None:
            return None
        if alone:
            continue
        rest = demand - problem.capacity[taken] * room.replicas[taken]
        missing = np.maximum(problem.min_replicas[w] - room.replicas[taken], 0)
        for choice in (spot, np.array([taken])):
            if room.take_cheapest(choice, rest, missing) is not None:
                break
        else:
            return None
    return judged(problem, room.replicas)


def per_workload(problem: Problem, *, spot: bool = False) -> Placement | None:
    """The best mix of two options for each workload alone: the choice of GPU types of Mélange.

    Args:
        problem: what to place; None unless all workloads are plain (`terms.is_plain`).
        spot: whether spot is among the options.
    """
    if not is_plain(problem).all():
        return None
    allowed = np.flatnonzero(~problem.is_spot | spot).astype(np.int64)
    part = restrict(only(problem, allowed), np.arange(len(problem.workloads)))
    terms, kinds = terms_of(part.problem)
    pricing = Pricing(terms, kinds, threads=1)
    left = part.problem.pool_limit[kinds.limited].copy()
    nothing = np.zeros((len(kinds.limit), len(problem.periods)))
    replicas = np.zeros((len(problem.option_id), len(problem.periods)), dtype=np.int64)
    for w in largest_first(problem):
        _, plan = pricing(nothing, among=np.array([w]), left=left)
        if not len(plan):
            return None
        left -= plan.drawn(pricing)[0]
        for j in np.flatnonzero(plan.option[0] >= 0):
            at = allowed[part.options[plan.option[0, j]]]
            replicas[at] = np.rint(plan.count[0, :, j]).astype(np.int64)
    return judged(problem, replicas)


class Room:
    """What pools have left while workloads are placed one by one, and what has been placed."""

    def __init__(self, problem: Problem) -> None:
        _, options, periods = problem.shape
        self.problem = problem
        self.left = np.vstack([problem.pool_limit, np.full((1, periods), np.inf)])  # the pool -1
        self.replicas: Ints = np.zeros((options, periods), dtype=np.int64)

    def take_cheapest(self, options: Ints, need: Floats, floor: Floats | float) -> int | None:
        """Take as many replicas as serve a need (T,) of the cheapest option with room in every period."""
        p = self.problem
        count = np.ceil(np.maximum(need, 0.0) / p.capacity[options][:, None] - ROUNDING)
        count = np.maximum(count, floor)
        usd = count @ p.hours * p.price_hourly[options]
        usd += p.egress_usd_per_unit[options] * (np.maximum(need, 0.0) @ p.hours)
        order = np.argsort(usd, kind="stable")
        options, count = options[order], count[order]
        units = p.pool_units[options][:, None] * count
        room = np.minimum(self.left[p.pool[options]], self.left[p.quota_pool[options]])
        most = p.max_replicas[p.option_workload[options]][:, None]
        fits: Bools = ((units <= room + ROUNDING) & (count <= most)).all(axis=1)
        if not fits.any():
            return None
        k = int(fits.argmax())
        option = int(options[k])
        for pool in {int(p.pool[option]), int(p.quota_pool[option])} - {-1}:
            self.left[pool] -= units[k]
        self.replicas[option] += np.rint(count[k]).astype(np.int64)
        return option


def largest_first(problem: Problem) -> Ints:
    """Workloads by their peak, as first fit decreasing takes them."""
    return np.argsort(-problem.demand.max(axis=1, initial=0.0), kind="stable").astype(np.int64)


def judged(problem: Problem, replicas: Ints) -> Placement | None:
    """Counts as a placement, commitments at their best; None if the checker refuses it."""
    nothing = np.zeros((len(problem.commitments), len(problem.pools), len(problem.periods)))
    served = share_out(problem, replicas, problem.demand)
    placement = Placement(replicas, served, nothing, np.zeros(len(problem.commitments)))
    if check(problem, placement):
        return None
    return with_cover(problem, placement)
