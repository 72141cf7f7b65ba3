"""What an hour costs this user: list, contract, discount and spot, on bills that can be added up by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.ingest import ingest
from data.lake import Lake
from optimizer.lake_inputs import LakeTables
from optimizer.prices import BILLED, ENOUGH_HOURS, LOOKBACK, discounts, effective, fit, unit_prices
from tests.data.bills import NOW, focus_csv

TODAY = pd.Timestamp("2026-05-12T00:00:00Z")
LISTED = pd.Timestamp("2026-05-01T00:00:00Z")
OPTION = {
    "option_id": "", "provider": "aws", "region": "eu", "instance_type": "m", "purchase": "on_demand",
    "price_hourly": 1.0, "price_as_of": LISTED, "price_source": "list",
}  # fmt: skip
HOURS = {
    "provider": "aws", "region": "eu", "instance_type": "m", "category": "Standard", "currency": "USD",
    "hours": 24.0,
}  # fmt: skip


def offers(*changes: Mapping[str, Any]) -> pd.DataFrame:
    """Options of OPTION with the changes of each."""
    return pd.DataFrame([OPTION | change for change in changes])


def hours(price: float, days_ago: int = 1, *, listed: float = 1.0, **changes: Any) -> dict[str, Any]:
    """A day of a type in the bill, contracted and paid at a price per hour."""
    row = HOURS | changes
    day = TODAY - pd.Timedelta(days=days_ago)
    costs = {"list_cost": listed, "contracted_cost": price, "effective_cost": price}
    costs = {name: value * row["hours"] for name, value in costs.items()}
    return row | costs | {"day": day, "newest": day + pd.Timedelta(days=1)}


def bill(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """Rows as the view billed_prices has them."""
    return pd.DataFrame(list(rows), columns=BILLED)


def paid(options: pd.DataFrame, billed: pd.DataFrame) -> list[tuple[float, str]]:
    """Price and what it is based on, of each option."""
    found = effective(options, billed)
    return list(zip(found["price_hourly"].tolist(), found["price_basis"].tolist(), strict=True))


def test_without_a_bill_the_list_is_what_is_paid() -> None:
    options = offers({}, {"purchase": "spot"}, {"purchase": "commitment"})
    found = effective(options, bill())
    assert found["price_basis"].tolist() == ["list"] * 3
    for name in ("hourly", "source", "as_of"):
        assert (
            found[f"list_{name}"].tolist()
            == found[f"price_{name}"].tolist()
            == options[f"price_{name}"].tolist()
        )


def test_a_contract_of_the_type_beats_the_discount_of_the_provider() -> None:
    options = offers({}, {"instance_type": "l", "price_hourly": 4.0}, {"region": "us"}, {"provider": "gcp"})
    found = effective(options, bill(hours(0.7), hours(3.6, instance_type="xl", listed=4.0)))
    ratio = (0.7 + 3.6) / (1.0 + 4.0)
    assert found["price_hourly"].tolist() == pytest.approx([0.7, 4.0 * ratio, ratio, 1.0])
    assert found["price_basis"].tolist() == ["contract", "discount", "discount", "list"]
    assert found["price_source"].tolist() == ["bill", *["list × discount in the bill"] * 2, "list"]
    assert found["price_as_of"].tolist() == [TODAY, LISTED, LISTED, LISTED]  # as old as its older part
    assert found["list_hourly"].tolist() == [1.0, 4.0, 1.0, 1.0]


def test_a_contract_need_not_be_below_the_list() -> None:
    assert paid(offers({}, {"region": "us"}), bill(hours(1.1))) == [(1.1, "contract"), (1.0, "list")]


def test_only_on_demand_is_discounted() -> None:
    options = offers({"region": "us", "purchase": "spot"}, {"region": "us", "purchase": "commitment"})
    assert paid(options, bill(hours(0.7))) == [(1.0, "list"), (1.0, "list")]


def test_a_few_hours_prove_nothing() -> None:
    options = offers({}, {"region": "us"})
    assert paid(options, bill(hours(0.5, hours=ENOUGH_HOURS - 0.1))) == [(1.0, "list")] * 2
    assert paid(options, bill(hours(0.5, hours=ENOUGH_HOURS))) == [(0.5, "contract"), (0.5, "discount")]
    split = [hours(0.5, hours=12.0, region=region) for region in ("a", "b")]  # enough for the provider only
    assert paid(offers({"region": "a"}), bill(*split)) == [(0.5, "discount")]


def test_a_price_that_changed_is_the_new_one() -> None:
    before = [hours(0.9, days_ago=n, listed=1.0) for n in range(2, 30)]
    options = offers({}, {"region": "us"})
    assert paid(options, bill(*before, hours(0.6))) == [(0.6, "contract"), (0.6, "discount")]
    part = bill(*before, hours(0.6, hours=12.0))  # the newest day alone is too little: one more day counts
    mean = (24 * 0.9 + 12 * 0.6) / 36
    assert [price for price, _ in paid(options, part)] == pytest.approx([mean, mean])
    whole = unit_prices(bill(*before, hours(0.6)), "Standard", "contracted_cost", newest_hours=np.inf)
    assert whole["unit_price"].tolist() == pytest.approx([(28 * 0.9 + 0.6) / 29])


@pytest.mark.parametrize(("ratio", "known"), [(1.0, True), (1.01, False), (0.05, True), (0.04, False)])
def test_a_discount_is_a_plausible_share_of_the_list(ratio: float, known: bool) -> None:
    assert discounts(bill(hours(ratio)))["ratio"].tolist() == ([ratio] if known else [])


def test_spot_of_the_bill_counts_where_it_is_newer_than_the_offer() -> None:
    spot = {"purchase": "spot", "price_hourly": 0.3}
    billed = bill(hours(0.2, days_ago=11, category="Dynamic"))  # ends with the first of May
    seen = billed["newest"].iloc[0]
    second = pd.Timedelta(seconds=1)
    options = offers(*(spot | {"price_as_of": seen + n * second} for n in (-1, 0, 1)), {})
    assert paid(options, billed) == [(0.2, "spot"), (0.3, "list"), (0.3, "list"), (1.0, "list")]
    assert effective(options, billed)["price_as_of"].iloc[0] == seen


def test_what_is_missing_stays_missing() -> None:
    nothing = {"price_hourly": np.nan, "region": "us"}
    assert np.isnan(paid(offers(nothing), bill(hours(0.5)))[0][0])
    assert paid(offers({"price_hourly": np.nan}), bill(hours(0.5))) == [(0.5, "contract")]
    unlisted = bill(hours(0.5) | {"list_cost": np.nan})
    assert paid(offers({}, {"region": "us"}), unlisted) == [(0.5, "contract"), (1.0, "list")]
    unknown = bill(hours(0.5) | {"contracted_cost": np.nan})
    assert paid(offers({}, {"region": "us"}), unknown) == [(1.0, "list"), (1.0, "list")]
    mixed = bill(hours(0.5), hours(9.0, days_ago=0) | {"contracted_cost": np.nan})
    assert paid(offers({}), mixed) == [(0.5, "contract")]


def test_other_currencies_are_not_taken_for_dollars() -> None:
    euro = hours(0.5, currency="EUR")
    options = offers({}, {"region": "us"})
    assert paid(options, bill(euro)) == [(1.0, "list")] * 2
    assert paid(options, bill(euro, hours(0.8))) == [(0.8, "contract"), (0.8, "discount")]


# -- what always holds -----------------------------------------------------------------------------

PRICE = st.integers(1, 400).map(lambda n: n / 100)
ROW = st.builds(
    hours, PRICE, st.integers(0, 40), listed=PRICE, hours=st.sampled_from([1.0, 7.5, 24.0, 100.0]),
    provider=st.sampled_from(["aws", "gcp"]), region=st.sampled_from(["eu", "us"]),
    instance_type=st.sampled_from(["m", "l"]), category=st.sampled_from(["Standard", "Dynamic", "Committed"]),
    currency=st.sampled_from(["USD", "USD", "EUR"]),
)  # fmt: skip
KEYS = ["provider", "region", "instance_type", "category", "currency", "day"]
BILLS = st.lists(ROW, max_size=25).map(lambda rows: bill(*rows).drop_duplicates(KEYS))
ALL = offers(
    *(
        {
            "provider": provider,
            "region": region,
            "instance_type": kind,
            "purchase": purchase,
            "price_hourly": price,
        }
        for provider in ("aws", "gcp")
        for region in ("eu", "us")
        for kind in ("m", "xl")
        for purchase, price in (("on_demand", 2.0), ("spot", 0.7), ("commitment", 1.3))
    )
).assign(option_id=range(24))


@settings(max_examples=15, deadline=None)
@given(billed=BILLS, seed=st.integers(0, 9))
def test_the_order_of_rows_does_not_matter(billed: pd.DataFrame, seed: int) -> None:
    turned = effective(ALL.sample(frac=1, random_state=seed), billed.sample(frac=1, random_state=seed))
    pd.testing.assert_frame_equal(turned.sort_values("option_id"), effective(ALL, billed), check_exact=True)


@settings(max_examples=15, deadline=None)
@given(billed=BILLS, factor=st.sampled_from([0.5, 2.0, 8.0]))
def test_prices_scale_with_the_lists(billed: pd.DataFrame, factor: float) -> None:
    """With list and bill all prices, with the list alone those that come from it."""
    found = effective(ALL, billed)
    dearer = ALL.assign(price_hourly=ALL["price_hourly"] * factor)
    costs = ["list_cost", "contracted_cost", "effective_cost"]
    both = effective(dearer, billed.assign(**{name: billed[name] * factor for name in costs}))
    assert both["price_hourly"].tolist() == pytest.approx((found["price_hourly"] * factor).tolist())
    assert both["price_basis"].tolist() == found["price_basis"].tolist()
    alone = effective(dearer, billed)
    of_list = found["price_basis"].isin(["list", "discount"])
    expected = found["price_hourly"].where(~of_list, found["price_hourly"] * factor)
    assert alone["price_hourly"].tolist() == pytest.approx(expected.tolist())


@settings(max_examples=15, deadline=None)
@given(billed=BILLS)
def test_every_price_has_its_reason(billed: pd.DataFrame) -> None:
    found = effective(ALL, billed)
    assert found["option_id"].tolist() == ALL["option_id"].tolist()
    for _, row in found.iterrows():
        own = billed.loc[
            (
                billed[["provider", "region", "instance_type"]]
                == row[["provider", "region", "instance_type"]]
            ).all(axis=1)
            & billed["currency"].eq("USD")
            & billed["category"].eq("Dynamic" if row["purchase"] == "spot" else "Standard")
        ]
        units = own["contracted_cost"] / own["hours"]
        if row["price_basis"] in ("contract", "spot"):
            assert own["hours"].sum() >= ENOUGH_HOURS
            assert units.min() - 1e-9 <= row["price_hourly"] <= units.max() + 1e-9
        elif row["price_basis"] == "discount":
            assert row["purchase"] == "on_demand"
            assert own["hours"].sum() < ENOUGH_HOURS
            assert row["price_hourly"] < row["list_hourly"]
        else:
            assert row["price_hourly"] == row["list_hourly"]
        assert row["purchase"] != "commitment" or row["price_basis"] == "list"


# -- how well it meets what was billed afterwards ---------------------------------------------------


def test_the_fit_is_modelled_over_billed() -> None:
    options = offers({}, {"region": "us"}, {"region": "spare", "price_hourly": np.nan}, {"purchase": "spot"})
    before = bill(hours(0.8))
    after = bill(
        hours(0.4), hours(1.2, days_ago=2), hours(1.0, region="us"), hours(1.0, region="spare"),
        hours(0.5, category="Dynamic"), hours(0.7, region="elsewhere"),
    )  # fmt: skip
    found = fit(options, before, after)  # of the whole time afterwards, 0.8 on average
    assert sorted(found.ratios) == pytest.approx([0.8, 1.0, 2.0])
    assert found.median == pytest.approx(1.0)
    assert fit(options, before, bill()).median is None


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """One lake for bills of different years."""
    with Lake.open(tmp_path_factory.mktemp("prices") / "lake") as opened:
        yield opened


@pytest.fixture(scope="module")
def catalogue(shared: Path) -> pd.DataFrame:
    """On-demand list prices of the three clouds, the newest of each, as options."""
    names = {
        "cloud": "provider", "purchase_option": "purchase", "usd_per_hour": "price_hourly",
        "as_of": "price_as_of", "source": "price_source",
    }  # fmt: skip
    rows = pd.read_parquet(shared / "catalog/prices.parquet").rename(columns=names)
    rows = rows.loc[rows["purchase"].eq("on_demand")].sort_values("price_as_of", kind="stable")
    newest = rows.drop_duplicates(["provider", "region", "instance_type"], keep="last", ignore_index=True)
    return newest.assign(price_as_of=pd.to_datetime(newest["price_as_of"], utc=True))


def test_list_prices_meet_a_real_azure_bill(lake: Lake, shared: Path, catalogue: pd.DataFrame) -> None:
    """The one machine with a day of hours that a real sample has; the list is of 2026, the bill of 2023."""
    ingest(lake, shared / "billing_samples/azure/azure_ea_actual_small.csv", loaded_at=NOW)
    tables = LakeTables(lake, pd.Timestamp("2023-10-01T00:00:00Z"))
    billed = tables.billed_prices()
    assert billed["instance_type"].tolist() == ["Standard_D2s_v3"]
    found = fit(catalogue, bill(), billed)
    assert len(found.ratios) == 1
    assert found.median == pytest.approx(1.0, abs=0.02)


def test_public_rates_meet_a_real_aws_bill(lake: Lake, shared: Path) -> None:
    """No machine is in it, so this compares what AWS lists with what it bills, charge by charge."""
    ingest(lake, shared / "billing_samples/aws_cur_legacy/aws_cur_legacy_daily_2023-11.csv", loaded_at=NOW)
    rows = lake.sql(
        """SELECT ("ListCost" / "PricingQuantity")::DOUBLE AS listed,
            ("ContractedCost" / "PricingQuantity")::DOUBLE AS billed
        FROM charges WHERE "ChargeCategory" = 'Usage' AND "BilledCost" > 0 AND "ListUnitPrice" > 0
            AND "x_Source" = 'aws' AND "x_Month" = '2023-11' """
    ).to_pandas()
    ratio = rows["listed"] / rows["billed"]
    assert len(ratio) == 745
    assert ratio.median() == pytest.approx(1.0, abs=0.02)
    assert (ratio - 1).abs().le(0.02).mean() > 0.99


def test_prices_of_a_lake_are_of_the_time_and_currency_asked_for(lake: Lake, tmp_path: Path) -> None:
    def used(day: int, price: str, **changes: str) -> dict[str, str]:
        return {
            "ChargePeriodStart": f"2026-05-{day:02d}T00:00:00Z",
            "ChargePeriodEnd": f"2026-05-{day + 1:02d}T00:00:00Z",
            "RegionId": "eu-west-1", "SkuPriceDetails": '{"InstanceType": "m5.large"}',
            "PricingCategory": "Standard", "PricingUnit": "Hours", "PricingQuantity": "24",
            "ListCost": "24", "ContractedCost": price, "BilledCost": price, "EffectiveCost": price,
            **changes,
        }  # fmt: skip

    euro = {"BillingCurrency": "EUR", "ListCost": "20"}
    rows = [used(3, "12"), used(4, "18"), used(4, "6", **euro), used(20, "6")]
    ingest(lake, focus_csv(tmp_path / "bill.csv", rows), loaded_at=NOW)
    options = offers({"region": "eu-west-1", "instance_type": "m5.large"}, {"region": "eu-west-2"})
    tables = LakeTables(lake, TODAY)
    assert paid(options, tables.billed_prices()) == [(0.75, "contract"), (0.75, "discount")]
    later = LakeTables(lake, TODAY + LOOKBACK + pd.Timedelta(days=30))
    assert paid(options, later.billed_prices()) == [(1.0, "list")] * 2
    assert paid(options, LakeTables(None, TODAY).billed_prices()) == [(1.0, "list")] * 2
