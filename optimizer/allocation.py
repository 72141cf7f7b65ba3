"""Who pays for what: every charge of a period given to an owner, to the last decimal.

Rules are tried in order and the first that matches names the owner. Shared costs are split over owners,
what commitments leave unused goes where a rule says, and what no rule names is shown as the default owner's.
Amounts are decimals throughout, and a split gives its remainder away unit by unit, so the allocations of a
period and currency add up to its charges exactly.

Term and methods: FinOps Framework, capability Allocation (direct, even, proportional, fixed).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import cache
from typing import Any

from optimizer.cost_settings import Allocation, Match, SharedCost

DIGITS = 76
SCALE = 18  # of every amount in the lake
FIELDS = ("source", "account", "service", "region", "resource", "category")
ZERO = Decimal(0)


@dataclass(frozen=True)
class Group:
    """Charges that no rule tells apart (a row of the view allocation_groups), with their cost."""

    source: str
    account: str
    account_name: str | None
    service: str
    region: str | None
    resource: str | None
    tags: str | None
    team: str | None
    category: str
    is_unused: bool
    currency: str
    cost: Decimal
    list_cost: Decimal | None = None
    commitment_saving: Decimal | None = None


@dataclass(frozen=True)
class Share:
    """What one owner pays for one service in one currency; `total` is the sum of the other three costs."""

    owner: str
    service: str
    currency: str
    direct_cost: Decimal = ZERO
    shared_cost: Decimal = ZERO
    unused_commitment_cost: Decimal = ZERO
    list_cost: Decimal | None = None
    commitment_saving: Decimal | None = None

    @property
    def total_cost(self) -> Decimal:
        """Direct, shared and unused commitment cost together."""
        return added(self.direct_cost, self.shared_cost, self.unused_commitment_cost)


@dataclass
class _Book:
    """Amounts of one currency while they are given out."""

    direct: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    shared: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    unused: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    listed: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    saved: dict[tuple[str, str], Decimal] = field(default_factory=dict)


def added(*amounts: Decimal) -> Decimal:
    """Sum without rounding."""
    with localcontext(prec=DIGITS):
        return sum(amounts, ZERO)


def allocate(groups: Sequence[Group], rules: Allocation) -> tuple[tuple[Share, ...], tuple[str, ...]]:
    """Shares of every owner, sorted by currency, owner and service, and sentences a reader should see."""
    shares: list[Share] = []
    notes: list[str] = []
    for currency in sorted({group.currency for group in groups}):
        book = _Book()
        mine = [group for group in groups if group.currency == currency]
        notes += _share_out(book, _pots(book, mine, rules), rules, currency)
        shares += _shares(book, currency)
    return tuple(shares), tuple(notes)


def _pots(book: _Book, groups: Iterable[Group], rules: Allocation) -> dict[tuple[int, str], Decimal]:
    """Give out what has an owner; what is to be shared, by rule and service."""
    pots: dict[tuple[int, str], Decimal] = {}
    for group in groups:
        shared = next((i for i, rule in enumerate(rules.shared) if matches(rule.match, group)), None)
        if shared is not None:
            key = (shared, group.service)
            pots[key] = added(pots.get(key, ZERO), group.cost)
            continue
        owner = owner_of(group, rules)
        home = book.unused if group.is_unused else book.direct
        _put(home, owner, group.service, group.cost)
        if group.list_cost is not None:
            _put(book.listed, owner, group.service, group.list_cost)
        if group.commitment_saving is not None:
            _put(book.saved, owner, group.service, group.commitment_saving)
    return pots


def _put(home: dict[tuple[str, str], Decimal], owner: str, service: str, amount: Decimal) -> None:
    home[owner, service] = added(home.get((owner, service), ZERO), amount)


def owner_of(group: Group, rules: Allocation) -> str:
    """The owner of charges: of unused commitments first, then the first rule that matches, then the tags."""
    if group.is_unused and rules.unused_commitments_to:
        return rules.unused_commitments_to
    for rule in rules.rules:
        if matches(rule, group):
            named = rule.owner or _value_of(group, str(rule.owner_from))
            if named:
                return named
    if not rules.rules and group.team:
        return group.team
    return rules.default_owner


def matches(rule: Match, group: Group) -> bool:
    """Whether every pattern of a rule fits; case does not count."""
    for name in FIELDS:
        pattern = getattr(rule, name)
        if pattern is not None and not _fits(pattern, *_values(group, name)):
            return False
    tags = tags_of(group.tags) if rule.tag else {}
    return all(_fits(pattern, tags.get(name.lower())) for name, pattern in rule.tag.items())


def _values(group: Group, name: str) -> tuple[str | None, ...]:
    own: str | None = getattr(group, name)
    return (own, group.account_name) if name == "account" else (own,)


def _fits(pattern: str, *values: str | None) -> bool:
    return any(value is not None and fnmatchcase(value.lower(), pattern.lower()) for value in values)


def _value_of(group: Group, where: str) -> str | None:
    """The owner that a charge itself names: in a tag (tag:team), as its account, service and so on."""
    kind, _, name = where.partition(":")
    if kind == "tag":
        return tags_of(group.tags).get(name.lower())
    if kind == "account":
        return group.account_name or group.account
    value: str | None = getattr(group, kind)
    return value


@cache
def tags_of(text: str | None) -> Mapping[str, str]:
    """Tags as name to value, names in lower case; empty where they are no JSON object."""
    try:
        value: Any = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    pairs = value.items() if isinstance(value, dict) else ()
    return {str(name).lower(): str(inner) for name, inner in pairs if inner not in (None, "")}


# -- shared costs ----------------------------------------------------------------------------------


def _share_out(
    book: _Book, pots: Mapping[tuple[int, str], Decimal], rules: Allocation, currency: str
) -> Iterator[str]:
    """Split every pot; yields a note where a split could not be as asked."""
    paid: dict[str, Decimal] = {}
    for (owner, _), amount in book.direct.items():
        paid[owner] = added(paid.get(owner, ZERO), amount)
    named = {owner: amount for owner, amount in paid.items() if owner != rules.default_owner} or paid
    for (number, service), amount in sorted(pots.items()):
        rule = rules.shared[number]
        weights, note = _weights(rule, named, rules.default_owner)
        for owner, part in split(amount, weights).items():
            _put(book.shared, owner, service, part)
        if note:
            yield f"{service} ({currency}): {note}"


def _weights(
    rule: SharedCost, paid: Mapping[str, Decimal], default_owner: str
) -> tuple[dict[str, Fraction], str]:
    """Weight of each owner in a split, and why they are not those asked for."""
    if rule.split == "fixed":
        return {owner: Fraction(str(share)) for owner, share in rule.shares.items()}, ""
    owners = rule.among or tuple(sorted(paid)) or (default_owner,)
    if rule.split == "proportional":
        direct = {owner: max(Fraction(paid.get(owner, ZERO)), Fraction(0)) for owner in owners}
        if sum(direct.values()) > 0:
            return direct, ""
        return dict.fromkeys(owners, Fraction(1)), "no owner has a cost of its own, so it is split evenly"
    return dict.fromkeys(owners, Fraction(1)), ""


def split(amount: Decimal, weights: Mapping[str, Fraction]) -> dict[str, Decimal]:
    """An amount in parts that add up to it exactly: shares rounded down, the rest to the largest remainders.

    Amounts have at most 18 decimals; weights are not negative and one is positive.
    """
    with localcontext(prec=DIGITS):
        units = int(amount.scaleb(SCALE))
        total = sum(weights.values())
        exact = {owner: Fraction(units) * weight / total for owner, weight in weights.items()}
        parts = {owner: part.numerator // part.denominator for owner, part in exact.items()}
        left = units - sum(parts.values())
        order = sorted(weights, key=lambda owner: (parts[owner] - exact[owner], owner))
        for owner in order[:left]:
            parts[owner] += 1
        return {owner: Decimal(part).scaleb(-SCALE) for owner, part in parts.items()}


def _shares(book: _Book, currency: str) -> Iterator[Share]:
    for owner, service in sorted({*book.direct, *book.shared, *book.unused}):
        key = (owner, service)
        yield Share(
            owner, service, currency, book.direct.get(key, ZERO), book.shared.get(key, ZERO),
            book.unused.get(key, ZERO), book.listed.get(key), book.saved.get(key),
        )  # fmt: skip
