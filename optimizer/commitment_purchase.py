r"""How much to commit to: a stochastic linear program over draws of what could be covered.

For draws s, steps q, blocks t and parts j of about one discount, with `load` the USD/h at list price that
commitments could cover and `rate` the committed USD per USD of it, deepest discount first:

    committed[s, q]     = beside[s, q] + Σ_k active[k, s, q] × x_k / scale_k
    used[s, q, t, j]    = min(rate_j × load[s, q, t, j], what the parts before j leave of committed[s, q])
    covered[s, q, t]    = Σ_j used[s, q, t, j] / rate_j
    loss_s(x)           = Σ_kq fee_k × hours_q × active[k, s, q] × x_k - Σ_qt hours_qt × (covered - beside's)

    min (1 - w) × mean loss + w × CVaR of loss,     CVaR = min_η  η + mean(max(loss - η, 0)) / tail

(Rockafellar and Uryasev 2000). The loss is that of the purchase against not buying, so its tail is falling
demand; the tail of the whole bill would be high demand, and reward buying more. A loss is convex and
piecewise linear in x: the program holds it by its tangents (Kelley 1960; one set per draw, exact once they
meet the loss itself), which keeps it small however many blocks and pools there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import coo_array, eye_array, hstack, vstack

from optimizer.coverage import minimise
from optimizer.problem import Floats

TOLERANCE = 1e-6  # of the load: how far the program's tangents may be from the loss
SWEEP_TOLERANCE = 1e-9
MAX_ROUNDS = 100
LEAST_ACTIVE = 0.05  # bounds amounts where a tranche may turn out very small


@dataclass(frozen=True)
class Risk:
    """How a distribution of losses is judged."""

    weight: float  # of the tail, 0..1; the rest is the mean's
    tail_share: float  # of draws

    def of(self, losses: Floats) -> float:
        """(1 - weight) × mean + weight × mean of the worst."""
        return float(losses @ self.weights(losses))

    def worst(self, losses: Floats) -> float:
        """CVaR: mean of the worst `tail_share`."""
        return float(losses @ self.tail(losses))

    def weights(self, losses: Floats) -> Floats:
        """(S,) what each draw counts for; they add up to 1."""
        return (1.0 - self.weight) / len(losses) + self.weight * self.tail(losses)

    def tail(self, losses: Floats) -> Floats:
        """(S,) what each draw counts for in the mean of the worst; the one at the edge counts in part."""
        draws = len(losses)
        kept = np.clip(self.tail_share * draws - np.arange(draws), 0.0, 1.0)
        weights = np.empty(draws)
        weights[np.argsort(-losses, kind="stable")] = kept / kept.sum()
        return weights


@dataclass(frozen=True)
class Column:
    """Something that can be bought, in committed USD per hour.

    Attributes:
        scale: its own rates over those of the load: 1 where nothing else is on sale.
        fee: cost of one committed USD.
        active: (S, Q) how often the amount is in force; not 1 where later tranches follow demand.
    """

    scale: float
    fee: float
    active: Floats


@dataclass(frozen=True)
class Load:
    """What could be covered.

    Attributes:
        usd_per_hour: (S, Q, T, J) at list price, beyond what existing commitments cover.
        rate: (J,) committed USD per USD at list price, ascending; under 1 where it saves.
        hours: (Q, T) that each block of each step stands for.
        beside: (S, Q) committed USD/h of other purchases, which are used first.
    """

    usd_per_hour: Floats
    rate: Floats
    hours: Floats
    beside: Floats

    @cached_property
    def needed(self) -> Floats:
        """(S, Q, T, J) committed USD/h that would cover it."""
        return np.asarray(self.usd_per_hour * self.rate)

    @cached_property
    def before(self) -> Floats:
        """(S, Q, T, J) committed USD/h that go to parts of deeper discounts."""
        return np.asarray(np.cumsum(self.needed, axis=3) - self.needed)

    def used(self, more: Floats | float = 0.0) -> Floats:
        """(S, Q, J) committed USD that cover something, with (S, Q) more committed."""
        committed = (self.beside + more)[:, :, None, None]
        used = np.clip(committed - self.before, 0.0, self.needed)
        return np.asarray(np.einsum("sqtj,qt->sqj", used, self.hours))

    def covered(self, more: Floats | float = 0.0) -> Floats:
        """(S, Q) USD at list price, with (S, Q) more committed."""
        return np.asarray(self.used(more) @ (1.0 / self.rate))

    def worth(self, more: Floats) -> Floats:
        """(S, Q) USD at list price that one more committed USD/h would cover."""
        committed = (self.beside + more)[:, :, None, None]
        is_next = (committed >= self.before) & (committed < self.before + self.needed)
        return np.asarray(np.einsum("sqtj,qt,j->sq", is_next, self.hours, 1.0 / self.rate))

    def first(self, steps: int) -> Load:
        """The same for the first steps alone."""
        return Load(self.usd_per_hour[:, :steps], self.rate, self.hours[:steps], self.beside[:, :steps])


def committed_by(columns: Sequence[Column], amounts: Floats) -> Floats:
    """(S, Q) USD/h that are committed, in units of the load's own rates."""
    return np.asarray(sum(x / c.scale * c.active for c, x in zip(columns, amounts, strict=True)))


def fees(load: Load, columns: Sequence[Column], amounts: Floats) -> Floats:
    """(S,) USD over all steps."""
    step_hours = load.hours.sum(axis=1)
    return np.asarray(sum(x * c.fee * (c.active @ step_hours) for c, x in zip(columns, amounts, strict=True)))


def losses(load: Load, columns: Sequence[Column], amounts: Floats) -> Floats:
    """(S,) USD by which buying is worse than not buying; negative where it saves."""
    saved = load.covered(committed_by(columns, amounts)) - load.covered()
    return np.asarray(fees(load, columns, amounts) - saved.sum(axis=1))


