"""Caps by price: bounds below the optimum of the compact model, caps kept, what cannot be kept is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.instances import generated
from optimizer.caps import CHANGED, KG_CO2E, USD, Caps
from optimizer.check import check
from optimizer.problem import Problem, cap_use, cost
from optimizer.solve import solve, solver
from optimizer.solve.capped import capped, is_capped
from optimizer.solve.components import restrict
from optimizer.solve.small import solve_component
from tests.optimizer.problems import O, W, problem, with_changes_capped

NONE = float("nan")


def few(seed: int, workloads: int = 6) -> Problem:
    """A few workloads with a few options each, some running now."""
    random = np.random.default_rng(seed)
    whole = generated(workloads, 1, seed)
    p = restrict(whole, np.arange(workloads), random.random(len(whole.option_id)) < 0.12).problem
    running = np.where(random.random(len(p.option_id)) < 0.1, 2.0, 0.0)
    return replace(p, current_replicas=running)


def with_cap(
    p: Problem, kind: str, share: float, *, priority: float = NONE, usd_per_unit: float = NONE
) -> Problem:
    """One cap over the first half of the workloads, at a share of what they use when nothing caps them."""
    member = (np.arange(len(p.workloads)) < len(p.workloads) // 2)[None, :]
    kg = np.random.default_rng(0).uniform(0.01, 0.1, len(p.option_id)) * p.pool_units
    caps = Caps(
        ("half",), (kind,), np.array([1e9]), np.array([priority]), np.array([usd_per_unit]), member, kg
    )
    free = replace(p, caps=caps)
    use = cap_use(free, solve_component(replace(p, caps=Caps.none(*p.shape[:2])), 1e-6).placement)
    return replace(p, caps=replace(caps, limit=share * use))


@pytest.mark.parametrize("kind", [USD, KG_CO2E, CHANGED])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_cap_that_binds_is_kept_and_the_bound_is_below_the_optimum(kind: str, seed: int) -> None:
    p = with_cap(few(seed), kind, 0.97, priority=1.0)
    optimum = solve_component(p, 1e-7)
    found = capped(p, gap_share=1e-4)
    assert is_capped(p)
    assert found is not None
    if optimum.shortfalls:
        assert found.shortfalls
        assert found.shortfalls[0].missing >= optimum.shortfalls[0].missing * (1 - 1e-4) - 1e-6
        return
    assert found.bound_usd <= optimum.cost_usd + 1e-6
    if not found.shortfalls:
        assert check(p, found.placement) == ()
        assert cost(p, found.placement) == pytest.approx(found.cost_usd)
        assert optimum.cost_usd - 1e-6 <= found.cost_usd <= 1.1 * optimum.cost_usd


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_priced_cap_costs_its_price_above_the_limit_and_no_more(seed: int) -> None:
    p = with_cap(few(seed), KG_CO2E, 0.5, usd_per_unit=0.3)
    optimum = solve_component(p, 1e-7)
    found = capped(p, gap_share=1e-4)
    assert found is not None
    assert found.shortfalls == ()
    assert found.bound_usd - 1e-6 <= optimum.cost_usd <= found.cost_usd + 1e-6
    assert found.cost_usd <= 1.05 * optimum.cost_usd


def test_a_carbon_price_is_as_exact_as_any_price() -> None:
    p = with_cap(few(0), KG_CO2E, 0.0, usd_per_unit=2.0)
    optimum, found = solve_component(p, 1e-7), capped(p, gap_share=0.0)
    assert found is not None
    assert found.cost_usd == pytest.approx(optimum.cost_usd, rel=1e-5)
    assert found.bound_usd == pytest.approx(optimum.cost_usd, rel=1e-4)


def test_a_budget_below_everything_is_missed_by_little_and_told() -> None:
    p = with_cap(few(1), USD, 0.01, priority=1000.0)
    found = capped(p, gap_share=1e-3)
    assert found is not None
    assert [s.rule for s in found.shortfalls] == ["cap_usd"]
    least = solve_component(p, 1e-7).shortfalls[0].missing
    assert least <= found.shortfalls[0].missing + 1e-6 <= 1.05 * least


def test_a_hard_cap_that_no_price_keeps_is_left_to_the_model_that_can_miss_rules() -> None:
    assert capped(with_cap(few(1), USD, 0.01), gap_share=1e-3) is None


def test_a_large_fleet_under_a_budget_is_placed_by_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "solved_part", None)  # the compact model is out of reach
    p = generated(30, 3)
    free = solve(p)
    member = np.ones((1, 30), dtype=bool)
    no_price, soft = np.array([NONE]), np.array([1000.0])
    caps = Caps(("team",), (USD,), np.array([1e9]), soft, no_price, member, np.zeros(len(p.option_id)))
    limit = 0.995 * cap_use(replace(p, caps=caps), free.placement)
    q = replace(p, caps=replace(caps, limit=limit))
    found = solve(q)
    assert found.shortfalls == ()
    assert cap_use(q, found.placement)[0] <= limit[0] * (1 + 1e-6)
    assert found.gap_share < 0.03


@pytest.mark.parametrize("usd_per_unit", [NONE, 0.5])
def test_a_fleet_that_may_not_stay_counts_under_a_cap_on_changes(usd_per_unit: float) -> None:
    web = W(demand=[5.0], residency=("DE",))
    away = O("away", price=0.1, region="us", country="US", current=3, migration=2.0)
    options = O("home", country="DE"), O("large", price=2.1, country="DE", capacity=5.0), away
    p = with_changes_capped(problem(web, options), 4.0, usd_per_unit=usd_per_unit)
    found = capped(p, gap_share=1e-3)
    assert is_capped(p)
    assert found is not None
    assert not found.shortfalls
    assert check(p, found.placement) == ()
    assert found.placement.replicas[:, 0].tolist() == [0, 1, 0]
    assert found.cost_usd == pytest.approx(8.1)
    assert found.bound_usd <= 8.1 + 1e-9
    assert found.bound_usd == pytest.approx(8.1)
