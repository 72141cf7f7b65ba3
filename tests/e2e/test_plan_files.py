"""`trimtab plan` on workspaces made of files: valid, repeatable, blind to the future, true to its rules."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from optimizer.inputs import read_inputs
from optimizer.plan import CapacityPlan, read_plan
from optimizer.replay.case import Case, Known
from optimizer.replay.history import world_of
from optimizer.replay.of_plan import orders_of
from optimizer.simulate import simulate
from tests.e2e import plans, workspaces
from tests.e2e.workspaces import AS_OF, OPTION, cli, demand, make, planned, replicas, save, spot_history

NOW = pd.Timestamp(AS_OF)
BEGIN = datetime.fromisoformat(AS_OF)
TRACE_AS_OF = "2026-05-09T03:00:00+00:00"


@pytest.fixture(scope="module")
def traced(llm: Path) -> dict[str, Any]:
    """The plan of the example workspace."""
    return planned(llm, as_of=TRACE_AS_OF)


def test_a_real_trace_gives_a_valid_plan_twice_the_same(llm: Path, traced: dict[str, Any]) -> None:
    quotas = pd.read_parquet(llm / "catalog.parquet").set_index("option_id")["quota"].to_dict()
    plans.check(traced, quota=quotas)
    assert traced["as_of"] == TRACE_AS_OF
    assert traced["autoscale"]["chat"]["scale_down_window_s"] >= 0
    assert traced["proof"]["gap_share"] <= 0.005
    assert not traced["shortfalls"]
    shutil.rmtree(llm / "lake")
    shutil.rmtree(llm / ".trimtab")
    planned(llm, as_of=TRACE_AS_OF, name="forgotten.json")
    assert (llm / "plans/forgotten.json").read_bytes() == (llm / "plans/plan.json").read_bytes()


def test_a_real_trace_is_served(llm: Path, traced: dict[str, Any]) -> None:
    """The plan, played on what came true in the next day, serves it, with not too much capacity idle."""
    begin = pd.Timestamp(TRACE_AS_OF)
    inputs = read_inputs(llm, (begin + pd.Timedelta(hours=24)).to_pydatetime())
    world = world_of(inputs, ("chat",), begin - pd.Timedelta(days=1), begin + pd.Timedelta(hours=24))
    case = Case(world, 1440, np.array([0.999]))
    plan = read_plan(llm / "plans/plan.json")
    assert isinstance(plan, CapacityPlan)
    played = simulate(case.world, Known(orders_of(plan, case)))
    assert played.attainment() > 0.999
    capacity = (played.paid * case.world.capacity).sum(axis=0)
    used = case.world.load[0] / capacity
    assert np.median(used) > 0.3  # a trace that jumps at once, twice as high, needs such head-room


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with every optional file, planned once."""
    root = make(tmp_path_factory.mktemp("base") / "ws")
    save(root, "history/spot_capacity.parquet", spot_history("pool-a", capacity=40.0))
    events = {
        "ts": [NOW - pd.Timedelta(days=1)],
        "workload": "chat",
        "option_id": "virginia",
        "event": "failed",
    }
    save(root, "history/events.parquet", pd.DataFrame(events))
    workspaces.fleet(root, {("chat", "virginia"): 4})
    prices = lake_offer(price=0.5, as_of="2026-05-01T00:00:00Z")
    prices.to_parquet(root.parent / "prices.parquet")
    assert cli("ingest", "-w", root, "--source", root.parent / "prices.parquet").code == 0
    workspaces.planned(root)
    return root


def lake_offer(*, price: float, as_of: str) -> pd.DataFrame:
    """One row of a price list."""
    row = {"provider": "aws", "region": "us-east-1", "instance_type": "g6.xlarge", "purchase": "on_demand"}
    return pd.DataFrame([{**row, "price_hourly": price, "as_of": as_of, "source": "list"}])


def append(name: str, **row: object) -> Callable[[Path], None]:
    """Add a row to a Parquet file of the workspace."""

    def apply(root: Path) -> None:
        frame = pd.read_parquet(root / name)
        save(root, name, pd.concat([frame, frame.tail(1).assign(**row)], ignore_index=True))

    return apply


