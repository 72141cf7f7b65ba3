"""What one more hour costs now: the steps of a price, and how far unused commitments reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.errors import InputError
from optimizer.formulate import Offer
from optimizer.inputs import Inputs
from optimizer.marginal import Price, Step, prices_of_type
from optimizer.prices import Unused
from tests.optimizer.worlds import AS_OF, catalogue, option, workload, world

NOW = pd.Timestamp(AS_OF)
MONTH_AGO = NOW - pd.Timedelta(days=30)
BILL_ENDS = NOW - pd.Timedelta(hours=36)
M = ("aws", "eu", "m")
KNOWN = {
    "price_basis": "list", "price_source": "list", "price_as_of": MONTH_AGO, "is_estimated": False,
    "list_hourly": 1.0, "list_source": "list", "list_as_of": MONTH_AGO,
}  # fmt: skip


def offered(price: float = 1.0, option_id: str = "od", **changes: Any) -> dict[str, Any]:
    """An option of the lake's offers, whose price the bill may have changed."""
    listed = {"list_hourly": price} if "price_basis" not in changes else {}
    return option(option_id, price, **(KNOWN | listed | changes))


def inputs(*options: Mapping[str, Any], commitments: Sequence[Offer] = ()) -> Inputs:
    """A world of these options."""
    return world([workload()], catalogue(*(options or (offered(),))), commitments=commitments)


def commitment(name: str = "plan", **rates: float) -> Offer:
    """An existing commitment that reaches types in eu at a committed price per hour."""
    return Offer(name, 5.0, 0.0, {("aws", "eu", kind): rate for kind, rate in (rates or {"m": 0.5}).items()})


def idle(**usd_per_hour: float) -> dict[str, Unused]:
    """What commitments leave unused."""
    return {name: Unused(usd, BILL_ENDS) for name, usd in usd_per_hour.items()}


def one(known: Inputs, unused: Mapping[str, Unused] | None = None) -> Price:
    """The price of the only offer of type m."""
    (price,) = prices_of_type(known, unused or {}, "m", None)
    return price


def test_a_price_of_a_file_is_one_step() -> None:
    price = one(inputs(option("od", 1.5)))
    assert price.steps == (Step("price in catalog.parquet", 1.5, "catalog.parquet", None, None),)
    assert (price.option_id, price.purchase, price.marginal_usd_per_hour) == ("od", "on_demand", 1.5)


@pytest.mark.parametrize(
    ("basis", "words"),
    [
        ("contract", "contracted price of this type in the bill"),
        ("discount", "contracted discount of the provider's machines in the bill"),
    ],
)
def test_what_the_bill_knows_is_the_second_step(basis: str, words: str) -> None:
    price = one(inputs(offered(0.8, price_basis=basis, price_source="bill", price_as_of=BILL_ENDS)))
    assert price.steps == (
        Step("list price", 1.0, "list", MONTH_AGO, 30.0),
        Step(words, 0.8, "bill", BILL_ENDS, 1.5),
    )


def test_a_list_price_says_whether_it_is_estimated_and_a_missing_date_is_none() -> None:
    price = one(inputs(offered(is_estimated=True, list_as_of=pd.NaT)))
    assert price.steps == (Step("list price, estimated by a rule", 1.0, "list", None, None),)


@pytest.mark.parametrize(
    ("unused", "left", "words"),
    [
        (1.25, 0.0, "covers the first 2.5 instances"),
        (0.5, 0.0, "covers the first instance"),
        (0.2, 0.6, "covers 0.4 of an instance"),
    ],
)
def test_an_unused_commitment_pays_for_what_it_has_left(unused: float, left: float, words: str) -> None:
    price = one(inputs(offered(0.8), commitments=[commitment()]), idle(plan=unused))
    assert price.marginal_usd_per_hour == pytest.approx(0.8 * left)
    last = price.steps[-1]
    assert last.what == f"unused commitment plan {words}"
    assert (last.source, last.as_of, last.age_days) == ("bill, mean of its last week", BILL_ENDS, 1.5)
    assert len(price.steps) == 2


