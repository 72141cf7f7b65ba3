"""From published bills, a published trace and real price lists to a plan and a report, in one workspace."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from data.lake import Lake
from tests.data.bills import exact_sums
from tests.e2e import plans, workspaces
from tests.e2e.workspaces import Ran, cli, lake_content, planned, replicas

SERIES = "servegen_m-small"
CUR = "aws_cur_legacy/aws_cur_legacy_daily_2023-11.csv"


@dataclass(frozen=True)
class Journey:
    """A workspace after ingest, forecast, plan and report, and what each said."""

    root: Path
    cur: Ran
    focus: Ran
    forecast: Ran
    capacity: dict[str, Any]
    placement: dict[str, Any]
    report: Ran
    as_of: pd.Timestamp


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Journey:
    root = tmp_path_factory.mktemp("real") / "ws"
    assert cli("init", root).code == 0
    workload = {**workspaces.CHAT, "name": SERIES, "burstiness": 4.0}
    (root / "workloads.yaml").write_text(yaml.safe_dump({"workloads": [workload]}))
    shutil.copy(shared / "workspaces/llm-8b/profiles.parquet", root / "profiles.parquet")
    delivery = root.parent / "focus"
    delivery.mkdir()
    for path in cost_and_usage(shared):
        shutil.copy(path, delivery / path.name)
    sources = [shared / "datasets/traffic_llm_servegen_10min.parquet", shared / "catalog"]
    cur = cli("ingest", "-w", root, "--source", shared / "billing_samples" / CUR, "--json")
    focus = cli("ingest", "-w", root, "--source", delivery, "--json")
    for source in sources:
        ran = cli("ingest", "-w", root, "--source", source, "--json")
        assert ran.code == 0, ran.err
    with Lake.open(root / "lake", read_only=True) as lake:
        demand = lake.read("demand")
        offers = lake.read("offers")
    end = demand.loc[demand["workload"].eq(SERIES), "ts"].max() + pd.Timedelta(minutes=10)
    as_of = max(end, offers["as_of"].max())
    return finish(root, cur, focus, as_of, end)


def finish(root: Path, cur: Ran, focus: Ran, as_of: pd.Timestamp, end: pd.Timestamp) -> Journey:
    """Forecast, plan and report; a trace that is older than the prices is moved up to them."""
    if as_of > end + pd.Timedelta(hours=1):
        with Lake.open(root / "lake", read_only=True) as lake:
            rows = lake.read("demand")
        rows = rows.loc[rows["workload"].eq(SERIES)]
        rows = rows.assign(ts=rows["ts"] + (as_of - end))
        columns = ["ts", "workload", "requests", "tokens_in", "tokens_out", "is_gap"]
        workspaces.save(root, "history/usage.parquet", rows[columns])
    moment = as_of.isoformat()
    forecast = cli("forecast", "-w", root, "--as-of", moment, "--json")
    capacity = planned(root, as_of=moment, name="capacity.json")
    placement = planned(root, "--kind", "placement", as_of=moment, name="placement.json")
    report = cli("report", "-w", root, "--json")
    return Journey(root, cur, focus, forecast, capacity, placement, report, as_of)


def cost_and_usage(shared: Path) -> list[Path]:
    """Every Cost and Usage export among the samples; golden cases of single rules have no billing period."""
    files = sorted((shared / "billing_samples/focus").glob("*.csv"))
    headers = {path: path.read_text(encoding="utf-8-sig").partition("\n")[0] for path in files}
    found = [
        path for path, names in headers.items() if "BilledCost" in names and "BillingPeriodStart" in names
    ]
    assert len(found) == 7
    return found


def test_every_bill_is_loaded_to_the_cent(journey: Journey, shared: Path) -> None:
    assert journey.cur.code == 0, journey.cur.err
    assert journey.focus.code == 0, journey.focus.err
    wanted = exact_sums(shared / "billing_samples" / CUR, "lineItem/UnblendedCost", "lineItem/CurrencyCode")
    assert total(journey.cur.json["loads"]) == wanted
    wanted = {}
    for path in cost_and_usage(shared):
        for currency, amount in exact_sums(path, "BilledCost", "BillingCurrency").items():
            wanted[currency] = wanted.get(currency, Decimal(0)) + amount
    assert total(journey.focus.json["loads"]) == wanted
    assert journey.focus.json["skipped"] == []


def total(loads: list[dict[str, Any]]) -> dict[str, Decimal]:
    """Billed cost of some loads per currency."""
    sums: dict[str, Decimal] = {}
    for load in loads:
        for currency, amount in load["billed_cost"].items():
            sums[currency] = sums.get(currency, Decimal(0)) + Decimal(amount)
    return sums


def test_the_trace_is_forecast(journey: Journey) -> None:
    assert journey.forecast.code == 0, journey.forecast.err
    assert journey.forecast.json["series"] == 1
    assert journey.forecast.json["rows"] > 0


def test_both_plans_are_accepted(journey: Journey) -> None:
    for body in (journey.capacity, journey.placement):
        plans.check(body)
        assert not body["shortfalls"]
        assert body["proof"]["gap_share"] <= 0.01
    assert replicas(journey.capacity, SERIES)
    assert {row["workload"] for row in journey.placement["placements"]} == {SERIES}
    age = journey.as_of - pd.to_datetime([row["price_as_of"] for row in journey.placement["placements"]])
    assert (age >= pd.Timedelta(0)).all()


def test_the_a100_of_the_price_list_is_the_a100_of_the_profiles(journey: Journey) -> None:
    """Price lists say A100 and give its memory apart; profiles say A100-80GB."""
    with Lake.open(journey.root / "lake", read_only=True) as lake:
        types = lake.read("instance_types")
    names = set(types["accelerator"].dropna())
    profiles = pd.read_parquet(journey.root / "profiles.parquet")
    assert set(profiles["accelerator"]) <= names


def test_the_report_is_written_and_stands_alone(journey: Journey) -> None:
    assert journey.report.code == 0, journey.report.err
    html, markdown = (Path(name) for name in journey.report.json["files"])
    text = html.read_text(encoding="utf-8")
    assert "<svg" in text
    assert 'src="http' not in text
    assert SERIES in markdown.read_text(encoding="utf-8")


def test_the_same_again_changes_nothing(journey: Journey, shared: Path) -> None:
    before = lake_content(journey.root)
    for source in (shared / "billing_samples" / CUR, shared / "catalog"):
        ran = cli("ingest", "-w", journey.root, "--source", source, "--json")
        assert {load["status"] for load in ran.json["loads"]} <= {"unchanged", "empty"}
    assert lake_content(journey.root) == before
    first = (journey.root / "plans/placement.json").read_bytes()
    again = planned(journey.root, "--kind", "placement", as_of=journey.as_of.isoformat(), name="again.json")
    assert again["hash"] == journey.placement["hash"]
    assert (journey.root / "plans/again.json").read_bytes() == first
