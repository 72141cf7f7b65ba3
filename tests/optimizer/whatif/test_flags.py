"""Scenarios from flags and files: what can be read, and every fault of what cannot, in one go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from optimizer.errors import InputError
from optimizer.whatif.change import Asked
from optimizer.whatif.compare import read_changes
from optimizer.whatif.files import read_scenarios
from optimizer.whatif.flags import scenario_of
from optimizer.whatif.names import words
from optimizer.whatif.scenario import CHANGES, Scenario
from tests.optimizer import worlds
from tests.optimizer.whatif.scenes import change, committed, scene, tabled


def said(**texts: Any) -> dict[str, Any]:
    (asked,) = scenario_of(texts)
    return asked.scenario.model_dump(exclude_defaults=True, exclude_none=False, exclude_unset=True)


def faults(call: Any, *arguments: Any) -> list[str]:
    with pytest.raises(InputError) as told:
        call(*arguments)
    return [str(fault) for fault in told.value.faults]


def test_flags_say_what_they_say() -> None:
    assert said(demand=["1.3"]) == {"demand": {"*": 1.3}}
    assert said(demand=["chat=1.3", "s*=2"], price=["aws-*=0.8"]) == {
        "demand": {"chat": 1.3, "s*": 2.0}, "price": {"aws-*": 0.8},
    }  # fmt: skip
    assert said(quota=["a=20", "b=none", "*=none"]) == {"quota": {"a": 20, "b": None, "*": None}}
    assert said(residency=["chat=DE, FR", "web=any"]) == {"residency": {"chat": ("DE", "FR"), "web": ()}}
    assert said(without_region=["us", "aws/*"], catalog="c.csv") == {
        "without_region": ("us", "aws/*"), "catalog": "c.csv",
    }  # fmt: skip
    slo = said(slo=["v1.chat.ttft_s=1", "v1.chat.target=0.9", "target=0.99"])["slo"]
    assert slo["v1.chat"] == {"ttft_s": 1.0, "target": 0.9}
    assert slo["*"] == {"target": 0.99}
    assert scenario_of({"demand": [], "catalog": None}) == ()


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("demand", "lots", "--demand: found 'lots'; expected a factor, or PATTERN=FACTOR"),
        ("demand", "chat=0", "--demand: found 0.0; expected a number above 0"),
        ("demand", "nan", "--demand: found 'nan'"),
        ("demand", "=2", "--demand: found '=2'"),
        ("price", "x=-1", "--price: found -1.0; expected a number of at least 0"),
        ("quota", "20", "--quota: found '20'; expected OPTION=INSTANCES, or OPTION=none"),
        ("quota", "x=-3", "--quota: found -3; expected a number of at least 0"),
        ("quota", "x=1.5", "--quota: found 'x=1.5'"),
        ("slo", "chat.ttft=1", "found the unknown key 'ttft'; expected a key of slo; did you mean 'ttft_s'?"),
        ("slo", "chat.target=2", "--slo: found 2.0; expected a number of at most 1"),
        ("residency", "chat=Germany", "found 'Germany'; expected two capital letters such as DE"),
        ("residency", "chat=", "--residency: found ''; expected two capital letters such as DE"),
    ],
)  # fmt: skip
def test_what_a_flag_cannot_mean_is_told(key: str, text: str, words: str) -> None:
    (fault,) = faults(scenario_of, {key: [text]})
    assert words in fault


def test_every_fault_of_every_flag_is_told_at_once() -> None:
    texts = {"demand": ["x", "chat=1", "chat=2"], "quota": ["3"], "slo": ["a=b"]}
    assert [fault.split(":")[0] for fault in faults(scenario_of, texts)] == [
        "--demand", "--demand", "--quota", "--slo",
    ]  # fmt: skip


def test_names_that_are_not_there_are_told_with_the_nearest() -> None:
    keys = {
        "demand": {"wbe": 2.0}, "price": {"aws-su": 2.0}, "quota": {"gpc-*": 1},
        "slo": {"ap": {"target": 0.9}}, "residency": {"nobody": ["DE"]}, "without_region": ["gcp/us", "eus"],
    }  # fmt: skip
    asked = Asked(Scenario.model_validate(keys))
    told = faults(read_changes, scene(), [asked])
    assert [fault.split(":")[0] for fault in told] == [
        "--demand", "--price", "--quota", "--slo", "--residency", "--without-region", "--without-region",
    ]  # fmt: skip
    for fault, meant in zip(
        told, ["'web'", "'aws-us'", "'gcp-eu'", "'api'", "known: web, api", "'gcp/eu'", "'us'"], strict=True
    ):
        assert meant in fault


def test_a_key_that_no_objective_has_is_told() -> None:
    asked = Asked(Scenario.model_validate({"slo": {"web": {"ttft_s": 1.0, "target": 0.9}}}))
    (fault,) = faults(read_changes, scene(), [asked])
    assert "found ttft_s for 'web', of which no workload has an objective with this key" in fault
    assert "keys it has: latency_ms, target, usd_per_1000_missed" in fault


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


CSV = "option_id,provider,region,instance_type,purchase,price_hourly,quota\n7,aws,eu,m,on_demand,0.5,\n"


def test_tables_are_read_from_csv_and_parquet_beside_the_file(tmp_path: Path) -> None:
    write(tmp_path / "new.csv", CSV)
    pd.DataFrame({"option_id": ["aws-us"], "price_hourly": [1]}).to_parquet(tmp_path / "prices")
    text = "scenarios:\n- {name: a, catalog: new.csv, price_list: prices}\n- {name: b, demand: {web: 2}}\n"
    first, second = read_changes(scene(), read_scenarios(write(tmp_path / "s.yaml", text)))
    assert first.catalog is not None
    assert first.price_list is not None
    assert first.catalog[["option_id", "boot_seconds"]].to_numpy().tolist() == [["7", 300.0]]
    assert first.price_list["price_hourly"].tolist() == [1.0]
    assert first.notes[0] == "new.csv: boot_seconds of 1 options is taken as 300"
    assert (second.scenario.name, second.scenario.demand, second.catalog) == ("b", {"web": 2.0}, None)


def test_wrong_tables_are_told_row_by_row(tmp_path: Path) -> None:
    write(tmp_path / "bad.csv", CSV + "7,aws,eu,m,on_demand,cheap,\n")
    write(tmp_path / "empty.csv", "option_id,price_hourly\n")
    asked = Asked(
        Scenario(catalog="bad.csv", price_list="empty.csv", profiles="none.csv"), tmp_path / "s.yaml"
    )  # fmt: skip
    told = faults(read_changes, scene(), [asked])
    for each in (
        "bad.csv, row 2, column price_hourly: found the text 'cheap'",
        "bad.csv, row 2, column option_id: found '7' again (first in row 1)",
        "found no row in empty.csv",
        "none.csv: found No such file or directory; expected a Parquet or CSV file",
    ):
        assert any(each in fault for fault in told), each


def test_a_price_list_of_others_is_told(tmp_path: Path) -> None:
    write(tmp_path / "prices.csv", "option_id,price_hourly\naws-uss,1\n")
    asked = Asked(Scenario(price_list="prices.csv"), tmp_path / "s.yaml")
    (fault,) = faults(read_changes, scene(), [asked])
    assert "found no option of the catalogue, but 'aws-uss'" in fault
    assert "did you mean 'aws-us'?" in fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "scenarios:\n- name: a\n  demnd: {web: 2}\n",
            ["row 3, column scenarios[0].demnd: found the unknown key", "'demand' (the nearest"],
        ),
        ("scenarios:\n- name: a\n  slo: {web: {tfft_s: 2}}\n", ["unknown key 'tfft_s'; expected 'ttft_s'"]),
        ("scenarios:\n- name: a\n  demand: {web: -2}\n", ["demand.web: found -2; expected a number above 0"]),
        ("scenarios:\n- name: a\n  demand: 2\n", ["what its launch expects, its units of work); correct it"]),
        ("scenarios:\n- name: a\n", ["row 2, column scenarios[0]: found nothing that is otherwise"]),
        ("scenarios: []\n", ["column scenarios: found []; expected at least one"]),
        ("", ["column scenarios: found nothing"]),
        ("scenarios: [\n", ["found text that is not YAML"]),
        (
            "scenarios:\n- {name: a, demand: {web: 2}}\n- {name: a, demand: {web: 3}}\n",
            ["scenarios[1].name: found 'a' again"],
        ),
    ],
)  # fmt: skip
def test_files_of_scenarios_are_refused_with_line_and_key(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    told = faults(read_scenarios, write(tmp_path / "s.yaml", text))
    for each in words:
        assert each in told[0]


def test_one_replica_runs_and_several_run() -> None:
    base = replace(scene(), fleet=worlds.fleet({("web", "aws-us"): 1, ("api", "aws-us"): 1200}))
    lost = words(base, change(without_region=["us"]))[1:]
    assert lost == ("api loses 1,200 replicas that run there", "web loses 1 replica that runs there")


def test_every_change_has_words() -> None:
    base = scene(
        worlds.workload("web"), worlds.workload("api", residency=["DE"]), commitments=(committed(1.0),)
    )
    keys = {
        "demand": {"*": 1.3, "api": 2}, "price": {"aws-*": 0.8, "aws-us": 0.5},
        "quota": {"aws-us": 3, "*": None}, "slo": {"web": {"target": 0.9}},
        "residency": {"api": [], "web": ["DE", "NL"]}, "without_region": ["us"],
    }  # fmt: skip
    assert words(base, change(**keys)) == (
        "demand of all 2 workloads × 1.3",
        "demand of api × 2",
        "price of 2 options (aws-*) × 0.8",
        "price of aws-us × 0.5",
        "commitments keep the rates they were bought at: plan",
        "a quota of 3 for aws-us",
        "no quota for all 4 options",
        "slo.target of web 0.9 (now 0.5)",
        "api in any country",
        "web only in DE, NL",
        "without us: 1 option gone",
        "web loses 5 replicas that run there",
    )
    new = worlds.catalogue(worlds.option("aws-us"), worlds.option("new", region="moon"))
    listed = pd.DataFrame({"option_id": ["aws-us", "x"], "price_hourly": 1.0})
    made = tabled(catalog=new, price_list=listed, profiles=worlds.profiles({"m": 1.0}))
    assert words(base, made) == (
        "prices of 1 option as in table.csv",
        "1 option of the list not in the catalogue, left out: x",
        "1 new option: new",
        "1 option otherwise: aws-us",
        "where aws/moon is, is not known: rules of residency and round trip keep it out",
        "throughput of svc, 1 row",
    )
    assert set(keys) | {"catalog", "price_list", "profiles"} == set(CHANGES)
