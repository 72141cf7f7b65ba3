"""Rules, money and accelerators of workloads whose pods share nodes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from optimizer.formulate import Offer
from optimizer.inputs import Inputs
from optimizer.node_shares import instances, parts, present_instances
from optimizer.nodes import Packing
from optimizer.plan import PlacementPlan
from optimizer.recommend import recommend
from optimizer.solve import solve
from tests.optimizer import worlds
from tests.optimizer.test_pods import LARGE, MID, TEN, needs, plan, pod, problem
from tests.optimizer.worlds import catalogue, option, steady, workload, world

EMPTY_VIEW = pd.DataFrame(
    columns=["month", "resource", "workload", "metric", "p95", "hours", "effective_cost", "currency", "team"]
)


def two(web: dict[str, object], api: dict[str, object], *nodes: dict[str, object], **known: object) -> Inputs:
    """Two services, 25 and 15 requests/s."""
    pods = [pod("web", **web), pod("api", 0.5, **api)]  # type: ignore[arg-type]
    made = world(pods, catalogue(*nodes), [steady(25.0, "web"), steady(15.0, "api")], **known)  # type: ignore[arg-type]
    return worlds.without(made, profiles=worlds.profiles(TEN))


def sums(made: PlacementPlan) -> float:
    """What all workloads pay."""
    return sum(row.planned_usd_per_day for row in made.workload_costs)


def test_a_node_is_paid_by_the_resource_each_needs_most_of() -> None:
    p = problem(
        needs(
            [(pod("web", 2.0, 1.0), 10.0), (pod("api", 0.5, 2.0), 10.0)],
            {**MID, "cpu": 4.0, "memory_gib": 8.0},
        )
    )
    one = np.array([0])
    packing = Packing(one, one, np.array([3]), np.array([0, 0]), np.array([0, 1]), np.array([1, 1]))
    assert parts(p, packing).tolist() == pytest.approx([2 / 3, 1 / 3])  # half of CPUs, a quarter of memory


def test_nodes_that_run_now_are_shared_as_the_planned_ones() -> None:
    p = problem(needs([(pod("web"), 25.0), (pod("api", 0.5), 15.0)], MID, LARGE))
    placed = solve(p).placement
    running = pd.DataFrame({"option_id": ["large", "gone"], "desired": [4, 9]})
    now = present_instances(p, placed, running)
    assert now.sum() == pytest.approx(4.0)
    paid = p.sum_by_workload(instances(p, placed))[:, 0]
    held = np.bincount(p.option_workload, weights=now)
    assert (held / held.sum()).tolist() == pytest.approx((paid / paid.sum()).tolist())


def test_nodes_that_no_plan_would_take_are_paid_now_too() -> None:
    dear = {**MID, "option_id": "dear", "price_hourly": 0.3}
    running = pd.DataFrame({"option_id": ["dear"], "desired": [2], "ready": [2], "pending": [0]})
    made = plan(worlds.without(two({}, {}, MID, dear), nodes=running))
    assert made.current_cost_usd == pytest.approx(2 * 0.3 * 24)
    assert sum(row.current_usd_per_day or 0.0 for row in made.workload_costs) == pytest.approx(2 * 0.3 * 24)


def test_an_existing_commitment_pays_nodes_and_costs_still_add_up() -> None:
    offer = Offer("plan", 0.1, 0.0, {("aws", "eu", "big"): 0.1})
    made = plan(two({}, {}, MID, commitments=[offer]))
    assert made.expected_cost_usd == pytest.approx(24 * 0.19)  # two nodes, one of them covered
    assert sums(made) == pytest.approx(made.expected_cost_usd)


def test_a_budget_below_its_part_is_told() -> None:
    made = plan(two({"budget_usd_per_day": 0.5}, {}, MID))
    (short,) = made.shortfalls
    assert (short.rule, short.workload) == ("budget_usd_per_day", "web")
    assert sums(made) == pytest.approx(made.expected_cost_usd)


def test_spot_nodes_carry_no_more_than_their_share_of_pods() -> None:
    spot = {**MID, "option_id": "spot", "purchase": "spot", "price_hourly": 0.05, "pool": "p"}
    half = {"spot": {"max_share": 0.5}}
    made = plan(two(half, half, MID, spot, spot_capacity={"p": 50.0}))
    pods = {(row.workload, row.option_id): row.replicas for row in made.placements}
    assert pods["web", "mid"] == 2  # of 25 requests/s at least 12.5 are firm
    assert pods["web", "spot"] >= 1
    assert made.shortfalls == ()


def test_regions_are_spread_over_nodes() -> None:
    us = {**MID, "option_id": "us", "region": "us", "price_hourly": 0.3}
    made = plan(two({"survive_region_loss": True}, {}, MID, us))
    certificate = {row.workload: row for row in made.certificate}["web"]
    assert certificate.regions == ("aws/eu", "aws/us")
    assert certificate.after_region_loss is not None
    assert certificate.after_region_loss.served_share == 1.0
    assert not certificate.broken


def test_pods_beside_instances_share_a_quota() -> None:
    made = plan(
        worlds.without(
            world(
                [pod("web"), workload("own")], catalogue({**MID, "quota": 2.0}),
                [steady(25.0, "web"), steady(9.0, "own")],
            ),
            profiles=worlds.profiles(TEN),
        )
    )  # fmt: skip
    assert made.shortfalls == ()
    used = {row.workload: row.nodes if row.nodes is not None else row.replicas for row in made.placements}
    assert used == {"web": 1.0, "own": 1}


def test_language_models_share_accelerators() -> None:
    slo = {"ttft_s": 4.0, "tpot_ms": 60, "target": 0.5}
    chats = [pod(name, slo=slo, more={"gpu": 0.25}) for name in ("chat", "code")]
    gpu = option("gpu", accelerator="L4", accelerator_count=1.0, cpu=16.0, memory_gib=64.0)
    table = worlds.profiles({"none": 1.0}).assign(
        accelerator="L4", instance_type=None, prefill_tps=8000.0, decode_tps=1500.0, tpot_ms=20.0
    )
    inputs = world(chats, catalogue(gpu), [steady(2.0, "chat"), steady(1.0, "code")])
    made = plan(worlds.without(inputs, profiles=table))
    (row, *_) = made.nodes
    assert {pods.workload: pods.replicas for pods in row.pods} == {
        "chat": 2,
        "code": 1,
    }  # 1.25 requests/s each
    assert row.gpu_share == 0.75
    assert made.expected_cost_usd == pytest.approx(24.0)


def test_pods_of_a_workload_left_alone_are_told() -> None:
    running = pd.DataFrame({"option_id": ["mid"], "desired": [2], "ready": [2], "pending": [0]})
    made = plan(worlds.without(two({"do_not_touch": True}, {}, MID), nodes=running))
    assert any("web stays as it is: add the nodes that its pods need" in note for note in made.notes)


def test_recommendations_speak_of_pods() -> None:
    inputs = two({}, {}, MID)
    inputs = worlds.without(
        inputs,
        fleet=worlds.fleet({("web", "mid"): 4}),
        nodes=pd.DataFrame({"option_id": ["mid"], "desired": [5], "ready": [5], "pending": [0]}),
    )
    (*found,) = recommend(plan(inputs), inputs, EMPTY_VIEW, EMPTY_VIEW)
    web = next(each for each in found if each.target == "web")
    assert "pods on big on-demand (aws eu)" in web.title
    assert dict(web.evidence)["now"] == "4 × big on-demand (aws eu) + 5 × big on-demand (aws eu) shared"
    assert web.risk.startswith("low")
