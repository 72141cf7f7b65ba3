"""The chargeback of a billing month: allocations of its charges, and what the owners' requests cost."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any

from data.lake import Lake
from data.workloads import Workload
from optimizer.allocation import DIGITS, Group, Share, added, allocate
from optimizer.cost_settings import Allocation, Match
from optimizer.errors import Fault, InputError

ENOUGH_MEASURED = 0.9  # share of the period's demand that must be known for a unit cost
_MICRO = Decimal("1e-9")


@dataclass(frozen=True)
class UnitCost:
    """What an owner's requests cost; missing where demand is not known well enough."""

    owner: str
    currency: str
    requests: float
    tokens: float | None
    per_1000_requests: Decimal
    per_1000_tokens: Decimal | None


@dataclass(frozen=True)
class Chargeback:
    """Shares of a month, their sums by currency (equal to the charges'), unit costs and notes."""

    period: str
    metric: str
    shares: tuple[Share, ...]
    totals: Mapping[str, Decimal]
    unit_costs: tuple[UnitCost, ...]
    notes: tuple[str, ...]

    def by_owner(self) -> list[tuple[str, str, Decimal, Decimal]]:
        """Owner, currency, total and share of the currency's total; largest first."""
        sums: dict[tuple[str, str], Decimal] = {}
        for share in self.shares:
            key = (share.currency, share.owner)
            sums[key] = added(sums.get(key, Decimal(0)), share.total_cost)
        rows = [
            (owner, currency, cost, _ratio(cost, self.totals[currency]))
            for (currency, owner), cost in sums.items()
        ]
        return sorted(rows, key=lambda row: (row[1], -row[2], row[0]))


def _ratio(part: Decimal, whole: Decimal) -> Decimal:
    return part / whole if whole else Decimal(0)


def make(
    lake: Lake, rules: Allocation, workloads: Sequence[Workload], *, period: str, currency: str | None = None
) -> Chargeback:
    """The chargeback of a month (YYYY-MM), in one currency if one is asked for.

    Raises InputError where the month has no charges, or an exchange rate is missing.
    """
    start, end = bounds(period)
    groups, rates = groups_of(lake, rules, period, currency)
    shares, notes = allocate(groups, rules)
    names = sorted({group.currency for group in groups})
    totals = {name: added(*(group.cost for group in groups if group.currency == name)) for name in names}
    notes = (*notes, *(f"1 {base} = {rate:f} {currency}" for base, rate in rates.items() if base != currency))
    units, missing = _unit_costs(lake, shares, workloads, start, end)
    return Chargeback(period, rules.metric, shares, totals, units, (*notes, *missing))


def groups_of(
    lake: Lake, rules: Allocation, period: str, currency: str | None
) -> tuple[list[Group], dict[str, Decimal]]:
    """The charges of a month as `allocate` takes them, and the exchange rates used, if any.

    Raises InputError where the month has no charges, or an exchange rate is missing.
    """
    asked = {f"by_{name}": is_used(rules, name) for name in ("region", "resource", "tags")}
    rows = lake.arrow("allocation_groups", period=period, **asked).to_pylist()
    if not rows:
        raise InputError([Fault("--period", period, "a month whose bill was loaded", "ingest it first")])
    rates = rates_at(lake, {row["currency"] for row in rows}, currency, bounds(period)[1])
    return [_group(row, rules.metric, currency, rates) for row in rows], rates


def bounds(period: str) -> tuple[datetime, datetime]:
    """First moment of a month and of the next, UTC."""
    try:
        # The whole day, since 2026-1 is a month to the clock and none of the bill's.
        start = datetime.fromisoformat(f"{period}-01").replace(tzinfo=UTC)
    except ValueError as error:
        raise InputError(
            [Fault("--period", repr(period), "a month such as 2026-10", "correct it")]
        ) from error
    return start, start + timedelta(days=monthrange(start.year, start.month)[1])


