"""Tables of shared nodes: read as written, every fault told with its row, the answer read back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from optimizer.check import check
from optimizer.errors import InputError
from optimizer.nodes import Packing
from optimizer.problem import Placement, Problem, cost
from optimizer.problem_files import read_problem, write_problem
from optimizer.solution_files import solve_folder
from tests.optimizer.problems import C, N, O, W, problem
from tests.optimizer.test_problem_files import same, set_to

Edit = Callable[[pd.DataFrame], pd.DataFrame]


def example() -> Problem:
    """Two kinds of nodes, two periods; one workload may also run alone, one keeps its replicas apart."""
    needs = {"a": (2.0, 4.0, 0.0), "b": (1.0, 8.0, 0.5), "c": (3.0, 2.0, 0.0)}
    shared = [
        O(f"{name}-{node}", name, price=0.0, node=node, cpu=cpu, memory_gib=memory, gpu=gpu, purchase=bought)
        for name, (cpu, memory, gpu) in needs.items()
        for node, bought in (("big", "on_demand"), ("cheap", "spot"))
    ]
    return problem(
        [W("a", [2, 1], max_per_node=1, max_spot_share=0.5), W("b", [3, 1]), W("c", [1, 0])],
        sorted([*shared, O("b-own", "b", price=0.5)], key=lambda option: option.workload),
        nodes=[
            N("big", price=1.0, cpu=8.0, memory_gib=32.0, gpu=2.0, pool="p", pool_units=8.0, quota_pool="q"),
            N("cheap", price=0.4, cpu=4.0, memory_gib=16.0, gpu=1.0, purchase="spot"),
        ],
        pools={"p": (24.0, 16.0), "q": 40.0},
        commitments=[C(covers={"p": (0.06, 0.1)}, existing=0.5)],
        hours=[16.0, 8.0],
    )


def saved(folder: Path, table: str, edit: Edit) -> Path:
    """The example as files, one table changed."""
    write_problem(example(), folder)
    path = folder / f"{table}.parquet"
    edit(pd.read_parquet(path)).to_parquet(path, index=False)
    return folder


def test_nodes_survive_their_files(tmp_path: Path) -> None:
    write_problem(example(), tmp_path)
    assert len(pd.read_parquet(tmp_path / "nodes.parquet")) == 2
    read = read_problem(tmp_path).problem
    same(read.nodes, replace(example().nodes, instance_type=read.nodes.instance_type))
    write_problem(read, tmp_path / "again")
    same(read_problem(tmp_path / "again").problem, read)


def test_a_problem_without_nodes_leaves_none_behind(tmp_path: Path) -> None:
    write_problem(example(), tmp_path)
    write_problem(problem(W(), [O("a")]), tmp_path)
    assert not (tmp_path / "nodes.parquet").exists()
    assert not {"node", "cpu"} & set(pd.read_parquet(tmp_path / "options.parquet"))


def packing_of(folder: Path, p: Problem) -> Packing:
    """What the answer's tables say is on nodes."""
    kinds, held = (pd.read_parquet(folder / f"{name}.parquet") for name in ("nodes", "node_contents"))
    option = {
        (p.workloads[w], name): i
        for i, (w, name) in enumerate(zip(p.option_workload, p.option_id, strict=True))
    }
    columns = (
        kinds["node"].map(p.nodes.name.index), kinds["period"].map(p.periods.index), kinds["nodes"],
        held["pattern"].map({pattern: k for k, pattern in enumerate(kinds["pattern"])}),
        pd.Series([option[key] for key in zip(held["workload"], held["option_id"], strict=True)]),
        held["replicas"],
    )  # fmt: skip
    return Packing(*(column.to_numpy(dtype=np.int64) for column in columns))


def test_the_answer_read_back_is_feasible_and_costs_what_it_says(tmp_path: Path) -> None:
    write_problem(example(), tmp_path / "problem")
    p = read_problem(tmp_path / "problem").problem
    solve_folder(tmp_path / "problem", out=tmp_path / "out", gap_share=0.0)
    replicas, served = np.zeros(p.shape[1:], dtype=np.int64), np.zeros(p.shape[1:])
    for row in pd.read_parquet(tmp_path / "out" / "placement.parquet").itertuples():
        i = p.option_id.index(row.option_id)
        replicas[i, p.periods.index(row.period)] = row.replicas
        served[i, p.periods.index(row.period)] = row.served
    nothing = np.zeros((len(p.commitments), len(p.pools), len(p.periods)))
    packing = packing_of(tmp_path / "out", p)
    assert len(packing) > 1
    placed = Placement(replicas, served, nothing, np.zeros(len(p.commitments)), packing=packing)
    assert check(p, placed) == ()
    told = json.loads((tmp_path / "out" / "placement.json").read_text())
    big = packing.nodes((2, 2))[p.nodes.name.index("big")]
    # USD 0.5 per hour committed at 0.06 a unit cover 8.33 of 8 units a node, and save 0.1 each.
    saved_usd = 0.1 * np.minimum(0.5 / 0.06, 8.0 * big) @ p.hours
    assert told["cost"] == pytest.approx(cost(p, placed) - saved_usd)


