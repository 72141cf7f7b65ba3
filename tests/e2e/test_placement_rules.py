"""`trimtab plan --kind placement` with budgets, work that has a deadline, and losses that cost something."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.e2e import plans
from tests.e2e.workspaces import AS_OF, CHEAP_SPOT, fleet, make, plan, planned, save

# One L4 serves 10 requests/s of a service, and 10 units/s of batch work. Little comes in on the first half
# of the day (UTC), four times as much on the second.
ANY = {"model": "svc"}
SVC = {"slo": {"latency_ms": 500, "target": 0.5}, "spot": {"max_share": 0.0}, **ANY}
PROFILE = {"model": "svc", "accelerator": None, "instance_type": "g6.xlarge", "rps": 10.0, "latency_ms": 20.0}
DUE = "2026-05-13T00:00:00+00:00"
ETL = {
    "name": "etl", "model": "svc", "tier": "batch", "slo": None, "work_units": 10.0 * 3600 * 24,
    "deadline": DUE, "spot": {"max_share": 0.0},
}  # fmt: skip


def usage(low: float = 9.0, high: float = 36.0) -> pd.DataFrame:
    """A week of hourly requests up to AS_OF."""
    ts = pd.date_range("2026-05-05T00:00:00Z", AS_OF, freq="1h", inclusive="left", unit="us")
    rate = pd.Series(low, index=ts).where(ts.hour < 12, high).to_numpy()
    return pd.DataFrame({"ts": ts, "workload": "web", "requests": rate * 3600.0}).assign(
        tokens_in=0.0, tokens_out=0.0
    )


def save_spot_history(root: Path) -> None:
    """A pool that granted nothing on one day of the week."""
    hours = pd.date_range("2026-05-05T00:00:00Z", AS_OF, freq="1h", unit="us")
    granted = pd.Series(100.0, index=hours).where(hours.day != 8, 0.0).to_numpy()
    history = pd.DataFrame({"ts": hours, "pool": "pool-a", "capacity": granted})
    save(root, "history/spot_capacity.parquet", history)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The plan of a workspace in which all three bind."""
    root = tmp_path_factory.mktemp("rules")
    web = {"name": "web", **SVC, "budget_usd_per_day": 40.0}
    miss = {**SVC["slo"], "usd_per_1000_missed": 500.0}
    api = {"name": "api", **SVC, "slo": miss, "spot": {"max_share": 1.0}}
    rows = {"option_id": "virginia", "quota": 8.0}, CHEAP_SPOT
    seen = pd.concat([usage(), usage(9.0, 9.0).assign(workload="api")])
    make(root, web, api, ETL, options=rows, profiles=(PROFILE,), usage=seen)
    save_spot_history(root)
    events = [{"ts": pd.Timestamp("2026-05-08T05:00:00Z"), "workload": "api", "option_id": "spot",
               "event": "preempted"}]  # fmt: skip
    save(root, "history/events.parquet", pd.DataFrame(events))
    fleet(root, {("api", "spot"): 1, ("web", "virginia"): 4})
    body = planned(root, "--kind", "placement")
    plans.check(body)
    return body


def running(body: dict[str, Any], name: str) -> dict[str, dict[str, int]]:
    rows = [row for row in body["placements"] if row["workload"] == name]
    return {
        period: {row["option_id"]: row["replicas"] for row in rows if row["period"] == period}
        for period in {row["period"] for row in rows}
    }


def test_the_budget_is_missed_by_what_the_demand_needs_and_the_plan_says_so(made: dict[str, Any]) -> None:
    (missed,) = [row for row in made["shortfalls"] if row["rule"] == "budget_usd_per_day"]
    costs = {cost["workload"]: cost["planned_usd_per_day"] for cost in made["workload_costs"]}
    assert missed["workload"] == "web"
    assert missed["wanted"] == 40.0
    assert missed["missing"] == pytest.approx(costs["web"] - 40.0, abs=1e-4)
    assert missed["text"].endswith("above its budget of 40.00; demand comes first")
    assert [row["rule"] for row in made["shortfalls"]] == ["budget_usd_per_day"]


def test_the_work_is_done_by_its_deadline_and_the_plan_says_when(made: dict[str, Any]) -> None:
    (work,) = made["work"]
    assert (work["workload"], work["deadline"]) == ("etl", DUE)
    assert work["units_per_day"] == pytest.approx(work["work_units"])
    assert sum(run["units"] for run in work["runs"]) == pytest.approx(work["work_units"])
    periods = [period["name"] for period in made["periods"]]
    assert all(run["period"] != periods[0] for run in work["runs"])  # that one began before as-of
    assert set(running(made, "etl")) == {run["period"] for run in work["runs"]}
    (cost,) = [item for item in made["workload_costs"] if item["workload"] == "etl"]
    assert cost["planned_usd_per_day"] == pytest.approx(24.0)  # 24 replica hours, wherever they are


def test_what_a_miss_costs_takes_a_workload_off_the_spot_pool_that_was_lost(made: dict[str, Any]) -> None:
    assert {option for used in running(made, "api").values() for option in used} == {"virginia"}
    (told,) = made["miss_costs"]
    assert (told["workload"], told["days"], told["expected_usd_per_day"]) == ("api", 8, 0.0)
    (why,) = [row for row in made["explanation"]["why_not"] if row["workload"] == "api"]
    assert why["alternatives"] == []  # spot is cheaper but for what it loses, which prices know nothing of


def test_without_the_keys_nothing_changes(tmp_path: Path) -> None:
    root = tmp_path / "plain"
    api = {"name": "web", **SVC, "spot": {"max_share": 1.0}}
    make(root, api, options=({"option_id": "virginia"}, CHEAP_SPOT), profiles=(PROFILE,), usage=usage())
    save_spot_history(root)
    ran = plan(root, "--kind", "placement")
    assert ran.code == 0
    body = json.loads((root / "plans/plan.json").read_text())
    assert (body["work"], body["miss_costs"], body["shortfalls"]) == ([], [], [])
    assert {row["option_id"] for row in body["placements"]} == {"spot"}