def ingest_later(frame: pd.DataFrame) -> Callable[[Path], None]:
    """Load rows into the lake."""

    def apply(root: Path) -> None:
        frame.to_parquet(root.parent / "later.parquet")
        assert cli("ingest", "-w", root, "--source", root.parent / "later.parquet").code == 0

    return apply


FILES: tuple[Callable[[Path], None], ...] = (
    append("history/usage.parquet", ts=NOW + pd.Timedelta(hours=1), requests=9e9),
    append("history/usage.parquet", ts=NOW, requests=9e9, tokens_in=9e11, tokens_out=9e11),  # straddles as-of
    append("history/usage.parquet", ts=NOW + pd.Timedelta(hours=1), workload="tomorrow"),
    append("history/events.parquet", ts=NOW + pd.Timedelta(seconds=1), event="preempted"),
    append("history/spot_capacity.parquet", ts=NOW + pd.Timedelta(minutes=5), capacity=0.0),
)
LAKE = (
    ingest_later(lake_offer(price=0.01, as_of="2026-05-12T03:00:01Z")),
    ingest_later(demand(begin=NOW, rows=20, per_second=1e6)),
)


@pytest.mark.parametrize("future", [FILES, LAKE], ids=["files", "lake"])
def test_the_future_changes_nothing(
    base: Path, tmp_path: Path, future: tuple[Callable[[Path], None], ...]
) -> None:
    root = Path(shutil.copytree(base, tmp_path / "ws"))
    for plant in future:
        plant(root)
    planned(root, name="again.json")
    assert (root / "plans/again.json").read_bytes() == (base / "plans/plan.json").read_bytes()


def test_the_past_changes_the_plan(base: Path, tmp_path: Path) -> None:
    """So that the test above can fail: the same row an interval earlier is used."""
    root = Path(shutil.copytree(base, tmp_path / "ws"))
    usage = pd.read_parquet(root / "history/usage.parquet")
    assert usage["ts"].max() < NOW
    usage.loc[usage["ts"].ge(NOW - pd.Timedelta(hours=2)), ["requests", "tokens_in", "tokens_out"]] *= 5
    save(root, "history/usage.parquet", usage)
    planned(root, name="again.json")
    assert (root / "plans/again.json").read_bytes() != (base / "plans/plan.json").read_bytes()


def test_a_later_fleet_is_not_used(base: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(base, tmp_path / "ws"))
    workspaces.fleet(root, {("chat", "virginia"): 99}, as_of="2026-05-12T03:00:01+00:00")
    later = planned(root)
    (root / "state.json").unlink()
    absent = planned(root)
    assert later["allocations"] == absent["allocations"]
    assert later["current_cost_usd"] is None
    assert any("state.json" in note and "later" in note for note in later["notes"])


def test_only_the_lake_and_nothing_later(base: Path, tmp_path: Path) -> None:
    """Without files of its own the workspace plans from the lake, which is cut at as-of too."""
    root = Path(shutil.copytree(base, tmp_path / "ws"))
    for name in ("history/usage.parquet", "profiles.parquet", "state.json"):
        assert cli("ingest", "-w", root, "--source", root / name).code == 0
        (root / name).unlink()
    (root / "catalog.parquet").unlink()
    types = {
        "provider": ["aws"],
        "instance_type": "g6.xlarge",
        "vcpu": 4,
        "memory_gib": 16.0,
        "accelerator": "L4",
    }
    ingest_later(pd.DataFrame({**types, "accelerator_count": 1}))(root)
    body = planned(root)
    plans.check(body)
    assert set(replicas(body)) == {"aws:us-east-1:g6.xlarge:on_demand"}
    before = (root / "plans/plan.json").read_bytes()
    for plant in LAKE:
        plant(root)
    planned(root)
    assert (root / "plans/plan.json").read_bytes() == before


