"""The menu of patterns against the exact model with all scenarios, for one workload."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.losses import Scenarios
from optimizer.problem import Problem
from optimizer.solve import solve
from optimizer.solve.menu import best_of_menu
from tests.optimizer.problems import O, W, problem

LOST = 0.1


def uncertain(*, is_joint: bool, penalty: float, scenarios: int = 120) -> Problem:
    """Log-normal demand around 40 replicas; spot at 0.35 of the price loses 10 % one by one, or 80 % at once.

    The scenarios multiply a demand of 1, so that the rule to meet demand leaves the choice to their cost.
    """
    random = np.random.default_rng(3)
    p = problem(W(demand=[1.0]), [O("firm"), O("spot", price=0.35, purchase="spot", pool="p")])
    factor = 40.0 * random.lognormal(0.0, 0.25, scenarios)
    joint = np.where(random.uniform(size=scenarios) < LOST / 0.8, 0.8, 0.0)
    lost = joint if is_joint else random.binomial(50, LOST, scenarios) / 50
    shape = (scenarios, 1, 1)
    names = tuple(f"s{k:03d}" for k in range(scenarios))
    even = np.full(scenarios, 1 / scenarios)
    drawn = Scenarios(names, even, lost.reshape(shape), factor.reshape(shape), np.array([penalty]))
    return replace(p, scenarios=drawn)


@pytest.mark.parametrize("is_joint", [False, True])
@pytest.mark.parametrize("penalty", [3.0, 10.0, 50.0])
def test_the_best_of_the_menu_is_near_the_exact_optimum(is_joint: bool, penalty: float) -> None:
    p = uncertain(is_joint=is_joint, penalty=penalty)
    exact = solve(p, gap_share=1e-6)
    ratio = best_of_menu(p).cost_usd / exact.cost_usd
    assert 1.0 - 1e-6 <= ratio <= 1.02
