"""Changes of cost that are known beforehand: commitments that end, and [[costs.changes]] of the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from data.lake import Lake
from models.monthly import Step
from optimizer.cost_settings import Allocation, CostChange, Match
from optimizer.rows import rows_of
from optimizer.team_costs import matching, owners_of

DAY = pd.Timedelta(1, unit="D")
SHARE_DAYS = 28


@dataclass(frozen=True)
class Expiry:
    """A commitment that ends in the window.

    Attributes:
        commitment: the provider's id.
        description: the provider's words; its type where there are none.
        ends: first moment without it, UTC.
        currency: of the effect.
        per_day: what a day costs more without it, if nothing is bought in its place and use stays as it was:
            the contracted price of what it covered, less what it cost, its unused part included. None where
            the bill names no charge of it.
    """

    commitment: str
    description: str
    ends: pd.Timestamp
    currency: str
    per_day: float | None


@dataclass(frozen=True, eq=False)
class Ends:
    """Commitments that end, and (commitment, charges, effect per day) of what they cover."""

    expiries: tuple[Expiry, ...]
    effects: pd.DataFrame


def commitment_ends(
    lake: Lake,
    rules: Allocation,
    *,
    at: pd.Timestamp,
    until: pd.Timestamp,
    window: tuple[pd.Timestamp, pd.Timestamp],
    flags: Mapping[str, bool],
) -> Ends:
    """Commitments in force at `at` that end before `until`; their effect as the bill of `window` shows it."""
    known = lake.read("commitments_active", as_of=at.to_pydatetime())
    known = known.loc[known["period_end"] < until]
    since, stop = window
    use = lake.read("commitment_use", since=since.to_pydatetime(), until=stop.to_pydatetime(), **flags)
    use = use.loc[use["commitment"].isin(set(known["commitment"]))]
    days = (stop - since) / DAY
    per_day = (use["contracted_cost"] - use[f"{rules.metric}_cost"]) / days
    effects = use.assign(owner=owners_of(use, rules) if len(use) else "", is_shared=False, per_day=per_day)
    totals = effects.groupby("commitment")["per_day"].sum()
    columns = ("commitment", "description", "type", "period_end", "currency")
    found = [
        Expiry(name, text if isinstance(text, str) else str(kind), ends, str(money), _known(totals, name))
        for name, text, kind, ends, money in rows_of(known, *columns)
    ]
    return Ends(tuple(sorted(found, key=lambda item: (item.ends, item.commitment))), effects)


def _known(totals: pd.Series[float], commitment: str) -> float | None:
    return float(totals[commitment]) if commitment in totals.index else None


def expiry_steps(ends: Ends, mine: pd.DataFrame, series: str) -> Iterator[Step]:
    """The effect on one series, given the rows of `ends.effects` that are its own."""
    sums = mine.groupby("commitment")["per_day"].sum()
    for expiry in ends.expiries:
        if expiry.commitment in sums.index:
            yield Step(expiry.ends.normalize(), amount_per_day=float(sums[expiry.commitment]), series=series)


def planned_steps(
    changes: Sequence[CostChange], use: pd.DataFrame, series: str, owner: str | None, rule: Match
) -> Iterator[Step]:
    """The changes of the settings as they move one series.

    A factor moves the part of the series' cost that it matches, measured over the last 28 settled days in
    `use`. An amount counts for its owner, and for a series of everyone without filter.

    Args:
        changes: of the settings.
        use: day, owner, cost and charges of the series, settled days only.
        series: its key.
        owner: whose costs the series is, None for everyone's.
        rule: filter of the series.
    """
    recent = use.loc[use["day"] > use["day"].max() - SHARE_DAYS * DAY] if len(use) else use
    everything = float(recent["cost"].sum())
    newest = use["day"].max() if len(use) else None
    for change in changes:
        start = pd.Timestamp(change.day, tz="UTC")
        until = pd.Timestamp(change.until, tz="UTC") if change.until else None
        is_running = newest is not None and start <= newest
        if change.amount_per_day is not None:
            if rule == Match() and owner in (None, change.owner):
                yield from _step(start, until, series, amount=change.amount_per_day, is_running=is_running)
        elif change.factor is not None and everything:
            mine = recent if change.owner is None else recent.loc[recent["owner"].eq(change.owner)]
            share = float(mine.loc[matching(mine, change), "cost"].sum()) / everything
            factor = 1 / change.factor if is_running and change.factor else change.factor
            yield from _step(start, until, series, factor=1 + (factor - 1) * share, is_running=is_running)


def _step(
    start: pd.Timestamp,
    until: pd.Timestamp | None,
    series: str,
    *,
    factor: float = 1.0,
    amount: float = 0.0,
    is_running: bool,
) -> Iterator[Step]:
    """A change ahead; of one that is in the history already only its end is news."""
    if not is_running:
        yield Step(start, factor, amount, until, series)
    elif until is not None:
        yield Step(until, factor, -amount, None, series)
