"""Each filter leaves out what it must; an empty list says why, and the way out it names leads out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import pytest

from data.workloads import Workload
from optimizer.admissible import FILTERS, Context, admissible
from optimizer.errors import InfeasibleError

COUNTRY = {("aws", "eu"): "DE", ("aws", "us"): "US", ("gcp", "eu"): "FR"}
RTT = {
    ("DE", "aws", "eu"): 8.0,
    ("US", "aws", "eu"): 95.0,
    ("DE", "aws", "us"): 95.0,
    ("US", "aws", "us"): 4.0,
}


def workload(**keys: Any) -> Workload:
    return Workload.model_validate(
        {"name": "web", "model": "m", "slo": {"latency_ms": 200, "target": 0.99}, **keys}
    )


def context(**known: float) -> Context:
    return Context(COUNTRY, RTT, known)


def options(*rows: Mapping[str, Any]) -> pd.DataFrame:
    standard = {
        "provider": "aws",
        "region": "eu",
        "instance_type": "c8",
        "purchase": "on_demand",
        "price_hourly": 1.0,
        "pool": None,
        "capacity": 10.0,
        "service_s": 0.05,
        "tpot_ms": float("nan"),
    }
    return pd.DataFrame([{**standard, **row} for row in rows])


A = {"option_id": "a"}
B_US = {"option_id": "b", "region": "us"}
SPOT = {"option_id": "s", "purchase": "spot", "pool": "p"}


def kept(w: Workload, *rows: Mapping[str, Any], known: Context | None = None) -> list[str]:
    return list(admissible(w, options(*rows), known or context())["option_id"])


@pytest.mark.parametrize(
    ("keys", "rows", "left"),
    [
        ({"placement": {"providers": ["gcp"]}}, [A, {"option_id": "g", "provider": "gcp"}], ["g"]),
        ({"placement": {"regions": ["us"]}}, [A, B_US], ["b"]),
        ({"residency": ["DE"]}, [A, B_US, {"option_id": "x", "region": "moon"}], ["a"]),
        ({"excluded": ["b*"]}, [A, B_US], ["a"]),
        ({"pinned": ["b", "zz"]}, [A, B_US], ["b"]),
        ({}, [A, {"option_id": "n", "capacity": float("nan")}, {"option_id": "z", "capacity": 0.0}], ["a"]),
        ({}, [A, {"option_id": "slow", "service_s": 0.2}], ["a"]),
        ({"max_rtt_ms": 50, "origins": {"DE": 1.0}}, [A, B_US, {"option_id": "x", "region": "moon"}], ["a"]),
        ({"max_rtt_ms": 50, "origins": {"DE": 0.5, "US": 0.5}}, [A, B_US], ["a", "b"]),
        ({"max_rtt_ms": 95, "origins": {"DE": 0.5, "US": 0.5}, "geo_routing": False}, [A, B_US], ["a", "b"]),
        ({"max_rtt_ms": 94, "origins": {"DE": 1.0}}, [A, B_US], ["a"]),
        ({"spot": {"max_share": 0}}, [A, SPOT], ["a"]),
        ({}, [A, SPOT], ["a"]),
        ({}, [A, {"option_id": "c", "purchase": "commitment"}], ["a"]),
    ],
)
def test_a_filter_leaves_out_what_it_is_for(
    keys: dict[str, Any], rows: list[Mapping[str, Any]], left: list[str]
) -> None:
    assert kept(workload(**keys), *rows) == left


def test_spot_of_a_known_pool_stays_and_of_an_empty_or_unknown_pool_goes() -> None:
    assert kept(workload(), A, SPOT, known=context(p=3.0)) == ["a", "s"]
    assert kept(workload(), A, SPOT, known=context(p=0.0)) == ["a"]
    assert kept(workload(), A, {**SPOT, "pool": None}, known=context(p=3.0)) == ["a"]


def test_llms_need_both_their_prefill_and_their_pace() -> None:
    llm = workload(slo={"ttft_s": 1.0, "tpot_ms": 40, "target": 0.99})
    rows = [
        {**A, "tpot_ms": 40.0, "service_s": 0.9},
        {"option_id": "slow tokens", "tpot_ms": 41.0},
        {"option_id": "slow prompt", "tpot_ms": 20.0, "service_s": 1.0},
        {"option_id": "pace unknown"},
    ]
    assert kept(llm, *rows) == ["a", "pace unknown"]


def test_batch_work_has_no_objective_to_be_fast_enough_for() -> None:
    batch = workload(slo=None, tier="batch", work_units=10, deadline="2026-05-12T00:00:00Z")
    assert kept(batch, {**A, "service_s": 99.0}) == ["a"]


def test_no_option_names_each_filter_with_what_it_left_and_the_cheapest_way_out() -> None:
    w = workload(residency=["DE"], max_rtt_ms=50, origins={"DE": 1.0}, excluded=["a"])
    rows = [A, B_US, {"option_id": "cheap", "region": "us", "price_hourly": 0.1}]
    with pytest.raises(InfeasibleError) as error:
        kept(w, *rows)
    assert str(error.value) == (
        "Workload 'web' has no admissible option: 3 in the catalogue, 1 left after residency, "
        "0 left after excluded. Cheapest way out: remove what matches a from excluded; "
        "that admits a at 1 USD/h."
    )


def test_the_cheapest_way_out_is_by_price_per_unit_served() -> None:
    w = workload(placement={"regions": ["us"]}, residency=["DE"])
    rows = [{**A, "price_hourly": 3.0, "capacity": 100.0}, B_US]
    with pytest.raises(InfeasibleError, match=r"add eu to placement\.regions; that admits a at 3 USD/h"):
        kept(w, *rows)


def test_two_rules_at_once_are_said_to_be_two() -> None:
    w = workload(placement={"regions": ["us"], "providers": ["gcp"]})
    with pytest.raises(InfeasibleError, match="No single rule is the cause"):
        kept(w, A)


def test_a_catalogue_of_commitments_alone_has_no_options() -> None:
    with pytest.raises(InfeasibleError, match=r"0 in the catalogue\. Add on-demand or spot options"):
        kept(workload(), {**A, "purchase": "commitment"})


def test_a_commitment_is_never_offered_as_a_way_out() -> None:
    rows = [
        {"option_id": "c", "purchase": "commitment", "price_hourly": 0.01},
        {**A, "service_s": 9.0},
    ]
    with pytest.raises(InfeasibleError, match="1 in the catalogue, 0 left after slo") as error:
        kept(workload(), *rows)
    assert "admits a at" in str(error.value)


Relaxed = Callable[[], list[str]]
RELAXATIONS: list[tuple[str, dict[str, Any], Mapping[str, Any], str, Relaxed]] = [
    (
        "placement.providers",
        {"placement": {"providers": ["gcp"]}},
        A,
        "add aws to placement.providers",
        lambda: kept(workload(placement={"providers": ["gcp", "aws"]}), A),
    ),
    (
        "placement.regions",
        {"placement": {"regions": ["us"]}},
        A,
        "add eu to placement.regions",
        lambda: kept(workload(placement={"regions": ["us", "eu"]}), A),
    ),
    (
        "residency",
        {"residency": ["US"]},
        A,
        "allow DE in residency",
        lambda: kept(workload(residency=["US", "DE"]), A),
    ),
    (
        "residency",
        {"residency": ["US"]},
        {**A, "region": "moon"},
        "drop residency (moon is unknown)",
        lambda: kept(workload(), {**A, "region": "moon"}),
    ),
    ("excluded", {"excluded": ["a*"]}, A, "remove what matches a from excluded", lambda: kept(workload(), A)),
    ("pinned", {"pinned": ["x"]}, A, "add a to pinned", lambda: kept(workload(pinned=["x", "a"]), A)),
    (
        "profile",
        {},
        {**A, "capacity": float("nan"), "service_s": float("nan")},
        "add a row that fits c8 to profiles.parquet",
        lambda: kept(workload(), A),
    ),
    (
        "resources",
        {"resources": {"cpu": 9.0, "memory_gib": 1.0}},
        {**A, "pods": 0.0},
        "lower resources to what c8 has for pods",
        lambda: kept(workload(resources={"cpu": 1.0, "memory_gib": 1.0}), {**A, "pods": 1.0}),
    ),
    (
        "slo",
        {"slo": {"latency_ms": 50, "target": 0.99}},
        A,
        "loosen the slo to more than 0.05 s without queueing",
        lambda: kept(workload(slo={"latency_ms": 51, "target": 0.99}), A),
    ),
    (
        "slo",
        {"slo": {"ttft_s": 1, "tpot_ms": 30, "target": 0.99}},
        {**A, "tpot_ms": 31.0},
        "loosen the slo to more than 0.05 s without queueing and 31 ms per token",
        lambda: kept(workload(slo={"ttft_s": 1, "tpot_ms": 31, "target": 0.99}), {**A, "tpot_ms": 31.0}),
    ),
    (
        "max_rtt_ms",
        {"max_rtt_ms": 50, "origins": {"US": 1.0}},
        A,
        "raise max_rtt_ms to 95",
        lambda: kept(workload(max_rtt_ms=95, origins={"US": 1.0}), A),
    ),
    (
        "max_rtt_ms",
        {"max_rtt_ms": 50, "origins": {"FR": 1.0}},
        A,
        "drop max_rtt_ms (the round trip to eu is unknown)",
        lambda: kept(workload(origins={"FR": 1.0}), A),
    ),
    (
        "max_rtt_ms",
        {"max_rtt_ms": 50, "origins": {"DE": 0.5, "US": 0.5}, "geo_routing": False},
        A,
        "raise max_rtt_ms to 95",
        lambda: kept(workload(max_rtt_ms=95, origins={"DE": 0.5, "US": 0.5}, geo_routing=False), A),
    ),
    (
        "spot.max_share",
        {"spot": {"max_share": 0}},
        SPOT,
        "raise spot.max_share above 0",
        lambda: kept(workload(spot={"max_share": 0.1}), SPOT, known=context(p=1.0)),
    ),
    (
        "spot_capacity",
        {},
        SPOT,
        "add a history of pool p to spot_capacity.parquet",
        lambda: kept(workload(), SPOT, known=context(p=1.0)),
    ),
]


@pytest.mark.parametrize(("name", "keys", "row", "offer", "relaxed"), RELAXATIONS)
def test_doing_what_the_message_says_makes_it_admissible(
    name: str, keys: dict[str, Any], row: Mapping[str, Any], offer: str, relaxed: Relaxed
) -> None:
    known = context(p=1.0) if name == "spot.max_share" else context()
    with pytest.raises(InfeasibleError) as error:
        kept(workload(**keys), row, known=known)
    assert f"0 left after {name}" in str(error.value)
    assert f"Cheapest way out: {offer}; that admits" in str(error.value)
    assert relaxed() == [row["option_id"]]


@pytest.mark.parametrize(
    ("origins", "way_out"),
    [
        ({"DE": 0.5, "US": 0.5}, "of US. Cheapest way out: raise max_rtt_ms to 95; that admits a."),
        (
            {"DE": 0.5, "FR": 0.5},
            "of FR. Cheapest way out: drop max_rtt_ms (every round trip from FR is unkn",
        ),
        ({"DE": 1.0, "US": 0.0}, None),
    ],
)
def test_an_origin_that_nothing_reaches_is_named(origins: dict[str, float], way_out: str | None) -> None:
    near_de = workload(max_rtt_ms=50, origins=origins, placement={"regions": ["eu"]})
    if way_out is None:
        assert kept(near_de, A, B_US) == ["a"]
        return
    with pytest.raises(InfeasibleError, match="no admissible option is within max_rtt_ms=50") as error:
        kept(near_de, A, B_US)
    assert way_out in str(error.value)


def test_every_filter_has_a_tested_way_out() -> None:
    assert {item.name for item in FILTERS} == {name for name, *_ in RELAXATIONS}
