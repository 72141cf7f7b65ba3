"""Workloads on shared nodes: exhaustive search agrees, bin packing has its known optimum, bounds hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer.caps import USD, Caps
from optimizer.check import check
from optimizer.problem import Problem, cap_use, cost
from optimizer.solve import Solution, sharing, shelves, solve
from optimizer.solve.components import groups
from optimizer.solve.explain import explain
from optimizer.solve.sharing import Sharing
from optimizer.solve.terms import is_plain
from tests.optimizer.problems import C, N, O, W, problem, with_changes_capped

EXACT = 1e-9


def on(node: str, workload: str, cpu: float, memory_gib: float = 1.0, **terms: float | str) -> O:
    """An option of a workload on nodes."""
    return O(f"{workload}-{node}", workload, price=0.0, node=node, cpu=cpu, memory_gib=memory_gib, **terms)  # type: ignore[arg-type]


def packed(sizes: Sequence[float], node: N, **terms: float) -> Problem:
    """One replica of each size in CPUs."""
    names = [f"w{n}" for n in range(len(sizes))]
    return problem(
        [W(name, [1.0], **terms) for name in names],  # type: ignore[arg-type]
        [on(node.name, name, size) for name, size in zip(names, sizes, strict=True)],
        nodes=[node],
    )


def nodes_of(p: Problem, solution: Solution) -> np.ndarray:
    return solution.placement.packing.nodes((len(p.nodes), len(p.periods)))


@pytest.mark.parametrize(
    ("sizes", "room", "fewest"),
    [
        ([4, 4, 4, 3, 3, 3, 3], 12, 2),  # first fit, the largest first, takes 3
        ([6, 5, 4, 3, 2], 10, 2),
        ([5, 5, 5, 5, 4, 4, 4, 4, 1, 1, 1, 1], 10, 4),
        ([0.5, 0.5, 0.5], 1, 2),
        ([7, 7, 7], 10, 3),
        ([3, 5, 2, 4, 1, 5, 6, 2, 2], 10, 3),  # triplets that fill three nodes to the brim
    ],
)
def test_bins_are_as_few_as_is_known(sizes: list[float], room: float, fewest: int) -> None:
    p = packed(sizes, N(cpu=room, memory_gib=100.0, price=1.0))
    solution = solve(p, gap_share=EXACT)
    assert nodes_of(p, solution).sum() == fewest
    assert solution.cost_usd == solution.bound_usd == pytest.approx(fewest)


def test_triplets_of_a_hundred_and_twenty_sizes_fill_forty_nodes() -> None:
    """Bin packing of the hard kind: every node of the optimum is full, of three items."""
    random = np.random.default_rng(7)
    first, second = random.integers(38, 50, 40), random.integers(25, 31, 40)
    sizes = [float(size) for a, b in zip(first, second, strict=True) for size in (a, b, 100 - a - b)]
    p = packed(sizes, N(cpu=100.0, memory_gib=1e9))
    solution = solve(p, gap_share=0.01)
    assert solution.bound_usd == pytest.approx(40.0, abs=0.05)
    assert 40 <= nodes_of(p, solution).sum() <= 42


def test_what_needs_cpu_goes_with_what_needs_memory() -> None:
    names = ["c1", "c2", "m1", "m2"]
    p = problem(
        [W(name, [1.0]) for name in names],
        [on("node", name, *((3.0, 2.0) if name[0] == "c" else (1.0, 12.0))) for name in names],
        nodes=[N(cpu=4.0, memory_gib=14.0)],
    )
    solution = solve(p, gap_share=EXACT)
    assert nodes_of(p, solution).tolist() == [[2]]


def test_a_share_of_a_gpu_is_a_resource_like_others() -> None:
    p = problem(
        [W("a", [3.0]), W("b", [1.0])],
        [on("g", "a", 1.0, gpu=0.25), on("g", "b", 1.0, gpu=0.5)],
        nodes=[N("g", cpu=64.0, memory_gib=64.0, gpu=1.0)],
    )
    assert nodes_of(p, solve(p, gap_share=EXACT)).tolist() == [[2]]


@pytest.mark.parametrize(("most", "nodes"), [(np.inf, 1), (2, 2), (1, 4)])
def test_replicas_of_a_workload_keep_apart(most: float, nodes: int) -> None:
    p = problem(W(demand=[4.0], max_per_node=most), [on("node", "web", 1.0)], nodes=[N()])
    solution = solve(p, gap_share=EXACT)
    assert nodes_of(p, solution).tolist() == [[nodes]]
    if most == 1:
        assert solution.placement.packing.replicas.max() == 1


def test_what_is_cheaper_alone_runs_alone() -> None:
    p = problem(
        [W("big", [10.0]), W("a", [1.0]), W("b", [1.0])],
        [
            on("node", "big", 3.0),
            O("own", "big", price=0.5, capacity=5.0),
            on("node", "a", 2.0),
            O("own-a", "a", price=0.8),
            on("node", "b", 2.0),
            O("own-b", "b", price=0.8),
        ],
        nodes=[N(price=1.0)],
    )
    solution = solve(p, gap_share=EXACT)
    assert solution.cost_usd == pytest.approx(2.0)
    used = {p.option_id[i] for i in np.flatnonzero(solution.placement.replicas.sum(axis=1))}
    assert used == {"own", "a-node", "b-node"}


def test_nodes_and_instances_draw_on_the_same_limit() -> None:
    p = problem(
        [W("a", [1.0]), W("b", [1.0])],
        [
            on("node", "a", 3.0),
            on("node", "b", 3.0),
            O("own", "a", price=5.0, pool="p"),
            O("far", "b", price=9.0),
        ],
        pools={"p": 2.0},
        nodes=[N(price=1.0, pool="p")],
    )
    both = solve(p, gap_share=EXACT)
    assert both.cost_usd == pytest.approx(2.0)
    one = solve(replace(p, pool_limit=np.array([[1.0]])), gap_share=EXACT)
    assert one.cost_usd == pytest.approx(10.0)  # one node, and the far one: `own` has nothing left either
    assert not one.shortfalls


def test_a_commitment_covers_nodes_as_it_does_instances() -> None:
    p = problem(
        W(demand=[2.0]), [on("node", "web", 4.0)], nodes=[N(price=1.0, pool="p")],
        commitments=[C(covers={"p": (0.6, 1.0)}, existing=0.6)],
    )  # fmt: skip
    solution = solve(p, gap_share=EXACT)
    assert solution.cost_usd == pytest.approx(1.0)  # two nodes, one of them covered
    assert solution.placement.covered.sum() == pytest.approx(1.0)
    assert check(p, solution.placement) == ()


def test_a_shortage_of_nodes_is_told() -> None:
    p = problem(W(demand=[3.0]), [on("node", "web", 4.0)], nodes=[N(pool="p")], pools={"p": 2.0})
    (short,) = solve(p, gap_share=EXACT).shortfalls
    assert (short.rule, short.missing) == ("meet_demand", pytest.approx(1.0))


def test_workloads_on_the_same_nodes_are_one_part_and_never_plain() -> None:
    p = problem(
        [W("a", [1.0]), W("b", [1.0]), W("c", [1.0])],
        [on("node", "a", 1.0), on("node", "b", 1.0), O("own", "c")],
        nodes=[N()],
    )
    assert [group.tolist() for group in groups(p)] == [[0, 1], [2]]
    assert is_plain(p).tolist() == [False, False, True]


def contents(p: Problem, room: np.ndarray, options: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Everything that one node can hold, by brute force."""
    for counts in product(range(4), repeat=len(options)):
        used = np.array(counts) @ p.nodes.need[list(options)]
        together = np.bincount(p.option_workload[list(options)], counts, len(p.workloads))
        if (used <= room + 1e-9).all() and (together <= p.nodes.max_per_node).all():
            yield counts


