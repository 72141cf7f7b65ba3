"""Budgets and the forecast of cost: where months end, why, and alarms before the overrun.

    bill so far (settled days)  +  drawn futures of the rest  =  months as distributions  →  alarms

Billed cost counts up to the last settled day: newer days arrive late and are treated as not known. The rest
is drawn by `models.monthly` from what is billed by the day. What is billed at once or by the month (fees,
credits) comes in its usual amount, and taxes in their usual ratio to the rest. Teams are the chargeback's
owners; their closed months equal the chargeback exactly. Bands of teams do not add up to the band of all:
they do not err together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

import pandas as pd

from data.lake import Lake
from models.monthly import Paths, Step, simulate
from optimizer.budget_costs import DAY, Known, as_it_was, known_costs, loaded_at
from optimizer.budget_status import Status, status_of
from optimizer.budget_subjects import Subject, subjects_of
from optimizer.chargeback import bounds
from optimizer.config import Settings
from optimizer.cost_changes import Ends, Expiry, commitment_ends, expiry_steps, planned_steps
from optimizer.cost_settings import Match
from optimizer.errors import Fault, InputError
from optimizer.settled import settled
from optimizer.team_costs import TeamCosts, meters, rows_for, team_costs

MONTHS = range(1, 37)
PATHS = 2000
HISTORY_MONTHS = 25
FEW_DAYS = 90  # of bills: they show no quarter end, no season, and little of how far months differ


@dataclass(frozen=True)
class Outlook:
    """Everything `trimtab budget` shows. `settled_until`: first moment whose cost is not believed yet."""

    period: str
    as_of: datetime
    settled_until: datetime
    metric: str
    statuses: tuple[Status, ...]
    expiries: tuple[Expiry, ...]
    notes: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """A row per subject and month: key, name, currency, month, is_closed, known, q0.1, q0.5, q0.9."""
        rows = [
            (s.subject.key, s.subject.name, s.subject.currency, m.month, m.is_closed, float(m.known), m.low,
             m.middle, m.high)
            for s in self.statuses for m in s.months
        ]  # fmt: skip
        names = ("key", "name", "currency", "month", "is_closed", "known", "q0.1", "q0.5", "q0.9")
        return pd.DataFrame(rows, columns=list(names))


def outlook(
    lake: Lake,
    settings: Settings,
    *,
    as_of: datetime,
    period: str | None = None,
    months: int = 12,
    seed: int = 0,
) -> Outlook:
    """Month-end and the months after it for every budget, owner and currency.

    Args:
        lake: with bills.
        settings: allocation, budgets, costs.
        as_of: nothing billed later counts.
        period: first month (YYYY-MM); the month of the first day that is not settled where None.
        months: how many, the first included.
        seed: of the drawn futures.

    Raises:
        InputError: no bill, a period before or long after it, an exchange rate that is missing.
    """
    if months not in MONTHS:
        expected = f"{MONTHS[0]} to {MONTHS[-1]}"
        raise InputError([Fault("--months", str(months), expected, "correct it")])
    loaded = loaded_at(lake)
    native = _costs(lake, settings, as_of, loaded)
    believed = _believed(lake, native, settings, as_of)
    period = period or f"{believed:%Y-%m}"
    _check_period(period, native, believed)
    wanted = month_names(period, months)
    until = pd.Timestamp(bounds(wanted[-1])[1])
    subjects = subjects_of(settings.budgets, native)
    billed = set(native.days["currency"])
    others = {s.currency for s in subjects if s.budget and billed != {s.currency}}
    costs = {name: _costs(lake, settings, as_of, loaded, name) for name in sorted(others)}
    of = {s.key: costs.get(s.currency, native) if s.budget else native for s in subjects}
    known = {s.key: known_costs(of[s.key], s.owner, s.rule, s.currency, believed) for s in subjects}
    ends = _ends(lake, settings, native, believed, until)
    paths = _paths(subjects, known, settings=settings, ends=ends, believed=believed, until=until, seed=seed)

    @cache
    def metered(table: TeamCosts, since: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
        return meters(lake, settings.allocation, table, since, end)

    statuses = tuple(
        status_of(s, known[s.key], of[s.key], paths=paths, wanted=wanted, metered=metered) for s in subjects
    )
    return Outlook(
        period, as_of, believed.to_pydatetime(), settings.allocation.metric, statuses, ends.expiries,
        tuple(_notes(settings, native, ends, believed, as_of)),
    )  # fmt: skip


def _costs(
    lake: Lake,
    settings: Settings,
    as_of: datetime,
    loaded: pd.Timestamp | None,
    currency: str | None = None,
) -> TeamCosts:
    since = f"{pd.Timestamp(as_of) - pd.DateOffset(months=HISTORY_MONTHS):%Y-%m}"
    more: list[Match] = [*settings.budgets, *settings.costs.changes]
    found = team_costs(lake, settings.allocation, since=since, currency=currency, more=more)
    return replace(found, days=as_it_was(found.days, as_of, loaded))


def _believed(lake: Lake, costs: TeamCosts, settings: Settings, as_of: datetime) -> pd.Timestamp:
    """First moment whose cost is not believed yet; InputError where no day before it has a daily charge."""
    found = settled(lake, settings.costs.settle_days, as_of).everywhere
    if found is None or not (costs.days["kind"].eq("use") & (costs.days["day"] < found)).any():
        raise InputError([_nothing_known(costs, found, as_of)])
    return found


def _nothing_known(costs: TeamCosts, settled_until: pd.Timestamp | None, as_of: datetime) -> Fault:
    """Why there is nothing to forecast from: no bill, none of late, or none that is settled."""
    expected = "a bill with daily charges of settled days"
    if settled_until is None:
        return Fault("bills", "none with daily charges", expected, "ingest one first")
    day = f"{settled_until:%Y-%m-%d}"
    if costs.days.empty:
        found = f"none of the {HISTORY_MONTHS} months before {as_of:%Y-%m-%d}; settled days end {day}"
        return Fault(
            "bills", found, expected, f"ingest newer ones, or look from then: --as-of {day}T00:00:00+00:00"
        )
    return Fault(
        "bills", f"no daily charge before {day}, where settled days end", expected, "ingest older ones too"
    )


def _check_period(period: str, costs: TeamCosts, believed: pd.Timestamp) -> None:
    start = pd.Timestamp(bounds(period)[0])
    first = pd.Timestamp(bounds(str(costs.days["month"].min()))[0])
    latest = believed + pd.DateOffset(months=24)
    if not first <= start <= latest:
        expected = f"a month from {first:%Y-%m} (first bill) to {latest:%Y-%m}"
        raise InputError([Fault("--period", period, expected, "correct it, or ingest its bill")])


def month_names(first: str, count: int) -> list[str]:
    """So many months from the first on, YYYY-MM."""
    return [f"{month:%Y-%m}" for month in pd.date_range(bounds(first)[0], periods=count, freq="MS")]


def _ends(
    lake: Lake, settings: Settings, costs: TeamCosts, believed: pd.Timestamp, until: pd.Timestamp
) -> Ends:
    """Commitments that end before `until`; their use is that of the last closed month, or what is settled."""
    this_month = believed.normalize().replace(day=1)
    window = (this_month - pd.DateOffset(months=1), this_month)
    if costs.days["day"].min() > window[0]:
        window = (costs.days["day"].min(), believed)
    return commitment_ends(
        lake, settings.allocation, at=believed, until=until, window=window, flags=costs.flags
    )


def _paths(
    subjects: Sequence[Subject],
    known: Mapping[str, Known],
    *,
    settings: Settings,
    ends: Ends,
    believed: pd.Timestamp,
    until: pd.Timestamp,
    seed: int,
) -> Paths | None:
    """Futures of the daily cost of every subject that has any, drawn together; None where all is settled."""
    series = [known[s.key].use.assign(unique_id=s.key) for s in subjects if len(known[s.key].use)]
    horizon = round((until - believed) / DAY)
    if horizon < 1 or not series:
        return None
    steps: list[Step] = []
    for subject in subjects:
        mine = known[subject.key].rows
        use = mine.loc[mine["kind"].eq("use") & (mine["day"] < believed)]
        steps += planned_steps(settings.costs.changes, use, subject.key, subject.owner, subject.rule)
        if settings.costs.commitments_end and len(ends.effects):
            effects = ends.effects.loc[ends.effects["currency"].eq(subject.currency)]
            steps += expiry_steps(ends, rows_for(effects, subject.owner, subject.rule), subject.key)
    return simulate(pd.concat(series), horizon_days=horizon, steps=steps, paths=PATHS, seed=seed)


def _notes(
    settings: Settings, costs: TeamCosts, ends: Ends, believed: pd.Timestamp, as_of: datetime
) -> list[str]:
    found = []
    days = (believed - costs.days["day"].min()) / DAY
    if days < FEW_DAYS:
        found.append(
            f"only {days:.0f} days of bills are known: later months are little more than their pace carried "
            "on, and can differ by more than their band; ingest the bills of the past year"
        )
    late = (pd.Timestamp(as_of) - believed) / DAY
    if late > settings.costs.settle_days + 2:
        found.append(f"the newest settled day is {late:.0f} days old: what came since is forecast, not known")
    if ends.expiries and settings.costs.commitments_end:
        found.append("commitments are taken to end without renewal; commitments_end = false leaves that out")
    if not settings.budgets:
        found.append("no budget is set: add [[budgets]] to trimtab.toml for alarms")
    return found
