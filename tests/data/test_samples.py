"""The public facts that ship with the package: complete, plausible, and what their sources say."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pandas as pd
import pytest

from data import catalogue
from data.errors import InputError
from data.synthetic import DEFAULT_AS_OF

KEY = ["provider", "region", "instance_type"]
FILES = ("list_prices", "instance_types", "regions", "countries")


@pytest.fixture(scope="module")
def prices() -> pd.DataFrame:
    return catalogue.list_prices()


def test_three_clouds_forty_types_three_regions_three_ways_of_buying(prices: pd.DataFrame) -> None:
    assert prices["instance_type"].nunique() >= 40
    assert set(prices["provider"]) == {"aws", "azure", "gcp"}
    combinations = prices.groupby(["provider", "purchase"])["region"].nunique()
    assert len(combinations) == 9
    assert combinations.min() >= 3
    assert set(prices.loc[prices["purchase"] == "commitment", "term"]) == {"1y"}
    assert prices.loc[prices["purchase"] != "commitment", "term"].isna().all()
    assert set(prices["currency"]) == {"USD"}


def test_general_compute_memory_and_the_usual_accelerators_are_priced(prices: pd.DataFrame) -> None:
    types = catalogue.instance_types()
    priced = types[types["instance_type"].isin(prices["instance_type"])]
    accelerators = {"T4", "L4", "A10G", "L40S", "A100-40GB", "A100-80GB", "H100"}
    assert set(priced["accelerator"].dropna()) == accelerators
    gib_per_vcpu = priced["memory_gib"] / priced["vcpu"]
    for provider in ("aws", "azure", "gcp"):
        of_provider = gib_per_vcpu[(priced["provider"] == provider) & priced["accelerator"].isna()]
        assert of_provider.min() <= 2
        assert of_provider.max() >= 8


def test_each_price_is_given_once_and_the_file_is_sorted(prices: pd.DataFrame) -> None:
    keys = [*KEY, "purchase"]
    assert not prices.duplicated(keys).any()
    assert prices[keys].equals(prices[keys].sort_values(keys, ignore_index=True))


def test_spot_and_commitment_cost_less_than_on_demand(prices: pd.DataFrame) -> None:
    table = prices.pivot_table("price_hourly", index=KEY, columns="purchase", aggfunc="min")
    listed = table.dropna(subset="on_demand")
    assert (listed["spot"].dropna() < listed["on_demand"].loc[listed["spot"].dropna().index]).all()
    assert (listed["commitment"] < listed["on_demand"]).all()
    # Spot without an on-demand price in its region is judged by the dearest one of the type.
    orphans = table[table["on_demand"].isna()]["spot"]
    dearest = table["on_demand"].groupby("instance_type").max()
    assert (orphans < orphans.index.get_level_values("instance_type").map(dearest)).all()
    assert (prices["price_hourly"] > 0.01).all()


def test_estimates_say_so_in_both_places_and_nothing_else_does(prices: pd.DataFrame) -> None:
    assert prices["source"].str.startswith("estimated").equals(prices["is_estimated"])
    assert 0 < prices["is_estimated"].sum() < len(prices) / 2


def test_no_price_is_from_after_the_demo(prices: pd.DataFrame) -> None:
    assert str(prices["as_of"].dtype) == "datetime64[us, UTC]"
    assert prices["as_of"].between(pd.Timestamp("2024-01-01", tz="UTC"), pd.Timestamp(DEFAULT_AS_OF)).all()


def test_every_priced_type_has_a_size_and_every_region_a_place(prices: pd.DataFrame) -> None:
    types = catalogue.instance_types()
    assert not types.duplicated(["provider", "instance_type"]).any()
    assert set(zip(prices["provider"], prices["instance_type"], strict=True)) == set(
        zip(types["provider"], types["instance_type"], strict=True)
    )
    regions = catalogue.regions()
    assert set(zip(prices["provider"], prices["region"], strict=True)) <= set(
        zip(regions["provider"], regions["region"], strict=True)
    )
    has_gpu = types["accelerator"].notna()
    assert (types["accelerator_count"] > 0).equals(has_gpu)
    assert types["accelerator_memory_gib"].notna().equals(has_gpu)


def test_places_are_on_earth_and_regions_in_known_countries() -> None:
    countries, regions = catalogue.countries(), catalogue.regions()
    assert len(countries) >= 60
    assert countries["country"].is_unique
    assert countries["country"].str.fullmatch("[A-Z]{2}").all()
    assert set(regions["country"]) <= set(countries["country"])
    for places in (countries, regions):
        assert places["latitude_deg"].between(-60, 70).all()
        assert places["longitude_deg"].between(-180, 180).all()


def test_samples_are_small_text() -> None:
    folder = resources.files("data") / "samples"
    sizes = {name: len((folder / f"{name}.csv").read_bytes()) for name in FILES}
    assert sum(sizes.values()) < 300_000
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for name in FILES:
        rows = len(pd.read_csv(str(folder / f"{name}.csv")))
        assert f"| {name}.csv | {rows} |" in readme


def test_a_frame_can_be_changed_without_changing_the_next() -> None:
    for read in (catalogue.list_prices, catalogue.instance_types, catalogue.regions, catalogue.countries):
        before, changed = read(), read()
        changed[changed.columns[0]] = "changed"
        changed.loc[0, changed.columns[1]] = "changed"
        pd.testing.assert_frame_equal(read(), before)


def test_round_trips_follow_the_great_circle() -> None:
    table = catalogue.rtt_ms(["GB", "JP"]).set_index(["origin", "region"])["rtt_ms"]
    # From 52.6 N 1.6 W to 51.51 N 0.13 W are 157 km: 2 × 157 / 200 × 1.5 + 5.
    assert table["GB", "eu-west-2"] == pytest.approx(7.36, abs=0.05)
    # London to Northern Virginia is about 5,900 km by the great circle; 70–95 ms are measured.
    assert 70 < table["GB", "us-east-1"] < 100
    assert table["JP", "ap-northeast-1"] < 10
    assert table["JP", "eu-west-1"] > 120


def test_round_trips_cover_every_country_and_region() -> None:
    table = catalogue.rtt_ms()
    assert len(table) == len(catalogue.countries()) * len(catalogue.regions())
    assert table["rtt_ms"].between(5, 310).all()


def test_unknown_countries_are_all_named() -> None:
    with pytest.raises(InputError) as caught:
        catalogue.rtt_ms(["DE", "XX", "uk"])
    assert [fault.found for fault in caught.value.faults] == ["'XX'", "'uk'"]


def test_prices_are_what_their_sources_say(prices: pd.DataFrame, shared: Path) -> None:
    public = pd.read_parquet(shared / "catalog" / "prices.parquet")
    short = (public["cloud"] == "azure") & ~public["instance_type"].str.startswith("Standard_")
    public["instance_type"] = public["instance_type"].where(~short, "Standard_" + public["instance_type"])
    public = public.rename(columns={"cloud": "provider", "purchase_option": "purchase", "as_of": "date"})
    checked = prices[~prices["is_estimated"] | prices["source"].str.contains("regional ratio")]
    checked = checked.assign(date=checked["as_of"].dt.strftime("%Y-%m-%d"))
    both = checked.merge(public, on=[*KEY, "purchase", "date"], suffixes=("", "_public"))
    both = both[(both["purchase"] != "commitment") | (both["term_public"] == "1y")]
    assert both["price_hourly"].to_numpy() == pytest.approx(both["usd_per_hour"].to_numpy(), abs=1e-6)
    found = set(zip(*(both[column] for column in [*KEY, "purchase"]), strict=True))
    missing = [row for row in zip(*(checked[column] for column in [*KEY, "purchase"]), strict=True)
               if row not in found]  # fmt: skip
    assert missing == [
        ("aws", "us-east-2", "g6e.xlarge", "spot"),
        ("aws", "us-west-2", "g6e.xlarge", "spot"),
    ]


def test_gpu_prices_agree_with_the_example_workspace(prices: pd.DataFrame, shared: Path) -> None:
    example = pd.read_parquet(shared / "workspaces" / "llm-8b" / "catalog.parquet")
    dearest = example.groupby([*KEY, "purchase"], as_index=False)["price_hourly"].max()
    both = dearest.merge(prices, on=[*KEY, "purchase"], suffixes=("_example", ""))
    assert len(both) == len(dearest)
    assert both["price_hourly"].to_numpy() == pytest.approx(both["price_hourly_example"].to_numpy(), rel=5e-4)


def test_sizes_and_places_agree_with_the_catalogue(shared: Path) -> None:
    names = {"cloud": "provider"}
    sizes = pd.read_parquet(shared / "catalog" / "instance_types.parquet").rename(columns=names)
    both = catalogue.instance_types().merge(sizes, on=["provider", "instance_type"], suffixes=("", "_public"))
    assert len(both) == len(catalogue.instance_types())
    assert both["vcpu"].equals(both["vcpu_public"])
    assert both["memory_gib"].equals(both["memory_gib_public"])
    assert (both["accelerator_count"] == both["gpu_count"]).all()
    places = pd.read_parquet(shared / "catalog" / "regions.parquet").rename(columns=names)
    both = catalogue.regions().merge(places, on=["provider", "region"], suffixes=("", "_public"))
    assert len(both) == len(catalogue.regions())
    assert both["country"].equals(both["country_public"])
    assert (both["latitude_deg"] - both["lat"]).abs().max() < 3
    assert (both["longitude_deg"] - both["lon"]).abs().max() < 3
