"""Mixes, the columns of the restricted master: one or two options with every pattern of every period.

At given prices the periods of a mix are independent, so that a mix stands for all plans made of its patterns:
few mixes promise what a great many plans would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from optimizer.problem import Bools, Floats, Ints
from optimizer.solve.patterns import MOST_PATTERNS, enumerate_patterns
from optimizer.solve.plans import Plans, Pricing
from optimizer.solve.sums import least_patterns, mark_fitting, mark_near
from optimizer.solve.terms import ACTIVATION, PAIR, UNITS

PLACES_EACH = 4  # patterns of a mix and period that room is made for at first


@dataclass(frozen=True)
class Mixes:
    """Mixes sorted by workload.

    Attributes:
        workload: (N,).
        option: (N, 2) places among all options, the smaller first; -1 where a mix is of one only.
        usd: (N,) activation, paid whatever the counts.
        kind: (N, 2) kinds of the options; -1 where none.
        is_all: (N,) whether no pattern was skipped.
        begin: (W + 1,) first mix of each workload.
        first: (N * T + 1,) first pattern of each mix and period.
        count, units: (M, 2) replicas of a pattern, and pool units they draw.
        paid: (M,) USD of a pattern without shared prices, over that of dropping all that runs.
    """

    workload: Ints
    option: Ints
    usd: Floats
    kind: Ints
    is_all: Bools
    begin: Ints
    first: Ints
    count: Floats
    units: Floats
    paid: Floats

    def __len__(self) -> int:
        return len(self.workload)

    @property
    def periods(self) -> int:
        """How many periods each mix has."""
        return (len(self.first) - 1) // max(len(self), 1)

    @cached_property
    def cell(self) -> Ints:
        """(M,) which mix and period each pattern belongs to: mix * T + period."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))

    @classmethod
    def of(cls, pricing: Pricing, plans: Plans, limit: Floats) -> Mixes:
        """The mixes of plans, within (L, T) limits; counts of a plan are among its patterns in any case."""
        terms, kinds = pricing.terms, pricing.kinds
        workload, option, known = sorted_plans(plans)
        size, periods = len(workload), len(terms.hours)
        first, is_all = np.zeros(size * periods + 1, dtype=np.int64), np.zeros(size, dtype=np.bool_)
        places, used = size * periods * PLACES_EACH + MOST_PATTERNS, -1
        while used < 0:
            count, paid = np.zeros((places, PAIR)), np.zeros(places)
            used = enumerate_patterns(
                workload, option, known, terms.kind, terms.options, terms.rules, terms.demand,
                terms.hours, kinds.draws, kinds.shared, limit, first, count, paid, is_all,
            )  # fmt: skip
            places *= 2
        count, paid = count[:used].copy(), paid[:used].copy()
        is_used = option >= 0
        o = terms.options[np.maximum(option, 0)]
        # One option alone may have nothing to do; of a pair both are taken up, else it would be the other.
        runs = is_used & (is_used.all(axis=1) | (known.max(axis=(1, 2), initial=0.0) > 0))[:, None]
        owner = np.repeat(np.arange(size), np.diff(first[::periods]))
        return cls(
            workload=workload,
            option=option,
            usd=(o[..., ACTIVATION] * runs).sum(axis=1),
            kind=np.where(is_used, terms.kind[np.maximum(option, 0)], -1),
            is_all=is_all,
            begin=np.searchsorted(workload, np.arange(len(terms.demand) + 1)).astype(np.int64),
            first=first,
            count=count,
            units=count * o[owner, :, UNITS],
            paid=paid,
        )

    @classmethod
    def of_patterns(
        cls, pricing: Pricing, workload: Ints, option: Ints, count: Floats, paid: Floats
    ) -> Mixes:
        """Mixes with the (N,) patterns given, of one period; `count` and `option` are (N, 2)."""
        terms = pricing.terms
        turned = (option[:, 1] >= 0) & (option[:, 0] > option[:, 1])
        option = np.where(turned[:, None], option[:, ::-1], option)
        count = np.where(turned[:, None], count[:, ::-1], count)
        order = np.lexsort((count[:, 0], option[:, 1], option[:, 0], workload))
        key = np.concatenate([workload[:, None], option], axis=1)[order]
        first = np.flatnonzero(np.append(True, (key[1:] != key[:-1]).any(axis=1))) if len(key) else order
        owner, pair = key[first, 0], key[first, 1:]
        count, is_used, o = count[order], pair >= 0, terms.options[np.maximum(pair, 0)]
        end = np.append(first, len(order)).astype(np.int64)
        of = np.repeat(np.arange(len(first)), np.diff(end))
        runs = is_used & (is_used.all(axis=1) | (np.maximum.reduceat(count[:, 0], first) > 0))[:, None]
        return cls(
            workload=owner,
            option=pair,
            usd=(o[..., ACTIVATION] * runs).sum(axis=1),
            kind=np.where(is_used, terms.kind[np.maximum(pair, 0)], -1),
            is_all=np.zeros(len(pair), dtype=np.bool_),
            begin=np.searchsorted(owner, np.arange(len(terms.demand) + 1)).astype(np.int64),
            first=end,
            count=count,
            units=count * o[of, :, UNITS],
            paid=paid[order],
        )

    def take(self, which: Ints) -> Mixes:
        """Some of the mixes, in the order of workloads; `which` rises."""
        periods = self.periods
        cells = (which[:, None] * periods + np.arange(periods)).ravel()
        length = self.first[cells + 1] - self.first[cells]
        first = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
        places = np.repeat(self.first[cells] - first[:-1], length) + np.arange(first[-1])
        return self.with_patterns(which, first, places)

    def with_patterns(self, which: Ints, first: Ints, places: Ints) -> Mixes:
        """Some of the mixes with some of their patterns, where `first` are the new places of each period."""
        workload = self.workload[which]
        return Mixes(
            workload=workload,
            option=self.option[which],
            usd=self.usd[which],
            kind=self.kind[which],
            is_all=self.is_all[which],
            begin=np.searchsorted(workload, np.arange(len(self.begin))).astype(np.int64),
            first=first,
            count=self.count[places],
            units=self.units[places],
            paid=self.paid[places],
        )

    def at(self, period: int) -> Mixes:
        """The same in one period only, activation left aside."""
        cells = np.arange(len(self)) * self.periods + period
        length = self.first[cells + 1] - self.first[cells]
        first = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
        places = np.repeat(self.first[cells] - first[:-1], length) + np.arange(first[-1])
        one = self.with_patterns(np.arange(len(self)), first, places)
        return replace(one, usd=np.zeros(len(self)))

    def near_any(self, points: Sequence[tuple[Floats, float]]) -> Mixes:
        """What is near the best at one of several prices, each with a slack.

        A mix may cost so much more than the best of its workload, a pattern half as much more than the best
        of its period.
        """
        chosen, kept = np.zeros(len(self), dtype=np.bool_), np.zeros(len(self.paid), dtype=np.bool_)
        for added, slack in points:
            value, least = self.values(added)[0], np.full(len(self.begin) - 1, np.inf)
            np.minimum.at(least, self.workload, value)
            near = value <= least[self.workload] + slack
            marked = np.zeros(len(self.paid), dtype=np.bool_)
            mark_near(self.kind, self.first, self.units, self.paid, added, slack / 2, marked)
            chosen |= near
            kept |= marked & np.repeat(near, np.diff(self.first[:: self.periods]))
        return self.only(chosen, kept)[0]

    def near(self, added: Floats, slack: float) -> Mixes:
        """The same with the patterns that cost at most so much more than the best of their period."""
        kept = np.zeros(len(self.paid), dtype=np.bool_)
        mark_near(self.kind, self.first, self.units, self.paid, added, slack, kept)
        return self.only(np.ones(len(self), dtype=np.bool_), kept)[0]

    def fitting(self, draws: Ints, left: Floats) -> Mixes:
        """The same with the patterns that fit what limits leave, without mixes that then lack a period."""
        kept = np.zeros(len(self.paid), dtype=np.bool_)
        mark_fitting(self.kind, self.first, self.units, draws, left, kept)
        each = np.add.reduceat(kept, self.first[:-1], dtype=np.int64) if len(self) else self.first[:0]
        chosen = np.asarray((each.reshape(-1, self.periods) > 0).all(axis=1), dtype=bool)
        return self.only(chosen, kept)[0]

    def only(self, chosen: Bools, kept: Bools) -> tuple[Mixes, Ints, Ints]:
        """Some mixes with some of their patterns, and the places of both."""
        periods = self.periods
        kept = kept & np.repeat(chosen, np.diff(self.first[::periods]))
        which, places = np.flatnonzero(chosen), np.flatnonzero(kept)
        each = np.add.reduceat(kept, self.first[:-1], dtype=np.int64) if len(self) else self.first[:0]
        first = np.concatenate([[0], np.cumsum(each.reshape(-1, periods)[which].ravel())]).astype(np.int64)
        return self.with_patterns(which, first, places), which, places

    def and_also(self, new: Mixes) -> Mixes:
        """These and others, without those that are here with every pattern already."""
        both = Mixes(
            workload=np.concatenate([self.workload, new.workload]),
            option=np.concatenate([self.option, new.option]),
            usd=np.concatenate([self.usd, new.usd]),
            kind=np.concatenate([self.kind, new.kind]),
            is_all=np.concatenate([self.is_all, new.is_all]),
            begin=self.begin,
            first=np.concatenate([self.first[:-1], self.first[-1] + new.first]),
            count=np.concatenate([self.count, new.count]),
            units=np.concatenate([self.units, new.units]),
            paid=np.concatenate([self.paid, new.paid]),
        )
        key = np.stack([both.workload, *both.option.T, np.where(both.is_all, -1, np.arange(len(both)))])
        _, place = np.unique(key, axis=1, return_index=True)
        place = np.sort(place)
        return both.take(place[np.argsort(both.workload[place], kind="stable")])

    def values(self, added: Floats) -> tuple[Floats, Ints]:
        """(N,) cost of every mix at (K, T) shared prices, and (N, T) its best patterns' places."""
        value, best = self.usd.copy(), np.empty((len(self), self.periods), dtype=np.int64)
        least_patterns(self.kind, self.first, self.units, self.paid, added, value, best)
        return value, best

    def pattern_values(self, added: Floats) -> Floats:
        """(M,) cost of every pattern at (K, T) shared prices."""
        mix, time = self.cell // self.periods, self.cell % self.periods
        usd = self.paid.copy()
        for j in range(PAIR):
            kind = self.kind[mix, j]
            usd += self.units[:, j] * np.where(kind >= 0, added[kind, time], 0.0)
        return usd


def sorted_plans(plans: Plans) -> tuple[Ints, Ints, Floats]:
    """Workloads, options and counts of plans in the order of workloads, the smaller option first."""
    order = np.argsort(plans.workload, kind="stable")
    option, count = plans.option[order], plans.count[order]
    turned = (option[:, 1] >= 0) & (option[:, 0] > option[:, 1])
    option = np.where(turned[:, None], option[:, ::-1], option)
    count = np.where(turned[:, None, None], count[:, :, ::-1], count)
    return plans.workload[order], np.ascontiguousarray(option), np.ascontiguousarray(count)