def fewest_nodes(p: Problem, n: int) -> Callable[[tuple[int, ...]], float]:
    """How many nodes of a kind hold so many replicas of its options: exhaustive, node by node."""
    ways = [way for way in contents(p, p.nodes.room[n], options_on(p, n)) if any(way)]

    @cache
    def fewest(left: tuple[int, ...]) -> float:
        if not any(left):
            return 0.0
        rest = {tuple(max(a - b, 0) for a, b in zip(left, way, strict=True)) for way in ways}
        return min((1.0 + fewest(other) for other in rest if other != left), default=np.inf)

    return fewest


def options_on(p: Problem, n: int) -> list[int]:
    return [i for i in range(len(p.option_id)) if p.nodes.of_option[i] == n]


def brute(p: Problem) -> float:
    """Least cost of a problem in one period whose workloads have demand and nothing else."""
    best = np.inf
    fewest = [fewest_nodes(p, n) for n in range(len(p.nodes))]
    limit = [p.pool_limit[k, 0] if k >= 0 else np.inf for k in p.nodes.pool]
    top = [
        int(np.ceil(p.demand[w, 0] / a - 1e-9)) for w, a in zip(p.option_workload, p.capacity, strict=True)
    ]
    for counts in product(*(range(most + 1) for most in top)):
        room = np.bincount(p.option_workload, np.array(counts) * p.capacity, len(p.workloads))
        if (room < p.demand[:, 0] - 1e-9).any():
            continue
        usd = float(p.price_hourly @ np.array(counts))
        for n in range(len(p.nodes)):
            number = fewest[n](tuple(counts[i] for i in options_on(p, n)))
            usd += np.inf if number > limit[n] else number * p.nodes.price_hourly[n]
        best = min(best, usd)
    return best


