"""Minutes from counted intervals, and the world of a replay from what a workspace knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from optimizer.minute_load import minute_load
from optimizer.replay.history import granted_each_minute, world_of
from optimizer.replay.world import NONE, UNLIMITED
from tests.optimizer import worlds

END = pd.Timestamp(worlds.AS_OF)


def test_minutes_are_taken_as_they_were_counted() -> None:
    load = minute_load(worlds.history([5.0, np.nan, 7.0], interval_s=60), END - pd.Timedelta(minutes=4), END)
    np.testing.assert_array_equal(load.requests, [np.nan, 5.0, np.nan, 7.0])
    assert np.isnan(load.prompt).all()


def test_longer_intervals_become_ramps_between_their_middles() -> None:
    """60 then 120 requests in ten minutes each: 6 a minute until the middle of the first, then up."""
    load = minute_load(worlds.history([60.0, 120.0]), END - pd.Timedelta(minutes=20), END)
    assert load.requests[:5].tolist() == [6.0] * 5
    assert load.requests[-5:].tolist() == [12.0] * 5
    np.testing.assert_allclose(np.diff(load.requests[5:15]), 0.6)


def test_a_gap_between_intervals_stays_unknown() -> None:
    load = minute_load(worlds.history([60.0, np.nan, 60.0]), END - pd.Timedelta(minutes=30), END)
    assert np.isnan(load.requests[10:20]).all()
    assert not np.isnan(load.requests[:10]).any()


def test_tokens_are_those_of_one_request() -> None:
    counted = worlds.history([60.0, 0.0, 60.0], tokens=([6000.0, 0.0, 12000.0], [600.0, 0.0, 600.0]))
    load = minute_load(counted, END - pd.Timedelta(minutes=30), END)
    assert load.prompt[0] == pytest.approx(100.0)
    assert load.prompt[-1] == pytest.approx(200.0)
    assert load.output.tolist() == pytest.approx([10.0] * 30)


def test_a_world_holds_admissible_options_in_order_and_shared_limits() -> None:
    inputs = worlds.world(
        [worlds.workload("a", spot={"max_share": 1.0}), worlds.workload("b", excluded=["big*"])],
        worlds.catalogue(
            worlds.option("m", quota=7.0),
            worlds.option("big-od", instance_type="big"),
            worlds.option("m-spot", purchase="spot", pool="p", price=0.3),
            worlds.option("m-lost", purchase="spot", pool="unseen", price=0.1),
        ),
        [worlds.steady(5.0, "a"), worlds.steady(9.0, "b")],
    )
    seen = pd.DataFrame({"ts": [END - timedelta(minutes=7), END - timedelta(minutes=3)], "pool": "p"})
    inputs = replace(inputs, spot_history=seen.assign(capacity=[4.0, 0.0]))
    world = world_of(inputs, ("a", "b"), END - pd.Timedelta(minutes=10), END).check()
    assert world.option_id == ("big-od", "m", "m-spot", "m")
    assert world.option_workload.tolist() == [0, 0, 0, 1]
    assert world.pool.tolist() == [NONE, NONE, 0, NONE]
    assert world.pool_capacity.tolist() == [[0, 0, 0, 4, 4, 4, 4, 0, 0, 0]]
    assert world.quota[world.quota_pool[1]] == 7
    assert world.quota_pool[1] == world.quota_pool[3]
    np.testing.assert_allclose(world.load[:, 0], [5.0, 9.0])
    np.testing.assert_allclose(world.capacity[:, 0], [40.0, 10.0, 10.0, 10.0])
    assert world.wait_s[0, 0] == pytest.approx(0.48)


def test_longer_requests_take_more_of_a_replica() -> None:
    """Capacity of an LLM's replica: 1 / (prompt / prefill_tps + output / decode_tps)."""
    tokens = ([100.0 * 600, 1000.0 * 600], [10.0 * 600, 100.0 * 600])
    inputs = worlds.world(
        [worlds.workload("chat", slo={"ttft_s": 2.0, "tpot_ms": 60, "target": 0.99}, model="llm")],
        worlds.catalogue(worlds.option("g", instance_type="g", accelerator="L4", accelerator_count=2.0)),
        [worlds.history([600.0, 600.0], "chat", tokens=tokens)],
    )
    chip = {"model": "llm", "accelerator": "L4", "prefill_tps": 2000.0, "decode_tps": 500.0, "tpot_ms": 20.0}
    profiles = worlds.profiles().iloc[:1].assign(instance_type=None, rps=np.nan, latency_ms=np.nan, **chip)
    inputs = replace(inputs, profiles=profiles.assign(max_concurrency=8.0))
    world = world_of(inputs, ("chat",), END - pd.Timedelta(minutes=20), END)
    assert world.capacity[0, 0] == pytest.approx(2 / (100 / 2000 + 10 / 500))
    assert world.capacity[0, -1] == pytest.approx(2 / (1000 / 2000 + 100 / 500))
    assert world.wait_s[0, -1] == pytest.approx(2.0 - 0.5)
    assert world.concurrency.tolist() == [8.0]


def test_a_node_of_pods_serves_what_its_pods_request() -> None:
    pods = worlds.workload(
        "chat", slo={"ttft_s": 2.0, "tpot_ms": 60, "target": 0.99}, model="llm",
        resources={"cpu": 1.0, "memory_gib": 4.0, "gpu": 0.4},
    )  # fmt: skip
    node = worlds.option("g", accelerator="L4", accelerator_count=2.0, cpu=16.0, memory_gib=64.0)
    chip = {"model": "llm", "accelerator": "L4", "prefill_tps": 2000.0, "decode_tps": 500.0, "tpot_ms": 20.0}
    profiles = worlds.profiles().iloc[:1].assign(instance_type=None, rps=np.nan, latency_ms=np.nan, **chip)
    tokens = ([100.0 * 600] * 2, [10.0 * 600] * 2)
    inputs = worlds.world(
        [pods], worlds.catalogue(node), [worlds.history([600.0, 600.0], "chat", tokens=tokens)]
    )
    world = world_of(replace(inputs, profiles=profiles), ("chat",), END - pd.Timedelta(minutes=20), END)
    assert world.capacity[0, 0] == pytest.approx(5 * 0.4 / (100 / 2000 + 10 / 500))


def test_pools_grant_nothing_before_they_were_seen() -> None:
    empty = pd.DataFrame({"ts": pd.Series([], dtype="datetime64[us, UTC]"), "pool": [], "capacity": []})
    assert granted_each_minute(empty, ["p"], END - pd.Timedelta(minutes=3), END).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("quota", [1e19, 1e300])
def test_a_quota_that_no_integer_holds_is_none(quota: float) -> None:
    inputs = worlds.world(
        [worlds.workload()], worlds.catalogue(worlds.option("m", quota=quota)), [worlds.steady(5.0)]
    )
    found = world_of(inputs, ("web",), END - timedelta(hours=1), END)
    assert (found.quota >= UNLIMITED).all()


def test_a_pool_that_grants_more_than_an_integer_holds_grants_all() -> None:
    seen = pd.DataFrame({"ts": [END - timedelta(minutes=3)], "pool": "p", "capacity": [1e300]})
    assert (granted_each_minute(seen, ["p"], END - timedelta(minutes=2), END) >= UNLIMITED).all()
