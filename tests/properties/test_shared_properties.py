"""Caps, priorities, scenarios and work that may shift: checker, exhaustive search and model agree."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer.caps import Caps, Priorities
from optimizer.check import check
from optimizer.losses import Scenarios
from optimizer.problem import Problem, cost
from optimizer.problem_files import read_problem, write_problem
from optimizer.shift import Work
from optimizer.solve import prune_dominated, solve
from tests.optimizer.problems import O, W, placement, problem

EXACT = 1e-9
TOP = 4
HOURS = (1.0, 3.0)
INF, NAN = float("inf"), float("nan")


def examples(count: int) -> settings:
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


def caps(p: Problem, *rows: tuple[str, float, float, float], kg: tuple[float, ...] = ()) -> Problem:
    """The problem with caps of all workloads: kind, limit, priority, USD per unit."""
    kinds = tuple(row[0] for row in rows)
    limit, priority, usd = (np.array([row[k] for row in rows], dtype=float) for k in (1, 2, 3))
    member = np.ones((len(rows), len(p.workloads)), dtype=bool)
    carbon = np.array(kg or [0.0] * len(p.option_id))
    names = tuple(f"cap{k}" for k in range(len(rows)))
    return replace(p, caps=Caps(names, kinds, limit, priority, usd, member, carbon))


@st.composite
def fleets(draw: st.DrawFn) -> Problem:
    """One or two workloads with one or two options each over two periods, and their carbon."""
    owners = ["web", "etl"][: draw(st.integers(1, 2))]
    count = draw(st.integers(2, 3))
    options = [
        O(
            "abc"[i],
            workload=owners[i % len(owners)],
            price=draw(st.sampled_from([1.0, 1.3, 2.1])),
            capacity=draw(st.sampled_from([1.0, 1.5, 2.0])),
            purchase=draw(st.sampled_from(["on_demand", "spot"])),
            pool=draw(st.sampled_from(["p", "q", None])),
            current=draw(st.sampled_from([0, 1, 2])),
        )
        for i in range(count)
    ]
    sizes = st.sampled_from([0.0, 1.0, 2.0, 3.0])
    workloads = [W(owner, demand=[draw(sizes), draw(sizes)]) for owner in owners]
    p = problem(workloads, options, hours=HOURS)
    kg = tuple(draw(st.sampled_from([0.1, 0.5, 2.0])) for _ in options)
    return caps(p, kg=kg)


def uses(p: Problem, kind: str, counts: np.ndarray) -> np.ndarray:
    """(rows,) what fleets (rows, T, I) use of a kind, by the words of its definition."""
    if kind == "changed_replicas":
        return np.abs(counts[:, 0] - p.current_replicas).sum(axis=1)
    rate = p.price_hourly if kind == "usd" else p.caps.kg_co2e_hourly
    return sum(HOURS[t] * counts[:, t] @ rate for t in range(2))


def every_fleet(p: Problem) -> np.ndarray:
    """(rows, T, I) all counts up to TOP, for up to three options."""
    one = np.array(list(product(range(TOP), repeat=len(p.option_id))))
    a, b = np.meshgrid(np.arange(len(one)), np.arange(len(one)), indexing="ij")
    return np.stack([one[a.ravel()], one[b.ravel()]], axis=1)


def serving(p: Problem, counts: np.ndarray) -> np.ndarray:
    """(rows,) which fleets serve all demand."""
    ok = np.ones(len(counts), dtype=bool)
    for w, t in product(range(len(p.workloads)), range(2)):
        own = p.option_workload == w
        ok &= counts[:, t][:, own] @ p.capacity[own] >= p.demand[w, t] - 1e-9
    return ok


@pytest.mark.parametrize("kind", ["usd", "kg_co2e", "changed_replicas"])
@pytest.mark.parametrize("sort", ["hard", "soft", "priced"])
@examples(12)
@given(p=fleets(), share=st.sampled_from([0.0, 0.7, 1.2]))
def test_a_cap_is_kept_missed_least_or_paid_for(kind: str, sort: str, p: Problem, share: float) -> None:
    counts = every_fleet(p)
    counts = counts[serving(p, counts)]
    used, usd = uses(p, kind, counts), uses(p, "usd", counts)
    cheapest = np.lexsort((used, usd))[0]
    limit = share * float(used[cheapest])
    priority, price = {"hard": (NAN, NAN), "soft": (1.0, NAN), "priced": (NAN, 0.9)}[sort]
    q = caps(p, (kind, limit, priority, price), kg=tuple(p.caps.kg_co2e_hourly))
    answer = solve(q, gap_share=EXACT)
    over = np.maximum(used - limit, 0.0)
    if sort == "priced":
        assert answer.cost_usd == pytest.approx((usd + 0.9 * over).min(), abs=1e-6)
        return
    if sort == "hard" and over.min() > 1e-9:
        assert {s.rule for s in answer.shortfalls} & {"meet_demand"}
        assert check(q, answer.placement, best_effort=True) == ()
        assert not [v for v in check(q, answer.placement) if v.rule.startswith("cap_")]
        return
    best = over <= over.min() + 1e-9
    assert answer.cost_usd == pytest.approx(usd[best].min(), abs=1e-4)
    missing = sum(s.missing for s in answer.shortfalls)
    assert missing == pytest.approx(over.min(), abs=1e-4)
    pruned = solve(prune_dominated(q), gap_share=EXACT)
    assert pruned.cost_usd == pytest.approx(answer.cost_usd, abs=1e-4)


@examples(25)
@given(p=fleets(), first=st.sampled_from(["usd", "kg_co2e"]))
def test_a_rule_of_priority_1_is_never_worsened_to_help_one_of_priority_2(p: Problem, first: str) -> None:
    second = "kg_co2e" if first == "usd" else "usd"
    kg = tuple(p.caps.kg_co2e_hourly)
    alone = solve(caps(p, (first, 0.0, 1.0, NAN), kg=kg), gap_share=EXACT)
    both = caps(p, (second, 0.0, 2.0, NAN), (first, 0.0, 1.0, NAN), kg=kg)
    answer = solve(both, gap_share=EXACT)

    def missed(of: object, kind: str) -> float:
        return sum(s.missing for s in of.shortfalls if s.rule == f"cap_{kind}")  # type: ignore[attr-defined]

    assert missed(answer, first) == pytest.approx(missed(alone, first), abs=1e-4)


def test_priorities_say_who_goes_short() -> None:
    p = problem([W("web"), W("etl")], [O("a", "web", pool="p"), O("b", "etl", pool="p")], pools={"p": 4})
    for one, other in ((0, 1), (1, 0)):
        q = replace(
            p,
            priorities=Priorities(("meet_demand",) * 2, np.array([one, other]), np.array([1.0, 2.0])),
        )
        answer = solve(q, gap_share=EXACT)
        short = {(s.workload, s.missing) for s in answer.shortfalls}
        assert short == {(p.workloads[other], 4.0)}


def test_a_cap_with_a_better_priority_than_demand_comes_before_it() -> None:
    p = problem(W(demand=[4.0]), [O("a")])
    capped = caps(p, ("usd", 3.0, 1.0, NAN))
    assert [s.rule for s in solve(capped).shortfalls] == ["cap_usd"]
    later = replace(capped, priorities=Priorities(("meet_demand",), np.array([-1]), np.array([2.0])))
    assert [(s.rule, s.missing) for s in solve(later).shortfalls] == [("meet_demand", pytest.approx(1.0))]


@st.composite
def uncertain(draw: st.DrawFn) -> Problem:
    p = draw(fleets())
    s = draw(st.integers(1, 3))
    losses = st.sampled_from([0.0, 0.0, 0.5, 1.0])
    lost = np.array([[[draw(losses)] * 2 for _ in p.pools] for _ in range(s)]).reshape(s, len(p.pools), 2)
    factor = np.array([[[draw(st.sampled_from([0.5, 1.0, 1.5]))] * 2 for _ in p.workloads] for _ in range(s)])
    slo = np.array([draw(st.sampled_from([0.0, 1.0, 4.0])) for _ in p.workloads])
    names = tuple(f"s{k}" for k in range(s))
    return replace(p, scenarios=Scenarios(names, np.full(s, 1 / s), lost, factor, slo))


@examples(40)
@given(p=uncertain())
def test_expected_cost_of_scenarios_is_that_of_an_exhaustive_search(p: Problem) -> None:
    counts = every_fleet(p)
    counts = counts[serving(p, counts)]
    usd = uses(p, "usd", counts)
    s = p.scenarios
    for k, w, t in product(range(len(s)), range(len(p.workloads)), range(2)):
        left = np.array([0.0 if pool < 0 else s.lost_share[k, pool, t] for pool in p.pool])
        own = p.option_workload == w
        room = counts[:, t][:, own] @ (p.capacity * (1 - left))[own]
        short = np.maximum(s.demand_factor[k, w, t] * p.demand[w, t] - room, 0.0)
        usd = usd + s.probability[k] * HOURS[t] * s.slo_usd_per_unit[w] * short
    answer = solve(p, gap_share=EXACT)
    assert answer.cost_usd == cost(p, answer.placement)
    assert answer.cost_usd <= usd.min() + 1e-6  # more replicas than TOP may pay
    if answer.placement.replicas.max() < TOP:
        assert answer.cost_usd == pytest.approx(usd.min(), abs=1e-6)
    assert solve(prune_dominated(p), gap_share=EXACT).cost_usd == pytest.approx(answer.cost_usd, abs=1e-6)


@examples(40)
@given(
    p=fleets(), amount=st.sampled_from([1.0, 3.0, 5.0]), window=st.sampled_from([(0, 0), (0, 1), (1, 1)]),
    spot=st.sampled_from([1.0, 0.5]),
)  # fmt: skip
def test_work_is_done_in_its_window_at_least_cost(
    p: Problem, amount: float, window: tuple[int, int], spot: float
) -> None:
    demand = p.demand.copy()
    demand[0] = 0.0
    share = p.max_spot_share.copy()
    share[0] = spot
    w = len(p.workloads)
    work = Work(np.eye(1, w)[0] * amount, np.full(w, window[0]), np.full(w, window[1]))
    p = replace(p, demand=demand, work=work, max_spot_share=share)
    counts = every_fleet(p)
    own, inside = p.option_workload == 0, range(window[0], window[1] + 1)
    firm = own & ~p.is_spot
    done = sum(HOURS[t] * (counts[:, t][:, own] @ p.capacity[own]) for t in inside)
    stays = sum(HOURS[t] * (counts[:, t][:, firm] @ p.capacity[firm]) for t in inside)
    ok = serving(p, counts) & (done >= amount - 1e-9) & (stays >= (1 - spot) * amount - 1e-9)
    answer = solve(p, gap_share=EXACT)
    if not answer.shortfalls and answer.placement.replicas.max() < TOP:
        assert answer.cost_usd == pytest.approx(uses(p, "usd", counts[ok]).min(), abs=1e-6)
        assert check(p, answer.placement) == ()
    if answer.shortfalls:
        assert not ok.any()


def test_the_checker_refuses_what_breaks_a_cap_or_a_window() -> None:
    p = problem(W(demand=[4.0, 4.0]), [O("a", current=4)], hours=HOURS)
    full = placement(p, {"a": 4})
    for kind, limit in (("usd", 15.9), ("kg_co2e", 31.9), ("changed_replicas", -0.1)):
        broken = caps(p, (kind, limit, NAN, NAN), kg=(2.0,))
        assert [v.rule for v in check(broken, full)] == [f"cap_{kind}"]
        assert check(caps(p, (kind, limit + 0.1, NAN, NAN), kg=(2.0,)), full) == ()
        assert check(caps(p, (kind, limit, NAN, 1.0), kg=(2.0,)), full) == ()
    q = replace(
        problem(W(demand=[0.0, 0.0]), [O("a")], hours=HOURS),
        work=Work(np.array([4.0]), *np.array([[0], [0]])),
    )
    assert check(q, placement(q, {"a": [4, 0]}, served={"a": [4.0, 0.0]})) == ()
    assert [v.rule for v in check(q, placement(q, {"a": [3, 0]}, served={"a": [3.0, 0.0]}))] == [
        "finish_work"
    ]
    assert [v.rule for v in check(q, placement(q, {"a": [4, 1]}, served={"a": [4.0, 1.0]}))] == [
        "work_in_window"
    ]
    assert [v.rule for v in check(q, placement(q, {"a": [5, 0]}, served={"a": [5.0, 0.0]}))] == [
        "not_over_served"
    ]


def test_work_that_spot_may_not_carry_alone_is_refused_by_the_checker() -> None:
    p = problem(
        W(demand=[0.0, 0.0], max_spot_share=0.5), [O("firm"), O("spot", purchase="spot")], hours=[1.0, 3.0]
    )
    p = replace(p, work=Work(np.array([8.0]), np.array([0]), np.array([1])))
    served = {"firm": [1.0, 1.0], "spot": [1.0, 1.0]}
    assert check(p, placement(p, {"firm": 1, "spot": 1}, served=served)) == ()
    broken = placement(p, {"firm": [0, 1], "spot": [2, 1]}, served={"firm": [0, 1], "spot": [2.0, 1.0]})
    assert [str(v) for v in check(p, broken)] == ["work_spot[web,t1]: 3 against 4"]
    assert [v.rule for v in check(p, broken, best_effort=True)] == ["work_spot"]


@st.composite
def churning(draw: st.DrawFn) -> Problem:
    """A small option, and larger ones that serve as much at its price or more; changes are capped."""
    sizes, dearer = st.sampled_from([2.0, 4.0]), st.sampled_from([1.0, 1.1])
    options = [O("small", current=draw(st.integers(0, 1)))]
    for name in "ab"[: draw(st.integers(1, 2))]:
        size = draw(sizes)
        options.append(O(name, capacity=size, price=size * draw(dearer)))
    p = problem(W(demand=[draw(st.sampled_from([2.0, 4.0])), 3.0]), options, hours=HOURS)
    sort = draw(st.sampled_from([(NAN, NAN), (1.0, NAN), (NAN, 2.0)]))
    return caps(p, ("changed_replicas", draw(st.sampled_from([0.0, 1.0, 2.0])), *sort))


@examples(60)
@given(p=churning())
def test_pruning_is_exact_under_a_cap_on_changes(p: Problem) -> None:
    whole, pruned = solve(p, gap_share=EXACT), solve(prune_dominated(p), gap_share=EXACT)
    missed = [sum(s.missing for s in found.shortfalls) for found in (whole, pruned)]
    assert missed[1] == pytest.approx(missed[0], abs=1e-6)
    assert pruned.cost_usd == pytest.approx(whole.cost_usd, abs=1e-6)


def test_files_keep_caps_priorities_scenarios_and_work(tmp_path: Path) -> None:
    p = problem(
        [W("web", demand=[1.0, 2.0]), W("etl", demand=[0.0, 0.0])],
        [O("a", pool="p"), O("b", "etl", pool="q")],
        hours=HOURS,
    )
    p = caps(
        p, ("usd", 9.0, 2.0, NAN), ("kg_co2e", 0.0, NAN, 0.1), ("changed_replicas", 3.0, NAN, NAN), kg=(1, 2)
    )
    member = p.caps.member.copy()
    member[0, 1] = False
    lost, factor = np.zeros((2, 2, 2)), np.ones((2, 2, 2))
    lost[1, 0, 1], factor[0, 1, 0] = 0.5, 1.5
    p = replace(
        p,
        caps=replace(p.caps, member=member),
        priorities=Priorities(("meet_demand", "min_regions"), np.array([1, -1]), np.array([3.0, 1.0])),
        scenarios=Scenarios(("r", "s"), np.array([0.25, 0.75]), lost, factor, np.array([0.0, 2.0])),
        work=Work(np.array([0.0, 4.0]), np.array([0, 1]), np.array([1, 1])),
    )
    write_problem(p, tmp_path)
    q = read_problem(tmp_path).problem
    for group in ("caps", "priorities", "scenarios", "work"):
        mine, read = vars(getattr(p, group)), vars(getattr(q, group))
        for name, value in mine.items():
            np.testing.assert_array_equal(np.asarray(value), np.asarray(read[name]), err_msg=name)
