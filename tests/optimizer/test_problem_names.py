"""Names that nothing knows: slips are told with what was meant, names that lists have too many are noted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from optimizer.errors import InputError
from optimizer.problem import Problem
from optimizer.problem_files import read_problem, write_problem
from optimizer.problem_names import slips
from tests.e2e.workspaces import cli
from tests.optimizer.problems import C, N, O, W, problem

Rows = dict[str, list[Any]]


def example() -> Problem:
    return problem(
        [W("web", demand=[4.0], origins={"DE": 1.0}), W("etl", demand=[1.0])],
        [
            O("a", pool="eu-west-1/gpu"),
            O("b", price=2.0, region="us", pool="spot", quota_pool="quota"),
            O("c", "etl", price=0.0, node="node", cpu=1.0),
        ],
        pools={"eu-west-1/gpu": 9.0, "spot": 3.0, "quota": 9.0},
        commitments=[C(covers={"eu-west-1/gpu": (0.5, 1.0)}, existing=1.0)],
        rtt={("DE", "eu"): 10.0, ("DE", "us"): 90.0},
        nodes=[N(pool="nodes")],
    )


def saved(folder: Path, **tables: Rows) -> Path:
    """The example with tables changed: columns of one that is there, or a new one."""
    write_problem(example(), folder)
    for name, rows in tables.items():
        path = folder / f"{name}.parquet"
        before = pd.read_parquet(path).assign(**rows) if path.exists() else pd.DataFrame(rows)
        before.to_parquet(path, index=False)
    return folder


def faults(folder: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_problem(folder)
    return str(caught.value).splitlines()


LOST: Rows = {"scenario": ["s"], "pool": ["spot"], "lost_share": [0.5]}
SLIPS: dict[str, tuple[dict[str, Rows], str]] = {
    "pool in capitals": (
        {"pools": {"pool": ["EU-West-1/GPU", "quota", "spot"]}},
        "row 1, column pool: found 'EU-West-1/GPU' (did you mean 'eu-west-1/gpu'?); expected a pool that opt",
    ),
    "pool with other separators": (
        {"pools": {"pool": ["eu_west_1 gpu", "quota", "spot"]}}, "(did you mean 'eu-west-1/gpu'?)",
    ),
    "pool spelt wrong": ({"pools": {"pool": ["eu-west-1/gpu", "quota", "spto"]}}, "'spto' (did you mean 'sp"),
    "pool of a node": ({"pools": {"pool": ["Nodes", "quota", "spot"]}}, "'Nodes' (did you mean 'nodes'?)"),
    "covered pool": ({"commitment_pools": {"pool": ["eu-west-1/gup"]}}, "(did you mean 'eu-west-1/gpu'?)"),
    "lost pool": ({"scenarios": {**LOST, "pool": ["Spot"]}}, "row 1, column pool: found 'Spot' (did"),
    "weighed scenario": (
        {"scenarios": LOST, "scenario_weights": {"scenario": ["S"], "weight": [1.0]}},
        "row 1, column scenario: found 'S' (did you mean 's'?)",
    ),
    "origin": ({"latency": {"origin": ["de", "DE"]}}, "column origin: found 'de' (did you mean 'DE'?)"),
    "provider": ({"latency": {"provider": ["AWS", "aws"]}}, "found 'AWS' (did you mean 'aws'?)"),
    "region": ({"latency": {"region": ["eu", "US"]}}, "column region: found 'US' (did you mean 'us'?)"),
    "column": (
        {"workloads": {"max_replica": [1.0, 1.0]}},
        "the unknown column 'max_replica'; expected a column of this table; did you mean 'max_replicas'?",
    ),
    "column in capitals": ({"pools": {"Period": ["t0"] * 3}}, "'Period'; expected a column of this table"),
    "table": (
        {"pin": {"workload": ["web"]}},
        "found a table that problems do not have; expected a table of the problem; keep other files elsew",
    ),
    "table like none": ({"xyz": {"workload": ["web"]}}, "elsewhere; known: cap_workloads, caps, comm"),
}  # fmt: skip


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_told_with_what_was_meant(name: str, tmp_path: Path) -> None:
    tables, told = SLIPS[name]
    (line,) = faults(saved(tmp_path, **tables))
    assert line.startswith(f"{list(tables)[-1]}.parquet")
    assert told in line


def test_a_slip_is_told_once_for_all_its_rows(tmp_path: Path) -> None:
    rows = {"pool": ["Spot"] * 2, "period": ["t0", None], "limit": [1.0, 1.0]}
    saved(tmp_path)
    pd.DataFrame(rows).to_parquet(tmp_path / "pools.parquet", index=False)
    assert len(faults(tmp_path)) == 1


def test_a_misspelt_table_that_is_needed_is_told_beside_what_is_missing(tmp_path: Path) -> None:
    (saved(tmp_path) / "workloads.parquet").rename(tmp_path / "workload.parquet")
    missing, unknown = faults(tmp_path)
    assert missing.startswith("workloads.parquet: found no such file")
    assert unknown.endswith("did you mean 'workloads'?")


def test_what_pandas_and_file_systems_add_is_no_slip(tmp_path: Path) -> None:
    saved(tmp_path)
    frame = pd.read_parquet(tmp_path / "options.parquet")
    frame.set_index(pd.Index([7, 8, 9])).to_parquet(tmp_path / "options.parquet")
    (tmp_path / "._pins.parquet").write_bytes(b"\0")
    (tmp_path / "README.md").touch()
    assert read_problem(tmp_path).notes == ()


def test_lists_may_name_more_than_is_used_and_the_answer_says_so(tmp_path: Path) -> None:
    others = [f"ap-{n}/gpu" for n in range(1, 6)]
    quotas = {"pool": [*others, "eu-west-1/gpu", "spot"], "limit": [1.0] * 6 + [3.0]}
    saved(tmp_path)
    pd.DataFrame(quotas).to_parquet(tmp_path / "pools.parquet", index=False)
    trips = {"origin": ["DE", "BR"], "provider": "aws", "region": ["eu", "sa"], "rtt_ms": 10.0}
    pd.DataFrame(trips).to_parquet(tmp_path / "latency.parquet", index=False)
    ran = cli("solve", tmp_path, "--out", tmp_path / "out", "--json")
    assert ran.code == 0, ran.err
    more = "'ap-1/gpu', 'ap-2/gpu', 'ap-3/gpu' and 2 more"
    notes = [
        f"pools.parquet: no option or node draws on {more}: rows without effect",
        "latency.parquet: no workload has the origin 'BR': rows without effect",
        "latency.parquet: no option has the region 'sa': rows without effect",
    ]
    assert json.loads((tmp_path / "out/placement.json").read_text())["notes"] == notes
    assert json.loads(ran.out)["notes"] == notes
    assert [line for line in ran.err.splitlines() if line.startswith("note: ")] == [
        f"note: {note}" for note in notes
    ]


@pytest.mark.parametrize(
    ("names", "used", "found"),
    [
        (["west", "east"], ["west"], {}),  # what is used has its own row: the other is another thing
        (["a10"], ["a100"], {}),
        (["east"], ["east", "west"], {}),
        (["gpus"], ["gpu"], {"gpus": "gpu"}),
        (["gpu "], ["gpu"], {"gpu ": "gpu"}),
        (["GPU", "gpu"], ["gpu"], {"GPU": "gpu"}),
        ([], ["gpu"], {}),
        (["gpu"], [], {}),
    ],
)
def test_slips_are_told_from_other_things(names: list[str], used: list[str], found: dict[str, str]) -> None:
    assert slips(names, used) == found


def test_long_lists_are_compared_by_case_alone(tmp_path: Path) -> None:
    used = [f"pool of the team {n}" for n in range(300)]
    names = [f"pools of the team {n}" for n in range(300)]
    assert slips(names, used) == {}
    assert len(slips([name.upper() for name in used], used)) == 300


def test_pools_that_nothing_draws_on_are_not_written(tmp_path: Path) -> None:
    p = problem(W(demand=[4.0]), [O("a", pool="p")], pools={"p": 9.0, "other": 1.0},
                commitments=[C(covers={"p": (0.5, 1.0), "other": (0.5, 1.0)}, existing=1.0)])  # fmt: skip
    write_problem(p, tmp_path)
    for table in ("pools", "commitment_pools"):
        assert set(pd.read_parquet(tmp_path / f"{table}.parquet")["pool"]) == {"p"}
    assert read_problem(tmp_path).notes == ()


def test_the_answer_goes_into_another_folder(tmp_path: Path) -> None:
    saved(tmp_path / "in")
    ran = cli("solve", tmp_path / "in", "--out", tmp_path / "in" / ".." / "in")
    assert ran.code == 2
    assert "--out: found" in ran.err
    assert "expected another folder than that of the problem; choose another --out" in ran.err
    assert not (tmp_path / "in" / "placement.json").exists()
