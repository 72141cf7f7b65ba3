"""Whose cost is forecast: budgets, and what has none: every owner, and all of a currency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optimizer.cost_settings import Budget, Match, has_filter
from optimizer.team_costs import TeamCosts

EVERYTHING = "all"
EVERY_CHARGE = Match()


@dataclass(frozen=True)
class Subject:
    """A budget's, an owner's, or all of a currency.

    Attributes:
        key: unique, such as budget/search or owner/search/USD.
        name: for people.
        currency: of every amount.
        owner: as the chargeback names it; None for everyone.
        rule: filter of charges; an empty one for all.
        budget: where there is one.
    """

    key: str
    name: str
    currency: str
    owner: str | None = None
    rule: Match = EVERY_CHARGE
    budget: Budget | None = None


def subjects_of(budgets: Sequence[Budget], costs: TeamCosts) -> tuple[Subject, ...]:
    """Every budget, then what has none: all of each currency and every owner."""
    found = [
        Subject(
            f"budget/{b.name}",
            b.name,
            b.currency,
            b.owner,
            Match(**b.model_dump(include=set(Match.model_fields))),
            b,
        )
        for b in budgets
    ]
    taken = {(b.owner, b.currency) for b in budgets if not has_filter(b)}
    pairs = sorted({(currency, owner) for _, owner, currency in costs.months})
    found += [
        Subject(f"{EVERYTHING}/{currency}", EVERYTHING, currency)
        for currency in sorted({currency for currency, _ in pairs})
        if (None, currency) not in taken
    ]
    found += [
        Subject(f"owner/{owner}/{currency}", owner, currency, owner)
        for currency, owner in pairs
        if (owner, currency) not in taken
    ]
    return tuple(found)
