"""Allocation: precedence, every split by hand, and sums that are the bill's to the last decimal."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.allocation import Group, Share, added, allocate, split
from optimizer.config import load_settings
from optimizer.cost_settings import Allocation, Match, OwnerRule, SharedCost
from optimizer.errors import InputError

WEB = Group(
    "aws", "111", "shop-prod", "EC2", "eu-west-1", "web-1", '{"Team": "search"}', "search", "Usage",
    is_unused=False, currency="USD", cost=Decimal(10),
)  # fmt: skip
TAX = replace(WEB, service="Tax", category="Tax", resource=None, tags=None, team=None, cost=Decimal(3))
IDLE = replace(WEB, service="Savings Plan", tags=None, team=None, is_unused=True, cost=Decimal(4))


def owner(group: Group, *rules: OwnerRule, **settings: object) -> str:
    """Who the only group goes to."""
    shares, _ = allocate([group], Allocation(rules=rules, **settings))  # type: ignore[arg-type]
    (share,) = shares
    return share.owner


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        ({"account": "111"}, True), ({"account": "SHOP-*"}, True), ({"account": "112"}, False),
        ({"service": "ec?"}, True), ({"resource": "web-*"}, True), ({"resource": "db-*"}, False),
        ({"tag": {"team": "sea*"}}, True), ({"tag": {"team": "ads"}}, False), ({"tag": {"cost": "*"}}, False),
        ({"tag": {"team": "search"}, "region": "us-*"}, False), ({"category": "usage"}, True),
        ({"source": "aws", "region": "eu-*"}, True),
    ],
)  # fmt: skip
def test_a_rule_fits_where_all_its_patterns_do(rule: dict[str, object], fits: bool) -> None:
    named = OwnerRule(owner="them", **rule)  # type: ignore[arg-type]
    assert owner(WEB, named) == ("them" if fits else "unallocated")


def test_the_first_rule_that_matches_wins() -> None:
    narrow, wide = OwnerRule(owner="narrow", service="EC2"), OwnerRule(owner="wide", source="aws")
    assert owner(WEB, narrow, wide) == "narrow"
    assert owner(WEB, wide, narrow) == "wide"


@pytest.mark.parametrize(
    ("where", "name"),
    [("tag:team", "search"), ("account", "shop-prod"), ("service", "EC2"), ("region", "eu-west-1")],
)
def test_a_rule_can_read_the_owner_off_the_charge(where: str, name: str) -> None:
    assert owner(WEB, OwnerRule(owner_from=where)) == name


def test_a_charge_that_lacks_the_tag_goes_to_the_next_rule() -> None:
    assert owner(TAX, OwnerRule(owner_from="tag:team"), OwnerRule(owner="finance")) == "finance"
    assert owner(TAX, OwnerRule(owner_from="tag:team")) == "unallocated"


def test_without_rules_the_usual_team_tags_count() -> None:
    assert owner(WEB) == "search"
    assert owner(TAX) == "unallocated"


def test_unused_commitments_have_an_owner_of_their_own() -> None:
    shares, _ = allocate([WEB, IDLE], Allocation(unused_commitments_to="platform"))
    by_owner = {share.owner: share for share in shares}
    assert by_owner["platform"].unused_commitment_cost == by_owner["platform"].total_cost == 4
    assert by_owner["search"].direct_cost == 10


ADS = replace(WEB, team="ads", cost=Decimal(30))


@pytest.mark.parametrize(
    ("rule", "search", "ads"),
    [
        (SharedCost(match=Match(category="Tax"), split="even"), "1.5", "1.5"),
        (SharedCost(match=Match(category="Tax"), split="proportional"), "0.75", "2.25"),
        (
            SharedCost(match=Match(category="Tax"), split="fixed", shares={"search": 0.9, "ads": 0.1}),
            "2.7",
            "0.3",
        ),
        (SharedCost(match=Match(category="Tax"), split="even", among=("ads",)), "0", "3"),
    ],
)
def test_shared_costs_are_split_as_asked(rule: SharedCost, search: str, ads: str) -> None:
    shares, notes = allocate([WEB, ADS, TAX], Allocation(shared=(rule,)))
    shared = {name: added(*(s.shared_cost for s in shares if s.owner == name)) for name in ("search", "ads")}
    assert shared == {"search": Decimal(search), "ads": Decimal(ads)}
    assert notes == ()


def test_a_proportional_split_without_anything_to_go_by_is_even_and_says_so() -> None:
    rule = SharedCost(match=Match(category="Tax"), split="proportional", among=("a", "b"))
    shares, notes = allocate([TAX], Allocation(shared=(rule,)))
    assert {share.owner: share.total_cost for share in shares} == {"a": Decimal("1.5"), "b": Decimal("1.5")}
    assert notes == ("Tax (USD): no owner has a cost of its own, so it is split evenly",)


def test_what_nobody_can_share_is_not_lost() -> None:
    rule = SharedCost(match=Match(category="Tax"), split="even")
    (share,), _ = allocate([TAX], Allocation(shared=(rule,)))
    assert (share.owner, share.shared_cost) == ("unallocated", 3)


AMOUNT = st.decimals(min_value=-(10**9), max_value=10**9, places=18, allow_nan=False)


@given(AMOUNT, st.dictionaries(st.sampled_from("abcdefg"), st.fractions(0, 10), min_size=1))
def test_parts_add_up_exactly_and_are_fair_to_a_unit(amount: Decimal, weights: dict[str, Fraction]) -> None:
    weights = weights if sum(weights.values()) else dict.fromkeys(weights, Fraction(1))
    parts = split(amount, weights)
    assert added(*parts.values()) == amount
    for name, part in parts.items():
        exact = Fraction(amount) * weights[name] / sum(weights.values())
        assert abs(Fraction(part) - exact) < Fraction(1, 10**18)


NAMES = st.sampled_from(["search", "ads", "ml", None])
GROUPS = st.lists(
    st.builds(
        Group, st.sampled_from(["aws", "gcp"]), st.sampled_from(["1", "2"]), st.none(),
        st.sampled_from(["EC2", "S3", "Tax"]), st.none(), st.none(), st.none(), NAMES,
        st.sampled_from(["Usage", "Tax", "Credit"]), st.booleans(), st.sampled_from(["USD", "EUR"]), AMOUNT,
    ),
    max_size=12,
)  # fmt: skip
SHARED = st.builds(
    lambda service, split, among: SharedCost(
        match=Match(service=service), split=split, among=among if split != "fixed" else (),
        shares={"x": 0.3, "y": 0.7} if split == "fixed" else {},
    ),
    st.sampled_from(["EC2", "S3", "*"]), st.sampled_from(["even", "proportional", "fixed"]),
    st.sampled_from([(), ("ads", "ml")]),
)  # fmt: skip
RULES = st.builds(
    lambda shared, owners, unused: Allocation(shared=shared, rules=owners, unused_commitments_to=unused),
    st.lists(SHARED, max_size=2).map(tuple),
    st.lists(st.builds(OwnerRule, owner=st.just("o"), account=st.sampled_from(["1", "*"])), max_size=2).map(
        tuple
    ),
    st.sampled_from(["", "platform"]),
)


@given(GROUPS, RULES)
def test_allocations_are_the_bill(groups: list[Group], rules: Allocation) -> None:
    shares, _ = allocate(groups, rules)
    for currency in ("USD", "EUR"):
        billed = added(*(group.cost for group in groups if group.currency == currency))
        assert added(*(share.total_cost for share in shares if share.currency == currency)) == billed
    keys = [(share.currency, share.owner, share.service) for share in shares]
    assert keys == sorted(set(keys), key=lambda key: (key[0] != "EUR", *key[1:]))


def test_list_cost_and_saving_stay_with_the_owner() -> None:
    covered = replace(WEB, cost=Decimal(6), list_cost=Decimal(10), commitment_saving=Decimal(4))
    (share,), _ = allocate([covered], Allocation())
    assert share == Share(
        "search", "EC2", "USD", Decimal(6), list_cost=Decimal(10), commitment_saving=Decimal(4)
    )


def test_wrong_settings_are_all_told(tmp_path: Path) -> None:
    (tmp_path / "trimtab.toml").write_text(
        """
        [allocation]
        metric = "list"
        [[allocation.rules]]
        service = "EC2"
        [[allocation.rules]]
        owner = "a"
        servise = "EC2"
        [[allocation.shared]]
        match = {category = "Tax"}
        split = "fixed"
        shares = {a = 0.5, b = 0.4}
        [[allocation.shared]]
        match = {category = "Tax"}
        split = "fair"
        """
    )
    with pytest.raises(InputError) as error:
        load_settings(tmp_path)
    text = str(error.value)
    for word in (
        "allocation.metric",
        "owner or owner_from",
        "servise",
        "add up to 1, not 0.9",
        "allocation.shared.1.split",
    ):
        assert word in text, word
