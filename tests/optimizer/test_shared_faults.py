"""Bad tables of caps, priorities, scenarios and work: each fault is told at its file, row and column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from optimizer.errors import InputError
from optimizer.problem_files import read_problem, write_problem
from optimizer.solve import solve
from tests.e2e.workspaces import cli
from tests.optimizer.problems import O, W, problem

NAN, INF = float("nan"), float("inf")
Rows = dict[str, list[Any]]


def tables(folder: Path, **changed: Rows) -> Path:
    """A service, and work that may shift; whole tables or columns of `workloads` and `demand` changed."""
    p = problem(
        [W("web", demand=[4.0, 2.0]), W("etl", demand=[0.0, 0.0])], [O("a", "web", pool="p"), O("b", "etl")]
    )
    write_problem(p, folder)
    for name, rows in {"workloads": {"work_amount": [NAN, 3.0]}, **changed}.items():
        path = folder / f"{name}.parquet"
        before = pd.read_parquet(path) if name in {"workloads", "demand"} else pd.DataFrame(index=[])
        frame = before.assign(**rows) if len(before) else pd.DataFrame(rows)
        frame.to_parquet(path, index=False)
    return folder


def cap(**columns: list[Any]) -> Rows:
    return {
        "cap": ["c"], "kind": ["usd"], "limit": [9.0], "priority": [NAN], "usd_per_unit": [NAN], **columns
    }  # fmt: skip


def lost(**columns: list[Any]) -> Rows:
    return {"scenario": ["s"], "pool": ["p"], "period": [None], "lost_share": [0.5], **columns}


def factor(**columns: list[Any]) -> Rows:
    return {"scenario": ["s"], "workload": ["web"], "period": [None], "factor": [1.5], **columns}


def priority(**columns: list[Any]) -> Rows:
    return {"rule": ["meet_demand"], "workload": [None], "priority": [1.0], **columns}


def twice(rows: Rows) -> Rows:
    return {name: values * 2 for name, values in rows.items()}


FAULTS: dict[str, tuple[str, Rows, str]] = {
    "kind unknown": ("caps", cap(kind=["eur"]), "row 1, column kind: found 'eur'; expected usd or"),
    "kind missing": ("caps", cap(kind=[None]), "row 1, column kind: found nothing (null or NaN)"),
    "cap twice": ("caps", twice(cap()), "row 2, column cap: found 'c' again (first in row 1)"),
    "negative cap": ("caps", cap(limit=[-1.0]), "row 1, column limit: found -1; expected USD, kg or"),
    "negative priority": ("caps", cap(priority=[-1.0]), "row 1, column priority: found -1"),
    "endless priority": ("caps", cap(priority=[INF]), "row 1, column priority: found inf"),
    "negative price": ("caps", cap(usd_per_unit=[-1.0]), "row 1, column usd_per_unit: found -1"),
    "endless price": ("caps", cap(usd_per_unit=[INF]), "row 1, column usd_per_unit: found inf"),
    "priority and price": (
        "caps", cap(priority=[1.0], usd_per_unit=[1.0]), "expected nothing where usd_per_unit is given",
    ),
    "cap as text": ("caps", cap(limit=["9"]), "row 1, column limit: found the text '9'; expected numbers"),
    "member of no cap": (
        "cap_workloads", {"cap": ["z"], "workload": ["web"]}, "found 'z'; expected a cap of caps.parquet",
    ),
    "nobody in a cap": (
        "cap_workloads", {"cap": ["c"], "workload": ["z"]}, "'z'; expected a workload of workloads.parquet",
    ),
    "member twice": (
        "cap_workloads", {"cap": ["c"] * 2, "workload": ["web"] * 2}, "found 'c' at 'web' again",
    ),
    "rule unknown": ("priorities", priority(rule=["cheap"]), "column rule: found 'cheap'; expected meet"),
    "priority of nobody": ("priorities", priority(workload=["z"]), "'z'; expected a workload of workloads"),
    "no priority": ("priorities", priority(priority=[NAN]), "column priority: found nothing (null or NaN)"),
    "priority below 0": ("priorities", priority(priority=[-1.0]), "row 1, column priority: found -1"),
    "rule of a workload twice": (
        "priorities", twice(priority(workload=["web"])), "found 'meet_demand' at 'web' again",
    ),
    "rule of all twice": (
        "priorities", twice(priority()), "row 2, column workload: found 'meet_demand' for every workload",
    ),
    "more than all lost": ("scenarios", lost(lost_share=[1.5]), "1.5; expected a share from 0 to 1"),
    "lost below 0": ("scenarios", lost(lost_share=[-0.5]), "row 1, column lost_share: found -0.5"),
    "nothing said": ("scenarios", lost(lost_share=[NAN]), "column lost_share: found nothing (null or NaN)"),
    "endless loss": ("scenarios", lost(lost_share=[INF]), "row 1, column lost_share: found inf"),
    "loss in no period": ("scenarios", lost(period=["t9"]), "'t9'; expected a period of periods.parquet"),
    "loss twice": ("scenarios", twice(lost(period=["t0"])), "found 's' at 'p' at 't0' again"),
    "loss of all periods twice": (
        "scenarios", twice(lost()), "row 2, column period: found 's' at 'p' for every period again",
    ),
    "factor below 0": ("scenario_demand", factor(factor=[-1.0]), "row 1, column factor: found -1"),
    "endless factor": ("scenario_demand", factor(factor=[INF]), "row 1, column factor: found inf"),
    "factor of nobody": ("scenario_demand", factor(workload=["z"]), "'z'; expected a workload of workloads"),
    "factor in no period": ("scenario_demand", factor(period=["t9"]), "'t9'; expected a period of periods"),
    "factor of all twice": (
        "scenario_demand", twice(factor()), "found 's' at 'web' for every period again",
    ),
    "no weight": ("scenario_weights", {"scenario": ["s"], "weight": [0.0]}, "column weight: found 0;"),
    "tiny weight": ("scenario_weights", {"scenario": ["s"], "weight": [1e-320]}, "expected more than 1e-09"),
    "weight twice": ("scenario_weights", twice({"scenario": ["s"], "weight": [1.0]}), "found 's' again"),
    "slo below 0": ("workloads", {"slo_usd_per_unit": [-1.0, 0.0]}, "column slo_usd_per_unit: found -1"),
    "work below 0": ("workloads", {"work_amount": [NAN, -1.0]}, "row 2, column work_amount: found -1"),
    "endless work": ("workloads", {"work_amount": [NAN, INF]}, "row 2, column work_amount: found inf"),
    "begins never": (
        "workloads", {"work_from": [None, "t9"]}, "row 2, column work_from: found 't9'; expected a",
    ),
    "ends never": (
        "workloads", {"work_until": [None, "t9"]}, "row 2, column work_until: found 't9'; expected a",
    ),
    "work beside demand": (
        "demand", {"demand": [4.0, 2.0, 1.0, 0.0]},
        "row 3, column demand: found 1; expected 0 where the workload has work_amount",
    ),
    "work from somewhere": (
        "origins", {"workload": ["web", "etl"], "origin": ["DE", "DE"], "share": [1.0, 1.0]},
        "row 2, column workload: found 'etl'; expected a workload without work_amount; drop its origins",
    ),
    "flag as text": ("workloads", {"survive_zone_loss": ["no", "no"]}, "expected true or false: whether"),
    "flag as number": ("workloads", {"ramp_from_current": [1, 0]}, "a column of int64; expected true or"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line_at_its_file(name: str, tmp_path: Path) -> None:
    table, rows, told = FAULTS[name]
    caps = {"caps": cap()} if table == "cap_workloads" else {}
    with pytest.raises(InputError) as caught:
        read_problem(tables(tmp_path, **caps, **{table: rows}))
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{table}.parquet")
    assert told in line


def test_the_same_tables_without_a_fault_are_read(tmp_path: Path) -> None:
    good = {
        "caps": cap(), "cap_workloads": {"cap": ["c"], "workload": ["web"]}, "priorities": priority(),
        "scenarios": lost(), "scenario_demand": factor(),
        "scenario_weights": {"scenario": ["s"], "weight": [1.0]},
        "origins": {"workload": ["web"], "origin": ["DE"], "share": [1.0]},
    }  # fmt: skip
    p = read_problem(tables(tmp_path, **good)).problem
    assert (len(p.caps), len(p.priorities), len(p.scenarios), int(p.work.is_asked.sum())) == (1, 1, 1, 1)
    assert len(p.routes) == 1
    assert not solve(p).shortfalls


SIZES = {
    "options": ("price_hourly", 1e300), "demand": ("demand", 1e15), "periods": ("hours", 5e-324),
    "workloads": ("min_replicas", 1e15),
}  # fmt: skip


@pytest.mark.parametrize("table", SIZES)
def test_numbers_that_no_solver_takes_are_refused(table: str, tmp_path: Path) -> None:
    column, value = SIZES[table]
    path = tables(tmp_path) / f"{table}.parquet"
    pd.read_parquet(path).assign(**{column: value}).to_parquet(path, index=False)
    ran = cli("solve", tmp_path, "--out", tmp_path / "out")
    assert ran.code == 2
    limit = "more than 1e-09; choose smaller units" if value < 1 else "1e+09 at most; choose larger units"
    assert f"{table}.parquet, row 1, column {column}: found {value:.15g}; expected {limit}" in ran.err


@pytest.mark.parametrize("kind", ["usd", "kg_co2e", "changed_replicas"])
def test_a_hard_cap_that_leaves_a_shortage_is_explained(kind: str, tmp_path: Path) -> None:
    ran = cli("solve", tables(tmp_path, caps=cap(kind=[kind], limit=[2.0])), "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert ("missed: web at t0" in ran.out) == (kind != "kg_co2e")  # no carbon is known of any


def test_pins_of_one_period_are_kept_where_a_shortage_is_repaired(tmp_path: Path) -> None:
    p = problem(
        W(demand=[4.0, 2.0]), [O("a", pool="p"), O("b", pool="q", fewest=(0, 1e9))], pools={"p": 3, "q": 9}
    )
    write_problem(p, tmp_path)
    ran = cli("solve", tmp_path, "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert "missed: web at t1: 0 pinned replicas run" in ran.out


def test_a_table_without_columns_has_no_options(tmp_path: Path) -> None:
    pd.DataFrame(index=range(2)).to_parquet(tables(tmp_path) / "options.parquet", index=False)
    ran = cli("solve", tmp_path, "--out", tmp_path / "out")
    assert ran.code == 3
    assert "Workload 'web' has no option at all" in ran.err


def test_periods_twice_are_told_once_each(tmp_path: Path) -> None:
    path = tables(tmp_path) / "periods.parquet"
    pd.concat([pd.read_parquet(path)] * 2).to_parquet(path, index=False)
    with pytest.raises(InputError) as caught:
        read_problem(tmp_path)
    assert [fault.row for fault in caught.value.faults] == [3, 4]


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "\x1b[31mred", "\u202eback", "[red]x[/red]", "x" * 5000])
def test_any_text_is_a_name_and_none_reaches_the_terminal_raw(name: str, tmp_path: Path) -> None:
    write_problem(problem(W(name, demand=[4.0]), [O("a", name, pool=name)], pools={name: 3}), tmp_path)
    ran = cli("solve", tmp_path, "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert pd.read_parquet(tmp_path / "out/placement.parquet")["workload"].tolist() == [name]
    assert not {c for c in ran.out if c in "\0\x1b\u202e"}
    assert "nothing serves 1 of 4 units/s" in ran.out
    options = tmp_path / "options.parquet"
    pd.read_parquet(options).assign(workload="other").to_parquet(options, index=False)
    ran = cli("solve", tmp_path, "--out", tmp_path / "out")
    assert ran.code == 2
    assert len(ran.err.strip().splitlines()) == 1