@st.composite
def sharing_problems(draw: st.DrawFn) -> Problem:
    """Two or three workloads, one or two kinds of nodes, sometimes instances of their own."""
    kinds = [
        N(
            f"n{k}",
            draw(st.sampled_from([1.0, 1.7, 3.1])),
            draw(st.sampled_from([2.0, 4.0])),
            8.0,
            pool=f"p{k}",
        )
        for k in range(draw(st.integers(1, 2)))
    ]
    workloads, options = [], []
    for name in "abc"[: draw(st.integers(2, 3))]:
        apart = draw(st.sampled_from([np.inf, np.inf, 1, 2]))
        workloads.append(W(name, [draw(st.sampled_from([0.5, 1.0, 2.0, 3.0]))], max_per_node=apart))
        cpu, memory = draw(st.sampled_from([0.7, 1.0, 1.5])), draw(st.sampled_from([1.0, 3.0, 5.0]))
        options += [on(kind.name, name, cpu, memory) for kind in kinds]
        if draw(st.booleans()):
            options.append(O(f"own-{name}", name, price=draw(st.sampled_from([0.4, 0.9, 2.0]))))
    limits = {
        kind.name.replace("n", "p"): draw(st.sampled_from([np.inf, np.inf, 2.0, 1.0])) for kind in kinds
    }
    return problem(workloads, options, nodes=kinds, pools=limits)


def examples(count: int) -> settings:
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=count, deadline=None, derandomize=True, suppress_health_check=quiet)


@examples(25)
@given(sharing_problems())
def test_the_cost_is_that_of_an_exhaustive_search(p: Problem) -> None:
    best, found = brute(p), solve(p, gap_share=EXACT)
    assert bool(found.shortfalls) == np.isinf(best)
    if not found.shortfalls:
        assert found.cost_usd == pytest.approx(best, abs=1e-6)
        assert found.bound_usd == pytest.approx(best, abs=1e-5)
        assert check(p, found.placement) == ()
        assert cost(p, found.placement) == pytest.approx(found.cost_usd)


@examples(6)
@given(sharing_problems())
def test_without_the_list_of_all_ways_the_bound_holds_and_no_placement_is_wrong(p: Problem) -> None:
    best = brute(p)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sharing, "all_ways", lambda self: None)
        found = solve(p, gap_share=EXACT)
    if np.isfinite(best):
        assert found.bound_usd <= best + 1e-6
        assert found.shortfalls or found.cost_usd >= best - 1e-6
    else:
        assert found.shortfalls
    assert check(p, found.placement, best_effort=True) == ()
    if np.isfinite(best) and np.isinf(p.pool_limit).all():
        assert found.cost_usd == pytest.approx(best, rel=0.35)