def tangents(load: Load, columns: Sequence[Column], amounts: Floats) -> tuple[Floats, Floats]:
    """Losses (S,) and a subgradient of each (S, K)."""
    step_hours = load.hours.sum(axis=1)
    worth = load.worth(committed_by(columns, amounts))
    slope = np.stack(
        [c.fee * (c.active @ step_hours) - (c.active * worth).sum(axis=1) / c.scale for c in columns], axis=1
    )
    return losses(load, columns, amounts), slope


def buy(load: Load, columns: Sequence[Column], risk: Risk) -> Floats:
    """(K,) committed USD per hour with the least risk-weighted loss; 0 where none pays."""
    size = float(load.needed.sum(axis=3).mean())
    if not columns or size <= 0:
        return np.zeros(len(columns))
    unit = Load(load.usd_per_hour / size, load.rate, load.hours / load.hours.sum(), load.beside / size)
    most = np.array([most_of(unit, c) for c in columns])
    if len(columns) == 1:
        return np.array([size * sweep(unit, columns[0], most[0], risk)])
    program = Program(len(unit.usd_per_hour), most, risk)
    best, found = np.zeros(len(columns)), 0.0
    for amounts in (best, *np.diag([newsvendor(unit, c) for c in columns])):
        program.add(amounts, *tangents(unit, columns, amounts))
    for _ in range(MAX_ROUNDS):
        amounts, bound = program.solve()
        value, slope = tangents(unit, columns, amounts)
        if risk.of(value) < found:
            best, found = amounts, risk.of(value)
        if found - bound <= TOLERANCE:
            break
        program.add(amounts, value, slope)
    return np.asarray(best * size)


def newsvendor(load: Load, column: Column) -> float:
    """The amount with the least mean loss were it in force throughout: a quantile of the load."""
    left = np.maximum(load.needed.sum(axis=3) - load.beside[:, :, None], 0.0)
    level = max(1.0 - float(load.rate.mean()) * column.scale * column.fee, 0.0)
    return column.scale * float(np.quantile(left, level))


def sweep(load: Load, column: Column, most: float, risk: Risk) -> float:
    """The same for one column, without a program: tangents on both sides of the best amount close in on it.

    Where two tangents meet is the next amount to try, and no loss is less than theirs there. Every third time
    the middle is tried, so that a long flat side cannot hold it up.
    """

    def tangent(amount: float) -> Tangent:
        value, slope = tangents(load, [column], np.array([amount]))
        weights = risk.weights(value)
        return Tangent(amount, float(value @ weights), float(slope[:, 0] @ weights))

    low, high = tangent(0.0), tangent(most)
    if low.slope >= 0:
        return 0.0
    for turn in range(MAX_ROUNDS):
        meeting = low.meets(high)
        best = min(low, high, key=lambda side: side.value)
        if best.value - low.at(meeting) <= SWEEP_TOLERANCE:
            return best.amount
        middle = tangent(meeting if turn % 3 else (low.amount + high.amount) / 2)
        low, high = (middle, high) if middle.slope < 0 else (low, middle)
    return best.amount


@dataclass(frozen=True)
class Tangent:
    """A risk-weighted loss at an amount, and its slope there."""

    amount: float
    value: float
    slope: float

    def at(self, amount: float) -> float:
        """The tangent's own value at another amount."""
        return self.value + self.slope * (amount - self.amount)

    def meets(self, other: Tangent) -> float:
        """Where two tangents meet: between their amounts, as the loss is convex."""
        rise = other.at(self.amount) - self.value
        steps = self.slope - other.slope
        return self.amount + rise / steps if steps else self.amount


def most_of(load: Load, column: Column) -> float:
    """An amount that covers everything, always."""
    in_force = column.active[column.active > 0]
    least = max(float(in_force.min(initial=1.0)), LEAST_ACTIVE)
    return column.scale * float(load.needed.sum(axis=3).max()) / least


class Program:
    """The linear program in x (K), loss v (S), η and excess e (S), with the tangents it has been given.

    v_s - slope_s · x ≥ value_s - slope_s · amounts;   e_s ≥ v_s - η;   0 ≤ x ≤ most
    """

    def __init__(self, draws: int, most: Floats, risk: Risk) -> None:
        self.draws, self.most, self.risk = draws, most, risk
        none = coo_array((draws, len(most)))
        one = eye_array(draws)
        self.rows = [hstack([none, one, -np.ones((draws, 1)), -one])]
        self.limits = [np.zeros(draws)]

    def add(self, amounts: Floats, value: Floats, slope: Floats) -> None:
        """Tangents at one point, one per draw."""
        rest = coo_array((self.draws, self.draws + 1))
        self.rows.append(hstack([coo_array(slope), -eye_array(self.draws), rest]))
        self.limits.append(slope @ amounts - value)

    def solve(self) -> tuple[Floats, float]:
        """The best amounts as far as the tangents tell, and a lower bound of the risk-weighted loss."""
        count = len(self.most)
        mean = np.full(self.draws, (1.0 - self.risk.weight) / self.draws)
        excess = np.full(self.draws, self.risk.weight / (self.risk.tail_share * self.draws))
        objective = np.concatenate([np.zeros(count), mean, [self.risk.weight], excess])
        free = [(None, None)] * (self.draws + 1)
        bounds = [(0.0, float(m)) for m in self.most] + free + [(0.0, None)] * self.draws
        rows, limits = vstack(self.rows).tocsr(), np.concatenate(self.limits)
        best = minimise(objective, A_ub=rows, b_ub=limits, bounds=bounds)
        return np.asarray(best.x[:count], dtype=float), float(best.fun)