def is_used(rules: Allocation, name: str, more: Sequence[Match] = ()) -> bool:
    """Whether any rule, or any of `more`, looks at regions, resources or tags."""
    everything: list[Match] = [*rules.rules, *(shared.match for shared in rules.shared), *more]
    sources = [str(rule.owner_from or "") for rule in rules.rules]
    if name == "tags":
        return any(rule.tag for rule in everything) or any(source.startswith("tag:") for source in sources)
    return any(getattr(rule, name) for rule in everything) or name in sources


def rates_at(lake: Lake, found: set[str], wanted: str | None, end: datetime) -> dict[str, Decimal]:
    """What one unit of each currency is in the wanted one; empty where none is wanted."""
    if wanted is None:
        return {}
    known = {
        (row["base_currency"], row["quote_currency"]): row["rate"]
        for row in lake.arrow("fx_rates_at", at=end).to_pylist()
    }
    rates = {base: Decimal(1) if base == wanted else known.get((base, wanted)) for base in sorted(found)}
    faults = [
        Fault("fx_rates", f"no rate from {base} to {wanted}", "one that holds by the end of the period",
              "ingest a file with date, base_currency, quote_currency, rate")
        for base, rate in rates.items() if rate is None
    ]  # fmt: skip
    if faults:
        raise InputError(faults)
    return {base: rate for base, rate in rates.items() if rate is not None}


def _group(row: dict[str, Any], metric: str, wanted: str | None, rates: Mapping[str, Decimal]) -> Group:
    def converted(amount: Decimal | None) -> Decimal | None:
        if amount is None or wanted is None or row["currency"] == wanted:
            return amount
        with localcontext(prec=DIGITS):
            return (amount * rates[row["currency"]]).quantize(Decimal("1e-18"))

    return Group(
        row["source"], row["account"], row["account_name"], row["service"], row["region"], row["resource"],
        row["tags"], row["team"], row["category"], row["is_unused"], wanted or row["currency"],
        converted(row[f"{metric}_cost"]) or Decimal(0), converted(row["list_cost"]),
        converted(row["commitment_saving"]),
    )  # fmt: skip


def _unit_costs(
    lake: Lake, shares: Sequence[Share], workloads: Sequence[Workload], start: datetime, end: datetime
) -> tuple[tuple[UnitCost, ...], tuple[str, ...]]:
    """Cost per 1,000 requests and tokens of each owner whose workloads' demand is known, and the others."""
    demand = {
        row["workload"]: row for row in lake.arrow("demand_of_period", since=start, until=end).to_pylist()
    }
    ages = {row["table_name"]: row["newest_data"] for row in lake.arrow("freshness").to_pylist()}
    span = (min(end, ages.get("charges") or end) - start).total_seconds()
    made: list[UnitCost] = []
    missing: list[str] = []
    for owner in sorted({share.owner for share in shares}):
        names = [workload.name for workload in workloads if workload.owner == owner]
        rows = [demand[name] for name in names if name in demand]
        if not names:
            continue
        measured = min((row["known_s"] / span for row in rows), default=0.0)
        if (
            len(rows) < len(names)
            or measured < ENOUGH_MEASURED
            or not sum(row["requests"] or 0 for row in rows)
        ):
            missing.append(owner)
            continue
        made += _of_owner(owner, shares, rows)
    why = "the demand of their workloads is not known for the whole month"
    return tuple(made), (f"no unit cost for {', '.join(missing)}: {why}",) if missing else ()


def _of_owner(owner: str, shares: Sequence[Share], rows: Sequence[dict[str, Any]]) -> list[UnitCost]:
    requests = sum(row["requests"] for row in rows)
    tokens = None if any(row["tokens"] is None for row in rows) else sum(row["tokens"] for row in rows)
    made = []
    for currency in sorted({share.currency for share in shares if share.owner == owner}):
        cost = added(*(s.total_cost for s in shares if (s.owner, s.currency) == (owner, currency)))
        per_token = (cost * 1000 / Decimal(tokens)).quantize(_MICRO) if tokens else None
        per_request = (cost * 1000 / Decimal(requests)).quantize(_MICRO)
        made.append(UnitCost(owner, currency, float(requests), tokens, per_request, per_token))
    return made