def test_own_rows_are_refused_beside_shared_nodes() -> None:
    p = problem(
        [W(demand=[1.0])], [O("small", price=3.0), O("packed", price=0.0, node="box", cpu=1.0)],
        nodes=[N("box", price=1.0, cpu=4.0)],
    )  # fmt: skip
    with pytest.raises(ValueError, match="packing"):
        solve(p, rows=lambda model, variables: None)


def test_where_nodes_are_shared_nothing_is_explained_by_prices_that_know_no_packing() -> None:
    p = problem(
        [W("web", demand=[1.0]), W("api", demand=[1.0])],
        [O("small", workload="web", price=3.0), O("packed", workload="web", price=0.0, node="box", cpu=1.0),
         O("other", workload="api", price=2.0)],
        nodes=[N("box", price=1.0, cpu=4.0)],
    )  # fmt: skip
    solution = solve(p)
    told = explain(p, solution)
    assert solution.cost_usd == pytest.approx(3.0)
    assert "web" in told.unpriced
    assert [line.workload for line in told.workloads] == ["api"]


@pytest.mark.parametrize(
    ("web", "terms", "counts", "usd"),
    [
        (W(demand=[2.0]), {"fewest": 2.0}, [0, 2], 3.0),  # pinned to a node
        (W(demand=[1.0], max_ramp_replicas=1, ramp_from_current=True), {"current": 3}, [2, 0], 1.0),
        (W(demand=[1.0]), {"current": 3, "migration": 0.1}, [1, 0], 0.8),
    ],
)
def test_instances_alone_count_what_is_pinned_or_runs_on_nodes(
    web: W, terms: dict[str, float], counts: list[int], usd: float
) -> None:
    options = [O("own", price=0.5), O("packed", price=0.0, node="n", cpu=1.0, **terms)]  # type: ignore[arg-type]
    found = solve(problem(web, options, nodes=[N("n", price=3.0, cpu=4.0)]), gap_share=EXACT)
    assert found.placement.replicas[:, 0].tolist() == counts
    assert found.cost_usd == pytest.approx(usd)
    assert found.bound_usd == pytest.approx(usd)
    assert not found.shortfalls


def test_instances_alone_beside_nodes_keep_a_cap_on_changes() -> None:
    options = [O("own", price=0.5), O("packed", price=0.0, node="n", cpu=1.0, current=3)]
    p = problem(W(demand=[1.0]), options, nodes=[N("n", price=3.0, cpu=4.0)])
    p = with_changes_capped(p, 3.0)
    found = solve(p, gap_share=EXACT)
    assert not found.shortfalls
    assert check(p, found.placement) == ()
    assert found.cost_usd == pytest.approx(3.0)


def with_cap(p: Problem, members: Sequence[bool], limit: float, **terms: float) -> Problem:
    """A cap of money over some workloads."""
    price, priority = terms.get("usd_per_unit", np.nan), terms.get("priority", np.nan)
    caps = Caps(
        ("c",), (USD,), np.array([limit]), np.array([priority]), np.array([price]),
        np.array([members], dtype=bool), np.zeros(len(p.option_id)),
    )  # fmt: skip
    return replace(p, caps=caps)


def brute_capped(p: Problem) -> float:
    """Least cost under priced or hard caps: every way to fill nodes one after another, by search."""
    ways = [
        (n, way)
        for n in range(len(p.nodes))
        for way in contents(p, p.nodes.room[n], np.flatnonzero(p.nodes.of_option == n).tolist())
        if any(way)
    ]
    limit, price = float(p.caps.limit[0]), float(np.nan_to_num(p.caps.usd_per_unit[0], nan=np.inf))
    own = np.flatnonzero(~p.nodes.is_shared)
    best = np.inf

    def filled(first: int, room: np.ndarray, usd: float, counted: float, count: np.ndarray) -> None:
        nonlocal best
        over = max(counted - limit, 0.0)
        total = usd + (over * price if over > 1e-9 else 0.0)
        if total >= best - 1e-9:
            return
        if (room >= p.demand[:, 0] - 1e-9).all():
            best = total
            return
        for k in range(first, len(ways) + len(own)):
            more, number = room.copy(), count.copy()
            if k < len(ways):
                n, way = ways[k]
                options = np.flatnonzero(p.nodes.of_option == n)
                number[n] += 1
                pool = p.nodes.pool[n]
                if pool >= 0 and number[n] > p.pool_limit[pool, 0] + 1e-9:
                    continue
                each, held = p.nodes.price_hourly[n], options[np.array(way) > 0]
                np.add.at(more, p.option_workload[options], p.capacity[options] * np.array(way))
            else:
                held = own[[k - len(ways)]]
                each = p.price_hourly[held[0]]
                more[p.option_workload[held[0]]] += p.capacity[held[0]]
            if (np.minimum(more, p.demand[:, 0]) <= np.minimum(room, p.demand[:, 0])).all():
                continue
            is_in = p.caps.member[0, p.option_workload[held]].any()
            filled(k, more, usd + each, counted + each * is_in, number)

    filled(0, np.zeros(len(p.workloads)), 0.0, 0.0, np.zeros(len(p.nodes), dtype=int))
    return float(best)