RULED = {
    "anywhere": {},
    "stays": {"do_not_touch": True},
    "pinned": {"pinned": ["oreg*"]},
    "excluding": {"excluded": ["spot", "virg*"]},
    "european": {"residency": ["DE"]},
    "nearby": {"origins": {"DE": 0.5, "FR": 0.5}, "max_rtt_ms": 40},
    "routed": {"origins": {"DE": 0.5, "US": 0.5}, "max_rtt_ms": 60},
    "spread": {"min_regions": 3, "max_region_share": 0.5},
    "robust": {"survive_region_loss": True, "spot": {"max_share": 0.0}},
    "firm": {"spot": {"max_share": 0.25}},
    "floored": {"spot": {"min_on_demand_replicas": 2}},
    "wide": {"min_replicas": 9, "max_replicas": 11},
    "capped": {"max_replicas": 1, "spot": {"max_share": 0.0}},
    "unseen": {},
}


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One plan for a workload per rule."""
    root = tmp_path_factory.mktemp("ruled") / "ws"
    usage = pd.concat(
        [demand(name, rows=96, begin=NOW - pd.Timedelta(hours=96)) for name in RULED if name != "unseen"]
    )
    make(root, *({"name": name, **rules} for name, rules in RULED.items()), usage=usage)
    save(root, "history/spot_capacity.parquet", spot_history("pool-a"))
    workspaces.fleet(root, {("stays", "europe"): 7, ("stays", "gone"): 1, ("unseen", "oregon"): 2})
    return planned(root)


def test_a_plan_of_many_rules_is_valid(ruled: dict[str, Any]) -> None:
    plans.check(ruled, quota=dict.fromkeys(("virginia", "oregon", "europe", "spot"), 200))
    assert {row["workload"] for row in ruled["allocations"]} == set(RULED)
    assert ruled["unpriced"] == ["stays"]  # one of its machines has no price
    assert ruled["current_cost_usd"] == pytest.approx(24 * (2 * 1.2))


def test_what_must_not_be_touched_stays(ruled: dict[str, Any]) -> None:
    assert replicas(ruled, "stays") == {"europe": 7, "gone": 1}
    assert replicas(ruled, "unseen") == {"oregon": 2}
    assert not {action["target"]["workload"] for action in ruled["actions"]} & {"stays", "unseen"}
    reasons = {reason["workload"]: reason["text"] for reason in ruled["reasons"]}
    assert "do_not_touch" in reasons["stays"]
    assert "no demand" in reasons["unseen"]
    assert not {"stays", "unseen"} & set(ruled["autoscale"])


@pytest.mark.parametrize(
    ("workload", "options"),
    [
        ("anywhere", {"spot"}),
        ("pinned", {"oregon"}),
        ("excluding", {"oregon"}),
        ("european", {"europe"}),
        ("nearby", {"europe"}),
        ("routed", {"europe", "spot"}),
    ],
)
def test_where_a_workload_may_run(ruled: dict[str, Any], workload: str, options: set[str]) -> None:
    assert set(replicas(ruled, workload)) == options


def shares(body: dict[str, Any], workload: str) -> list[dict[str, int]]:
    """Replicas per option in each hour of the plan; all options serve the same."""
    hours = [plans.running(body, workload, BEGIN + timedelta(hours=h)) for h in range(24)]
    assert all(sum(hour.values()) > 0 for hour in hours)
    return hours


def test_regions_and_spot(ruled: dict[str, Any]) -> None:
    need = [sum(hour.values()) for hour in shares(ruled, "anywhere")]
    for hour in shares(ruled, "spread"):
        by_region = {"virginia": hour.get("virginia", 0) + hour.get("spot", 0)}
        by_region |= {name: hour.get(name, 0) for name in ("oregon", "europe")}
        assert min(by_region.values()) > 0
        assert max(by_region.values()) <= 0.5 * sum(by_region.values())
    for hour, wanted in zip(shares(ruled, "robust"), need, strict=True):
        assert sum(hour.values()) - max(hour.values()) >= wanted
        assert hour.get("spot", 0) == 0
    for hour, wanted in zip(shares(ruled, "firm"), need, strict=True):
        assert hour["virginia"] >= 0.75 * (wanted - 1)
        assert sum(hour.values()) >= wanted
    assert all(hour["virginia"] >= 2 for hour in shares(ruled, "floored"))


def test_floors_and_ceilings(ruled: dict[str, Any]) -> None:
    assert all(9 <= sum(hour.values()) <= 11 for hour in shares(ruled, "wide"))
    capped = [row for row in ruled["allocations"] if row["workload"] == "capped"]
    assert max(row["max_replicas"] for row in capped) == 1
    missed = {item["workload"] for item in ruled["shortfalls"]}
    assert missed == {"capped"}


def test_shortage_of_quota_is_told_and_the_rest_is_served(tmp_path: Path) -> None:
    scarce = [
        {"option_id": "virginia", "quota": 1.0},
        {"option_id": "oregon", "quota": 1.0, "region": "us-west-2"},
    ]
    root = make(tmp_path / "ws", options=scarce)
    body = planned(root)
    plans.check(body, quota={"virginia": 1, "oregon": 1})
    assert replicas(body) == {"virginia": 1, "oregon": 1}
    assert body["shortfalls"]
    for item in body["shortfalls"]:
        assert item["workload"] == "chat"
        assert 0 < item["missing"] <= item["wanted"]
    ran = cli("plan", "-w", root, "--as-of", AS_OF, "--out", tmp_path / "p.json")
    assert ran.code == 0
    assert "shortfall: chat" in ran.out


def test_spot_of_unknown_capacity_is_not_used(tmp_path: Path) -> None:
    root = make(tmp_path / "ws")
    assert "spot" not in replicas(planned(root))
    save(root, "history/spot_capacity.parquet", spot_history("pool-a", capacity=1.0))
    counts = replicas(planned(root))
    assert counts["spot"] == 1
    assert "virginia" in counts


@pytest.mark.parametrize(
    ("as_of", "horizon", "hours"),
    [
        (AS_OF, "10min", 1 / 6),
        ("2026-05-12T03:07:00+00:00", "24h", 24.0),
        ("2026-05-12T08:37:30+05:30", "25h", 25.0),
    ],
)
def test_odd_horizons_and_moments(tmp_path: Path, as_of: str, horizon: str, hours: float) -> None:
    root = make(tmp_path / "ws")
    body = planned(root, "--horizon", horizon, as_of=as_of)
    plans.check(body)
    assert body["horizon_hours"] == pytest.approx(hours)
    assert plans.moment(body["as_of"]) == datetime.fromisoformat(as_of)
    assert body["as_of"].endswith("+00:00")
    assert replicas(body)


@pytest.mark.parametrize(("rows", "minutes"), [(0, 60), (1, 60), (60, 1), (3, 7)])
def test_cold_start(tmp_path: Path, rows: int, minutes: int) -> None:
    begin = NOW - pd.Timedelta(minutes=minutes * rows)
    root = make(tmp_path / "ws", usage=demand(rows=rows, minutes=minutes, begin=begin))
    workspaces.fleet(root, {("chat", "virginia"): 5})
    body = planned(root)
    plans.check(body)
    assert replicas(body)
    if rows < 2:  # too little to tell how long an interval is
        assert replicas(body) == {"virginia": 5}
        assert not body["actions"]


def test_what_loops_promised_is_kept_for_later_plans_alone(tmp_path: Path) -> None:
    """Made again after later ones, or with a record that nobody can read, a plan is what it was."""
    root, kept = make(tmp_path / "ws"), tmp_path / "ws/.trimtab/promises.parquet"
    moments = [AS_OF.replace("T03", f"T{hour:02d}") for hour in (1, 2, 3)]
    first = [planned(root, as_of=moment, name=f"{k}.json") for k, moment in enumerate(moments)]
    assert pd.read_parquet(kept)["as_of"].tolist() == [pd.Timestamp(moment) for moment in moments]
    again = [planned(root, as_of=moment, name=f"again-{k}.json") for k, moment in enumerate(moments)]
    assert again == first
    assert any("loops kept" in reason["text"] for reason in first[-1]["reasons"])
    kept.write_bytes(kept.read_bytes()[:100])
    body = planned(root, as_of=moments[2])
    (note,) = (note for note in body["notes"] if "promises.parquet" in note)
    assert "cannot be read" in note
    changing = ("hash", "notes", "fingerprint", "reasons")
    assert {k: v for k, v in body.items() if k not in changing} == {
        k: v for k, v in first[2].items() if k not in changing
    }


def test_a_history_that_is_not_there(tmp_path: Path) -> None:
    root = make(tmp_path / "ws")
    (root / "history/usage.parquet").unlink()
    body = planned(root)
    plans.check(body)
    assert body["allocations"] == []
    assert any("usage.parquet is absent" in note for note in body["notes"])


def test_workloads_and_profiles_alone_use_the_listed_prices(tmp_path: Path) -> None:
    root = make(tmp_path / "ws")
    (root / "catalog.parquet").unlink()
    later = "2026-11-20T00:00:00+00:00"
    history = demand(begin=pd.Timestamp(later) - pd.Timedelta(days=7), rows=168)
    save(root, "history/usage.parquet", history)
    body = planned(root, as_of=later)
    plans.check(body)
    assert replicas(body)
    assert any("public list prices" in note for note in body["notes"])


def test_batch_work_is_done_by_its_deadline(tmp_path: Path) -> None:
    batch = {
        "name": "train",
        "model": "mill",
        "tier": "batch",
        "slo": None,
        "work_units": 50.0 * 3600 * 10,
        "deadline": "2026-05-12T13:00:00Z",
        "preemptible": True,
    }
    root = make(tmp_path / "ws", {}, batch, profiles=[{}, mill()])
    body = planned(root)
    plans.check(body)
    hours = [sum(plans.running(body, "train", BEGIN + timedelta(hours=h)).values()) for h in range(24)]
    assert sum(hours) * 5.0 >= 50.0 * 10
    assert hours[:10] == [10] * 10
    assert hours[10:] == [0] * 14
    assert "train" not in body["autoscale"]


def mill() -> dict[str, object]:
    """A profile by instance type: five units a second."""
    nothing = dict.fromkeys(("accelerator", "prefill_tps", "decode_tps", "max_concurrency", "tpot_ms"))
    return {
        **nothing,
        "model": "mill",
        "instance_type": OPTION["instance_type"],
        "rps": 5.0,
        "latency_ms": 20.0,
    }


def test_a_service_that_is_no_language_model(tmp_path: Path) -> None:
    web = {"name": "web", "model": "mill", "slo": {"latency_ms": 200, "target": 0.99}}
    usage = demand("web", per_second=20.0).drop(columns=["tokens_in", "tokens_out"])
    root = make(tmp_path / "ws", web, profiles=[mill()], usage=usage)
    body = planned(root)
    plans.check(body)
    assert max(replicas(body, "web").values()) >= 20 * 1.4 / 5


def test_the_placement_of_many_rules(base: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(base, tmp_path / "ws"))
    body = planned(root, "--kind", "placement", name="placement.json")
    plans.check(body)
    assert sum(period["hours"] for period in body["periods"]) == 24
    assert {row["workload"] for row in body["placements"]} == {"chat"}
    assert body["current_cost_usd"] == pytest.approx(24 * 4 * 1.0)
    (root / "extra.yaml").write_text("unknown: file")
    before = (root / "plans/placement.json").read_bytes()
    planned(root, "--kind", "placement", name="placement.json")
    assert (root / "plans/placement.json").read_bytes() == before


def test_columns_that_nobody_knows_are_ignored(base: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(base, tmp_path / "ws"))
    for name in ("catalog", "profiles", "history/usage", "history/events", "history/spot_capacity"):
        path = root / f"{name}.parquet"
        pd.read_parquet(path).sample(frac=1.0, random_state=3).assign(shoe_size=43).to_parquet(path)
    state = json.loads((root / "state.json").read_text())
    (root / "state.json").write_text(json.dumps({**state, "cloud": "pink"}))
    planned(root, name="again.json")
    assert (root / "plans/again.json").read_bytes() == (base / "plans/plan.json").read_bytes()
