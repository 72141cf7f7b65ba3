"""Inputs in a scenario: what it names is otherwise, everything else is as it was."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from optimizer.inputs import Inputs
from optimizer.whatif.changed import changed, picked
from tests.optimizer import worlds
from tests.optimizer.whatif.scenes import after, change, prices, scene, tabled

EVERY_KEY: list[dict[str, Any]] = [
    {"demand": {"*": 1.5}},
    {"price": {"aws-*": 0.8}},
    {"quota": {"aws-us": 3}},
    {"slo": {"web": {"target": 0.9}}},
    {"residency": {"web": ["DE"]}},
    {"without_region": ["us"]},
]


def parts(inputs: Inputs) -> dict[str, Any]:
    return {field.name: getattr(inputs, field.name) for field in fields(inputs)}


def differing(one: Inputs, other: Inputs) -> set[str]:
    """Names of the parts that are not equal."""
    pairs = ((name, value, getattr(other, name)) for name, value in parts(one).items())
    return {name for name, a, b in pairs if not (a.equals(b) if isinstance(a, pd.DataFrame) else a == b)}


@pytest.mark.parametrize(
    ("keys", "parts"),
    list(
        zip(
            EVERY_KEY,
            ["demand", "options", "options", "workloads", "workloads", "fleet options"],
            strict=True,
        )
    ),
)
def test_a_scenario_changes_its_own_part_and_leaves_the_base_alone(keys: dict[str, Any], parts: str) -> None:
    base = scene()
    before, print_before = scene(), base.fingerprint
    other = after(base, **keys)
    assert differing(base, other) == set(parts.split())
    assert differing(base, before) == set()
    assert base.fingerprint == print_before != other.fingerprint


@pytest.mark.parametrize(
    "keys", [{}, {"demand": {"*": 1.0}}, {"price": {"*": 1.0}}, {"demand": {"web": 1.0}}]
)
def test_nothing_times_one_is_otherwise(keys: dict[str, Any]) -> None:
    base = scene()
    assert differing(base, after(base, **keys)) == set()
    assert after(base, **keys).fingerprint == base.fingerprint


def test_of_several_patterns_the_last_that_fits_counts() -> None:
    assert picked(["a", "ab", "c"], {"*": 1, "a*": 2, "ab": 3}) == {"a": 2, "ab": 3, "c": 1}
    assert picked(["a"], {"b": 1}) == {}
    assert prices(after(scene(), price={"*": 2.0, "gcp-*": 0.5})) == {
        "aws-eu": 4.0, "aws-us": 2.0, "gcp-eu": 1.5, "gcp-eu-big": 5.0,
    }  # fmt: skip


def test_demand_is_multiplied_wherever_it_is_known() -> None:
    launch = {"launch": {"requests_per_s": 4.0}}
    work = worlds.batch("etl", work_units=900.0, deadline=worlds.AS_OF + timedelta(days=1))
    told = pd.DataFrame(
        {"metric": "m", "unique_id": ["web", "api"], "ds": worlds.AS_OF, "quantile": 0.5, "value": 2.0}
    )
    base = scene(worlds.workload("web"), worlds.workload("new", **launch), work, past_forecasts=told)
    other = after(base, demand={"*": 3.0})
    np.testing.assert_allclose(
        other.demand["requests"][base.demand["workload"].eq("web")], 3.0 * 43.0 * 600.0
    )
    new, etl = other.workloads[1], other.workloads[2]
    assert new.launch is not None
    assert (new.launch.requests_per_s, etl.work_units) == (12.0, 2700.0)
    # What was forecast of a workload is judged beside its demand; "api" is no workload here.
    assert other.past_forecasts["value"].tolist() == [6.0, 2.0]


def test_demand_of_one_leaves_the_others() -> None:
    other = after(scene(), demand={"web": 2.0})
    means = other.demand.groupby("workload")["requests"].mean() / 600.0
    assert means.to_dict() == pytest.approx({"web": 86.0, "api": 25.0})


def test_quotas_are_set_and_lifted() -> None:
    quota = after(scene(), quota={"gcp-*": 7, "aws-us": None}).options.set_index("option_id")["quota"]
    assert quota[["gcp-eu", "gcp-eu-big"]].tolist() == [7.0, 7.0]
    assert quota[["aws-us", "aws-eu"]].isna().all()


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("us", ["aws-eu", "gcp-eu", "gcp-eu-big"]),
        ("eu", ["aws-us"]),
        ("gcp/eu", ["aws-eu", "aws-us"]),
        ("aws/*", ["gcp-eu", "gcp-eu-big"]),
    ],
)
def test_a_region_goes_with_what_is_offered_and_runs_in_it(pattern: str, left: list[str]) -> None:
    other = after(scene(), without_region=[pattern])
    assert other.options["option_id"].tolist() == left
    assert set(other.fleet["option_id"]) == {"aws-us", "aws-eu"} & set(left)
    assert other.unpriced == ()


def test_objectives_change_where_they_have_the_key() -> None:
    tokens = {"slo": {"ttft_s": 2.0, "tpot_ms": 60.0, "target": 0.99}}
    base = scene(worlds.workload("web"), worlds.workload("chat", **tokens))
    web, chat = after(base, slo={"*": {"ttft_s": 1.0, "target": 0.9}, "web": {"target": 0.95}}).workloads
    assert web.slo is not None
    assert chat.slo is not None
    assert (web.slo.ttft_s, web.slo.latency_ms, web.slo.target) == (None, 500, 0.95)
    assert (chat.slo.ttft_s, chat.slo.tpot_ms, chat.slo.target) == (1.0, 60.0, 0.9)


def test_residency_is_set_and_lifted() -> None:
    base = scene(worlds.workload("web", residency=["US"]), worlds.workload("api"))
    web, api = after(base, residency={"web": [], "api": ["DE", "NL"]}).workloads
    assert (web.residency, api.residency) == ((), ("DE", "NL"))


def test_options_are_added_and_replaced_in_the_order_of_plans() -> None:
    columns = scene().options.columns
    rows = worlds.catalogue(
        worlds.option("aws-aa", 0.5), worlds.option("aws-us", 0.9, region="us", boot_seconds=60.0)
    )
    base = scene()
    other = changed(base, tabled(catalog=rows[columns]))
    assert other.options["option_id"].tolist() == ["aws-aa", "aws-eu", "aws-us", "gcp-eu", "gcp-eu-big"]
    assert prices(other)["aws-us"] == 0.9
    assert other.options.set_index("option_id").loc["aws-us", "boot_seconds"] == 60.0
    assert other.options.dtypes.to_dict() == base.options.dtypes.to_dict()


def test_an_added_price_is_no_estimate_where_prices_say_whether_they_are() -> None:
    base = scene()
    told = worlds.without(base, options=base.options.assign(is_estimated=True))
    other = changed(told, tabled(catalog=worlds.catalogue(worlds.option("new", 0.5))))
    assert other.options.set_index("option_id")["is_estimated"].to_dict() == {
        "aws-eu": True, "aws-us": True, "gcp-eu": True, "gcp-eu-big": True, "new": False,
    }  # fmt: skip


def test_throughput_is_added_and_replaced() -> None:
    rows = worlds.profiles({"m": 20.0, "huge": 80.0})
    other = changed(scene(), tabled(profiles=rows))
    rps = dict(zip(other.profiles["instance_type"], other.profiles["rps"], strict=True))
    assert rps == {"big": 40.0, "huge": 80.0, "m": 20.0, "slow": 10.0}


def test_a_price_list_sets_what_it_names() -> None:
    listed = pd.DataFrame({"option_id": ["aws-us", "nobody's"], "price_hourly": [0.25, 9.0]})
    assert prices(changed(scene(), tabled(price_list=listed))) == {
        "aws-eu": 2.0, "aws-us": 0.25, "gcp-eu": 3.0, "gcp-eu-big": 10.0,
    }  # fmt: skip


def test_factors_count_on_top_of_a_list() -> None:
    listed = pd.DataFrame({"option_id": ["aws-us"], "price_hourly": [0.5]})
    both = tabled(price_list=listed)
    said = both.asked.scenario.model_copy(update={"price": {"aws-us": 2.0}})
    both = type(both)(type(both.asked)(said), price_list=listed)
    assert prices(changed(scene(), both))["aws-us"] == 1.0
    assert change().scenario.changes == ()