@pytest.mark.parametrize(("few", "most_sets"), [(3_000, 8), (0, 8), (3_000, 0)])
@examples(12)
@given(
    p=sharing_problems(),
    members=st.sampled_from([(True, False, False), (False, True, True), (True, True, True)]),
    limit=st.sampled_from([0.0, 1.0, 1.7, 3.1]),
    usd_per_unit=st.sampled_from([0.5, 2.0, np.nan]),
)
def test_a_node_counts_in_a_cap_where_its_workloads_are_on_it(
    p: Problem, members: tuple[bool, ...], limit: float, usd_per_unit: float, *, few: int, most_sets: int
) -> None:
    p = with_cap(p, members[: len(p.workloads)], limit, usd_per_unit=usd_per_unit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharing, "FEW", few)
        patch.setattr(shelves, "MOST_SETS", most_sets)
        best, found = brute_capped(p), solve(p, gap_share=EXACT)
    assert bool(found.shortfalls) == np.isinf(best)
    if not found.shortfalls:
        assert check(p, found.placement) == ()
        assert found.bound_usd <= best + 1e-5
        assert found.cost_usd >= best - 1e-6
        assert cost(p, found.placement) == pytest.approx(found.cost_usd)
        if few and most_sets:
            assert found.cost_usd == pytest.approx(best, abs=1e-6)


def test_nodes_of_others_count_in_no_cap_and_make_no_plan_dearer() -> None:
    # Both may use either kind of node, but under a cap on a it pays to keep b off the nodes of a.
    p = problem(
        [W("a", [4.0]), W("b", [4.0])],
        [on(node, name, 1.0) for name in "ab" for node in ("n", "m")],
        nodes=[N("n", price=1.0), N("m", price=1.0)],
    )
    assert solve(with_cap(p, (True, False), 1.0), gap_share=EXACT).cost_usd == pytest.approx(2.0)
    placed = solve(with_cap(p, (True, False), 1.0), gap_share=EXACT).placement
    assert cap_use(with_cap(p, (True, False), 1.0), placed) == pytest.approx(1.0)


@pytest.mark.parametrize("few", [3_000, 0])
def test_nodes_count_in_no_cap_of_another_kind(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "FEW", few)
    p = with_changes_capped(packed([2.0, 2.0], N()), 2.0)
    found = solve(p, gap_share=EXACT)
    assert found.cost_usd == pytest.approx(1.0)
    assert found.bound_usd == pytest.approx(1.0)
    assert check(p, found.placement) == ()


@pytest.mark.parametrize("limit", [3.2, 3.1, 3.0, 1.0])
def test_a_shortage_under_a_hard_cap_is_told(limit: float) -> None:
    p = problem(
        [W("a", [2.0], max_per_node=1), W("b", [0.5]), W("c", [0.5])],
        [on(n, name, cpu) for name, cpu in (("a", 0.7), ("b", 0.7), ("c", 1.5)) for n in ("n", "m")],
        nodes=[N("n", 1.0, 4.0, 8.0, pool="p"), N("m", 3.1, 2.0, 8.0)],
        pools={"p": 1.0},
    )
    found = solve(with_cap(p, (True, False, False), limit), gap_share=EXACT)
    assert [(short.rule, short.workload) for short in found.shortfalls] == [("meet_demand", "a")]
    assert found.cost_usd == pytest.approx(1.0)
