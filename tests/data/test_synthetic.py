"""The demo's data: the same every time, readable by the product, and true to what it claims to hide."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import catalogue
from data.lake import Lake
from data.synthetic import DEFAULT_AS_OF, GroundTruth, ground_truth, write_demo
from data.synthetic.bills import MONEY, charges
from data.synthetic.fleet import resources
from data.synthetic.money import UNITS_PER_CENT, decimal_text
from data.workspace import WorkspaceFiles, read_workspace
from tests.demo_bills import DemoBills

Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def demo(demo_bills: DemoBills) -> Path:
    return demo_bills.files


@pytest.fixture(scope="module")
def truth() -> GroundTruth:
    return ground_truth()


@pytest.fixture(scope="module")
def files(demo: Path) -> WorkspaceFiles:
    return read_workspace(demo, as_of=DEFAULT_AS_OF)


@pytest.fixture(scope="module")
def bills(demo: Path) -> dict[str, dict[str, Rows]]:
    """Rows of the bill files by provider and month of the invoice, read with nothing of ours."""
    found: dict[str, dict[str, Rows]] = {"aws": {}, "azure": {}, "gcp": {}}
    for manifest in (demo / "exports/aws/cur/daily").glob("*/*-Manifest.json"):
        report = json.loads(manifest.read_text(encoding="utf-8"))
        content = b"".join(
            gzip.decompress((manifest.parents[3] / key).read_bytes()) for key in report["reportKeys"]
        )
        start = report["billingPeriod"]["start"]
        found["aws"][f"{start[:4]}-{start[4:6]}"] = list(csv.DictReader(io.StringIO(content.decode())))
    for path in (demo / "exports/azure").rglob("*.parquet"):
        table = pq.read_table(path)
        columns = {name: table[name].to_pylist() for name in table.column_names}
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        text = [{key: "" if value is None else str(value) for key, value in row.items()} for row in rows]
        found["azure"][f"{rows[0]['BillingPeriodStart']:%Y-%m}"] = text
    for path in (demo / "exports/gcp").glob("*.csv"):
        found["gcp"][path.stem[-7:]] = csv_rows(path)
    return found


def csv_rows(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def total(rows: Rows, column: str) -> Decimal:
    return sum((Decimal(row[column]) for row in rows if row[column]), Decimal(0))


def digests(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(root.rglob("*")) if path.is_file()}  # fmt: skip


def test_the_same_seed_gives_the_same_bytes_and_tells_every_step(demo: Path, tmp_path: Path) -> None:
    (tmp_path / "workloads.yaml").write_text("from before", encoding="utf-8")
    told: list[tuple[str, float]] = []
    write_demo(tmp_path, progress=lambda step, share: told.append((step, share)))
    assert digests(tmp_path) == digests(demo)
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_another_seed_gives_other_traffic_but_the_same_fleet(demo: Path, tmp_path: Path) -> None:
    write_demo(tmp_path, seed=8)
    changed = {name for name, digest in digests(tmp_path).items() if digests(demo).get(name) != digest}
    assert "history/usage.parquet" in changed
    assert not {"state.json", "workloads.yaml", "profiles.parquet"} & changed


def test_the_workspace_is_as_its_description_says(files: WorkspaceFiles) -> None:
    names = {workload.name for workload in files.workloads}
    assert len(names) == 11
    assert files.demand is not None
    assert set(files.demand["workload"]) == names
    assert files.fleet is not None
    assert set(files.fleet["workload"]) == names
    assert {workload.owner for workload in files.workloads} >= {"assistants", "storefront", "research"}
    kinds = {"llm": 0, "service": 0, "batch": 0}
    for workload in files.workloads:
        kinds["batch" if workload.tier == "batch" else "llm" if workload.is_llm else "service"] += 1
    assert kinds == {"llm": 2, "service": 7, "batch": 2}
    assert [workload.name for workload in files.workloads if workload.do_not_touch] == ["orders-db"]
    assert any(workload.min_regions == 2 for workload in files.workloads)
    assert any(workload.residency for workload in files.workloads)


def test_a_present_without_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2026-10-15T00:00:00 has no zone"):
        write_demo(tmp_path / "demo", as_of=DEFAULT_AS_OF.replace(tzinfo=None))
    assert not (tmp_path / "demo").exists()


def test_nothing_is_later_than_the_demo(demo: Path) -> None:
    end = pd.Timestamp(DEFAULT_AS_OF)
    for name, step in (("usage", "10min"), ("spot_capacity", "0min"), ("events", "0min")):
        times = pd.read_parquet(demo / "history" / f"{name}.parquet")["ts"]
        assert str(times.dtype) == "datetime64[us, UTC]"
        assert (times + pd.Timedelta(step) <= end).all()
    demand = pd.read_parquet(demo / "history/usage.parquet")
    assert demand["ts"].max() + pd.Timedelta("10min") == end
    assert demand["ts"].max() - demand["ts"].min() >= pd.Timedelta(days=28)


def test_rows_of_the_gap_are_missing_and_no_others(demo: Path, truth: GroundTruth) -> None:
    demand = pd.read_parquet(demo / "history/usage.parquet")
    grid = pd.date_range(demand["ts"].min(), demand["ts"].max(), freq="10min")
    for workload, rows in demand.groupby("workload"):
        missing = grid.difference(pd.DatetimeIndex(rows["ts"]))
        hole = pd.date_range(truth.gap.start, truth.gap.end, freq="10min", inclusive="left")
        assert list(missing) == (list(hole) if workload == truth.gap.workload else [])
    assert (demand["requests"] >= 0).all()


def test_demand_has_days_weeks_and_a_launch(demo: Path, truth: GroundTruth) -> None:
    demand = pd.read_parquet(demo / "history/usage.parquet")
    code = demand[demand["workload"] == "code-assistant"]
    is_weekend = code["ts"].dt.day_of_week >= 5
    assert code[is_weekend]["requests"].mean() < 0.5 * code[~is_weekend]["requests"].mean()
    by_hour = code[~is_weekend].groupby(code["ts"].dt.hour)["requests"].mean()
    assert by_hour.idxmax() in (15, 16, 17)
    chat = demand[demand["workload"] == truth.launch.workload].set_index("ts")["requests"]
    start = pd.Timestamp(truth.launch.start)
    spike = chat[start : start + pd.Timedelta("50min")].sum()
    a_week_before = start - pd.Timedelta(days=7)
    assert spike > 1.6 * chat[a_week_before : a_week_before + pd.Timedelta("50min")].sum()
    tokens = demand.groupby("workload")[["tokens_in", "tokens_out"]].sum().sum(axis=1)
    assert set(tokens[tokens > 0].index) == {"chat", "code-assistant"}


def test_every_option_of_the_fleet_has_a_list_price(demo: Path) -> None:
    prices = catalogue.list_prices()
    purchase = prices["purchase"] + ("-" + prices["term"]).fillna("")
    known = set(prices["provider"] + ":" + prices["region"] + ":" + prices["instance_type"] + ":" + purchase)
    fleet = json.loads((demo / "state.json").read_text(encoding="utf-8"))["fleet"]
    assert {row["option_id"] for row in fleet} <= known
    events = pd.read_parquet(demo / "history/events.parquet")
    assert set(events["option_id"]) <= {row["option_id"] for row in fleet}
    assert set(events["event"]) == {"failed", "preempted", "denied"}


def test_every_workload_has_options_beside_those_it_uses(files: WorkspaceFiles) -> None:
    """Profiles, residency, distance and providers leave something to choose from."""
    profiles, fleet = files.profiles, files.fleet
    assert profiles is not None
    assert fleet is not None
    offers = catalogue.list_prices().merge(catalogue.instance_types(), on=["provider", "instance_type"])
    offers = offers.merge(catalogue.regions()[["provider", "region", "country"]], on=["provider", "region"])
    rtt = catalogue.rtt_ms().set_index(["origin", "provider", "region"])["rtt_ms"]
    for workload in files.workloads:
        mine = profiles[profiles["model"] == workload.model]
        key = "accelerator" if workload.is_llm else "instance_type"
        fits = offers[offers[key].isin(mine[key])]
        if workload.residency:
            fits = fits[fits["country"].isin(workload.residency)]
        if workload.max_rtt_ms is not None:
            worst = [max(rtt[origin, row.provider, row.region] for origin in workload.origins)
                     for row in fits.itertuples()]  # fmt: skip
            fits = fits[pd.Series(worst, index=fits.index) <= workload.max_rtt_ms]
        if workload.placement.providers:
            fits = fits[fits["provider"].isin(workload.placement.providers)]
        assert fits["region"].nunique() >= workload.min_regions
        paid = {option_id.rsplit(":", 1)[0] for option_id in fleet["option_id"]}
        assert set(fits["provider"] + ":" + fits["region"] + ":" + fits["instance_type"]) - paid


def test_bills_add_up_to_the_invoices(bills: dict[str, dict[str, Rows]], truth: GroundTruth) -> None:
    column = {"aws": "lineItem/UnblendedCost", "azure": "BilledCost", "gcp": "BilledCost"}
    sums = {(provider, month): total(rows, column[provider])
            for provider, months in bills.items() for month, rows in months.items()}  # fmt: skip
    assert sums == dict(truth.invoices_usd)
    assert len(sums) == 9
    assert all(amount == round(amount, 2) for amount in sums.values())
    for month in ("2026-08", "2026-09"):
        assert 60_000 < sum(amount for (_, m), amount in sums.items() if m == month) < 150_000
    assert sum(len(rows) for months in bills.values() for rows in months.values()) <= 60_000


def test_an_instance_costs_its_list_price_times_its_hours(bills: dict[str, dict[str, Rows]]) -> None:
    training = [row for row in bills["aws"]["2026-08"] if row["product/instanceType"] == "p4d.24xlarge"]
    assert total(training, "lineItem/UnblendedCost") == Decimal("21.957642") * 24 * 31
    chat = [row for row in bills["azure"]["2026-09"] if row["SkuId"] and "NC24ads" in row["x_SkuMeterName"]
            and row["RegionId"] == "eastus"]  # fmt: skip
    assert total(chat, "ListCost") == Decimal("3.673") * 24 * 30 * 4
    assert total(chat, "BilledCost") == Decimal("3.673") * Decimal("0.95") * 24 * 30 * 4


def test_a_used_up_commitment_is_effective_at_its_fee(bills: dict[str, dict[str, Rows]]) -> None:
    for month in ("2026-08", "2026-09", "2026-10"):
        rows = [row for row in bills["gcp"][month] if row["CommitmentDiscountId"]]
        bought = [row for row in rows if row["ChargeCategory"] == "Purchase"]
        used = [row for row in rows if row["CommitmentDiscountStatus"] == "Used"]
        assert len(bought) + len(used) == len(rows)
        assert total(used, "EffectiveCost") == total(bought, "BilledCost") > 0
        assert total(used, "BilledCost") == total(bought, "EffectiveCost") == 0


def test_an_unused_part_of_a_commitment_is_what_the_truth_says(
    bills: dict[str, dict[str, Rows]], truth: GroundTruth
) -> None:
    hours = 24 * 30
    azure = [row for row in bills["azure"]["2026-09"] if row["CommitmentDiscountId"]]
    fee = total([row for row in azure if row["ChargeCategory"] == "Purchase"], "BilledCost")
    unused = total([row for row in azure if row["CommitmentDiscountStatus"] == "Unused"], "EffectiveCost")
    reservation = azure[0]["CommitmentDiscountId"]
    assert fee == total(azure, "EffectiveCost") == truth.fee_usd_per_hour[reservation] * hours
    assert unused == truth.unused_usd_per_hour[reservation] * hours > 0
    aws = bills["aws"]["2026-09"]
    plan = next(row["savingsPlan/SavingsPlanARN"] for row in aws if row["savingsPlan/SavingsPlanARN"])
    committed = total(aws, "savingsPlan/TotalCommitmentToDate")
    used = total(aws, "savingsPlan/UsedCommitment")
    assert used == total(aws, "savingsPlan/SavingsPlanEffectiveCost")
    assert committed - used == truth.unused_usd_per_hour[plan] * hours > 0
    kinds = {row["lineItem/LineItemType"] for row in aws}
    assert kinds == {"Usage", "SavingsPlanCoveredUsage", "SavingsPlanNegation", "SavingsPlanRecurringFee",
                     "Fee", "Credit", "Tax"}  # fmt: skip


def test_a_correction_arrives_a_month_late(bills: dict[str, dict[str, Rows]], truth: GroundTruth) -> None:
    rows = [(month, row) for month, rows in bills["gcp"].items() for row in rows if row["ChargeClass"]]
    assert len(rows) == 1
    month, row = rows[0]
    wrong = row["ChargePeriodStart"][:7]
    assert dict(truth.correction_usd) == {("gcp", month, wrong): Decimal(row["BilledCost"])}
    assert row["ChargePeriodStart"][:7] < month
    assert Decimal(row["BilledCost"]) < 0


def test_what_people_write_into_tags_reaches_the_bill_unchanged(bills: dict[str, dict[str, Rows]]) -> None:
    teams = {row["resourceTags/user:team"] for row in bills["aws"]["2026-09"]}
    assert {"<b>team</b>", "=1+1", "storefront", ""} <= teams
    tags = {row["Tags"] for row in bills["azure"]["2026-09"]}
    assert 'équipe "données", R&D' in {json.loads(tag).get("team") for tag in tags if tag}
    assert "" in tags


def test_the_report_of_aws_lies_beside_an_older_version(demo: Path) -> None:
    month = demo / "exports/aws/cur/daily/20260901-20261001"
    current = json.loads((month / "daily-Manifest.json").read_text(encoding="utf-8"))
    versions = {path.name for path in month.iterdir() if path.is_dir()}
    assert len(versions) == 2
    assert current["assemblyId"] in versions
    assert current["reportKeys"][0].split("/")[-2] == current["assemblyId"]


def test_no_amount_is_written_with_an_exponent(demo: Path) -> None:
    rows = csv_rows(demo / "exports/gcp/focus_1_3_2026-08.csv")
    assert len(rows[0]) == 65
    costs = [row[column] for row in rows for column in (*MONEY, "ListUnitPrice", "PricingQuantity")]
    assert not [cost for cost in costs if "e" in cost.lower()]
    assert max(len(cost.partition(".")[2]) for cost in costs) <= 10


def test_commitments_are_listed_with_thirteen_columns(demo: Path, truth: GroundTruth) -> None:
    rows = csv_rows(demo / "exports/contract_commitments.csv")
    assert len(rows[0]) == 13
    costs = {row["ContractCommitmentId"]: Decimal(row["ContractCommitmentCost"]) for row in rows}
    assert costs == {name: fee * 24 * 365 for name, fee in truth.fee_usd_per_hour.items()}


def test_idle_and_oversized_instances_look_it_and_the_others_do_not(demo: Path, truth: GroundTruth) -> None:
    usage = pd.read_parquet(demo / "exports/utilisation/cpu.parquet")
    assert usage["value"].between(0, 1).all()
    assert not usage.duplicated(["resource_id", "metric", "ts"]).any()
    hours = usage.groupby(["resource_id", "metric"])["ts"].nunique()
    assert (hours == 15 * 24).all()
    busiest = usage[usage["metric"] != "memory_utilisation_share"].groupby("resource_id")["value"].max()
    assert set(busiest[busiest < 0.05].index) == truth.idle
    assert set(busiest[busiest < 0.25].index) == truth.idle | truth.oversized
    assert len(truth.idle) == 2


def test_every_measured_instance_is_on_the_bill(demo: Path, bills: dict[str, dict[str, Rows]]) -> None:
    measured = set(pd.read_parquet(demo / "exports/utilisation/cpu.parquet")["resource_id"])
    billed = {row.get("ResourceId") or row.get("lineItem/ResourceId", "")
              for months in bills.values() for row in months["2026-10"]}  # fmt: skip
    assert measured <= billed


def test_the_lake_takes_it_all_to_the_cent(demo_bills: DemoBills, truth: GroundTruth) -> None:
    with Lake.open(demo_bills.lake, read_only=True) as lake:
        rows = lake.arrow("charges").select(["x_Source", "x_Month", "BilledCost"]).to_pylist()
    assert {load.kind for load in demo_bills.loads} == {
        "aws-cur", "focus-1.0", "focus-1.3", "focus-contract-commitment", "utilisation",
    }  # fmt: skip
    sums: dict[tuple[str, str], Decimal] = {}
    for row in rows:
        key = (row["x_Source"], row["x_Month"])
        sums[key] = sums.get(key, Decimal(0)) + row["BilledCost"]
    assert sums == dict(truth.invoices_usd)


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    day=st.integers(0, 800),
)
def test_invoices_are_whole_cents_whatever_the_seed_and_the_day(seed: int, day: int) -> None:
    as_of = datetime(2025, 3, 1, tzinfo=UTC) + timedelta(days=day)  # March 1: the month before is February
    fleet = resources(seed)
    assert fleet["resource_id"].is_unique
    rows = charges(seed, as_of, fleet)
    assert (rows.groupby(["provider", "BillingPeriodStart"])["BilledCost"].sum() % UNITS_PER_CENT == 0).all()
    assert (rows["ChargePeriodStart"] < pd.Timestamp(as_of)).all()
    assert rows["BillingPeriodStart"].nunique() == (2 if as_of.day == 1 else 3)
    usage = rows[(rows["ChargeCategory"] == "Usage") & rows["ChargeClass"].isna()]
    assert (usage[list(MONEY)] >= 0).all(axis=None)
    assert (usage["ContractedCost"] <= usage["ListCost"]).all()
    plan = rows[(rows["provider"] == "aws") & rows["CommitmentDiscountId"].notna()]
    bought = plan["ChargeCategory"] == "Purchase"
    assert plan.loc[bought, "BilledCost"].sum() == plan["EffectiveCost"].sum()


@given(st.integers(-(10**18), 10**18))
def test_amounts_are_exact_plain_text(number: int) -> None:
    text = decimal_text(number)
    assert Decimal(text) == Decimal(number) / 10**10
    assert set(text) <= set("-0123456789.")
    assert not text.endswith((".", "-"))
