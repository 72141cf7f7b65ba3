"""From options, profiles and needs to arrays: what a replica does, which pool it draws on, what covers it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.workloads import Workload
from optimizer.admissible import Context
from optimizer.demand import Tokens
from optimizer.formulate import Need, Offer, Policy, assemble
from optimizer.problem import Problem
from optimizer.throughput import pair_options

SERVICE = {"name": "web", "model": "m", "slo": {"latency_ms": 200, "target": 0.99}}
LLM = {"name": "chat", "model": "llm", "slo": {"ttft_s": 1.0, "tpot_ms": 50, "target": 0.99}}
NO_FLEET = pd.DataFrame({"workload": [], "option_id": [], "desired": []}).astype(
    {"workload": "str", "option_id": "str", "desired": "int64"}
)


def workload(base: dict[str, Any] = SERVICE, **keys: Any) -> Workload:
    return Workload.model_validate({**base, **keys})


def option(option_id: str, **keys: Any) -> dict[str, Any]:
    return {
        "option_id": option_id,
        "provider": "aws",
        "region": "eu",
        "instance_type": "c8",
        "accelerator": None,
        "accelerator_count": float("nan"),
        "purchase": "on_demand",
        "price_hourly": 1.0,
        "boot_seconds": 360.0,
        "quota": float("nan"),
        "pool": None,
        **keys,
    }


def profile(**keys: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("prefill_tps", "decode_tps", "tpot_ms", "rps", "latency_ms"), float("nan"))
    return {"model": "m", "accelerator": None, "instance_type": None, **empty, **keys}


def frame(*rows: dict[str, Any]) -> pd.DataFrame:
    table = pd.DataFrame(list(rows))
    texts = [name for name in table if table[name].isna().all() and name in ("accelerator", "pool")]
    return table.astype(dict.fromkeys(texts, "str"))


def test_a_service_serves_what_its_type_is_measured_at() -> None:
    pairs = pair_options(
        workload(),
        frame(option("a"), option("b", instance_type="unknown")),
        frame(profile(instance_type="c8", rps=50.0, latency_ms=30.0), profile(model="other", rps=9.0)),
        None,
    )
    assert pairs["capacity"].tolist() == pytest.approx([50.0, np.nan], nan_ok=True)
    assert pairs["service_s"].tolist() == pytest.approx([0.03, 0.0])


def test_an_llm_replica_shares_its_time_between_prompts_and_tokens() -> None:
    pairs = pair_options(
        workload(LLM),
        frame(option("a", accelerator="H100", accelerator_count=2.0)),
        frame(profile(model="llm", accelerator="H100", prefill_tps=1000.0, decode_tps=500.0, tpot_ms=20.0)),
        Tokens(prompt=400.0, output=100.0),
    )
    assert pairs["capacity"].tolist() == pytest.approx([2.0 / (0.4 + 0.2)])
    assert pairs["service_s"].tolist() == pytest.approx([0.4])
    assert pairs["tpot_ms"].tolist() == [20.0]


def test_batch_work_on_accelerators_counts_output_tokens() -> None:
    batch = workload(tier="batch", slo=None, work_units=1, deadline="2026-05-12T00:00:00Z")
    pairs = pair_options(
        batch,
        frame(option("a", accelerator="H100", accelerator_count=4.0)),
        frame(profile(accelerator="H100", prefill_tps=9.0, decode_tps=500.0)),
        None,
    )
    assert pairs["capacity"].tolist() == [2000.0]


def pairs(*rows: dict[str, Any]) -> pd.DataFrame:
    return frame(*rows).assign(capacity=10.0, service_s=0.1, tpot_ms=float("nan"))


def one_problem(
    *needs: Need,
    fleet: pd.DataFrame = NO_FLEET,
    offers: tuple[Offer, ...] = (),
    policy: Policy | None = None,
    context: Context | None = None,
) -> Problem:
    return assemble(
        needs,
        periods=["t0"],
        hours=np.ones(1),
        fleet=fleet,
        offers=offers,
        policy=policy or Policy(),
        context=context or Context({}, {}, {}),
    )


def need(*rows: dict[str, Any], **keys: Any) -> Need:
    return Need(workload(**keys), pairs(*rows), np.array([5.0]))


COUNTRY = {("aws", "eu"): "DE", ("aws", "us"): "US"}
RTT = {("DE", "aws", "eu"): 8.0, ("US", "aws", "eu"): 95.0, ("US", "aws", "us"): 4.0}


def test_origins_become_routes_and_places_countries() -> None:
    keys = {"origins": {"DE": 0.75, "US": 0.25}, "max_rtt_ms": 50, "residency": ["DE", "US"]}
    p = one_problem(need(option("a"), option("b", region="us"), **keys), context=Context(COUNTRY, RTT, {}))
    r = p.routes
    named = {
        (r.origin[g], p.option_id[i]): float(rtt)
        for g, i, rtt in zip(r.source, r.option, r.rtt_ms, strict=True)
    }
    assert named == {
        ("DE", "a"): 8.0, ("DE", "b"): np.inf, ("US", "a"): 95.0, ("US", "b"): 4.0,
    }  # fmt: skip
    assert r.is_open.tolist() == [True, False, False, True]
    assert (r.share.tolist(), r.max_latency_ms.tolist(), r.is_estimated.all()) == ([0.75, 0.25], [50.0], True)
    assert p.residency.option_country == ("DE", "US")
    assert p.residency.allowed == {0: {"DE", "US"}}


@pytest.mark.parametrize(("limit", "most"), [(50, 2), (100, 1), (None, 1)])
def test_as_many_options_are_allowed_as_origins_need_regions(limit: float | None, most: int) -> None:
    keys = {"origins": {"DE": 0.75, "US": 0.25}, "max_rtt_ms": limit}
    rows = option("a"), option("b", region="us")
    p = one_problem(need(*rows, **keys), policy=Policy(max_options=1), context=Context(COUNTRY, RTT, {}))
    assert p.max_options.tolist() == [most]


def test_zones_and_what_is_lost_reach_the_problem() -> None:
    rows = pairs(option("a"), option("b")).assign(zones=[3.0, np.nan])
    robust = workload(survive_zone_loss=True, headroom_share=0.5, max_ramp_replicas=2)
    one = Need(robust, rows, np.array([5.0]))
    p = one_problem(one, policy=Policy(has_ramps=True))
    assert p.survival.zones.tolist() == [3, 1]
    assert (p.survival.survive_zone_loss.tolist(), p.survival.headroom_share.tolist()) == ([True], [0.5])
    assert p.ramp.max_replicas.tolist() == [2.0]
    assert one_problem(one).ramp.max_replicas.tolist() == [np.inf]  # blocks of a day only


def test_rules_of_the_workload_reach_the_arrays() -> None:
    p = one_problem(
        need(
            option("a"),
            min_regions=2,
            max_region_share=0.6,
            survive_region_loss=True,
            min_replicas=2,
            max_replicas=9,
            spot={"max_share": 0.25, "min_on_demand_replicas": 1},
        )
    )
    got = (
        p.min_regions, p.max_region_share, p.survive_region_loss, p.min_replicas, p.max_replicas,
        p.max_spot_share, p.min_on_demand_replicas, p.demand[:, 0], p.max_options,
    )  # fmt: skip
    assert [array.tolist() for array in got] == [
        [2], [0.6], [True], [2.0], [9.0], [0.25], [1.0], [5.0], [np.inf],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "least"),
    [({}, 1), ({"min_regions": 3}, 3), ({"max_region_share": 0.34}, 3), ({"survive_region_loss": True}, 2)],
)
def test_as_many_options_are_allowed_as_rules_of_spread_need_regions(
    keys: dict[str, Any], least: int
) -> None:
    p = one_problem(need(option("a"), **keys), policy=Policy(max_options=1))
    assert p.max_options.tolist() == [least]


def test_options_stand_in_the_order_of_workload_and_id_with_the_present_fleet() -> None:
    fleet = pd.DataFrame(
        {"workload": ["web", "web", "gone"], "option_id": ["b", "b", "a"], "desired": [1, 2, 7]}
    )
    p = one_problem(
        Need(workload(name="api"), pairs(option("b")), np.array([1.0])),
        Need(workload(), pairs(option("b"), option("a")), np.array([1.0])),
        fleet=fleet,
    )
    assert p.workloads == ("api", "web")
    assert list(zip(p.option_workload.tolist(), p.option_id, p.current_replicas.tolist(), strict=True)) == [
        (0, "b", 0.0), (1, "a", 0.0), (1, "b", 3.0),
    ]  # fmt: skip
    assert p.migration_cost_usd.tolist() == pytest.approx([0.1, 0.1, 0.1])  # a boot of 360 s


def test_a_quota_is_shared_by_all_workloads_that_use_the_option() -> None:
    p = one_problem(
        Need(workload(name="api"), pairs(option("a", quota=4.0)), np.array([1.0])),
        Need(workload(), pairs(option("a", quota=4.0), option("b")), np.array([1.0])),
    )
    limited = np.flatnonzero(np.isfinite(p.pool_limit[:, 0]))
    assert [p.pools[k] for k in limited] == ["quota:a"]
    assert p.members(int(limited[0])).tolist() == [0, 1]
    assert p.pool_limit[limited].tolist() == [[4.0]]


def test_spot_draws_on_its_own_pool_and_what_is_known_of_it() -> None:
    spot = option("s", purchase="spot", pool="aws/eu/c8-spot")
    p = one_problem(
        need(option("a"), spot, option("t", purchase="spot")),
        policy=Policy(spot_capacity={"aws/eu/c8-spot": 3.0}),
    )
    by_option = {p.option_id[i]: p.pools[p.pool[i]] for i in range(3)}
    assert by_option == {"a": "aws/eu/c8", "s": "aws/eu/c8-spot", "t": "aws/eu/c8/spot"}
    assert p.pool_limit[p.pools.index("aws/eu/c8-spot")].tolist() == [3.0]
    assert p.pool_limit[p.pools.index("aws/eu/c8/spot")].tolist() == [np.inf]


def test_a_commitment_reaches_on_demand_pools_of_its_types_only() -> None:
    offer = Offer("plan", 2.0, 8.0, {("aws", "eu", "c8"): 0.6}, fee_per_usd=0.9)
    rows = (
        option("a", price_hourly=1.1),
        option("s", purchase="spot"),
        option("u", region="us"),
        option("m", instance_type="m8"),
    )
    p = one_problem(need(*rows), offers=(offer,))
    reached = np.flatnonzero(~np.isnan(p.committed_rate[0]))
    assert [p.pools[k] for k in reached] == ["aws/eu/c8"]
    assert p.committed_rate[0, reached].tolist() == [0.6]
    assert p.covered_list_price[0, reached].tolist() == [1.1]
    assert np.isnan(p.covered_list_price[0]).tolist() == np.isnan(p.committed_rate[0]).tolist()
    assert (p.committed_usd_per_hour[0], p.offered_max_usd_per_hour[0], p.fee_per_usd[0]) == (2.0, 8.0, 0.9)


def test_a_commitment_saves_the_least_that_its_type_costs() -> None:
    offer = Offer("plan", 2.0, 8.0, {("aws", "eu", "c8"): 0.6})
    rows = option("a", price_hourly=1.1), option("b", price_hourly=1.4)
    assert np.nanmax(one_problem(need(*rows), offers=(offer,)).covered_list_price) == 1.1
