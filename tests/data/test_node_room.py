"""Pods in workloads.yaml and nodes in the catalogue: what is read, and every fault told at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.errors import InputError
from data.node_room import node_room
from data.workloads import Workload
from data.workloads_yaml import parse_workloads
from data.workspace import read_workspace

API: dict[str, Any] = {"name": "api", "model": "svc", "slo": {"latency_ms": 200, "target": 0.99}}
CATALOG: dict[str, Any] = {
    "provider": "aws", "region": "eu", "purchase": "on_demand", "price_hourly": 1.0, "accelerator": None,
}  # fmt: skip
NODES = (
    {"option_id": "small", "instance_type": "m4", "cpu": 3.5, "memory_gib": 12.0},
    {"option_id": "wide", "instance_type": "m8", "cpu": 7.5, "memory_gib": 8.0},
    {"option_id": "bare", "instance_type": "m9"},
)
WORKLOADS = """\
workloads:
  - {{name: api, model: svc, slo: {{latency_ms: 200, target: 0.99}}, {keys}}}
"""


def workspace(
    root: Path, keys: str, nodes: tuple[dict[str, Any], ...] = NODES, **profile: object
) -> list[str]:
    """Faults of a workspace of one workload."""
    (root / "workloads.yaml").write_text(WORKLOADS.format(keys=keys))
    pd.DataFrame([{**CATALOG, **node} for node in nodes]).to_parquet(root / "catalog.parquet")
    row = {"model": "svc", "instance_type": None, "rps": 5.0, "latency_ms": 20.0, **profile}
    pd.DataFrame([row]).to_parquet(root / "profiles.parquet")
    try:
        read_workspace(root)
    except InputError as error:
        return [str(fault) for fault in error.faults]
    return []


def faults(keys: str) -> list[str]:
    """Faults of workloads.yaml alone."""
    return [str(fault) for fault in parse_workloads(WORKLOADS.format(keys=keys)).faults]


def test_a_pod_says_what_it_requests() -> None:
    workload = Workload.model_validate(
        API
        | {
            "resources": {"cpu": 0.5, "memory_gib": 2},
            "placement": {"dedicated_nodes": True, "max_per_node": 3},
        }
    )
    assert workload.resources is not None
    assert workload.resources.requests == {"cpu": 0.5, "memory_gib": 2.0, "gpu": 0.0}
    assert workload.placement.dedicated_nodes
    assert workload.placement.max_per_node == 3
    assert Workload.model_validate(API).resources is None


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (
            "resources: {cpu: 1}",
            "resources.memory_gib: found nothing; expected memory that one replica requests",
        ),
        ("resources: {cpu: -1, memory_gib: 0}", "resources.cpu: found -1; expected a number above 0"),
        ("resources: {cpu: .nan, memory_gib: 1}", "resources.cpu: found nan; expected a finite number"),
        ("resources: {cpu: 1, memory_gib: 1, gpus: 1}", "expected 'gpu' (the nearest known key)"),
        ("placement: {max_per_node: 2}", "placement.max_per_node: found a key of pods; expected resources"),
        ("placement: {dedicated_nodes: true}", "placement.dedicated_nodes: found a key of pods"),
        ("resources: {cpu: 1, memory_gib: 1}, placement: {max_per_node: 0}", "a number of at least 1"),
    ],
)
def test_wrong_keys_of_pods_are_told(keys: str, told: str) -> None:
    assert any(told in line for line in faults(keys)), faults(keys)


def test_all_faults_of_a_pod_are_told_at_once() -> None:
    assert len(faults("resources: {cpu: -1, memory_gib: 0, gpu: -2, ram: 1}")) == 4


def test_a_language_model_says_how_much_of_an_accelerator_it_needs() -> None:
    slo = {"slo": {"ttft_s": 2.0, "tpot_ms": 60, "target": 0.9}, "resources": {"cpu": 1.0, "memory_gib": 4.0}}
    with pytest.raises(ValueError, match="an LLM without gpu; expected accelerators per replica"):
        Workload.model_validate(API | slo)


def test_room_of_nodes_counts_accelerators_unless_told_otherwise() -> None:
    rows = pd.DataFrame(
        {
            "cpu": [4.0, 4.0, None],
            "memory_gib": 8.0,
            "gpu": [None, 1.0, 4.0],
            "accelerator_count": [2.0, 2.0, 2.0],
        }
    )
    assert node_room(rows)["gpu"].tolist()[:2] == [2.0, 1.0]
    assert node_room(rows).iloc[2].isna().all()
    assert node_room(rows.drop(columns=["cpu"])).isna().all(axis=None)


def test_pods_that_fit_are_read(tmp_path: Path) -> None:
    assert workspace(tmp_path, "resources: {cpu: 3.5, memory_gib: 12}") == []


def test_nodes_of_unknown_size_are_told_once_per_column(tmp_path: Path) -> None:
    bare = tuple({k: v for k, v in n.items() if k not in ("cpu", "memory_gib")} for n in NODES)
    first, second = workspace(tmp_path, "resources: {cpu: 1, memory_gib: 1}", bare)
    assert first.startswith("catalog.parquet, column cpu: found no value; expected CPUs that a node has for")
    assert first.endswith("as api has resources; fill it in for what may be a node")
    assert second.startswith("catalog.parquet, column memory_gib: found no value; expected GiB of memory")


def test_pods_larger_than_every_node_are_told_by_resource(tmp_path: Path) -> None:
    told = workspace(tmp_path, "resources: {cpu: 64, memory_gib: 12.5, gpu: 0.5}")
    found = [("cpu", "64 CPUs", "7.5"), ("memory_gib", "12.5 GiB of memory", "12"), ("gpu", "0.5 GPUs", "0")]
    assert told == [
        f"workloads.yaml, column resources.{resource} of api: found {amount}; expected at most {most}, what "
        "the largest node of catalog.parquet has; request less, or add a larger node"
        for resource, amount, most in found
    ]


def test_pods_that_no_node_holds_together_are_told(tmp_path: Path) -> None:
    (told,) = workspace(tmp_path, "resources: {cpu: 6, memory_gib: 10}")
    where, found = "workloads.yaml, column resources of api", "found 6 CPUs with 10 GiB of memory"
    expected = "expected what one node of catalog.parquet has together"
    assert told == f"{where}: {found}; {expected}; request less, or add a larger node"


def test_negative_room_is_told(tmp_path: Path) -> None:
    nodes = ({**NODES[0], "cpu": -1.0}, NODES[1])
    (told,) = workspace(tmp_path, "resources: {cpu: 1, memory_gib: 1}", nodes)
    assert told.startswith("catalog.parquet, row 1, column cpu: found -1; expected CPUs a node has for pods")


def test_a_profile_of_neither_kind_is_for_pods(tmp_path: Path) -> None:
    told = workspace(tmp_path, "owner: web")
    assert any("found neither; expected either an accelerator or an instance_type" in line for line in told)


def test_a_profile_for_pods_stands_once(tmp_path: Path) -> None:
    assert workspace(tmp_path, "resources: {cpu: 1, memory_gib: 1}") == []
    row = pd.read_parquet(tmp_path / "profiles.parquet")
    pd.concat([row, row]).to_parquet(tmp_path / "profiles.parquet")
    with pytest.raises(InputError, match=r"row 2, column model: .*one row without accelerator"):
        read_workspace(tmp_path)


def state(root: Path, nodes: object) -> list[str]:
    """Faults of the shared nodes in state.json; none where they are read."""
    body = {"as_of": "2026-05-12T03:00:00+00:00", "fleet": [], "nodes": nodes}
    (root / "state.json").write_text(json.dumps(body))
    return workspace(root, "resources: {cpu: 1, memory_gib: 1}")


def test_shared_nodes_that_run_are_read(tmp_path: Path) -> None:
    assert state(tmp_path, [{"option_id": "small", "desired": 2, "ready": 1, "pending": 1}]) == []
    read = read_workspace(tmp_path).nodes
    assert read is not None
    assert read.to_dict("records") == [{"option_id": "small", "desired": 2, "ready": 1, "pending": 1}]


def test_wrong_entries_of_shared_nodes_are_told(tmp_path: Path) -> None:
    counts = {"desired": 1, "ready": 1, "pending": 0}
    once = {"option_id": "small", **counts}
    assert len(state(tmp_path, [once, once, {"option_id": "", **counts}, 3, {**once, "ready": -1}])) == 5
    (told,) = state(tmp_path, {})
    assert told.startswith("state.json, column nodes: found {}; expected")
