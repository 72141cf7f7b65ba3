"""Workloads whose replicas are pods: nodes in the problem, shared where that is cheaper, paid by share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.workloads import Workload
from optimizer.admissible import NOTHING_KNOWN, admissible
from optimizer.capacity import plan_capacity
from optimizer.check import check
from optimizer.errors import InfeasibleError
from optimizer.formulate import Need, Offer, Policy, assemble
from optimizer.inputs import Inputs
from optimizer.node_shares import as_instances, instances
from optimizer.placement import plan_placement
from optimizer.plan import PlacementPlan, document
from optimizer.problem import Problem, cost
from optimizer.problem_files import read_problem
from optimizer.solve import prune_dominated, solve
from optimizer.throughput import pair_options
from tests.optimizer import worlds
from tests.optimizer.worlds import catalogue, option, steady, workload, world

NO_FLEET = worlds.fleet()
SMALL = option("small", 0.10, cpu=1.9, memory_gib=3.0)
MID = option("mid", 0.19, instance_type="big", cpu=3.9, memory_gib=14.0)
LARGE = option("large", 0.36, instance_type="slow", cpu=7.8, memory_gib=29.0)
SIX = {  # CPUs, GiB, requests/s
    "api": (0.5, 1.0, 8.0), "web": (1.0, 2.0, 25.0), "auth": (0.25, 0.5, 4.0), "mail": (0.5, 4.0, 6.0),
    "cart": (1.5, 2.0, 12.0), "feed": (2.0, 6.0, 15.0),
}  # fmt: skip
TEN = dict.fromkeys(("m", "big", "slow"), 10.0)  # a pod serves 10 requests/s wherever it is


def pod(name: str, cpu: float = 1.0, memory_gib: float = 2.0, **keys: Any) -> Workload:
    """A service whose replica is a pod."""
    return workload(name, resources={"cpu": cpu, "memory_gib": memory_gib, **keys.pop("more", {})}, **keys)


def six(*nodes: dict[str, Any], **changes: Any) -> Inputs:
    """Six small services and three types of node."""
    pods = [pod(name, cpu, memory) for name, (cpu, memory, _) in SIX.items()]
    demand = [steady(rate, name) for name, (_, _, rate) in SIX.items()]
    made = world(pods, catalogue(*(nodes or (SMALL, MID, LARGE))), demand)
    return worlds.without(made, profiles=worlds.profiles(TEN), **changes)


def plan(inputs: Inputs, **choices: Any) -> PlacementPlan:
    return plan_placement(inputs, worlds.settings(None, **choices))[0]


def needs(pods: Sequence[tuple[Workload, float]], *nodes: dict[str, Any]) -> list[Need]:
    """Needs in one period."""
    options, profiles = catalogue(*nodes), worlds.profiles(TEN)
    return [
        Need(w, admissible(w, pair_options(w, options, profiles, None), NOTHING_KNOWN), np.array([demand]))
        for w, demand in pods
    ]


def problem(wanted: list[Need], *, shares: bool = True, offers: tuple[Offer, ...] = ()) -> Problem:
    return assemble(
        wanted, periods=["now"], hours=np.ones(1), fleet=NO_FLEET, offers=offers,
        policy=Policy(activation_cost_usd=5.0, max_options=1, shares_nodes=shares),
    )  # fmt: skip


# ---- what a pod serves, and where it fits ----


def test_pods_fill_an_instance_up_to_what_it_has() -> None:
    pairs = pair_options(pod("web", 1.0, 4.0), catalogue(SMALL, MID, LARGE), worlds.profiles(TEN), None)
    assert dict(zip(pairs["option_id"], pairs["pods"], strict=True)) == {
        "small": 0.0,
        "mid": 3.0,
        "large": 7.0,
    }
    assert dict(zip(pairs["option_id"], pairs["capacity"], strict=True))["large"] == 70.0


def test_max_per_node_keeps_pods_apart() -> None:
    apart = pod("web", placement={"max_per_node": 2})
    assert pair_options(apart, catalogue(LARGE), worlds.profiles(TEN), None)["pods"].tolist() == [2.0]


def test_a_profile_without_type_holds_for_nodes_that_no_row_names() -> None:
    named = worlds.profiles({"m": 4.0, "x": 9.0})
    table = named.assign(instance_type=named["instance_type"].mask(named["instance_type"].eq("x")))
    pairs = pair_options(pod("web"), catalogue(SMALL, MID), table, None)
    per_pod = dict(zip(pairs["option_id"], pairs["capacity"] / pairs["pods"], strict=True))
    assert per_pod == {"small": 4.0, "mid": 9.0}


def test_a_pod_of_a_language_model_serves_its_share_of_an_accelerator() -> None:
    slo = {"ttft_s": 2.0, "tpot_ms": 60, "target": 0.9}
    chat = pod("chat", slo=slo, more={"gpu": 0.25})
    gpu = option("gpu", accelerator="L4", accelerator_count=2.0, cpu=16.0, memory_gib=64.0)
    table = worlds.profiles({"none": 1.0}).assign(
        accelerator="L4", instance_type=None, prefill_tps=8000.0, decode_tps=1500.0, tpot_ms=20.0
    )
    (row,) = pair_options(chat, catalogue(gpu), table, None).to_dict("records")
    assert row["pods"] == 8
    assert row["capacity"] == pytest.approx(2.0 / (800 / 8000 + 150 / 1500))


def test_where_no_pod_fits_the_filter_says_so() -> None:
    pairs = pair_options(pod("web", 5.0), catalogue(SMALL, MID), worlds.profiles(TEN), None)
    with pytest.raises(InfeasibleError, match=r"0 left after resources.*lower resources to what m has"):
        admissible(pod("web", 5.0), pairs, NOTHING_KNOWN)


# ---- the problem ----


def test_options_of_pods_cost_nothing_and_nodes_draw_on_pools() -> None:
    p = problem(needs([(pod("web"), 15.0), (workload("own"), 5.0)], {**MID, "quota": 3.0}))
    assert p.nodes.name == ("mid",)
    assert p.nodes.price_hourly.tolist() == [0.19]
    assert p.price_hourly.tolist() == [0.0, 0.19]
    assert p.capacity.tolist() == [10.0, 10.0]  # per pod, per instance
    assert p.pool[0] == -1
    assert p.nodes.pool[0] == p.pool[1]
    assert p.pool_limit[p.nodes.quota_pool[0]].tolist() == [3.0]
    assert p.activation_cost_usd.tolist() == [0.0, 5.0]
    assert p.max_options.tolist() == [np.inf, 1.0]


def test_dedicated_nodes_hold_one_workload() -> None:
    alone = pod("web", placement={"dedicated_nodes": True})
    p = problem(needs([(alone, 15.0), (pod("api"), 5.0)], MID))
    assert p.nodes.name == ("mid", "mid for web")
    assert [p.nodes.name[n] for n in p.nodes.of_option] == ["mid for web", "mid"]
    assert problem(needs([(pod("api"), 5.0)], MID), shares=False).nodes.name == ("mid for api",)


def test_commitments_cover_nodes() -> None:
    offer = Offer("plan", 1.0, 0.0, {("aws", "eu", "big"): 0.1})
    p = problem(needs([(pod("web"), 15.0)], MID), offers=(offer,))
    assert p.covered_list_price[0, p.nodes.pool[0]] == 0.19
    assert cost(p, solve(p).placement) == pytest.approx(0.0)


def brute_force(pods: list[tuple[float, float, int]], nodes: list[tuple[float, float, float]]) -> float:
    """Least cost of nodes that hold all pods (CPUs, GiB, count): every multiset of nodes, every packing."""
    each = [(cpu, memory) for cpu, memory, count in pods for _ in range(count)]

    def fits(left: list[list[float]], todo: list[tuple[float, float]]) -> bool:
        if not todo:
            return True
        (cpu, memory), rest = todo[0], todo[1:]
        for room in left:
            if room[0] + 1e-9 >= cpu and room[1] + 1e-9 >= memory:
                room[0], room[1] = room[0] - cpu, room[1] - memory
                if fits(left, rest):
                    return True
                room[0], room[1] = room[0] + cpu, room[1] + memory
        return False

    costs = []
    for counts in product(range(4), repeat=len(nodes)):
        chosen = [node for node, count in zip(nodes, counts, strict=True) for _ in range(count)]
        if fits([[cpu, memory] for cpu, memory, _ in chosen], sorted(each, reverse=True)):
            costs.append(sum(price for *_, price in chosen))
    return min(costs)


@pytest.mark.parametrize("seed", range(6))
def test_the_cheapest_nodes_are_those_of_a_brute_force(seed: int) -> None:
    random = np.random.default_rng(seed)
    sizes = [(float(random.choice([0.5, 1.0, 1.5])), float(random.choice([1.0, 2.0, 5.0]))) for _ in range(3)]
    counts = [int(random.integers(1, 3)) for _ in sizes]
    wanted = [(pod(f"w{k}", *size), 10.0 * n) for k, (size, n) in enumerate(zip(sizes, counts, strict=True))]
    chosen = [SMALL, MID] if all(memory <= 3.0 for _, memory in sizes) else [MID, LARGE]
    p = problem(needs(wanted, *chosen))
    found = solve(p, gap_share=1e-6)
    assert check(p, found.placement) == ()
    rooms = [(node["cpu"], node["memory_gib"], node["price_hourly"]) for node in chosen]
    pods = [(*size, n) for size, n in zip(sizes, counts, strict=True)]
    assert cost(p, found.placement) == pytest.approx(brute_force(pods, rooms))


def test_parts_of_nodes_add_up_to_the_nodes() -> None:
    p = problem(needs([(pod("web", 1.0, 2.0), 25.0), (pod("api", 0.5, 2.5), 15.0)], SMALL, MID))
    placed = solve(p).placement
    paid = instances(p, placed)
    assert paid.sum() == pytest.approx(placed.packing.count.sum())
    assert (as_instances(p).price_hourly * paid[:, 0]).sum() == pytest.approx(cost(p, placed))


# ---- kinds of nodes that another replaces ----


def kept_nodes(*nodes: dict[str, Any], **keys: Any) -> tuple[str, ...]:
    """Kinds of nodes that are left for two workloads, the second as `keys` say."""
    wanted = [(pod("web"), 25.0), (pod("api", 0.5, **keys), 15.0)]
    return prune_dominated(problem(needs(wanted, *nodes))).nodes.name


def test_a_dearer_node_with_no_more_room_is_dropped() -> None:
    dear = {**MID, "option_id": "dear", "price_hourly": 0.2}
    assert kept_nodes(MID, dear) == ("mid",)
    assert kept_nodes(MID, {**dear, "region": "us"}) == ("mid",)
    assert kept_nodes(MID, {**dear, "price_hourly": 0.19}) == ("dear",)  # one of two alike
    assert kept_nodes(MID, {**dear, "cpu": 4.0}) == ("dear", "mid")
    assert kept_nodes({**MID, "quota": 9.0}, dear) == ("dear", "mid")
    assert kept_nodes({**MID, "quota": 9.0}, {**dear, "price_hourly": 0.1}) == ("dear",)


def test_a_node_stays_where_one_workload_needs_its_place() -> None:
    us = {**MID, "option_id": "us", "price_hourly": 0.2, "region": "us"}
    assert kept_nodes(MID, us, placement={"regions": ["us"]}) == ("mid", "us")
    assert kept_nodes(MID, us, min_regions=2) == ("mid", "us")


def test_a_node_that_a_commitment_pays_stays() -> None:
    offer = Offer("plan", 1.0, 0.0, {("aws", "eu", "m"): 0.1})
    dear = {**MID, "option_id": "dear", "price_hourly": 0.2, "instance_type": "m"}
    p = problem(needs([(pod("web"), 25.0)], MID, dear), offers=(offer,))
    assert prune_dominated(p).nodes.name == ("dear", "mid")


@pytest.mark.parametrize("seed", range(5))
def test_dropping_nodes_changes_no_optimum(seed: int) -> None:
    random = np.random.default_rng(seed)
    nodes = [
        option(
            f"n{k}", round(float(random.uniform(0.1, 0.5)), 2), region=str(random.choice(["eu", "us"])),
            cpu=float(random.choice([2.0, 4.0, 8.0])), memory_gib=float(random.choice([4.0, 8.0, 16.0])),
        )
        for k in range(5)
    ]  # fmt: skip
    wanted = [(pod("web"), 25.0), (pod("api", 0.5, 3.0, min_regions=1 + seed % 2), 15.0)]
    if seed % 2:
        nodes += [{**node, "option_id": f"{node['option_id']}-us", "region": "us"} for node in nodes[:1]]
        nodes += [{**node, "option_id": f"{node['option_id']}-eu", "region": "eu"} for node in nodes[:1]]
    p = problem(needs(wanted, *nodes))
    pruned = prune_dominated(p)
    assert len(pruned.nodes) < len(p.nodes)
    assert solve(pruned, gap_share=1e-6).cost_usd == pytest.approx(solve(p, gap_share=1e-6).cost_usd)


# ---- the placement plan ----


@pytest.fixture(scope="module")
def shared() -> PlacementPlan:
    return plan(six())


def test_six_services_are_cheaper_on_shared_nodes(shared: PlacementPlan) -> None:
    alone = worlds.without(
        six(),
        workloads=tuple(pod(n, c, m, placement={"dedicated_nodes": True}) for n, (c, m, _) in SIX.items()),
    )
    told = shared.sharing
    assert told is not None
    assert told.alone_usd_per_day is not None
    assert shared.expected_cost_usd == pytest.approx(13.2)
    assert told.usd_per_day == pytest.approx(13.2)
    assert told.alone_usd_per_day == pytest.approx(plan(alone).expected_cost_usd) == pytest.approx(27.12)
    assert told.use.cpu_share > 0.8
    assert told.alone_use is not None
    assert told.alone_use.cpu_share < told.use.cpu_share


def test_costs_of_sharers_add_up_to_the_plan(shared: PlacementPlan) -> None:
    costs = {row.workload: row.planned_usd_per_day for row in shared.workload_costs}
    assert sum(costs.values()) == pytest.approx(shared.expected_cost_usd)
    hours = {period.name: period.hours for period in shared.periods}
    paid = [(row.nodes or 0.0) * row.price_hourly_usd * hours[row.period] for row in shared.placements]
    assert sum(paid) == pytest.approx(shared.expected_cost_usd)
    assert shared.sharing is not None
    assert {row.workload: row.usd_per_day for row in shared.sharing.workloads} == pytest.approx(costs)


def test_nodes_say_what_is_on_them(shared: PlacementPlan) -> None:
    for period in shared.periods:
        pods: dict[str, int] = {}
        for row in (row for row in shared.nodes if row.period == period.name):
            cpu = sum(SIX[on.workload][0] * on.replicas for on in row.pods)
            room = {"small": 1.9, "mid": 3.9, "large": 7.8}[row.option_id]
            assert row.cpu_share == pytest.approx(cpu / room)
            assert cpu <= room
            assert row.workload is None
            for on in row.pods:
                pods[on.workload] = pods.get(on.workload, 0) + on.replicas * row.nodes
        told = [(row.workload, row.replicas) for row in shared.placements if row.period == period.name]
        assert pods == {name: sum(n for w, n in told if w == name) for name in pods}
        assert all(pods[name] * 10 >= rate for name, (_, _, rate) in SIX.items())


def test_a_plan_says_why_nodes_are_shared(shared: PlacementPlan) -> None:
    text = {reason.workload: reason.text for reason in shared.reasons}["api"]
    assert "its pods are on nodes it shares with" in text
    assert "on nodes of its own 2.40" in text


def test_actions_are_about_nodes_that_nobody_has_alone(shared: PlacementPlan) -> None:
    (first, *_) = shared.actions
    assert {action.target.workload for action in shared.actions} == {None}
    assert first.id.startswith("nodes/")
    assert sum(a.after.replicas * p for a, p in zip(shared.actions, (0.36, 0.19), strict=True)) > 0


def test_nodes_that_run_now_are_counted(shared: PlacementPlan) -> None:
    running = pd.DataFrame({"option_id": ["large"], "desired": [3], "ready": [3], "pending": [0]})
    made = plan(six(nodes=running))
    assert made.current_cost_usd == pytest.approx(3 * 0.36 * 24)
    assert sum(c.current_usd_per_day or 0.0 for c in made.workload_costs) == pytest.approx(3 * 0.36 * 24)
    large = {action.target.option_id: action for action in made.actions}["large"]
    assert large.before.replicas == 3
    assert large.saving_usd_per_hour > 0


def test_instances_of_its_own_are_left_for_shared_nodes() -> None:
    running = worlds.fleet({("web", "mid"): 2})
    made = plan(six(fleet=running))
    assert made.current_cost_usd == pytest.approx(2 * 0.19 * 24)
    left = [a for a in made.actions if a.target.workload == "web"]
    assert [(a.before.replicas, a.after.replicas) for a in left] == [(2, 0)]


def test_a_shortage_alone_leaves_no_comparison() -> None:
    made = plan(six({**LARGE, "quota": 2.0}))
    assert made.sharing is not None
    assert not made.shortfalls
    assert made.sharing.alone_usd_per_day is None
    assert "limits leave no room for nodes of its own" in made.reasons[0].text


def test_a_saved_problem_is_read_back(tmp_path: Path) -> None:
    inputs, settings = six(), worlds.settings(None)
    made, _ = plan_placement(inputs, settings, save_problem=tmp_path)
    read = read_problem(tmp_path).problem
    assert read.nodes.name == ("large", "mid", "small")
    assert solve(read, gap_share=0.01).cost_usd == pytest.approx(made.proof.objective_usd)


def test_plans_without_pods_say_nothing_of_nodes() -> None:
    made = plan(world([workload("web")], catalogue(option("a")), [steady(5.0)]))
    assert (made.nodes, made.sharing) == ((), None)
    assert "dedicated" not in str(document(made))


# ---- the capacity plan ----


def test_a_capacity_plan_gives_pods_nodes_of_their_own() -> None:
    inputs = worlds.without(six(), workloads=(pod("auth", 0.25, 0.5, min_replicas=12),))
    made, _ = plan_capacity(inputs, pd.Timedelta("2h"), worlds.settings())
    used = [(row.option_id, row.replicas, row.pods) for row in made.allocations if row.replicas]
    assert used == [("mid", 1, 12)]
    assert made.expected_cost_usd == pytest.approx(2 * 0.19)
    assert any("auth: replicas are nodes of their own" in note for note in made.notes)


def test_a_capacity_plan_keeps_the_most_pods() -> None:
    few = pod("web", 1.0, 2.0, max_replicas=2)
    inputs = worlds.without(six(), workloads=(few,))
    made, _ = plan_capacity(inputs, pd.Timedelta("1h"), worlds.settings())
    assert max(row.pods or 0 for row in made.allocations) == 2
    assert {row.rule for row in made.shortfalls} == {"meet_demand"}
