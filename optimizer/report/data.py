"""What a report is made of: one frozen value, filled from the lake and the plan, read only by rendering.

Money named usd_* is in US dollars, from public or negotiated prices; `spend` is in the bill's own currency.
None and NaN mean "not known" and are shown as such, never as 0. Times are UTC-aware; a bucket is named by
its start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import pandas as pd

from optimizer.node_parts import NodeRow, Sharing
from optimizer.placement_parts import CommitmentAdvice

KINDS = ("shortage", "placement", "rightsize", "idle", "commitment", "schedule")
RISKS = ("low", "medium", "high")
TIME = "datetime64[us, UTC]"

FRAMES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        # month is 'YYYY-MM'; costs in ReportData.currency
        "spend": {
            "month": "str", "provider": "str", "service": "str", "team": "str",
            "billed_cost": "float64", "effective_cost": "float64",
        },
        # actual is NaN where not known yet and where the metric has a gap; values in ReportData.demand_unit
        "forecasts": {
            "workload": "str", "ds": TIME, "q0.1": "float64", "q0.5": "float64", "q0.9": "float64",
            "q0.99": "float64", "actual": "float64", "origin": TIME, "model": "str",
        },
        "history": {"workload": "str", "ds": TIME, "actual": "float64"},
        "capacity": {
            "workload": "str", "provider": "str", "region": "str", "instance_type": "str",
            "purchase": "str", "option_id": "str", "current_replicas": "float64",
            "planned_replicas": "float64", "current_usd_per_hour": "float64",
            "planned_usd_per_hour": "float64",
        },
        # what: the names in SOURCES below are repeated under the section they feed; any other is listed only
        "freshness": {"what": "str", "source": "str", "newest": TIME, "age_hours": "float64", "note": "str"},
    }
)  # fmt: skip

# Values of freshness.what that a section of the report cites as the source of its numbers.
SOURCES = ("bill", "demand", "forecast", "fleet", "prices")


@dataclass(frozen=True)
class Recommendation:
    """One thing to do, with what it saves and what it may cost.

    kind is one of KINDS. risk starts with low, medium or high, then says why ("low: replicas are stateless").
    Savings are USD per month, low <= mid <= high; None where not known. A shortage saves nothing; work
    that is done once has no saving per month but `once_usd`. is_estimated marks a saving that rests on an
    estimated price or an assumed utilisation. evidence is (what, value with its unit).
    """

    id: str
    kind: str
    title: str
    target: str
    owner: str | None
    saving_usd_per_month_low: float | None
    saving_usd_per_month_mid: float | None
    saving_usd_per_month_high: float | None
    reason: str
    risk: str
    effort: str
    is_estimated: bool
    evidence: tuple[tuple[str, str], ...] = ()
    once_usd: float | None = None


@dataclass(frozen=True)
class Headline:
    """The numbers on top. demand_quantile and gap_share are 0..1.

    What commitments would save stands apart: they are advice, which no plan carries out. `unserved` are
    workloads of which the plan leaves demand unserved: they count at no less than they cost now. `once` is
    work that does not come again: it is in no number per month, but in `once_usd`. `unpriced`
    are workloads whose present cost is not known: where savings are, they count in none of the numbers.
    """

    current_usd_per_month: float | None = None
    planned_usd_per_month: float | None = None
    saving_usd_per_month_low: float | None = None
    saving_usd_per_month_mid: float | None = None
    saving_usd_per_month_high: float | None = None
    demand_quantile: float | None = None
    gap_share: float | None = None
    commitments_usd_per_month: float | None = None
    unserved: tuple[str, ...] = ()
    once: tuple[str, ...] = ()
    once_usd: float | None = None
    unpriced: tuple[str, ...] = ()


@dataclass(frozen=True)
class SolverFacts:
    """The proof: cost and lower bound in USD over horizon_hours, gap_share = (cost - bound) / cost."""

    status: str
    cost_usd: float | None
    bound_usd: float | None
    gap_share: float | None
    method: str
    horizon_hours: float | None = None


@dataclass(frozen=True)
class Scarce:
    """A limit, a commitment or a rule: what one more of it, or going without it, saves a day in USD.

    `confirmed` is what solving again gives, None where only the price at the plan is known.
    """

    what: str
    means: str
    usd_per_day: float
    confirmed_usd_per_day: float | None
    when: str = ""


@dataclass(frozen=True)
class Alternative:
    """An option that was not taken, what differs with it and what it costs more, in USD a day."""

    option: str
    other: str
    beside: str | None
    more_usd_per_day: float
    because: str


@dataclass(frozen=True)
class WhyNot:
    """What a workload runs and what it could run instead; its regret is its share of the gap."""

    workload: str
    runs: tuple[str, ...]
    regret_usd_per_day: float
    alternatives: tuple[Alternative, ...]


@dataclass(frozen=True)
class Why:
    """Why the plan is as it is; `repair` would end its shortfalls, `no_repair` is why there is none."""

    scarce: tuple[Scarce, ...] = ()
    why_not: tuple[WhyNot, ...] = ()
    repair: tuple[str, ...] = ()
    no_repair: str | None = None
    unused_usd_per_day: float = 0.0


@dataclass(frozen=True)
class Rule:
    """One rule of reconciliation: how many things it looked at, how many broke it, a line for the worst."""

    about: str
    checked: int
    missed: int
    misses: tuple[str, ...] = ()


# Where a price is from, in the order in which they are told.
PRICE_WORDS = {
    "contract": "at what the bill shows for the type",
    "discount": "at list price less the discount the bill shows",
    "spot": "at the spot price in the bill",
    "list": "at list price",
    "file": "as given in catalog.parquet",
}


@dataclass(frozen=True)
class Prices:
    """Where the prices of the plan are from, and how well they meet the bill.

    `counts` by basis: contract, discount, spot (all three from the bill), list, file. `fit_ratio` is the
    median of modelled over billed price, of `compared` types and regions.
    """

    counts: tuple[tuple[str, int], ...]
    fit_ratio: float | None = None
    compared: int = 0


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything a report shows. Frames have the columns of FRAMES (more are ignored); `empty` makes one.

    Raises:
        ValueError: a column is missing, as_of has no zone, or a recommendation contradicts itself;
            all faults in one message.
    """

    workspace: str
    as_of: datetime
    currency: str
    headline: Headline
    spend: pd.DataFrame
    forecasts: pd.DataFrame
    history: pd.DataFrame
    capacity: pd.DataFrame
    recommendations: tuple[Recommendation, ...]
    solver: SolverFacts | None
    freshness: pd.DataFrame
    shortfalls: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    demand_unit: str = "requests/s"
    rules: tuple[Rule, ...] = ()
    prices: Prices | None = None
    why: Why | None = None
    commitments: tuple[CommitmentAdvice, ...] = ()
    nodes: tuple[NodeRow, ...] = ()
    sharing: Sharing | None = None

    def __post_init__(self) -> None:
        faults = [*_faults_of_frames(self), *_faults_of_recommendations(self.recommendations)]
        if self.as_of.tzinfo is None:
            faults.append(f"as_of: found {self.as_of} without a zone; expected UTC")
        if faults:
            raise ValueError("this is not report data:\n" + "\n".join(faults))


def empty(frame: str) -> pd.DataFrame:
    """A frame of FRAMES with its columns, its types and no rows."""
    return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in FRAMES[frame].items()})


def _faults_of_frames(data: ReportData) -> Iterator[str]:
    for name, columns in FRAMES.items():
        found = getattr(data, name).columns
        missing = [column for column in columns if column not in found]
        if missing:
            yield f"{name}: missing {', '.join(missing)}; found {', '.join(map(str, found)) or 'no columns'}"


def _faults_of_recommendations(recommendations: tuple[Recommendation, ...]) -> Iterator[str]:
    for each in recommendations:
        where = f"recommendation {each.id}"
        if each.kind not in KINDS:
            yield f"{where}: found kind {each.kind!r}; expected one of {', '.join(KINDS)}"
        if not each.risk.startswith(RISKS):
            yield f"{where}: found risk {each.risk!r}; expected it to start with low, medium or high"
        low, mid, high = (
            each.saving_usd_per_month_low, each.saving_usd_per_month_mid, each.saving_usd_per_month_high,
        )  # fmt: skip
        known = [value for value in (low, mid, high) if value is not None]
        if known != sorted(known):
            yield f"{where}: found savings {low}, {mid}, {high}; expected low <= mid <= high"
