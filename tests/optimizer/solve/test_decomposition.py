"""Decomposition: bounds below the optimum, placements that the checker takes, the kernel against counting."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optimizer.check import check
from optimizer.problem import Problem, cost
from optimizer.routes import all_pairs
from optimizer.solve import solve, solver
from optimizer.solve.decomposition import decompose
from optimizer.solve.mixes import Mixes
from optimizer.solve.plans import Plans, Pricing
from optimizer.solve.terms import PAIR, is_plain, terms_of
from tests.optimizer.brute_force import cheapest
from tests.optimizer.instances import tiny_problems
from tests.optimizer.problems import UNLIMITED, C, O, W, problem


def plain(p: Problem) -> Problem:
    """The same with options in the order of workloads, at most two of them, and no rule about regions."""
    order, _ = p.by_workload
    whole = len(p.workloads)
    names = ("price_hourly", "capacity", "pool", "pool_units", "quota_pool", "egress_usd_per_unit")
    more = ("current_replicas", "migration_cost_usd", "option_workload")
    texts = ("option_id", "provider", "region", "instance_type", "purchase")
    return replace(
        p,
        **{name: getattr(p, name)[order] for name in (*names, *more)},
        **{name: tuple(getattr(p, name)[i] for i in order) for name in texts},
        max_options=np.minimum(p.max_options, PAIR),
        min_regions=np.ones(whole, dtype=np.int64),
        max_region_share=np.ones(whole),
        survive_region_loss=np.zeros(whole, dtype=bool),
    )


@settings(max_examples=30, deadline=None)
@given(tiny_problems(most_options=3))
def test_the_bound_is_below_the_optimum_and_the_placement_holds(p: Problem) -> None:
    p = plain(p)
    least = cheapest(p, top=5)
    assume(least is not None)
    found = decompose(p, gap_share=1e-3)
    assert found is not None
    assert found.bound_usd <= least + 1e-6 * (1 + abs(least))
    if found.placement is not None:
        assert check(p, found.placement) == ()
        assert cost(p, found.placement) >= least - 1e-6 * (1 + abs(least))


@settings(max_examples=40, deadline=None)
@given(tiny_problems(most_options=3, with_commitments=False))
def test_without_anything_shared_the_placement_is_the_optimum(p: Problem) -> None:
    p = plain(replace(p, pool_limit=np.full_like(p.pool_limit, np.inf)))
    least = cheapest(p, top=6)
    assume(least is not None)
    found = decompose(p, gap_share=1e-6)
    assert found is not None
    assert found.placement is not None
    assert cost(p, found.placement) == pytest.approx(least, abs=1e-6)
    assert found.bound_usd == pytest.approx(least, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(tiny_problems(most_options=3), st.integers(0, 1))
def test_one_period_is_solved_to_the_proven_optimum(p: Problem, t: int) -> None:
    p = plain(one_period(p, t % len(p.periods)))
    least = cheapest(p, top=5)
    assume(least is not None)
    found = decompose(p, gap_share=0.0)
    assert found is not None
    assert found.bound_usd <= least + 1e-6 * (1 + abs(least))
    if found.placement is not None and not (p.offered_max_usd_per_hour > 0).any():
        assert cost(p, found.placement) == pytest.approx(least, rel=1e-6, abs=1e-6)
        assert found.bound_usd == pytest.approx(least, rel=1e-4, abs=1e-4)


def one_period(p: Problem, t: int) -> Problem:
    arrays = {"demand": p.demand[:, [t]], "pool_limit": p.pool_limit[:, [t]], "hours": p.hours[[t]]}
    return replace(p, periods=(p.periods[t],), **arrays)


numbers = st.floats(0.2, 5.0)


@st.composite
def one_workload(draw: st.DrawFn) -> Problem:
    """Up to five options of any kind, two periods, every rule that the kernel knows."""
    kinds = st.sampled_from(["on_demand", "spot"])
    options = [
        O(
            f"o{i}", price=draw(numbers), capacity=draw(numbers), purchase=draw(kinds), pool="p",
            pool_units=draw(st.sampled_from([0.0, 1.0, 2.5])), egress=draw(st.sampled_from([0.0, 0.3, 2.0])),
            current=draw(st.sampled_from([0, 0, 2, 5])), migration=draw(st.sampled_from([0.0, 0.4, 6.0])),
        )
        for i in range(draw(st.integers(1, 5)))
    ]  # fmt: skip
    rules = W(
        demand=draw(st.lists(st.sampled_from([0.0, 0.7, 2.0, 3.3, 6.0]), min_size=2, max_size=2)),
        max_spot_share=draw(st.sampled_from([0.0, 0.4, 1.0])), max_options=draw(st.sampled_from([1, 2])),
        activation_cost_usd=draw(st.sampled_from([0.0, 0.5, 3.0])),
        min_replicas=draw(st.sampled_from([0, 0, 2])),
        max_replicas=draw(st.sampled_from([np.inf, 7])),
        min_on_demand_replicas=draw(st.sampled_from([0, 0, 1])),
    )  # fmt: skip
    return problem(rules, options, hours=[1.0, 3.0])


@settings(max_examples=120, deadline=None)
@given(one_workload(), st.lists(st.floats(-0.05, 1.0), min_size=2, max_size=2))
def test_the_kernel_finds_what_counting_finds(p: Problem, added: list[float]) -> None:
    terms, kinds = terms_of(p)
    shared = np.tile(np.array(added), (len(kinds.limit), 1))
    shared = np.maximum(shared, -0.9 * float(np.min(p.price_hourly / np.maximum(p.pool_units, 1e-9))))
    value, plans = Pricing(terms, kinds, threads=1)(shared)
    counted = by_counting(p, shared[0])
    assert value[0] == pytest.approx(counted, abs=1e-7) if np.isfinite(counted) else not len(plans)
    if len(plans):
        own = plans.usd(terms)[0] + float((plans.units(terms)[0].sum(axis=1) * shared[0]).sum())
        assert own == pytest.approx(value[0], abs=1e-7)


@settings(max_examples=120, deadline=None)
@given(one_workload(), st.lists(st.floats(-0.05, 1.0), min_size=2, max_size=2))
def test_the_patterns_of_a_mix_hold_its_cheapest_plan(p: Problem, added: list[float]) -> None:
    terms, kinds = terms_of(p)
    prices = np.tile(np.array(added), (len(kinds.limit), 1))
    prices = np.maximum(prices, -0.9 * float(np.min(p.price_hourly / np.maximum(p.pool_units, 1e-9))))
    pricing, no_limit = Pricing(terms, kinds, threads=1), np.empty((0, 2))
    value, plans = pricing(prices)
    blank = Plans(plans.workload, plans.option, np.full_like(plans.count, 99.0))
    for mixes in (Mixes.of(pricing, plans, no_limit), Mixes.of(pricing, blank, no_limit)):
        assert mixes.is_all.all()
        if plans.count.max(initial=0.0) > 0:  # nothing to run: no activation
            assert mixes.values(prices)[0] == pytest.approx(value[: len(plans)], abs=1e-7)


def by_counting(p: Problem, added: np.ndarray) -> float:
    """Least cost over all counts of all pairs, over that of dropping what runs."""
    most = int(p.max_options[0])
    sets = [chosen for size in range(most + 1) for chosen in combinations(range(len(p.option_id)), size)]
    return min((cost_of_set(p, chosen, added) for chosen in sets), default=np.inf)


def cost_of_set(p: Problem, chosen: tuple[int, ...], added: np.ndarray) -> float:
    idle = [i for i in chosen if p.current_replicas[i] <= 0]
    total = p.activation_cost_usd[0] * len(idle) - sum(
        p.migration_cost_usd[i] * p.current_replicas[i] for i in chosen
    )
    for t in range(len(p.hours)):
        tops = [int(max(np.ceil(p.demand[0, t] / p.capacity[i]) + 2, p.current_replicas[i])) for i in chosen]
        costs = [period_cost(p, chosen, n, t, added[t]) for n in product(*(range(x + 1) for x in tops))]
        total += min(costs)
    return float(total)


def period_cost(p: Problem, chosen: tuple[int, ...], n: tuple[int, ...], t: int, added: float) -> float:
    hours = p.hours[t]
    need, spot = p.demand[0, t], [p.purchase[i] == "spot" for i in chosen]
    room = [k * p.capacity[i] for k, i in zip(n, chosen, strict=True)]
    firm = sum(r for r, s in zip(room, spot, strict=True) if not s)
    firm_count = sum(k for k, s in zip(n, spot, strict=True) if not s)
    enough = sum(room) >= need - 1e-9 and firm >= (1 - p.max_spot_share[0]) * need - 1e-9
    bounded = p.min_replicas[0] <= sum(n) <= p.max_replicas[0] and firm_count >= p.min_on_demand_replicas[0]
    if not (enough and bounded):
        return np.inf
    usd = sum(
        k * (hours * p.price_hourly[i] + p.pool_units[i] * added) for k, i in zip(n, chosen, strict=True)
    )
    for place in sorted(range(len(chosen)), key=lambda j: p.egress_usd_per_unit[chosen[j]]):
        served = min(need, room[place])
        need -= served
        usd += hours * p.egress_usd_per_unit[chosen[place]] * served
    if t == 0:
        usd += sum(
            p.migration_cost_usd[i] * abs(k - p.current_replicas[i]) for k, i in zip(n, chosen, strict=True)
        )
    return float(usd)


def fleet(workloads: int, periods: int = 4, seed: int = 1) -> Problem:
    """Workloads that want the same cheap pool, of which there is too little; another one is reserved."""
    random = np.random.default_rng(seed)
    rules = {"max_options": 2, "activation_cost_usd": 0.2, "max_spot_share": 0.6}
    owners = [W(f"w{w:03d}", random.uniform(2, 20, periods), **rules) for w in range(workloads)]
    kinds = (("a", 1.0, "on_demand"), ("b", 1.2, "on_demand"), ("s", 0.4, "spot"))
    options = [
        O(
            f"{size}-{pool}", w.name, price=size * price, capacity=size - 0.2, purchase=kind,
            pool=pool, pool_units=size,
        )
        for w in owners
        for size in (1.0, 2.0, 4.0)
        for pool, price, kind in kinds
    ]  # fmt: skip
    covered = C("ri", covers={"b": (0.7, 1.2)}, existing=workloads * 1.0)
    limits = {"a": workloads * 3.0, "s": workloads * 2.5}
    return problem(owners, options, pools=limits, commitments=[covered], hours=[6.0] * periods)


def test_a_fleet_is_placed_within_its_limits_and_close_to_its_bound() -> None:
    p = fleet(60)
    found = solve(p, gap_share=0.005)
    assert check(p, found.placement) == ()
    assert found.gap_share < 0.005
    assert found.cost_usd == pytest.approx(cost(p, found.placement))


def test_equal_problems_have_equal_placements_whatever_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    p = fleet(40)
    one, other = decompose(p, gap_share=0.005), decompose(p, gap_share=0.005)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    alone = decompose(p, gap_share=0.005)
    assert one is not None
    assert one.placement is not None
    for found in (other, alone):
        assert found is not None
        assert found.placement is not None
        assert found.bound_usd == one.bound_usd
        np.testing.assert_array_equal(found.placement.replicas, one.placement.replicas)


@pytest.mark.parametrize("quota", [False, True])
def test_a_limit_of_one_period_leaves_the_others_free(quota: bool) -> None:
    names = [f"w{k}" for k in range(100)]
    pool = {"quota_pool" if quota else "pool": "p"}
    options = [O(f"cheap-{w}", w, price=1.0, pool_units=2.0, **pool) for w in names]
    dear = [O(f"dear-{w}", w, price=3.0) for w in names]
    p = problem(
        [W(w, demand=(2.0, 2.0), max_options=1) for w in names],
        [one for both in zip(options, dear, strict=True) for one in both],
        pools={"p": (float("inf"), 1e5)},
    )
    found = decompose(p, gap_share=1e-4)
    assert found is not None
    assert found.placement is not None
    assert cost(p, found.placement) == pytest.approx(400.0)
    assert found.bound_usd == pytest.approx(400.0)


def test_shadow_prices_are_of_what_is_scarce() -> None:
    found = solve(fleet(60), gap_share=0.005, priced=True)
    rents = {(price.name, price.period): price.usd_per_unit for price in found.shadow_prices}
    assert all(rents["a", f"t{t}"] > 0 for t in range(4))
    assert min(rents.values()) >= 0


def test_one_more_unit_saves_what_its_shadow_price_says() -> None:
    p = fleet(200, periods=2)
    rent = sum(price.usd_per_unit for price in solve(p, priced=True).shadow_prices if price.name == "a")
    more = replace(p, pool_limit=p.pool_limit + np.where(np.array(p.pools) == "a", 40.0, 0.0)[:, None])
    before, after = decompose(p, gap_share=1e-4), decompose(more, gap_share=1e-4)
    assert before is not None
    assert after is not None
    saved = before.bound_usd - after.bound_usd
    assert saved == pytest.approx(40 * rent, rel=0.15)


def test_a_shortage_goes_to_the_model_that_can_miss_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "LARGE", 0)
    p = problem(
        [W("a", [4.0], max_options=2), W("b", [4.0], max_options=2)],
        [O("x", "a", pool="p"), O("y", "b", pool="p")],
        pools={"p": 5.0},
    )
    found = solve(p)
    assert sum(s.missing for s in found.shortfalls) == pytest.approx(3.0)


def test_parts_of_a_shortage_are_the_same_however_many_processes_solve_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    p = problem(
        [W("a", [4.0, 5.0, 1.0]), W("b", [4.0, 4.0, 4.5])],
        [O("x", "a", pool="p"), O("y", "b", price=2.0, pool="p")],
        pools={"p": [5.0, 3.0, 6.0]},
    )
    alone = solve(p, jobs=2)
    monkeypatch.setattr(solver, "LARGE", 0)
    with mock.patch.object(solver, "processes", wraps=solver.processes) as begun:
        together = solve(p, jobs=2)
    begun.assert_called_once_with(2)
    assert together.shortfalls == alone.shortfalls
    assert (together.cost_usd, together.bound_usd) == (alone.cost_usd, alone.bound_usd)
    np.testing.assert_array_equal(together.placement.replicas, alone.placement.replicas)


def test_rules_about_regions_and_more_options_are_left_to_the_compact_model() -> None:
    p = problem(
        [
            W("two", max_options=2), W("three", max_options=3), W("any", max_options=3),
            W("spread", max_options=2, min_regions=2),
        ],
        [
            O("x", "two"), O("y1", "three"), O("y2", "three"), O("v1", "any"), O("v2", "any"), O("v3", "any"),
            O("z", "spread"),
        ],
    )  # fmt: skip
    assert is_plain(p).tolist() == [True, True, False, False]  # three of two options are two


PLAIN = {
    "no rule": W(),
    "one origin": W(origins={"DE": 1.0}, max_latency_ms=50),
    "origins that all may be served by all": W(origins={"DE": 0.5, "US": 0.5}),
    "residency that leaves nothing out": W(residency=["DE"]),
}
NOT_PLAIN = {
    "an origin far from an option": W(origins={"DE": 0.5, "US": 0.5}, max_latency_ms=50),
    "an option to leave out": W(residency=["FR"]),
    "too slow": W(max_latency_ms=4),
    "zones": W(survive_zone_loss=True),
    "ramp": W(demand=[4.0], max_ramp_replicas=9),
}


@pytest.mark.parametrize("name", [*PLAIN, *NOT_PLAIN, "bounds", "dear routes"])
def test_only_workloads_whose_plans_the_kernel_knows_are_plain(name: str) -> None:
    w = (PLAIN | NOT_PLAIN).get(name, W(origins={"DE": 1.0}))
    options = [O("a", country="DE", latency_ms=5, most=2 if name == "bounds" else UNLIMITED)]
    usd = {("DE", "eu"): 0.1 if name == "dear routes" else 0.0}
    p = problem(w, options, rtt={("DE", "eu"): 10, ("US", "eu"): 90}, egress=usd)
    assert is_plain(replace(p, max_options=np.array([2.0]))).tolist() == [name in PLAIN]


def test_a_fleet_whose_routing_is_free_is_decomposed_and_routed_afterwards() -> None:
    p = fleet(60)
    w, origins = len(p.workloads), ("DE", "US")
    workload = np.repeat(np.arange(w), 2)
    source, option = all_pairs(p.option_workload, workload)
    routes = replace(
        p.routes, workload=workload, origin=origins * w, share=np.tile([0.75, 0.25], w), source=source,
        option=option, rtt_ms=np.full(len(source), 30.0), is_estimated=np.zeros(len(source), dtype=bool),
        egress_usd_per_unit=np.zeros(len(source)), max_latency_ms=np.full(w, 50.0),
    )  # fmt: skip
    routed = replace(p, routes=routes)
    found, plainly = solve(routed, gap_share=0.005), solve(p, gap_share=0.005)
    assert check(routed, found.placement) == ()
    assert found.cost_usd == plainly.cost_usd
    np.testing.assert_allclose(routes.sum_by_source(found.placement.routed)[0], 0.75 * p.demand[0])
