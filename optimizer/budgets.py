"""Budgets and the forecast of cost: where months end, why, and alarms before the overrun.

    bill so far (settled days)  +  drawn futures of the rest  =  months as distributions  →  alarms

Billed cost counts up to the last settled day: newer days arrive late and are treated as not known. The rest
is drawn by `models.monthly` from what is billed by the day. What is billed at once or by the month (fees,
credits) comes in its usual amount, and taxes in their usual ratio to the rest. Teams are the chargeback's
owners; their closed months equal the chargeback exactly. Bands of teams do not add up to the band of all:
they do not err together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cache

import numpy as np
import pandas as pd

from data.lake import Lake
from models.frames import FloatArray
from models.monthly import Paths, Step, simulate
from optimizer.budget_costs import Known, as_it_was, known_costs, loaded_at, settled_until
from optimizer.chargeback import bounds
from optimizer.config import Alarm, Budget, Match, Settings, has_filter
from optimizer.cost_changes import Ends, Expiry, commitment_ends, expiry_steps, planned_steps
from optimizer.cost_drivers import Driver, drivers
from optimizer.errors import Fault, InputError
from optimizer.team_costs import TeamCosts, meters, rows_for, team_costs

LEVELS = (0.1, 0.5, 0.9)
MONTHS = range(1, 37)
PATHS = 2000
HISTORY_MONTHS = 25
DAY = pd.Timedelta(1, unit="D")
EVERYTHING = "all"
EVERY_CHARGE = Match()

Metered = Callable[[TeamCosts, pd.Timestamp, pd.Timestamp], pd.DataFrame]


@dataclass(frozen=True)
class Subject:
    """Whose cost is forecast: a budget's, an owner's, or all of a currency.

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


@dataclass(frozen=True)
class MonthCost:
    """A month: what is known, and the 10 %, 50 % and 90 % quantile of its total; equal once it is closed."""

    month: str
    is_closed: bool
    known: Decimal
    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class AlarmState:
    """One alarm of a budget.

    Attributes:
        share: of the budget. limit: that share in money. asked: probability from which it is raised.
        probability: of the month ending above the limit. crossing: day on which the limit is passed in the
        middle of those futures that pass it; None if none does.
        is_raised: whether it is to be told.
    """

    share: float
    limit: float
    asked: float
    probability: float
    crossing: date | None
    is_raised: bool


