"""What one purchase means: saving, tail, utilisation, break-even, payback, other amounts, ladders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from optimizer.commitment_demand import MONTH_HOURS, Steps
from optimizer.commitment_ladder import TRANCHES, Ladder, best_of, ladder_of
from optimizer.commitment_offers import Sale
from optimizer.commitment_purchase import Column, Load, Risk
from optimizer.placement_parts import CommitmentAdvice, CurvePoint, LadderAdvice, Spread, Tranche
from optimizer.problem import Floats

CURVE = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)  # amounts shown, over the advised one
HIGH = 0.95
QUANTILES = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Line:
    """One sale with the amounts bought of it, (G,) by group; a load says what others cover before it."""

    sale: Sale
    loads: tuple[Load, ...]
    columns: tuple[Column, ...]
    amounts: Floats

    @property
    def usd_per_hour(self) -> float:
        """All groups together."""
        return float(self.amounts.sum())

    @property
    def fee(self) -> float:
        """Cost of a committed USD."""
        return self.columns[0].fee

    @cached_property
    def term(self) -> tuple[Load, ...]:
        """The loads of the first term alone."""
        begin = np.cumsum(self.loads[0].hours.sum(axis=1))
        steps = int((begin < self.sale.hours + 1.0).sum())
        return tuple(load.first(steps) for load in self.loads)

    @property
    def hours(self) -> float:
        """Length of the first term."""
        return float(self.term[0].hours.sum())

    def covered(self, times: float = 1.0) -> Floats:
        """(S, Q) USD at list price that some times the amounts cover in the first term."""
        parts = [
            load.covered(times * amount / column.scale) - load.covered()
            for load, column, amount in zip(self.term, self.columns, self.amounts, strict=True)
        ]
        return np.asarray(sum(parts))

    def used(self) -> Floats:
        """(S,) committed USD that cover something in the first term."""
        parts = [
            column.scale * (load.used(amount / column.scale) - load.used()).sum(axis=(1, 2))
            for load, column, amount in zip(self.term, self.columns, self.amounts, strict=True)
        ]
        return np.asarray(sum(parts))

    def savings(self, times: float = 1.0) -> Floats:
        """(S,) USD per day over the first term, after fees."""
        paid = times * self.usd_per_hour * self.fee * self.hours
        return np.asarray((self.covered(times).sum(axis=1) - paid) / self.hours * 24.0)

    @property
    def saving_usd_per_day(self) -> float:
        """Mean over the draws."""
        return float(self.savings().mean())

    def utilization(self) -> Floats:
        """(S,) share of the committed hours that covers something."""
        return self.used() / (self.usd_per_hour * self.hours)

    def break_even_utilization(self) -> float:
        """Share of the committed hours that must cover something for the fee to be worth it."""
        return float(self.fee * self.used().sum() / self.covered().sum())

    def coverage_share(self) -> float:
        """Share of what could be covered that it covers, on average."""
        whole = sum(float(np.einsum("sqtj,qt->", load.usd_per_hour, load.hours)) for load in self.term)
        return float(self.covered().sum() / whole) if whole > 0 else 0.0

    def upfront_usd(self) -> float:
        """What is paid on the first day."""
        return self.usd_per_hour * self.sale.upfront_share * self.sale.hours

    def payback_months(self) -> float | None:
        """Months until what it covers, less what is paid along the way, has brought back the upfront part."""
        owed = self.upfront_usd()
        if owed <= 0:
            return None
        hours = self.term[0].hours.sum(axis=1)
        monthly = self.usd_per_hour * (1.0 - self.sale.upfront_share) * hours
        back = np.cumsum(self.covered().mean(axis=0) - monthly)
        if back[-1] < owed:
            return None
        return float(np.interp(owed, [0.0, *back], [0.0, *np.cumsum(hours)]) / MONTH_HOURS)


def advice_of(line: Line, steps: Steps, risk: Risk) -> CommitmentAdvice:
    """The line as it stands in a plan."""
    savings = line.savings()
    low, middle, high = np.quantile(line.utilization(), QUANTILES)
    return CommitmentAdvice(
        commitment=line.sale.name,
        provider=line.sale.provider,
        term_years=line.sale.years,
        payment=line.sale.payment,
        usd_per_hour=line.usd_per_hour,
        upfront_usd=line.upfront_usd(),
        saving_usd_per_day=float(savings.mean()),
        saving_usd_per_day_tail=-risk.worst(-savings),
        saving_usd_per_day_worst=float(savings.min()),
        saving_usd_per_day_high=max(float(np.quantile(savings, HIGH)), float(savings.mean())),
        loss_probability=float((savings < 0).mean()),
        break_even_utilization=line.break_even_utilization(),
        payback_months=line.payback_months(),
        utilization=Spread(p10=float(low), p50=float(middle), p90=float(high)),
        coverage_share=line.coverage_share(),
        curve=tuple(curve_of(line, risk)),
        ladders=tuple(ladders_of(line, steps, risk)),
        is_estimated_price=line.sale.is_estimated,
    )


def curve_of(line: Line, risk: Risk) -> Iterator[CurvePoint]:
    """What other amounts would save."""
    for times in CURVE:
        savings = line.savings(times)
        yield CurvePoint(
            usd_per_hour=times * line.usd_per_hour,
            saving_usd_per_day=float(savings.mean()),
            saving_usd_per_day_tail=-risk.worst(-savings),
        )


def ladders_of(line: Line, steps: Steps, risk: Risk) -> Iterator[LadderAdvice]:
    """The purchase at once and in tranches, on the same draws over the term and a year."""
    count = steps.within(line.sale.hours + 12 * MONTH_HOURS)
    ahead = Steps(steps.begin_h[:count], steps.hours[:count])
    loads = [load.first(count) for load in line.loads]
    ladders = [
        ladder_of(loads, line.columns, ahead, term_h=line.sale.hours, tranches=n, risk=risk) for n in TRANCHES
    ]
    best = best_of(ladders, risk)
    days = float(ahead.hours.sum()) / 24.0
    for number, ladder in enumerate(ladders):
        yield ladder_advice(ladder, days, risk, is_recommended=number == best)


def ladder_advice(ladder: Ladder, days: float, risk: Risk, *, is_recommended: bool) -> LadderAdvice:
    """A ladder as it stands in a plan."""
    savings = -ladder.losses / days
    return LadderAdvice(
        tranches=tuple(Tranche(month=r.month, usd_per_hour=r.usd_per_hour) for r in ladder.rungs),
        is_recommended=is_recommended,
        saving_usd_per_day=float(savings.mean()),
        saving_usd_per_day_tail=-risk.worst(-savings),
        saving_usd_per_day_worst=float(savings.min()),
    )
