"""Inputs: nothing later than as-of, files before the lake, defaults told, one fingerprint per content."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.lake import Lake
from optimizer.demand_age import OLD
from optimizer.errors import InputError
from optimizer.inputs import granted, on_demand_ids, read_inputs
from optimizer.lake_inputs import LakeTables, usable
from optimizer.options import committed_options, listed_options, options_from_offers
from tests.e2e.workspaces import cli
from tests.optimizer.worlds import AS_OF, catalogue, fleet, history, option, profiles, steady, workload, world

WORKLOADS = """
workloads:
  - name: web
    model: svc
    slo: {latency_ms: 500, target: 0.9}
    %s
"""
MINUTES = timedelta(minutes=10)


def write(root: Path, *, extra: str = "", prices: bool = True, usage: pd.DataFrame | None = None) -> Path:
    """A workspace of files only."""
    (root / "history").mkdir(parents=True, exist_ok=True)
    (root / "workloads.yaml").write_text(WORKLOADS % extra, encoding="utf-8")
    profiles().to_parquet(root / "profiles.parquet")
    if prices:
        catalogue(option("a", 2.0), option("b", 3.0)).to_parquet(root / "catalog.parquet")
    if usage is not None:
        counted = usage.drop(columns=["interval_s", "is_gap", "tokens_in", "tokens_out"])
        counted.to_parquet(root / "history/usage.parquet")
    return root


def later(count: int = 5) -> pd.DataFrame:
    """History that goes on after as-of."""
    return history([6.0] * 50 + [999.0] * count, end=AS_OF + count * MINUTES)


def test_files_are_cut_at_as_of(tmp_path: Path) -> None:
    read = read_inputs(write(tmp_path, usage=later()), AS_OF)
    assert read.demand["requests"].tolist() == [6.0] * 50
    assert (read.demand["ts"] + pd.Timedelta("10min")).max() == pd.Timestamp(AS_OF)


def test_the_fingerprint_knows_what_was_used_and_nothing_else(tmp_path: Path) -> None:
    def fingerprint(name: str, usage: pd.DataFrame, as_of: datetime = AS_OF, extra: str = "") -> str:
        return read_inputs(write(tmp_path / name, usage=usage, extra=extra), as_of).fingerprint

    base = fingerprint("base", later(0))
    assert fingerprint("future", later(7)) == base
    assert fingerprint("again", later(0)) == base
    changed = later(0).assign(requests=lambda rows: rows["requests"].where(rows.index != 20, 6.1))
    others = [
        fingerprint("changed", changed),
        fingerprint("earlier", later(0), AS_OF - MINUTES),
        fingerprint("rule", later(0), extra="min_replicas: 2"),
    ]
    assert len({base, *others}) == 4


CHANGES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "options": lambda rows: rows.assign(price_hourly=rows["price_hourly"] + 1e-9),
    "profiles": lambda rows: rows.assign(rps=rows["rps"] + 1e-9),
    "demand": lambda rows: rows.iloc[:-1],
    "fleet": lambda rows: rows.assign(desired=rows["desired"] + 1),
    "events": lambda _: pd.DataFrame({"ts": [AS_OF], "workload": "web", "option_id": "a", "event": "failed"}),
}


@pytest.mark.parametrize("table", CHANGES)
def test_every_table_is_in_the_fingerprint(table: str) -> None:
    base = world([workload()], catalogue(option("a")), [steady(1.0, days=0.1)], running={("web", "a"): 1})
    changed = replace(base, **{table: CHANGES[table](getattr(base, table))})
    assert changed.fingerprint != base.fingerprint
    assert replace(base, notes=("said",)).fingerprint == base.fingerprint
    assert replace(base, spot_capacity={"p": 1.0}).fingerprint != base.fingerprint


def test_the_fingerprint_goes_by_values_not_by_how_they_are_held() -> None:
    base = world([workload()], catalogue(option("a")), [steady(1.0, days=0.1)])

    def fingerprint(**columns: pd.Series) -> str:
        return replace(base, demand=base.demand.assign(**columns)).fingerprint

    ts = base.demand["ts"]
    assert fingerprint(ts=ts.dt.as_unit("ns")) == base.fingerprint
    assert fingerprint(workload=base.demand["workload"].astype(object)) == base.fingerprint
    assert fingerprint(ts=ts + pd.Timedelta(1, unit="us")) != base.fingerprint
    assert fingerprint(workload=base.demand["workload"] + "x") != base.fingerprint


def test_a_workloads_rows_are_found_whatever_the_order_of_all() -> None:
    counted = [steady(rate, name) for rate, name in ((1.0, "b"), (2.0, "a"), (3.0, "c"))]
    sorted_ = world([workload()], catalogue(option("o")), counted)
    mixed = replace(sorted_, demand=sorted_.demand.sample(frac=1, random_state=0, ignore_index=True))
    for inputs in (sorted_, mixed):
        for name in "abc":
            expected = inputs.demand.loc[inputs.demand["workload"].eq(name)]
            pd.testing.assert_frame_equal(inputs.history_of(name), expected)
        assert inputs.history_of("none").empty


def test_a_missing_catalogue_falls_back_to_list_prices_and_says_so(tmp_path: Path) -> None:
    read = read_inputs(write(tmp_path, prices=False), AS_OF)
    assert any("built-in public list prices" in note for note in read.notes)
    assert len(read.options) > 40
    assert (read.options["price_as_of"] <= pd.Timestamp(AS_OF)).all()
    assert read.options["option_id"].is_unique
    assert (read.options["boot_seconds"] == 300.0).all()
    assert read.options["price_hourly"].gt(0).all()


def test_before_the_first_list_price_there_are_no_offers(tmp_path: Path) -> None:
    assert listed_options(datetime.fromisoformat("1999-01-01T00:00:00+00:00")).empty
    with pytest.raises(InputError, match="no offers"):
        read_inputs(write(tmp_path, prices=False), datetime.fromisoformat("1999-01-01T00:00:00+00:00"))


def test_all_that_is_missing_is_said_at_once(tmp_path: Path) -> None:
    write(tmp_path, prices=False)
    (tmp_path / "profiles.parquet").unlink()
    with pytest.raises(InputError) as caught:
        read_inputs(tmp_path, datetime.fromisoformat("1999-01-01T00:00:00+00:00"))
    assert len(caught.value.faults) == 2


def test_an_unknown_country_of_origin_is_one_clear_line(tmp_path: Path) -> None:
    write(tmp_path, extra="origins: {QQ: 1.0}")
    with pytest.raises(InputError, match=r"'QQ'.*ISO 3166"):
        read_inputs(tmp_path, AS_OF)


def test_round_trips_are_known_for_the_origins_that_are_named(tmp_path: Path) -> None:
    read = read_inputs(write(tmp_path, extra="origins: {DE: 0.5, US: 0.5}"), AS_OF)
    assert {origin for origin, _, _ in read.rtt_ms} == {"DE", "US"}
    assert read.rtt_ms["DE", "aws", "eu-central-1"] < read.rtt_ms["US", "aws", "eu-central-1"]
    assert read.country["aws", "eu-central-1"] == "DE"


def offers(**changes: object) -> pd.DataFrame:
    row = {
        "provider": "aws",
        "region": "us-east-1",
        "instance_type": "m",
        "purchase": "on_demand",
        "term": None,
        "price_hourly": 1.0,
        "currency": "USD",
        "as_of": pd.Timestamp(AS_OF) - pd.Timedelta(days=9),
        "source": "s",
        "is_estimated": False,
    }
    return pd.DataFrame([row | changes]).astype({"term": "str"})


@pytest.fixture
def lake_workspace(tmp_path: Path) -> Path:
    """A workspace whose catalogue, history and fleet are in the lake only, with rows after as-of."""
    write(tmp_path, prices=False)
    now, soon = pd.Timestamp(AS_OF), pd.Timestamp(AS_OF) + pd.Timedelta(minutes=1)
    rows = pd.concat(
        [
            offers(),
            offers(price_hourly=9.0, as_of=soon),
            offers(price_hourly=0.1, currency="EUR", instance_type="big"),
            offers(price_hourly=0.5, purchase="commitment", term="1y"),
        ]
    )
    counted = history([6.0] * 3 + [999.0] * 2, end=AS_OF + 2 * MINUTES).assign(origin="DE")
    more = history([1.0] * 3).assign(origin="FR")
    state = fleet({("web", "aws:us-east-1:m:commitment-1y"): 2, ("web", "aws:us-east-1:m:on_demand"): 3})
    with Lake.open(tmp_path / "lake") as lake:
        lake.replace("offers", {}, rows.convert_dtypes(dtype_backend="numpy_nullable"))
        lake.replace("demand", {}, pd.concat([counted, more], ignore_index=True))
        old = state.assign(desired=77, as_of=now - pd.Timedelta(hours=1))
        future = state.assign(desired=88, as_of=soon)
        lake.replace("deployments", {}, pd.concat([old, state.assign(as_of=now), future], ignore_index=True))
        pools = {
            "ts": [now - pd.Timedelta(hours=1), now, soon],
            "pool": ["p"] * 3,
            "capacity": [5.0, 7.0, 0.0],
        }
        lake.replace("spot_capacity", {}, pd.DataFrame(pools))
        happened = {"ts": [now, soon], "workload": "web", "option_id": "a", "event": "failed"}
        lake.replace("events", {}, pd.DataFrame(happened))
    return tmp_path


def test_the_lake_is_cut_at_as_of(lake_workspace: Path) -> None:
    read = read_inputs(lake_workspace, AS_OF)
    assert read.options.set_index("option_id")["price_hourly"].to_dict() == {
        "aws:us-east-1:m:on_demand": 1.0,
        "aws:us-east-1:m:commitment-1y": 0.5,
    }
    assert read.demand["requests"].tolist() == [7.0, 7.0, 7.0]  # origins together
    assert read.fleet["desired"].tolist() == [5]
    assert read.fleet["option_id"].tolist() == ["aws:us-east-1:m:on_demand"]
    assert read.spot_capacity == {"p": 5.0}
    assert len(read.events) == 1


def test_a_file_wins_over_the_lake(lake_workspace: Path) -> None:
    write(lake_workspace, usage=later())
    state = {"workload": "web", "option_id": "a", "desired": 1, "ready": 1, "pending": 0}
    body = {"as_of": AS_OF.isoformat(), "fleet": [state]}
    (lake_workspace / "state.json").write_text(json.dumps(body), encoding="utf-8")
    read = read_inputs(lake_workspace, AS_OF)
    assert read.options["option_id"].tolist() == ["a", "b"]
    assert read.demand["requests"].tolist() == [6.0] * 50
    assert read.fleet["desired"].tolist() == [1]


def committed(**changes: object) -> dict[str, object]:
    row = {
        "ContractCommitmentId": "c-1",
        "ContractId": "x",
        "ContractCommitmentPeriodStart": "2026-01-01",
        "ContractCommitmentPeriodEnd": "2027-01-01",
        "ContractCommitmentCost": 8760.0,
        "ContractCommitmentCategory": "Spend",
        "ContractCommitmentType": "SP",
        "ContractPeriodStart": "2026-01-01",
        "ContractPeriodEnd": "2027-01-01",
        "x_LoadId": 1,
        "x_Row": 1,
        "BillingCurrency": "USD",
        "x_Source": "bill",
    }
    return row | changes


def test_commitments_that_cannot_be_planned_with_are_left_out_and_told(lake_workspace: Path) -> None:
    rows = pd.DataFrame(
        [
            committed(ContractCommitmentId="arn:aws:savingsplans::1:savingsplan/known"),
            committed(ContractCommitmentId="arn:aws:savingsplans::1:savingsplan/euro", BillingCurrency="EUR"),
            committed(ContractCommitmentId="nobody-knows-whose"),
        ]
    )
    for name in [name for name in rows if "Period" in str(name)]:
        rows[name] = pd.to_datetime(rows[name], utc=True)
    with Lake.open(lake_workspace / "lake") as lake:
        lake.replace("contract_commitments", {}, rows)
    read = read_inputs(lake_workspace, AS_OF)
    (offer,) = read.commitments
    assert offer.name.endswith("known")
    assert offer.existing_usd_per_hour == pytest.approx(1.0)
    assert offer.ends == rows["ContractCommitmentPeriodEnd"].iloc[0].to_pydatetime()
    assert offer.rates == {("aws", "us-east-1", "m"): 0.5}
    told = [note for note in read.notes if "is not used" in note]
    assert len(told) == 2
    assert "nobody-knows-whose" in " ".join(told)


def test_usable_asks_for_provider_cost_and_dollars() -> None:
    rows = pd.DataFrame(
        {
            "provider": ["aws", None, "aws", "aws"],
            "cost_per_hour": [1.0, 1.0, np.nan, 1.0],
            "currency": ["USD", "USD", "USD", "EUR"],
        }
    )
    assert usable(rows).tolist() == [True, False, False, False]


def test_without_lake_and_files_everything_optional_is_empty() -> None:
    tables = LakeTables(None, pd.Timestamp(AS_OF))
    assert tables.demand().empty
    assert tables.fleet().empty
    assert tables.options().empty
    assert tables.commitments(catalogue(option("a"))) == ()
    assert tables.unused_commitments() == []


def test_committed_machines_are_their_on_demand_twins_with_counts_kept() -> None:
    rows = catalogue(
        option("od"),
        option("ri", 0.5, purchase="commitment"),
        option("lone", purchase="commitment", region="us"),
    )
    running = fleet(
        {("web", "od"): 1, ("web", "ri"): 2, ("api", "ri"): 3, ("web", "lone"): 4, ("web", "gone"): 5}
    )
    named = on_demand_ids(running, rows)
    counts = named.set_index(["workload", "option_id"])["desired"].to_dict()
    assert counts == {("web", "od"): 3, ("api", "od"): 3, ("web", "lone"): 4, ("web", "gone"): 5}
    assert named["desired"].sum() == running["desired"].sum()


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(-60, 0), st.sampled_from("pq"), st.integers(0, 50)), max_size=30))
def test_a_pool_grants_the_least_of_the_last_day(rows: list[tuple[int, str, int]]) -> None:
    table = pd.DataFrame(rows, columns=["hours", "pool", "capacity"])
    table["ts"] = pd.Timestamp(AS_OF) + pd.to_timedelta(table["hours"], unit="h")
    expected: dict[str, float] = {}
    for hours, pool, capacity in rows:
        if hours > -24:
            expected[pool] = min(float(capacity), expected.get(pool, np.inf))
    assert granted(table, AS_OF) == expected


def test_defaults_of_options_made_from_a_price_list() -> None:
    types = pd.DataFrame(
        {
            "provider": ["aws"],
            "instance_type": ["m"],
            "accelerator": ["L4"],
            "accelerator_count": [4],
            "vcpu": [4],
            "memory_gib": [16.0],
        }
    )
    rows = pd.concat(
        [
            offers(),
            offers(purchase="spot"),
            offers(purchase="commitment", term="3y"),
            offers(instance_type="x"),
        ]
    )
    made = options_from_offers(rows, types).set_index("option_id")
    assert made.index.tolist() == [
        "aws:us-east-1:m:on_demand",
        "aws:us-east-1:m:spot",
        "aws:us-east-1:m:commitment-3y",
        "aws:us-east-1:x:on_demand",
    ]
    assert made["pool"].dropna().to_dict() == {"aws:us-east-1:m:spot": "aws/us-east-1/m/spot"}
    assert made["quota"].isna().all()
    assert made["accelerator_count"].tolist() == pytest.approx([4, 4, 4, np.nan], nan_ok=True)
    cpu, memory = 4 - 0.06 - 0.01 - 2 * 0.005, 16 - 1.0 - 0.8 - 0.8 - 100 / 1024  # what a node keeps itself
    assert made["cpu"].tolist() == pytest.approx([cpu, cpu, cpu, np.nan], nan_ok=True)
    assert made["memory_gib"].tolist() == pytest.approx([memory, memory, memory, np.nan], nan_ok=True)


def test_only_one_year_terms_set_committed_prices() -> None:
    rows = catalogue(option("c1", purchase="commitment"), option("c3", purchase="commitment"), option("od"))
    assert committed_options(rows)["option_id"].tolist() == ["c1", "c3"]
    assert committed_options(rows.assign(term=["1y", "3y", None]))["option_id"].tolist() == ["c1"]


@pytest.mark.parametrize(
    ("hours", "extra", "is_told"),
    [(24, "", False), (25, "", True), (25, "do_not_touch: true", False)],
)
def test_demand_older_than_a_day_is_told(tmp_path: Path, hours: int, extra: str, is_told: bool) -> None:
    usage = history([6.0] * 50, end=AS_OF - timedelta(hours=hours))
    told = [n for n in read_inputs(write(tmp_path, usage=usage, extra=extra), AS_OF).notes if OLD in n]
    assert bool(told) == is_told
    assert all("web" in note and "--as-of" in note for note in told)


def test_a_plan_on_old_demand_says_so_on_standard_error(tmp_path: Path) -> None:
    usage = history([6.0] * 300, end=AS_OF - timedelta(days=3))
    root = write(tmp_path, usage=usage)
    for arguments in ((), ("--json",)):
        ran = cli("plan", "-w", root, "--kind", "placement", "--as-of", AS_OF.isoformat(), *arguments)
        assert ran.code == 0
        assert ran.err.startswith("old demand: what is known of web ends at 2026-05-09 03:00 UTC")
    fresh = cli("plan", "-w", root, "--kind", "placement", "--as-of", (AS_OF - timedelta(days=3)).isoformat())
    assert "old demand" not in fresh.err + fresh.out
