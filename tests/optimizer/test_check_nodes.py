"""The checker on shared nodes: a valid placement broken in one way breaks exactly that rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from optimizer.check import check
from optimizer.nodes import Packing
from optimizer.problem import Placement, Problem
from tests.optimizer.problems import C, N, O, W, placement, problem

# Two replicas of each fit on a node of the small kind alone, but no two of one workload.
NEEDS = {
    "sums": (3.0, 1.0, 0.0),
    "cache": (1.0, 10.0, 0.0),
    "model": (1.0, 1.0, 0.6),
    "apart": (1.0, 1.0, 0.0),
}
ALONE = len(NEEDS)  # the option that has instances of its own


def example() -> Problem:
    """Four workloads with a replica on each of two nodes, and one that shares none."""
    shared = [
        O(name, name, price=0.0, node="node", cpu=cpu, memory_gib=memory, gpu=gpu)
        for name, (cpu, memory, gpu) in NEEDS.items()
    ]
    return problem(
        [*(W(name, [2.0], max_per_node=1 if name == "apart" else np.inf) for name in NEEDS), W("own", [1.0])],
        [*shared, O("own", "own")],
        nodes=[N("node", cpu=4.0, memory_gib=16.0, gpu=1.0, pool="p"), N("spare", cpu=64.0, pool="q")],
        pools={"p": 8, "q": 1},
        commitments=[C(covers={"p": (0.5, 1.0), "q": (0.5, 1.0)}, existing=100.0)],
    )


def kinds_of(rows: Sequence[tuple[int, int, dict[int, int]]]) -> Packing:
    """Kinds of nodes in the one period: (node pool, nodes, replicas of options on each)."""
    entries = [(kind, option, n) for kind, (_, _, held) in enumerate(rows) for option, n in held.items()]
    columns = np.array(entries, dtype=np.int64).reshape(-1, 3).T
    node, count = (np.array([row[k] for row in rows], dtype=np.int64) for k in (0, 1))
    return Packing(node, np.zeros(len(rows), dtype=np.int64), count, *columns)


ROWS = [(0, 2, {option: 1}) for option in range(ALONE)]


def example_placement(p: Problem) -> Placement:
    placed = placement(p, {**dict.fromkeys(NEEDS, 2), "own": 1}, covered={("plan", "p"): 6.0})
    return replace(placed, packing=kinds_of(ROWS))


def with_row(kind: int, row: tuple[int, int, dict[int, int]]) -> Callable[[Packing], Packing]:
    return lambda _: kinds_of([row if k == kind else other for k, other in enumerate(ROWS)])


def with_one_more(row: tuple[int, int, dict[int, int]]) -> Callable[[Packing], Packing]:
    return lambda _: kinds_of([*ROWS, row])


def with_first(name: str, value: Any) -> Callable[[Packing], Packing]:
    """The first number of an array of the packing changed."""

    def changed(packing: Packing) -> Packing:
        values = getattr(packing, name).copy()
        values[0] = value
        return replace(packing, **{name: values})

    return changed


def cut(name: str) -> Callable[[Packing], Packing]:
    return lambda packing: replace(packing, **{name: getattr(packing, name)[1:]})


def as_parts(name: str) -> Callable[[Packing], Packing]:
    return lambda packing: replace(packing, **{name: getattr(packing, name).astype(float)})


ARRAYS = ("node", "period", "count", "kind", "option", "replicas")
MEASURED = ("period", "count", "option", "replicas")  # by the length of `node` or `kind`
FAULTS: dict[str, tuple[Callable[[Packing], Packing], str]] = {
    **{f"{name} is cut": (cut(name), f"shape[packing.{name} (3,)]: 3 against 4") for name in MEASURED},
    **{
        f"{name} in parts": (as_parts(name), f"integer[packing.{name} float64]: 0 against 0")
        for name in ARRAYS
    },
    "no such node": (with_first("node", 2), "shape[packing.node]: 2 against 1"),
    "no such period": (with_first("period", 1), "shape[packing.period]: 1 against 0"),
    "no such kind": (with_first("kind", 4), "shape[packing.kind]: 4 against 3"),
    "no such option": (with_first("option", 5), "shape[packing.option]: 5 against 4"),
    "a node before the first": (with_first("node", -1), "shape[packing.node]: 0 against 1"),
    "fewer nodes than none": (with_first("count", -1), "non_negative[packing.count]: -1 against 0"),
    "fewer replicas than none": (with_first("replicas", -1), "non_negative[packing.replicas]: -1 against 0"),
    "a replica on no node": (with_row(0, (0, 1, {0: 1})), "replicas_on_nodes[sums/sums,t0]: 1 against 2"),
    "a node for no replica": (
        with_row(3, (0, 2, {3: 1, 0: 0, 2: 1})),
        "replicas_on_nodes[model/model,t0]: 4 against 2",
    ),
    "on nodes of another kind": (
        with_row(0, (1, 1, {0: 2})),
        "node_of_option[sums/sums on spare #0,t0]: 2 against 0",
    ),
    "on a node without being asked": (
        with_row(1, (0, 2, {1: 1, ALONE: 1})),
        "node_of_option[own/own on node #1,t0]: 1 against 0",
    ),
    "too many CPUs": (with_row(0, (0, 1, {0: 2})), "fit_node[node #0,t0,cpu]: 6 against 4"),
    "too much memory": (with_row(1, (0, 1, {1: 2})), "fit_node[node #1,t0,memory_gib]: 20 against 16"),
    "too many GPUs": (with_row(2, (0, 1, {2: 2})), "fit_node[node #2,t0,gpu]: 1.2 against 1"),
    "replicas that are to be apart": (
        with_row(3, (0, 1, {3: 2})),
        "max_per_node[apart on node #3,t0]: 2 against 1",
    ),
    "more nodes than there are": (with_one_more((0, 1, {})), "within_pool[p,t0]: 9 against 8"),
}


def test_the_placement_that_is_broken_below_breaks_nothing() -> None:
    p = example()
    assert check(p, example_placement(p)) == ()
    idle = kinds_of([*ROWS, (1, 1, {})])  # an empty node is paid for, and allowed
    assert check(p, replace(example_placement(p), packing=idle)) == ()


@pytest.mark.parametrize("name", FAULTS)
def test_a_placement_broken_in_one_way_breaks_that_rule_alone(name: str) -> None:
    p, (edit, told) = example(), FAULTS[name]
    placed = example_placement(p)
    broken = replace(placed, packing=edit(placed.packing))
    assert [str(violation) for violation in check(p, broken)] == [told]
    assert [str(violation) for violation in check(p, broken, best_effort=True)] == [told]


@pytest.mark.parametrize(("pool", "covered", "nodes"), [("p", 9.0, 8.0), ("q", 0.5, 0.0)])
def test_commitments_cover_no_more_nodes_than_run(pool: str, covered: float, nodes: float) -> None:
    p = example()
    placed = example_placement(p)
    placed.covered[0, p.pools.index(pool), 0] = covered
    told = [str(violation) for violation in check(p, placed)]
    assert told == [f"cover_only_running[{pool},t0]: {covered:g} against {nodes:g}"]


def test_spot_nodes_are_covered_by_no_commitment() -> None:
    p = example()
    p = replace(p, nodes=replace(p.nodes, purchase=("spot", "spot")))
    placed = example_placement(p)
    placed.covered[0, p.pools.index("p"), 0] = 1.0
    assert [violation.rule for violation in check(p, placed)] == ["cover_only_running"]
