"""Why not another option: exact against counting, parts that add up, and regrets that make up the gap."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from optimizer.check import check
from optimizer.problem import Problem, cost
from optimizer.solve import solve
from optimizer.solve.choices import Choices
from optimizer.solve.explain import Explanation, explain, family, sentence
from optimizer.solve.one_workload import cheapest_plan
from optimizer.solve.prices import Priced, Prices
from tests.optimizer.instances import tiny_problems
from tests.optimizer.problems import O, W, problem
from tests.optimizer.solve.test_decomposition import one_workload, period_cost, plain


def examples(count: int) -> settings:
    return settings(
        max_examples=count, deadline=None, derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )  # fmt: skip


def rents(p: Problem, usd: list[float]) -> Priced:
    """The problem with a limit far away that still has a rent."""
    prices = Prices.none(p)
    prices.rent[:] = np.array(usd[: len(p.periods)])
    return Priced(replace(p, pool_limit=np.full_like(p.pool_limit, 1e6)), prices)


def by_counting(p: Problem, rent: np.ndarray, must: int, *, alone: bool = False) -> float:
    """Least cost over all counts of all pairs in which an option runs."""
    others = [] if alone or p.max_options[0] < 2 else [i for i in range(len(p.option_id)) if i != must]
    sets = [(must,), *((must, i) for i in others)]
    return min(cost_of_set(p, chosen, rent) for chosen in sets)


def cost_of_set(p: Problem, chosen: tuple[int, ...], rent: np.ndarray) -> float:
    """Least cost with at least one replica of the first option in some period."""
    free, used = [], []
    for t in range(len(p.periods)):
        tops = [int(max(np.ceil(p.demand[0, t] / p.capacity[i]) + 2, p.current_replicas[i])) for i in chosen]
        usd = {n: period_cost(p, chosen, n, t, rent[t]) for n in product(*(range(x + 1) for x in tops))}
        free.append(min(usd.values()))
        used.append(min(value for n, value in usd.items() if n[0] > 0))
    ran = min(sum(free) - free[t] + used[t] for t in range(len(free))) if np.isfinite(free).all() else np.inf
    new = sum(p.current_replicas[i] <= 0 for i in chosen)
    dropped = sum(
        p.migration_cost_usd[i] * p.current_replicas[i] for i in range(len(p.option_id)) if i not in chosen
    )
    return float(ran + p.activation_cost_usd[0] * new + dropped)


@examples(80)
@given(one_workload(), st.lists(st.floats(0.0, 1.0), min_size=2, max_size=2))
def test_the_best_plan_with_an_option_is_what_counting_finds(p: Problem, rent: list[float]) -> None:
    priced = rents(p, rent)
    found = {forced.option: forced for forced in Choices(priced).forced([(0, i) for i in range(len(p.pool))])}
    for i in range(len(p.option_id)):
        counted = by_counting(p, np.array(rent), i)
        if not np.isfinite(counted):
            assert i not in found
            continue
        assert found[i].usd == pytest.approx(counted, abs=1e-7)
        assert priced.parts(0, found[i].plan).total == pytest.approx(counted, abs=1e-7)
        alone = by_counting(p, np.array(rent), i, alone=True)
        assert found[i].alone_usd == (pytest.approx(alone, abs=1e-7) if np.isfinite(alone) else np.inf)


@examples(40)
@given(one_workload(), st.lists(st.floats(0.0, 1.0), min_size=2, max_size=2))
def test_the_program_for_any_rules_agrees_with_the_kernel(p: Problem, rent: list[float]) -> None:
    priced = rents(p, rent)
    best = Choices(priced).best([0])
    plan = cheapest_plan(priced, 0, None)
    assert (plan is None) == (not best)
    if plan is not None:
        assert priced.parts(0, plan).total == pytest.approx(priced.parts(0, best[0]).total, abs=1e-6)
        must = len(p.option_id) - 1
        forced, own = Choices(priced).forced([(0, must)]), cheapest_plan(priced, 0, must)
        assert (own is None) == (not forced)
        if own is not None:
            assert priced.parts(0, own).total == pytest.approx(forced[0].usd, abs=1e-6)


def assert_it_adds_up(p: Problem, found: Explanation) -> None:
    for told in found.workloads:
        assert told.regret_usd >= 0
        for each in told.alternatives:
            parts = each.parts
            split = parts.instances + parts.quota_rent + parts.lost_cover + parts.egress + parts.churn
            assert each.more_usd == pytest.approx(split, abs=1e-9)
            assert each.more_usd >= -1e-6 * (1 + abs(told.best_usd))
            if each.alone_usd is not None:
                assert each.alone_usd >= each.more_usd - 1e-6


@examples(30)
@given(tiny_problems())
def test_alternatives_cost_more_and_regrets_are_the_gap(p: Problem) -> None:
    solution = solve(p, gap_share=1e-6)
    assume(not solution.shortfalls)
    found = explain(p, solution)
    assert_it_adds_up(p, found)
    assert len(found.workloads) == len(p.workloads)
    regrets = sum(told.regret_usd for told in found.workloads)
    assert found.gap_usd == pytest.approx(regrets + found.unused_usd, abs=1e-6)
    assert cost(p, solution.placement) - found.gap_usd <= solution.cost_usd + 1e-6


@examples(40)
@given(tiny_problems(most_options=3))
def test_the_bound_of_the_prices_is_that_of_decomposition(p: Problem) -> None:
    p = plain(p)
    solution = solve(p, gap_share=1e-6)
    assume(not solution.shortfalls)
    found = explain(p, solution)
    assert found.relaxation is not None
    assert solution.cost_usd - found.gap_usd == pytest.approx(found.relaxation.bound_usd, abs=1e-6)


def test_a_scarce_pool_is_named_as_the_reason() -> None:
    options = [
        O(f"{name}-{w}", w, price=price, pool=pool, region=region)
        for w in ("api", "web")
        for name, price, pool, region in (("cheap", 1.0, "p", "eu"), ("dear", 3.0, None, "us"))
    ]
    p = problem([W("web", [4.0]), W("api", [4.0])], options, pools={"p": 4.0})
    found = explain(p, solve(p, priced=True))
    told = {each.workload: each for each in found.workloads}
    assert all(each.regret_usd <= 1e-6 for each in told.values())
    other = [each for workload in told.values() for each in workload.alternatives]
    assert {each.other for each in other} <= {"region"}
    # At the rent of 2 USD both options cost the same: what is saved in price is lost in rent.
    assert all(each.parts.instances == pytest.approx(-each.parts.quota_rent) for each in other)


def test_a_plan_dearer_than_need_be_has_the_regret() -> None:
    p = problem([W("web", [4.0]), W("api", [2.0])], [O("a"), O("b", price=3.0), O("c", "api")])
    solution = solve(p)
    replicas = solution.placement.replicas[[1, 0, 2]]
    worse = replace(solution.placement, replicas=replicas, served=solution.placement.served[[1, 0, 2]])
    assert check(p, worse) == ()
    found = explain(p, replace(solution, placement=worse, cost_usd=cost(p, worse)))
    assert [(each.workload, each.regret_usd) for each in found.workloads] == [
        ("web", pytest.approx(8.0)),
        ("api", pytest.approx(0.0)),
    ]
    assert found.gap_usd == pytest.approx(8.0)


def test_beside_a_shortage_nothing_has_a_price_but_elsewhere_it_has() -> None:
    p = problem([W("web", [4.0]), W("api", [2.0])], [O("a", pool="p"), O("c", "api")], pools={"p": 3.0})
    found = explain(p, solve(p))
    assert found.unpriced == ("web",)
    assert [each.workload for each in found.workloads] == ["api"]


def test_lines_name_the_other_purchase_region_and_family() -> None:
    types = (("c7.large", "eu", "on_demand", 1.0), ("c7.large", "us", "on_demand", 1.2),
             ("c7.large", "eu", "spot", 1.5), ("m7.large", "eu", "on_demand", 1.3),
             ("c7.xlarge", "eu", "on_demand", 2.5))  # fmt: skip
    options = [
        O(f"{kind}/{region}/{how}", price=price, region=region, purchase=how)
        for kind, region, how, price in types
    ]
    p = problem(W("web", [4.0], max_options=1), options)
    p = replace(p, instance_type=tuple(kind for kind, *_ in types))
    found = explain(p, solve(p)).workloads[0]
    assert [(each.other, each.option) for each in found.alternatives] == [
        ("region", "c7.large/us/on_demand"), ("family", "m7.large/eu/on_demand"),
        ("purchase", "c7.large/eu/spot"),
    ]  # fmt: skip
    assert (
        sentence(found.alternatives[0]) == "c7.large/us/on_demand would cost 0.80 USD more: instances +0.80"
    )


@pytest.mark.parametrize(
    ("instance_type", "expected"),
    [("c7g.xlarge", "c7g"), ("n2-standard-8", "n2-standard"), ("a2-highgpu-1g", "a2-highgpu"),
     ("Standard_D4s_v5", "Standard_Ds_v5"), ("Standard_NC24ads_A100_v4", "Standard_NCads_A100_v4"), ("", "")],
)  # fmt: skip
def test_a_family_is_a_type_without_its_size(instance_type: str, expected: str) -> None:
    assert family(instance_type) == expected


def test_a_limit_that_an_option_names_twice_has_its_rent_once() -> None:
    p = problem(W("web", [4.0]), [O("a", pool="p", quota_pool="p")], pools={"p": 9.0})
    priced = rents(p, [0.5])
    (forced,) = Choices(priced).forced([(0, 0)])
    assert priced.parts(0, forced.plan).total == pytest.approx(4.0 + 4 * 0.5)
    assert forced.usd == pytest.approx(4.0 + 4 * 0.5)
