"""Small services on shared nodes, from the files of a workspace to plans, problem tables and report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest

from optimizer.plan import PlacementPlan, read_plan
from tests.e2e.workspaces import cli, declare, demand, make, plan, planned, save

SERVICES = {  # CPUs, GiB, requests/s
    "api": (0.5, 1.0, 8.0), "web": (1.0, 2.0, 25.0), "auth": (0.25, 0.5, 4.0), "mail": (0.5, 4.0, 6.0),
    "cart": (1.5, 2.0, 12.0), "feed": (2.0, 6.0, 15.0),
}  # fmt: skip
CPU = {"accelerator": None, "accelerator_count": None}
NODES: tuple[dict[str, Any], ...] = (
    {"option_id": "small", "instance_type": "m2", "price_hourly": 0.10, "cpu": 1.9, "memory_gib": 3.0, **CPU},
    {"option_id": "mid", "instance_type": "m4", "price_hourly": 0.19, "cpu": 3.9, "memory_gib": 14.0, **CPU},
    {
        "option_id": "large",
        "instance_type": "m8",
        "price_hourly": 0.36,
        "cpu": 7.8,
        "memory_gib": 29.0,
        **CPU,
    },
)
PROFILE = {
    "model": "svc", "accelerator": None, "prefill_tps": None, "decode_tps": None, "max_concurrency": None,
    "tpot_ms": None, "instance_type": None, "rps": 10.0, "latency_ms": 20.0,
}  # fmt: skip
SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "schemas" / "placement-plan-1.schema.json"


def services(**placement: object) -> list[dict[str, object]]:
    """The six, where their pods may run said for all of them."""
    return [
        {
            "name": name,
            "model": "svc",
            "slo": {"latency_ms": 300, "target": 0.9},
            "resources": {"cpu": cpu, "memory_gib": memory},
            "placement": placement,
        }
        for name, (cpu, memory, _) in SERVICES.items()
    ]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    usage = pd.concat([demand(name, per_second=rate) for name, (*_, rate) in SERVICES.items()])
    folder = tmp_path_factory.mktemp("pods")
    return make(folder, *services(), options=NODES, profiles=[PROFILE], usage=usage)


@pytest.fixture(scope="module")
def shared(root: Path) -> dict[str, Any]:
    """The placement plan; its problem is saved."""
    return planned(root, "--kind", "placement", "--save-problem", root / "problem", name="shared.json")


def test_shared_nodes_are_cheaper_than_nodes_of_their_own(root: Path, shared: dict[str, Any]) -> None:
    declare(root, *services(dedicated_nodes=True))
    alone = planned(root, "--kind", "placement", name="alone.json")
    declare(root, *services())
    assert shared["expected_cost_usd"] < 0.8 * alone["expected_cost_usd"]
    assert shared["sharing"]["usd_per_day"] == pytest.approx(shared["expected_cost_usd"])
    assert shared["sharing"]["alone_usd_per_day"] == pytest.approx(alone["expected_cost_usd"], rel=0.01)
    assert alone["sharing"] is None
    assert {row["workload"] for row in alone["nodes"]} == set(SERVICES)


def test_what_is_on_nodes_fits_and_serves(shared: dict[str, Any]) -> None:
    room = {node["option_id"]: (node["cpu"], node["memory_gib"]) for node in NODES}
    for row in shared["nodes"]:
        cpu, memory = (
            sum(SERVICES[on["workload"]][k] * on["replicas"] for on in row["pods"]) for k in range(2)
        )
        assert cpu <= room[row["option_id"]][0] + 1e-9
        assert memory <= room[row["option_id"]][1] + 1e-9
    costs = {row["workload"]: row["planned_usd_per_day"] for row in shared["workload_costs"]}
    assert sum(costs.values()) == pytest.approx(shared["expected_cost_usd"], abs=1e-4)
    hours = {period["name"]: period["hours"] for period in shared["periods"]}
    paid = sum(row["nodes"] * row["price_hourly_usd"] * hours[row["period"]] for row in shared["nodes"])
    assert paid == pytest.approx(shared["expected_cost_usd"], abs=1e-4)


def test_a_plan_with_nodes_keeps_its_schema(root: Path, shared: dict[str, Any]) -> None:
    jsonschema.validate(shared, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert read_plan(root / "plans" / "shared.json", PlacementPlan).sharing is not None


def test_the_saved_problem_costs_the_same(root: Path, shared: dict[str, Any]) -> None:
    ran = cli("solve", root / "problem", "--out", root / "answer", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["cost"] == pytest.approx(shared["proof"]["objective_usd"], rel=0.011)
    assert set(pd.read_parquet(root / "answer" / "nodes.parquet")["node"]) <= {"small", "mid", "large"}


def test_reports_show_the_nodes(root: Path, shared: dict[str, Any]) -> None:
    assert shared["nodes"]
    ran = cli("report", "-w", root, "--plan", root / "plans" / "shared.json", "--json")
    assert ran.code == 0, ran.err
    assert "## Nodes and the pods on them" in (root / "reports" / "report.md").read_text(encoding="utf-8")


def test_nodes_that_run_now_are_kept(root: Path, shared: dict[str, Any]) -> None:
    first = shared["periods"][0]["name"]
    running: dict[str, int] = {}
    for row in shared["nodes"]:
        if row["period"] == first:
            running[row["option_id"]] = running.get(row["option_id"], 0) + row["nodes"]
    nodes = [{"option_id": o, "desired": n, "ready": n, "pending": 0} for o, n in running.items()]
    state = {"as_of": "2026-05-12T02:00:00+00:00", "fleet": [], "nodes": nodes}
    (root / "state.json").write_text(json.dumps(state), encoding="utf-8")
    again = planned(root, "--kind", "placement", name="again.json")
    (root / "state.json").unlink()
    assert again["actions"] == []
    prices = {node["option_id"]: node["price_hourly"] for node in NODES}
    assert again["current_cost_usd"] == pytest.approx(24 * sum(prices[o] * n for o, n in running.items()))


def test_a_capacity_plan_says_what_it_takes_for_granted(root: Path) -> None:
    made = planned(root, "--horizon", "3h", name="capacity.json")
    assert any("replicas are nodes of their own" in note for note in made["notes"])
    room = {node["option_id"]: node["cpu"] for node in NODES}
    for row in made["allocations"]:
        assert row["pods"] * SERVICES[row["workload"]][0] <= row["replicas"] * room[row["option_id"]]
        assert row["max_replicas"] >= row["replicas"]
    assert {row["workload"] for row in made["allocations"] if row["pods"]} == set(SERVICES)


def test_pods_that_fit_nowhere_are_bad_input(tmp_path: Path) -> None:
    large = {**services()[0], "resources": {"cpu": 99.0, "memory_gib": -1.0}}
    make(tmp_path, large, options=NODES, profiles=[PROFILE])
    ran = plan(tmp_path, "--kind", "placement")
    assert ran.code == 2
    assert [line for line in ran.faults if "resources.memory_gib: found -1" in line]
    declare(tmp_path, {**large, "resources": {"cpu": 99.0, "memory_gib": 99.0}})
    ran = plan(tmp_path, "--kind", "placement")
    assert (ran.code, len(ran.faults)) == (2, 2)
    save(tmp_path, "catalog.parquet", pd.read_parquet(tmp_path / "catalog.parquet").drop(columns=["cpu"]))
    (fault,) = plan(tmp_path, "--kind", "placement").faults
    assert fault.startswith("catalog.parquet, column cpu: found no value")
