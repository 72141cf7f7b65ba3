"""`trimtab solve`: tables in, an answer out that the tables can be checked against."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from optimizer import solution_files, solution_rules
from optimizer.caps import Caps
from optimizer.problem_files import write_problem
from optimizer.solve import ShadowPrice, decomposition, solve
from tests.e2e.workspaces import cli
from tests.optimizer.problems import C, N, O, W, problem
from tests.optimizer.solve.test_decomposition import fleet


def tables(folder: Path) -> Path:
    p = problem(
        [W("web", [4.0, 2.0], max_spot_share=0.5)],
        [O("od", capacity=2.0, pool="p"), O("spot", price=0.3, purchase="spot", capacity=1.0, pool="q")],
        pools={"q": 1.0},
        commitments=[C("plan", covers={"p": (0.6, 1.0)}, offered=5.0, fee=1.0)],
        hours=[1.0, 3.0],
    )
    write_problem(p, folder)
    return folder


def test_the_answer_adds_up_and_says_what_is_proven(tmp_path: Path) -> None:
    ran = cli("solve", tables(tmp_path / "in"), "--out", tmp_path / "out", "--json")
    assert ran.code == 0, ran.err
    found = json.loads((tmp_path / "out/placement.json").read_text())
    assert found == json.loads(ran.out)
    rows = pd.read_parquet(tmp_path / "out/placement.parquet")
    assert list(rows.columns) == ["workload", "period", "option_id", "replicas", "served"]
    assert str(rows["replicas"].dtype) == "int64"
    assert rows.groupby("period")["served"].sum().to_dict() == pytest.approx({"t0": 4.0, "t1": 2.0})
    assert found["status"] == "optimal"
    assert found["cost"] >= found["bound"] - 1e-9
    assert found["gap"] == pytest.approx((found["cost"] - found["bound"]) / found["cost"], abs=1e-9)
    assert found["bought"]["plan"] > 0
    assert found["sunk_usd"] == 0.0
    assert {dual["kind"] for dual in found["duals"]} <= {"pool", "commitment"}
    assert found["seconds"] > 0
    why = json.loads((tmp_path / "out/explanation.json").read_text())
    (told,) = why["why_not"]
    assert (told["workload"], why["repair"]) == ("web", [])
    for other in told["alternatives"]:
        assert other["more_usd_per_day"] == pytest.approx(sum(other["parts"].values()), abs=1e-5)


def test_the_certificate_and_the_routes_stand_beside_the_answer(tmp_path: Path) -> None:
    p = problem(
        W(demand=[4.0], origins={"DE": 0.75, "US": 0.25}, max_latency_ms=50),
        [O("a"), O("b", price=2.0, region="us", latency_ms=5.0)],
        rtt={("DE", "eu"): 10, ("DE", "us"): 90, ("US", "us"): 20},
    )
    write_problem(p, tmp_path)
    ran = cli("solve", tmp_path, "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    (stated,) = json.loads((tmp_path / "out/certificate.json").read_text())["workloads"]
    assert (stated["worst_latency_ms"], stated["broken"]) == (25.0, [])
    rows = pd.read_parquet(tmp_path / "out/routes.parquet")
    assert rows["workload"].tolist() == ["web", "web"]
    assert rows[["origin", "period", "option_id"]].to_numpy().tolist() == [
        ["DE", "t0", "a"],
        ["US", "t0", "b"],
    ]
    assert rows[["served", "latency_ms"]].to_numpy().tolist() == [[3.0, 10.0], [1.0, 25.0]]
    assert "routes.parquet" in ran.out


def test_the_answer_has_the_columns_and_keys_that_its_page_explains(tmp_path: Path) -> None:
    p = problem(
        [W("web", [4.0], origins={"DE": 1.0}), W("etl", [1.0])],
        [O("a", pool="p"), O("b", price=3.0, pool="q"), O("n", "etl", price=0.0, node="node", cpu=1.0)],
        pools={"p": 2.0, "q": 1.0},
        nodes=[N()],
    )
    write_problem(p, tmp_path / "in")
    assert cli("solve", tmp_path / "in", "--out", tmp_path / "out").code == 0
    for name, (_, columns) in solution_rules.TABLES.items():
        assert list(pd.read_parquet(tmp_path / "out" / name).columns) == list(columns), name
    found = json.loads((tmp_path / "out/placement.json").read_text())
    assert list(found) == list(solution_rules.KEYS)
    assert found["status"] == "shortfall"
    assert [list(each) for each in found["shortfalls"]] == [list(solution_rules.SHORTFALL)]
    shadow = [field.name for field in fields(ShadowPrice)]
    assert shadow == list(solution_rules.DUAL)


def test_an_earlier_answer_is_a_start_that_changes_nothing_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Any] = []
    generate = decomposition.generate

    def noted(*arguments: Any, **more: Any) -> Any:
        begun.append((more["start"], generate(*arguments, **more)))
        return begun[-1][1]

    monkeypatch.setattr(decomposition, "generate", noted)
    p = fleet(60)
    write_problem(p, tmp_path / "in")
    assert cli("solve", tmp_path / "in", "--out", tmp_path / "first").code == 0
    write_problem(replace(p, demand=1.02 * p.demand), tmp_path / "in")
    ran = cli("solve", tmp_path / "in", "--out", tmp_path / "next", "--start", tmp_path / "first", "--json")
    assert ran.code == 0, ran.err
    (nowhere, cold), (start, warm) = begun
    assert nowhere is None
    assert start.max() > 0
    assert warm.rounds <= cold.rounds
    alone = solve(replace(p, demand=1.02 * p.demand))
    assert ran.json["gap"] <= 0.005
    assert ran.json["cost"] >= alone.bound_usd - 1e-6
    assert ran.json["bound"] <= alone.cost_usd + 1e-6


@pytest.mark.parametrize(
    ("summary", "told"),
    [(None, "No such file"), ("{", "something else"), ('{"duals": [{"kind": "pool"}]}', "something else")],
)
def test_a_start_that_is_no_answer_is_told(summary: str | None, told: str, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    if summary is not None:
        (tmp_path / "first/placement.json").write_text(summary)
    ran = cli("solve", tables(tmp_path / "in"), "--out", tmp_path / "out", "--start", tmp_path / "first")
    assert ran.code == 2
    assert f"placement.json: found {told}" in ran.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("gap", "status"), [(1e-7, "optimal"), (0.004, "within_gap"), (0.006, "gap_left")])
def test_the_status_is_one_that_its_page_explains(gap: float, status: str) -> None:
    p = problem(W(demand=[4.0]), [O("a")])
    proven = replace(solve(p), cost_usd=1.0, bound_usd=1.0 - gap)
    assert solution_files.status_of(proven, 0.005) == status
    assert status in solution_rules.STATUS


def test_what_no_option_may_serve_is_told_with_the_way_out(tmp_path: Path) -> None:
    p = problem(W(demand=[4.0], residency=["DE"]), [O("a", country="FR")])
    write_problem(p, tmp_path)
    ran = cli("solve", tmp_path, "--out", tmp_path / "out")
    assert ran.code == 3
    assert "0 left after residency. Cheapest way out: allow FR in residency" in ran.err
    assert not (tmp_path / "out").exists()


def test_a_shortage_is_no_failure(tmp_path: Path) -> None:
    p = problem([W("web", [4.0])], [O("a", pool="p")], pools={"p": 3.0})
    write_problem(p, tmp_path)
    ran = cli("solve", tmp_path, "--out", tmp_path / "out")
    assert ran.code == 0
    assert "missed: web at t0: nothing serves 1 of 4 units/s" in ran.out
    assert json.loads((tmp_path / "out/placement.json").read_text())["status"] == "shortfall"
    assert "to mend it: raise the limit of p by 1, from 3 to 4 at t0" in ran.out
    (step,) = json.loads((tmp_path / "out/explanation.json").read_text())["repair"]
    assert (step["rule"], step["where"], step["needed"]) == ("within_pool", "p", 4.0)


def test_a_fleet_goes_through_decomposition_with_nothing_else_on_the_output(tmp_path: Path) -> None:
    write_problem(fleet(60, periods=3), tmp_path)
    ran = cli("solve", tmp_path, "--out", tmp_path / "out", "--gap", "0.01", "--json")
    found = json.loads(ran.out)
    assert found["gap"] <= 0.01
    assert any(dual["name"] == "a" and dual["usd_per_unit"] > 0 for dual in found["duals"])
    why = json.loads((tmp_path / "out/explanation.json").read_text())
    pool = next(each for each in why["scarce"] if each["name"] == "a")
    assert pool["confirmed_usd_per_day"] == pytest.approx(pool["usd_per_day"], rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--gap", "2"), 2, "--gap: found 2; expected a share from 0 to 1"),
        ((), 2, "options.parquet, row 1, column capacity: found 0"),
    ],
)
def test_bad_input_is_told_and_nothing_written(
    arguments: tuple[str, ...], code: int, told: str, tmp_path: Path
) -> None:
    tables(tmp_path)
    options = pd.read_parquet(tmp_path / "options.parquet").assign(capacity=0.0)
    options.to_parquet(tmp_path / "options.parquet", index=False)
    ran = cli("solve", tmp_path, "--out", tmp_path / "out", *arguments)
    assert ran.code == code
    assert told in ran.err
    assert not (tmp_path / "out").exists()


def test_a_workload_without_options_is_infeasible(tmp_path: Path) -> None:
    tables(tmp_path)
    for name, column in (("workloads", "workload"), ("demand", "workload")):
        frame = pd.read_parquet(tmp_path / f"{name}.parquet")
        pd.concat([frame, frame.assign(**{column: "bare"})]).to_parquet(tmp_path / f"{name}.parquet")
    ran = cli("solve", tmp_path, "--out", tmp_path / "out")
    assert ran.code == 3
    assert "Workload 'bare' has no option at all" in ran.err


def test_a_cap_that_is_missed_is_told_with_what_is_spent(tmp_path: Path) -> None:
    p = problem([W("web", [4.0])], [O("a", price=52.0, capacity=1.0)])
    capped = replace(
        p,
        caps=Caps(
            ("team",), ("usd",), np.array([100.0]), np.array([5.0]), np.array([np.nan]),
            np.ones((1, 1), dtype=bool), np.zeros(1),
        ),
    )  # fmt: skip
    write_problem(capped, tmp_path)
    ran = cli("solve", tmp_path, "--out", tmp_path / "out")
    assert "missed: team: 208.00 USD at list price, 108.00 above its cap of 100.00" in ran.out
    assert "no way out is offered: only caps or budgets are missed" in ran.out