def test_commitments_add_up_until_the_hour_is_paid_for() -> None:
    known = inputs(commitments=[commitment(name) for name in "abc"])
    for unused, left, steps in (
        (idle(a=0.2, b=0.15), 0.3, 2),
        (idle(a=0.2, b=0.4, c=0.3), 0.0, 2),
        (idle(a=0.5, b=0.5), 0.0, 1),
    ):
        price = one(known, unused)
        assert price.marginal_usd_per_hour == pytest.approx(left)
        assert len(price.steps) == steps + 1


def test_a_commitment_pays_only_for_what_it_reaches() -> None:
    others = [
        offered(option_id="spot", purchase="spot"), offered(option_id="ri", purchase="commitment"),
        offered(option_id="us", region="us"), offered(option_id="gcp", provider="gcp"), offered(),
    ]  # fmt: skip
    known = inputs(*others, commitments=[commitment(m=0.5, big=0.5)])
    found = {p.option_id: p.marginal_usd_per_hour for p in prices_of_type(known, idle(plan=9.0), "m", None)}
    assert found == {"od": 0.0, "spot": 1.0, "ri": 1.0, "us": 1.0, "gcp": 1.0}


@pytest.mark.parametrize("unused", [{}, idle(plan=0.0), idle(other=9.0)])
def test_a_commitment_in_use_pays_for_nothing_more(unused: dict[str, Unused]) -> None:
    assert one(inputs(commitments=[commitment()]), unused).marginal_usd_per_hour == 1.0
    assert one(inputs(commitments=[commitment(big=0.5)]), idle(plan=9.0)).marginal_usd_per_hour == 1.0


USD = st.floats(0, 4)
BASE = inputs(offered(0.8))


@settings(max_examples=40, deadline=None)
@given(unused=st.lists(USD, min_size=3, max_size=3), more=USD, rate=st.floats(0.05, 3))
def test_an_hour_costs_what_commitments_leave_of_it(unused: list[float], more: float, rate: float) -> None:
    known = replace(BASE, commitments=tuple(commitment(name, m=rate) for name in "abc"))
    cost = one(known, idle(**dict(zip("abc", unused, strict=True)))).marginal_usd_per_hour
    assert cost == pytest.approx(0.8 * max(1 - sum(unused) / rate, 0.0), abs=1e-9)
    freer = idle(a=unused[0] + more, b=unused[1], c=unused[2])
    assert one(known, freer).marginal_usd_per_hour <= cost + 1e-9


def test_the_cheapest_offer_stands_first() -> None:
    rows = [offered(2.0, "c"), offered(1.0, "b", region="us"), offered(1.0, "a", region="uk")]
    known = inputs(*rows, offered(0.1, "other", instance_type="big"))
    assert [price.option_id for price in prices_of_type(known, {}, "M", None)] == ["a", "b", "c"]
    assert [price.option_id for price in prices_of_type(known, {}, "m", "us")] == ["b"]


def test_what_is_not_offered_is_told_with_what_is() -> None:
    known = inputs(*(offered(1.0, name, instance_type=name) for name in ("m6i.large", "c5.large", "z")))
    with pytest.raises(
        InputError, match=r"no offer of m6i\.lrge; expected one of m6i\.large, c5\.large; choose"
    ):
        prices_of_type(known, {}, "m6i.lrge", None)
    with pytest.raises(InputError, match="no offer of z in us; expected one of eu; choose"):
        prices_of_type(known, {}, "z", "us")
    many = inputs(*(offered(1.0, f"t{n}", instance_type=f"t{n:02d}") for n in range(20)))
    with pytest.raises(InputError, match=r"expected one of t00, t01, .*, t11 …; choose"):
        prices_of_type(many, {}, "quite another", None)
