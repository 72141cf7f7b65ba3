"""Generalised assignment is a placement problem: public instances have known optima, which are reached.

Jobs are workloads of one replica, agents are pools; placing a job with an agent draws what it uses there.
Cost is what a job earns less than the most that any earns. Facility location is not here: an opening cost is
paid once by all workloads of a site, and no cost of ours is shared like that.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optimizer.check import check
from optimizer.problem import Problem, cost
from optimizer.solve import solve
from optimizer.solve.decomposition import decompose

FOLDER = Path(__file__).parent / "instances"
KNOWN = json.loads((FOLDER / "generalised_assignment.json").read_text(encoding="utf-8"))["instances"]


def assignment(known: dict[str, Any]) -> tuple[Problem, float]:
    """The instance as a problem, and what its optimum costs."""
    profit, use = (np.array(known[name], dtype=float).T for name in ("profit", "use"))  # (job, agent)
    jobs, agents = profit.shape
    size, one, none = jobs * agents, np.ones(jobs), np.zeros(jobs * agents)
    names = tuple(f"agent-{a}" for a in range(agents))
    return Problem(
        workloads=tuple(f"job-{j}" for j in range(jobs)), periods=("once",), hours=np.ones(1),
        demand=one[:, None], max_spot_share=one, max_options=one, activation_cost_usd=np.zeros(jobs),
        min_regions=np.ones(jobs, dtype=np.int64), max_region_share=one, min_replicas=one, max_replicas=one,
        min_on_demand_replicas=np.zeros(jobs), survive_region_loss=np.zeros(jobs, dtype=bool),
        option_workload=np.arange(jobs).repeat(agents), option_id=names * jobs, provider=("cloud",) * size,
        region=("here",) * size, instance_type=names * jobs, purchase=("on_demand",) * size,
        price_hourly=(profit.max() - profit).ravel(), capacity=np.ones(size),
        pool=np.tile(np.arange(agents), jobs), pool_units=use.ravel(), quota_pool=np.full(size, -1),
        egress_usd_per_unit=none, current_replicas=none, migration_cost_usd=none, pools=names,
        pool_limit=np.array(known["room"], dtype=float)[:, None], commitments=(),
        committed_usd_per_hour=np.zeros(0), offered_max_usd_per_hour=np.zeros(0), fee_per_usd=np.zeros(0),
        committed_rate=np.zeros((0, agents)), covered_list_price=np.zeros((0, agents)),
    ), float(jobs * profit.max() - known["optimum"])  # fmt: skip


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known["name"])
def test_the_known_optimum_is_reached_and_proven(known: dict[str, Any]) -> None:
    problem, optimum = assignment(known)
    found = solve(problem, gap_share=0.0)
    assert found.cost_usd == pytest.approx(optimum)
    assert found.bound_usd == pytest.approx(optimum, rel=1e-4)


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known["name"])
def test_decomposition_bounds_the_known_optimum_from_below(known: dict[str, Any]) -> None:
    problem, optimum = assignment(known)
    found = decompose(problem, gap_share=0.0)
    assert found is not None
    assert found.bound_usd <= optimum + 1e-6
    if found.placement is not None:
        assert not check(problem, found.placement)
        assert cost(problem, found.placement) >= optimum - 1e-6
