"""Problem tables: what is written is read again, every fault is found, names keep their kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from optimizer.errors import InputError
from optimizer.problem import Problem, cost
from optimizer.problem_files import read_problem, write_problem
from optimizer.solve import solve
from tests.optimizer.instances import tiny_problems
from tests.optimizer.problems import C, O, W, problem

Edit = Callable[[pd.DataFrame], pd.DataFrame]


def example() -> Problem:
    return problem(
        [W("web", demand=(4.0, 2.0), max_spot_share=0.5), W("etl", demand=(0.0, 3.0), max_options=1)],
        [
            O("a", "web", pool="p", current=1, migration=0.5),
            O("b", "web", price=0.4, purchase="spot", pool="q", pool_units=2.0),
            O("a", "etl", pool="p", quota_pool="q", egress=0.1),
        ],
        pools={"p": (5.0, float("inf")), "q": 4.0},
        commitments=[C("plan", covers={"p": (0.6, 1.0)}, existing=1.0, offered=2.0, fee=0.7)],
        hours=(3.0, 21.0),
    )


def ruled() -> Problem:
    """One of every rule that has a table or columns of its own."""
    return problem(
        [
            W(
                "web", (4.0, 2.0), origins={"DE": 0.75, "US": 0.25}, max_latency_ms=90.0,
                residency=("DE", "IE"), survive_zone_loss=True, headroom_share=0.5,
            ),
            W("etl", (1.0, 3.0), max_ramp_replicas=2, ramp_from_current=True),
        ],
        [
            O("a", "web", country="DE", zones=3, latency_ms=20.0, fewest=(1, 0)),
            O("b", "web", region="us", country="IE", most=(4, 3), pool="p"),
            O("c", "etl", fewest=1, most=1),
        ],
        rtt={("DE", "eu"): 10.0, ("DE", "us"): 85.0, ("US", "us"): 15.0},
        egress={("US", "us"): 0.25},
    )  # fmt: skip


def test_every_group_of_rules_survives_its_files(tmp_path: Path) -> None:
    write_problem(ruled(), tmp_path)
    for table, rows in {"origins": 2, "latency": 3, "residency": 2, "pins": 5}.items():
        assert len(pd.read_parquet(tmp_path / f"{table}.parquet")) == rows, table
    read = read_problem(tmp_path).problem
    write_problem(read, tmp_path / "again")
    same(read_problem(tmp_path / "again").problem, read)
    for group in ("routes", "residency", "survival", "bounds", "ramp"):
        same(getattr(read, group), getattr(ruled(), group))
    write_problem(example(), tmp_path)  # asks for none of it: nothing is left over
    assert not (tmp_path / "pins.parquet").exists()
    assert "zones" not in pd.read_parquet(tmp_path / "options.parquet")


def test_bounds_of_an_option_and_of_a_period_both_hold(tmp_path: Path) -> None:
    saved(tmp_path, "options", lambda t: t.assign(min_replicas=[1.0, np.nan, np.nan], max_replicas=5.0))
    rows = {"workload": ["web", "etl"], "option_id": "a", "period": ["t1", None]}
    pins = pd.DataFrame({**rows, "min_replicas": [2.0, np.nan], "max_replicas": [9.0, 3.0]})
    pins.to_parquet(tmp_path / "pins.parquet", index=False)
    bounds = read_problem(tmp_path).problem.bounds
    assert bounds.fewest_of(3, 2).tolist() == [[1, 2], [0, 0], [0, 0]]
    assert bounds.most_of(3, 2).tolist() == [[5, 5], [5, 5], [3, 3]]


def saved(folder: Path, table: str | None = None, edit: Edit | None = None) -> Path:
    """The example as files, one table changed."""
    write_problem(example(), folder)
    pins = pd.DataFrame({"workload": ["web", "web"], "option_id": ["a", "b"], "period": [None, "t1"]})
    if table in {"pins", "workloads"}:
        pins.assign(min_replicas=1.0, max_replicas=np.nan).to_parquet(folder / "pins.parquet", index=False)
    if table and edit:
        path = folder / f"{table}.parquet"
        edit(pd.read_parquet(path)).to_parquet(path, index=False)
    return folder


def same(one: Any, other: Any) -> None:
    for name in one.__dataclass_fields__:
        a, b = getattr(one, name), getattr(other, name)
        if is_dataclass(a):
            same(a, b)
        elif isinstance(a, tuple):
            assert a == b, name
        else:
            np.testing.assert_array_equal(a, b, err_msg=name)


def test_a_problem_survives_its_files(tmp_path: Path) -> None:
    read = read_problem(saved(tmp_path)).problem
    again = tmp_path / "again"
    write_problem(read, again)
    same(read_problem(again).problem, read)
    for table in ("workloads", "options", "demand", "periods", "commitments", "commitment_pools"):
        first, second = (pd.read_parquet(folder / f"{table}.parquet") for folder in (tmp_path, again))
        if table == "options":  # no quota of its own means that of its pool
            first["quota_pool"] = first["quota_pool"].fillna(first["pool"])
        pd.testing.assert_frame_equal(first, second)


@settings(max_examples=12, deadline=None)
@given(tiny_problems())
def test_files_change_neither_optimum_nor_what_a_placement_costs(p: Problem) -> None:
    with TemporaryDirectory() as folder:
        write_problem(p, Path(folder))
        read = read_problem(Path(folder)).problem
    order = np.lexsort((np.arange(len(p.option_id)), p.option_workload))
    assert read.option_id == tuple(p.option_id[i] for i in order)
    one, other = solve(p, gap_share=0.0), solve(read, gap_share=0.0)
    assert other.cost_usd == pytest.approx(one.cost_usd, rel=1e-6, abs=1e-6)
    assert {s.rule for s in other.shortfalls} == {s.rule for s in one.shortfalls}
    if not one.shortfalls:
        assert cost(read, other.placement) == pytest.approx(other.cost_usd)


def test_what_a_table_leaves_out_asks_for_nothing(tmp_path: Path) -> None:
    saved(tmp_path, "workloads", lambda t: t[["workload"]])
    table = pd.read_parquet(tmp_path / "options.parquet")
    needed = ["workload", "option_id", "provider", "region", "purchase", "price_hourly", "capacity"]
    table[needed].to_parquet(tmp_path / "options.parquet", index=False)
    for optional in ("pools", "commitments", "commitment_pools"):
        (tmp_path / f"{optional}.parquet").unlink()
    p = read_problem(tmp_path).problem
    assert p.max_options.tolist() == [np.inf, np.inf]
    assert p.max_spot_share.tolist() == [1.0, 1.0]
    assert p.pool.tolist() == p.quota_pool.tolist() == [-1, -1, -1]
    assert p.pool_units.tolist() == [1.0, 1.0, 1.0]
    assert (len(p.pools), len(p.commitments)) == (0, 0)


def test_demand_too_small_to_be_served_is_written_as_none(tmp_path: Path) -> None:
    write_problem(problem(W(demand=[9e-7, 1e-6, 2e-6]), [O("a", capacity=2e-6)]), tmp_path)
    p = read_problem(tmp_path).problem
    assert p.demand.tolist() == [[0.0, 0.0, 2e-6]]
    assert solve(p).placement.replicas.tolist() == [[0, 0, 1]]


def test_a_limit_of_every_period_and_one_of_a_period_both_hold(tmp_path: Path) -> None:
    rows = pd.DataFrame({"pool": ["p", "p", "q"], "period": [None, "t1", "t0"], "limit": [5.0, 3.0, np.nan]})
    p = read_problem(saved(tmp_path, "pools", lambda _: rows)).problem
    assert p.pool_limit.tolist() == [[5.0, 3.0], [np.inf, np.inf]]


def test_names_may_be_whole_numbers(tmp_path: Path) -> None:
    saved(tmp_path)
    for table in ("demand", "periods", "pools"):
        frame = pd.read_parquet(tmp_path / f"{table}.parquet")
        frame["period"] = frame["period"].str[1:].astype("Int64")
        frame.to_parquet(tmp_path / f"{table}.parquet", index=False)
    read = read_problem(tmp_path)
    assert read.problem.periods == ("0", "1")
    assert read.whole_numbers == {"period"}


def set_to(column: str, value: object, row: int = 0) -> Edit:
    def edit(table: pd.DataFrame) -> pd.DataFrame:
        changed = table.copy()
        changed[column] = changed[column].astype("object")
        changed.loc[row, column] = value
        return changed.infer_objects()

    return edit


FAULTS = {
    "no capacity": ("options", set_to("capacity", 0.0), "capacity: found 0; expected demand one replica"),
    "negative capacity": ("options", set_to("capacity", -1.0), "row 1, column capacity: found -1"),
    "NaN price": ("options", set_to("price_hourly", np.nan), "price_hourly: found nothing (null or NaN)"),
    "endless price": ("options", set_to("price_hourly", np.inf), "price_hourly: found inf"),
    "unknown purchase": ("options", set_to("purchase", "reserved"), "'reserved'; expected on_demand or spot"),
    "option twice": ("options", set_to("option_id", "a", row=1), "'web' at 'a' again (first in row 1)"),
    "no such workload": ("options", set_to("workload", "wbe"), "'wbe'; expected a workload of workloads"),
    "negative quota": ("pools", set_to("limit", -2.0), "limit: found -2; expected pool units"),
    "no such period": ("pools", set_to("period", "t9"), "'t9'; expected a period of periods.parquet"),
    "share above one": ("workloads", set_to("max_spot_share", 70.0), "70; expected a share from 0 to 1"),
    "half a replica": ("workloads", set_to("min_replicas", 0.5), "0.5; expected a whole number"),
    "half a replica runs now": (
        "options",
        set_to("current_replicas", 1.9),
        "column current_replicas: found 1.9; expected a whole",
    ),
    "demand that is nothing": (
        "demand",
        set_to("demand", 9e-7),
        "demand: found 9e-07; expected more than 1e-06; choose smaller units",
    ),
    "capacity that is nothing": (
        "options",
        set_to("capacity", 1e-6),
        "capacity: found 1e-06; expected more than 1e-06; choose smaller",
    ),
    "work that is nothing": (
        "workloads",
        lambda t: t.assign(work_amount=[9e-7, 0.0]),
        "work_amount: found 9e-07; expected more",
    ),
    "crossed bounds": (
        "workloads",
        lambda t: t.assign(min_replicas=3.0, max_replicas=2.0),
        "min_replicas: found 3; expected at most max_replicas",
    ),
    "a demand is missing": (
        "demand",
        lambda t: t.iloc[1:],
        "no row of 'web' at 't0'; expected demand of each",
    ),
    "negative demand": ("demand", set_to("demand", -4.0), "row 1, column demand: found -4"),
    "demand as text": ("demand", lambda t: t.assign(demand="4"), "the text '4'; expected numbers"),
    "no hours": ("periods", set_to("hours", 0.0), "hours: found 0; expected hours it stands for"),
    "currencies mixed": (
        "options",
        lambda t: t.assign(currency=["USD", "USD", "EUR"]),
        "row 3, column currency: found 'EUR'; expected USD; convert the prices first",
    ),
    "another currency": ("options", lambda t: t.assign(currency="EUR"), "found 'EUR'; expected USD"),
    "currency in small letters": ("options", lambda t: t.assign(currency="usd"), "'usd'; expected USD"),
    "no such commitment": (
        "commitment_pools",
        set_to("commitment", "sp"),
        "'sp'; expected a commitment of commitments.parquet",
    ),
    "cover that saves more than the price": (
        "commitment_pools",
        set_to("list_usd_per_unit_hour", 1.5),
        "row 1, column list_usd_per_unit_hour: found 1.5 for a unit of 'p' that costs 1; expected at most",
    ),
    "prices missing": ("options", lambda t: t.assign(price_hourly=None), "price_hourly: found"),
    "NaN demand": ("demand", set_to("demand", np.nan), "column demand: found nothing (null or NaN)"),
    "no zone": ("options", lambda t: t.assign(zones=0.0), "zones: found 0; expected zones its"),
    "half a zone": ("options", lambda t: t.assign(zones=1.5), "zones: found 1.5; expected a whole number"),
    "headroom above one": ("workloads", lambda t: t.assign(headroom_share=1.5), "a share from 0 to 1"),
    "no latency allowed": ("workloads", lambda t: t.assign(max_latency_ms=0.0), "max_latency_ms: found 0"),
    "option's bounds crossed": (
        "options",
        lambda t: t.assign(min_replicas=3.0, max_replicas=2.0),
        "row 1, column min_replicas: found 3; expected at most max_replicas",
    ),
    "pins above the total": (
        "workloads",
        lambda t: t.assign(max_replicas=[1.0, np.nan]),
        "row 1, column max_replicas: found 1 with min_replicas of its options that sum to 2 at 't1'",
    ),
    "spot pinned, none allowed": (
        "workloads",
        lambda t: t.assign(max_spot_share=0.0),
        "row 1, column max_spot_share: found 0 with 1 replicas of 'b' (spot) pinned",
    ),
    "spot pinned above its share": (
        "workloads",
        lambda t: t.assign(max_spot_share=[0.1, 1.0], max_replicas=[2.0, np.nan]),
        "row 1, column max_spot_share: found 0.1 with 1 replicas of 'b' (spot) pinned",
    ),
    "column missing": ("options", lambda t: t.drop(columns="region"), "no such column"),
    "no workloads": ("workloads", lambda t: t.iloc[:0], "workloads.parquet: found no row"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_names_file_row_and_what_to_do(name: str, tmp_path: Path) -> None:
    table, edit, told = FAULTS[name]
    with pytest.raises(InputError) as caught:
        read_problem(saved(tmp_path, table, edit))
    lines = [line for line in str(caught.value).splitlines() if told in line]
    assert lines, str(caught.value)
    assert lines[0].startswith(f"{table}.parquet")


ONE = {"workload": ["web"], "option_id": ["a"], "min_replicas": [1.0], "max_replicas": [np.nan]}
FURTHER_FAULTS = {
    "shares do not sum to one": (
        "origins", {"workload": ["web"], "origin": ["DE"], "share": [0.7]}, "shares of 'web' that sum to 0.7",
    ),
    "origin twice": (
        "origins",
        {"workload": ["web"] * 2, "origin": ["DE"] * 2, "share": [0.5] * 2},
        "'web' at 'DE' again (first in row 1)",
    ),
    "origin of nobody": (
        "origins", {"workload": ["wbe"], "origin": ["DE"], "share": [1.0]}, "'wbe'; expected a workload of",
    ),
    "negative round trip": (
        "latency",
        {"origin": ["DE"], "provider": ["aws"], "region": ["eu"], "rtt_ms": [-1.0]},
        "row 1, column rtt_ms: found -1",
    ),
    "residency of nobody": (
        "residency", {"workload": ["wbe"], "country": ["DE"]}, "'wbe'; expected a workload of workloads",
    ),
    "pinned outside its residency": (
        "residency", {"workload": ["web"], "country": ["DE"]},
        "'a' pinned in a country unknown, residency in DE",
    ),
    "pin of an unknown option": ("pins", {**ONE, "option_id": ["z"]}, "'z'; expected an option of the"),
    "pin of an unknown period": ("pins", {**ONE, "period": ["t9"]}, "'t9'; expected a period of periods"),
    "half a pin": ("pins", {**ONE, "min_replicas": [0.5]}, "0.5; expected a whole number"),
    "pin against pin": (
        "pins",
        {"workload": ["web"] * 2, "option_id": ["a"] * 2, "period": ["t0", None],
         "min_replicas": [3.0, np.nan], "max_replicas": [np.nan, 2.0]},
        "min_replicas: found 3 for 'a' of 'web' at 't0' with max_replicas 2; expected at most max_replicas",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FURTHER_FAULTS)
def test_a_fault_of_a_table_of_rules_does_so_too(name: str, tmp_path: Path) -> None:
    table, rows, told = FURTHER_FAULTS[name]
    saved(tmp_path)
    pd.DataFrame(ONE).to_parquet(tmp_path / "pins.parquet", index=False)
    pd.DataFrame(rows).to_parquet(tmp_path / f"{table}.parquet", index=False)
    with pytest.raises(InputError) as caught:
        read_problem(tmp_path)
    assert told in str(caught.value)


def test_contradictions_are_told_at_once_with_other_faults(tmp_path: Path) -> None:
    saved(tmp_path, "workloads", lambda t: t.assign(max_spot_share=[0.0, 1.0], max_replicas=[1.0, np.nan]))
    pd.DataFrame({"workload": ["web"], "origin": ["DE"], "share": [0.7]}).to_parquet(
        tmp_path / "origins.parquet", index=False
    )
    with pytest.raises(InputError) as caught:
        read_problem(tmp_path)
    assert [fault.column for fault in caught.value.faults] == ["max_replicas", "max_spot_share", "share"]


@pytest.mark.parametrize("limit", [0.0, 2.5])
def test_a_quota_that_is_too_small_is_no_fault_but_an_honest_shortfall(limit: float, tmp_path: Path) -> None:
    write_problem(problem(W(demand=[4.0]), [O("a", pool="p")], pools={"p": limit}), tmp_path)
    found = solve(read_problem(tmp_path).problem)
    assert [(s.rule, s.missing) for s in found.shortfalls] == [("meet_demand", pytest.approx(4 - limit // 1))]


def test_very_many_options_are_read_and_placed(tmp_path: Path) -> None:
    many = [O(f"o{k:05d}", price=1.0 + k % 97 / 100, capacity=1.0 + k % 7) for k in range(5_000)]
    write_problem(problem(W(demand=[10.0]), many), tmp_path)
    found = solve(read_problem(tmp_path).problem)
    assert found.cost_usd == pytest.approx(2.0, abs=0.2)
    assert not found.shortfalls


@pytest.mark.parametrize(("options", "periods"), [(10_000_000, 1), (2_000_000, 48)])
def test_more_options_than_memory_holds_are_refused_unread(
    options: int, periods: int, tmp_path: Path
) -> None:
    write_problem(example(), tmp_path)
    for name, rows in (("options", options), ("periods", periods)):  # no column that could be read
        pq.write_table(pa.table({"nothing": pa.nulls(rows)}), tmp_path / f"{name}.parquet")
    with pytest.raises(InputError, match=rf"options.parquet: found {options:,} options") as caught:
        read_problem(tmp_path)
    assert len(caught.value.faults) == 1


def test_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    saved(tmp_path, "options", set_to("capacity", 0.0))
    saved_demand = pd.read_parquet(tmp_path / "demand.parquet").assign(demand=-1.0)
    saved_demand.to_parquet(tmp_path / "demand.parquet", index=False)
    with pytest.raises(InputError) as caught:
        read_problem(tmp_path)
    assert {fault.where for fault in caught.value.faults} == {"options.parquet", "demand.parquet"}


def test_a_folder_without_tables_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--save-problem") as caught:
        read_problem(tmp_path)
    assert len(caught.value.faults) == 4


def test_a_folder_that_is_missing_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, found in (("nowhere", "no such folder"), ("file", "a file")):
        with pytest.raises(InputError, match=f"{name}: found {found}; expected a folder of .*--save-problem"):
            read_problem(tmp_path / name)
        with pytest.raises(InputError) as caught:
            read_problem(tmp_path / name)
        assert len(caught.value.faults) == 1


def test_a_file_that_is_no_parquet_is_told(tmp_path: Path) -> None:
    (saved(tmp_path) / "demand.parquet").write_text("workload,period,demand\n")
    with pytest.raises(InputError, match=r"demand\.parquet: found 23 bytes of something else"):
        read_problem(tmp_path)