@dataclass(frozen=True)
class Status:
    """A subject's months from the asked one on; none where it has no charges at all.

    Attributes:
        subject: whose.
        months: from the asked month on.
        last_month: total of the month before the asked one; None where no bill covers it.
        drivers: what changed since the month before, in money of this month.
        alarms: of the budget, for the asked month.
        model: what the history carried.
        replayed: past forecasts behind the band.
        notes: sentences a reader should see.
    """

    subject: Subject
    months: tuple[MonthCost, ...]
    last_month: float | None
    drivers: tuple[Driver, ...]
    alarms: tuple[AlarmState, ...]
    model: str
    replayed: int
    notes: tuple[str, ...] = ()


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
    settled = settled_until(native.days, as_of, loaded, settings.costs.settle_days)
    period = period or f"{settled:%Y-%m}"
    _check_period(period, native, settled)
    wanted = [*month_names(period, months)]
    costs: dict[str | None, TeamCosts] = {None: native}
    for budget in settings.budgets:
        if budget.currency not in costs and set(native.days["currency"]) != {budget.currency}:
            costs[budget.currency] = _costs(lake, settings, as_of, loaded, budget.currency)
    subjects = subjects_of(settings.budgets, native)
    of = {
        subject.key: costs.get(subject.currency if subject.budget else None, native) for subject in subjects
    }
    known = {s.key: known_costs(of[s.key], s.owner, s.rule, s.currency, settled) for s in subjects}
    until = pd.Timestamp(bounds(wanted[-1])[1])
    ends = _ends(lake, settings, native, settled, until)
    paths = _paths(subjects, known, settings=settings, ends=ends, settled=settled, until=until, seed=seed)

    @cache
    def metered(table: TeamCosts, since: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
        return meters(lake, settings.allocation, table, since, end)

    statuses = tuple(
        _status(s, known[s.key], of[s.key], paths=paths, wanted=wanted, metered=metered) for s in subjects
    )
    return Outlook(
        period, as_of, settled.to_pydatetime(), settings.allocation.metric, statuses, ends.expiries,
        tuple(_notes(settings, ends, settled, as_of)),
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


def _check_period(period: str, costs: TeamCosts, settled: pd.Timestamp) -> None:
    start = pd.Timestamp(bounds(period)[0])
    first = pd.Timestamp(bounds(str(costs.days["month"].min()))[0])
    latest = settled + pd.DateOffset(months=24)
    if not first <= start <= latest:
        expected = f"a month from {first:%Y-%m} (first bill) to {latest:%Y-%m}"
        raise InputError([Fault("--period", period, expected, "correct it, or ingest its bill")])


def month_names(first: str, count: int) -> list[str]:
    """So many months from the first on, YYYY-MM."""
    return [f"{month:%Y-%m}" for month in pd.date_range(bounds(first)[0], periods=count, freq="MS")]


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


def _ends(
    lake: Lake, settings: Settings, costs: TeamCosts, settled: pd.Timestamp, until: pd.Timestamp
) -> Ends:
    """Commitments that end before `until`; their use is that of the last closed month, or what is settled."""
    this_month = settled.normalize().replace(day=1)
    window = (this_month - pd.DateOffset(months=1), this_month)
    if costs.days["day"].min() > window[0]:
        window = (costs.days["day"].min(), settled)
    return commitment_ends(
        lake, settings.allocation, at=settled, until=until, window=window, flags=costs.flags
    )


def _paths(
    subjects: Sequence[Subject],
    known: Mapping[str, Known],
    *,
    settings: Settings,
    ends: Ends,
    settled: pd.Timestamp,
    until: pd.Timestamp,
    seed: int,
) -> Paths | None:
    """Futures of the daily cost of every subject that has any, drawn together; None where all is settled."""
    series = [known[s.key].use.assign(unique_id=s.key) for s in subjects if len(known[s.key].use)]
    horizon = round((until - settled) / DAY)
    if horizon < 1 or not series:
        return None
    steps: list[Step] = []
    for subject in subjects:
        mine = known[subject.key].rows
        use = mine.loc[mine["kind"].eq("use") & (mine["day"] < settled)]
        steps += planned_steps(settings.costs.changes, use, subject.key, subject.owner, subject.rule)
        if settings.costs.commitments_end and len(ends.effects):
            effects = ends.effects.loc[ends.effects["currency"].eq(subject.currency)]
            steps += expiry_steps(ends, rows_for(effects, subject.owner, subject.rule), subject.key)
    return simulate(pd.concat(series), horizon_days=horizon, steps=steps, paths=PATHS, seed=seed)


# -- one subject -----------------------------------------------------------------------------------


def _status(
    subject: Subject,
    known: Known,
    costs: TeamCosts,
    *,
    paths: Paths | None,
    wanted: Sequence[str],
    metered: Metered,
) -> Status:
    if not len(known.rows):
        return Status(subject, (), None, (), (), "", 0, ("no charge matches so far: nothing to forecast",))
    rest = paths.of(subject.key) if paths is not None and subject.key in paths.ids else None
    days = paths.days if paths is not None else pd.DatetimeIndex([], tz="UTC")
    totals = {month: month_totals(known, month, rest, days) for month in wanted}
    months = tuple(_month(month, totals[month], known, _exact(costs, subject, month)) for month in wanted)
    before = f"{pd.Timestamp(bounds(wanted[0])[0]) - DAY:%Y-%m}"
    last = float(known.closed_total(before)) if known.is_closed(before) else None
    row = list(paths.ids).index(subject.key) if rest is not None and paths is not None else None
    return Status(
        subject,
        months,
        last,
        _drivers(subject, known, costs, month=wanted[0], before=before, metered=metered)
        if last is not None
        else (),
        alarm_states(subject.budget, known, wanted[0], totals[wanted[0]], rest=rest, days=days),
        paths.models[row] if paths is not None and row is not None else "settled",
        paths.replayed[row] if paths is not None and row is not None else 0,
    )


def month_totals(known: Known, month: str, rest: FloatArray | None, days: pd.DatetimeIndex) -> FloatArray:
    """(path) totals of a month: settled days, drawn days, fees, taxes; one path where nothing is open."""
    if known.is_closed(month):
        return np.asarray([known.closed_total(month)])
    start, end = (pd.Timestamp(moment) for moment in bounds(month))
    inside = np.asarray((days >= start) & (days < end))
    drawn = rest[:, inside].sum(axis=1) if rest is not None else np.zeros(1)
    fees = known.expected_fee(month) - known.settled(month, "fee") + known.fee_swings(month, len(drawn))
    before_tax = known.settled(month, "use") + known.settled(month, "fee") + drawn + fees
    return np.asarray(known.with_tax(month, before_tax))


def _exact(costs: TeamCosts, subject: Subject, month: str) -> Decimal | None:
    """The chargeback's total, where the subject is one it knows."""
    if has_filter(subject.rule):
        return None
    return costs.total(month, subject.currency, subject.owner)


def _month(month: str, totals: FloatArray, known: Known, exact: Decimal | None) -> MonthCost:
    low, middle, high = (float(value) for value in np.quantile(totals, LEVELS))
    is_closed = known.is_closed(month)
    if is_closed:
        total = exact if exact is not None else cents(middle)
        return MonthCost(month, is_closed, total, float(total), float(total), float(total))
    return MonthCost(month, is_closed, cents(known.billed(month)), low, middle, high)


def cents(amount: float) -> Decimal:
    """Money for people."""
    return Decimal(str(round(amount, 2)))


def alarm_states(
    budget: Budget | None,
    known: Known,
    month: str,
    totals: FloatArray,
    *,
    rest: FloatArray | None,
    days: pd.DatetimeIndex,
) -> tuple[AlarmState, ...]:
    """Every alarm of a budget with its probability and the day of crossing."""
    if budget is None:
        return ()
    course, when = cumulative(known, month, rest, days)
    return tuple(_alarm(alarm, budget, totals, course, when) for alarm in budget.alarms)


def cumulative(
    known: Known, month: str, rest: FloatArray | None, days: pd.DatetimeIndex
) -> tuple[FloatArray, pd.DatetimeIndex]:
    """(path, day) cost of the month up to and with each day, and the days."""
    start, end = (pd.Timestamp(moment) for moment in bounds(month))
    when = pd.date_range(start, end, freq="D", inclusive="left")
    past = known.by_day(when)
    open_days = np.asarray(when >= known.settled_until)
    daily = np.tile(past, (1 if rest is None else len(rest), 1))
    if rest is not None and open_days.any():
        fee = (known.expected_fee(month) - known.settled(month, "fee")) / open_days.sum()
        daily[:, open_days] = (rest[:, np.asarray((days >= start) & (days < end))] + fee) * (
            1 + known.tax_ratio
        )
    return np.asarray(daily.cumsum(axis=1)), when


def _alarm(
    alarm: Alarm, budget: Budget, totals: FloatArray, course: FloatArray, when: pd.DatetimeIndex
) -> AlarmState:
    limit = alarm.share * budget.monthly_amount
    probability = float((totals > limit).mean())
    above = course > limit
    crosses = above.any(axis=1)
    first = np.argmax(above[crosses], axis=1)
    day = when[int(np.median(first))].date() if crosses.any() else None
    return AlarmState(
        alarm.share, limit, alarm.probability, probability, day, probability >= alarm.probability
    )


def _drivers(
    subject: Subject, known: Known, costs: TeamCosts, *, month: str, before: str, metered: Metered
) -> tuple[Driver, ...]:
    """What changed per settled day since the month before, in money of the whole month."""
    start, end = (pd.Timestamp(moment) for moment in bounds(month))
    stop = min(end, known.settled_until)
    if stop <= start:
        return ()
    length = (end - start) / DAY
    spans = ((pd.Timestamp(bounds(before)[0]), start), (start, stop))
    scaled = []
    for since, until in spans:
        first = max(since, known.first_day)
        factor = length / max((until - first) / DAY, 1.0)
        mine = rows_for(metered(costs, since, until), subject.owner, subject.rule)
        mine = mine.loc[mine["currency"].eq(subject.currency)]
        scaled.append(mine.assign(quantity=mine["quantity"] * factor, cost=mine["cost"] * factor))
    return drivers(scaled[0], scaled[1], known.fees_between(before, month))


def _notes(settings: Settings, ends: Ends, settled: pd.Timestamp, as_of: datetime) -> list[str]:
    found = []
    late = (pd.Timestamp(as_of) - settled) / DAY
    if late > settings.costs.settle_days + 2:
        found.append(f"the newest settled day is {late:.0f} days old: what came since is forecast, not known")
    if ends.expiries and settings.costs.commitments_end:
        found.append("commitments are taken to end without renewal; commitments_end = false leaves that out")
    if not settings.budgets:
        found.append("no budget is set: add [[budgets]] to trimtab.toml for alarms")
    return found