FAULTS: dict[str, tuple[str, Edit, str]] = {
    "no such node": (
        "options",
        set_to("node", "huge"),
        "options.parquet, row 1, column node: found 'huge'; expected a node of nodes.parquet",
    ),
    "a node twice": (
        "nodes",
        set_to("node", "big", row=1),
        "nodes.parquet, row 2, column node: found 'big' again",
    ),
    "cover that saves more than a node's unit costs": (
        "commitment_pools",
        set_to("list_usd_per_unit_hour", 0.2),
        "row 1, column list_usd_per_unit_hour: found 0.2 for a unit of 'p' that costs 0.125",
    ),
    "no name": ("nodes", set_to("node", None), "nodes.parquet, row 1, column node: found nothing"),
    "negative price": ("nodes", set_to("price_hourly", -1.0), "row 1, column price_hourly: found -1"),
    "no price": ("nodes", lambda t: t.drop(columns="price_hourly"), "nodes.parquet, column price_hourly"),
    "unknown purchase": ("nodes", set_to("purchase", "reserved"), "'reserved'; expected on_demand or spot"),
    "negative room": ("nodes", set_to("cpu", -8.0), "row 1, column cpu: found -8"),
    "no such column": (
        "nodes",
        lambda t: t.assign(memory=1.0),
        "unknown column 'memory'; expected a column of this table; did you mean 'memory_gib'",
    ),
    "negative units": ("nodes", set_to("pool_units", -1.0), "row 1, column pool_units: found -1"),
    "negative need": (
        "options",
        set_to("memory_gib", -4.0),
        "options.parquet, row 1, column memory_gib: found -4",
    ),
    "endless need": ("options", set_to("cpu", np.inf), "options.parquet, row 1, column cpu: found inf"),
    "less than one on a node": (
        "workloads",
        set_to("max_per_node", 0.0),
        "row 1, column max_per_node: found 0",
    ),
    "elsewhere": (
        "options",
        set_to("region", "us"),
        "row 1, column region: found 'us'; expected the region of its nodes; correct one of the two",
    ),
    "of another provider": ("options", set_to("provider", "gcp"), "expected the provider of its nodes"),
    "bought otherwise": ("options", set_to("purchase", "spot"), "expected the purchase of its nodes"),
    "paid twice": (
        "options",
        set_to("price_hourly", 0.2),
        "row 1, column price_hourly: found 0.2; expected 0 for an option on nodes; nodes are paid",
    ),
    "draws itself": (
        "options",
        set_to("pool", "p"),
        "row 1, column pool: found 'p'; expected no pool for an option on nodes; name it in nodes.parquet",
    ),
    "draws on a quota itself": ("options", set_to("quota_pool", "q"), "row 1, column quota_pool: found 'q'"),
    "in several zones": (
        "options",
        lambda t: t.assign(zones=[3.0, *[1.0] * (len(t) - 1)]),
        "row 1, column zones: found 3; expected 1 for an option on nodes; make a node pool of each zone",
    ),
    "needs nothing": (
        "options",
        lambda t: t.assign(cpu=0.0, memory_gib=0.0, gpu=0.0),
        "row 1, column cpu: found 0; expected a need of some resource; say what a replica needs on a node",
    ),
    "does not fit": (
        "options",
        set_to("memory_gib", 33.0),
        "column memory_gib: found 33 on 'big', which has 32; expected what fits on a node; choose larger",
    ),
    "needs what its node has not": (
        "nodes",
        lambda t: t.drop(columns="gpu"),
        "column gpu: found 0.5 on 'big', which has 0; expected what fits on a node",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_nodes_names_file_row_and_what_to_do(name: str, tmp_path: Path) -> None:
    table, edit, told = FAULTS[name]
    with pytest.raises(InputError) as caught:
        read_problem(saved(tmp_path, table, edit))
    assert told in str(caught.value)
