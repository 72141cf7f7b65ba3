"""What each workload would choose at given prices, freely or with one option it must run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.problem import Floats, Ints
from optimizer.solve.prices import Plan, Priced, part_of
from optimizer.solve.terms import is_plain


@dataclass(frozen=True)
class Forced:
    """The cheapest plan that runs an option; `alone_usd` is infinite where the option cannot serve alone."""

    option: int
    plan: Plan
    usd: float
    alone_usd: float


MOST_PROGRAMS = 12  # workloads that are priced by a program: half a second each
MOST_FORCED = 3  # of them with alternatives


class Choices:
    """Cheapest plans at prices: by the compiled kernel for plain workloads, by a small program for others.

    Of the others only the first MOST_PROGRAMS are priced: no price is told of the rest.
    """

    def __init__(self, priced: Priced) -> None:
        self.priced = priced
        p = priced.problem
        plain = is_plain(p)
        self.others = np.flatnonzero(~plain)[:MOST_PROGRAMS]
        self.known: dict[tuple[int, int | None, bool], Plan | None] = {}
        self.plain = PlainChoices(priced, np.flatnonzero(plain)) if plain.any() else None

    def values(self) -> Floats:
        """(W,) cost of every workload's cheapest plan; NaN where it is not known."""
        value = np.full(len(self.priced.problem.workloads), np.nan)
        if self.plain is not None:
            value[self.plain.workloads] = self.plain.values()
        for w in self.others:
            plan = self.program(int(w), None)
            value[w] = np.nan if plan is None else self.priced.parts(int(w), plan).total
        return value

    def best(self, workloads: Sequence[int]) -> dict[int, Plan]:
        """Cheapest plans of some workloads."""
        found: dict[int, Plan] = {}
        if self.plain is not None:
            found |= self.plain.best(workloads)
        for w in workloads:
            plan = self.program(w, None) if w in self.others else None
            if plan is not None:
                found[w] = plan
        return found

    def forced(self, jobs: Sequence[tuple[int, int]]) -> list[Forced]:
        """Cheapest plans that run an option, by (workload, option) in their order; infeasible ones not."""
        found: list[Forced] = []
        if self.plain is not None:
            found += self.plain.forced(jobs)
        for w, i in jobs:
            if w in self.others[:MOST_FORCED]:
                plan, alone = self.program(w, i), self.program(w, i, alone=True)
                if plan is not None:
                    found.append(Forced(i, plan, self.total(w, plan), self.total(w, alone)))
        return found

    def total(self, workload: int, plan: Plan | None) -> float:
        """What a plan costs at the prices; infinite where there is none."""
        return np.inf if plan is None else self.priced.parts(workload, plan).total

    def program(self, workload: int, must: int | None, *, alone: bool = False) -> Plan | None:
        """The cheapest plan of a workload with any rules; None where it has none."""
        from optimizer.solve.one_workload import cheapest_plan  # noqa: PLC0415  HiGHS takes a while

        key = (workload, must, alone)
        if key not in self.known:
            self.known[key] = cheapest_plan(self.priced, workload, must, alone=alone)
        return self.known[key]


class PlainChoices:
    """The same of plain workloads, by the kernel."""

    def __init__(self, priced: Priced, workloads: Ints) -> None:
        from optimizer.solve.plans import Pricing  # noqa: PLC0415  numba takes a while
        from optimizer.solve.terms import terms_of  # noqa: PLC0415

        self.workloads = workloads
        p = priced.problem
        part = part_of(p, workloads)
        self.options = part.options
        here = Priced(part.problem, priced.prices.of_part(part))
        self.terms, self.kinds = terms_of(part.problem)
        self.pricing = Pricing(self.terms, self.kinds)
        self.added = self.kinds.prices(here.prices.rent[self.kinds.limited], here.saved[self.kinds.covered])
        dropped = p.migration_cost_usd * p.current_replicas
        self.dropped = p.sum_by_workload(dropped[:, None])[workloads, 0]

    def values(self) -> Floats:
        """(W',) cost of the cheapest plans."""
        return np.asarray(self.pricing(self.added)[0] + self.dropped)

    def places(self, workloads: Sequence[int]) -> Ints:
        """Where some workloads stand among the plain ones; others are left out."""
        return np.flatnonzero(np.isin(self.workloads, np.asarray(workloads, dtype=np.int64)))

    def best(self, workloads: Sequence[int]) -> dict[int, Plan]:
        """Cheapest plans by workload."""
        _, plans = self.pricing(self.added, among=self.places(workloads))
        return {
            int(self.workloads[w]): self.plan(option, count)
            for w, option, count in zip(plans.workload, plans.option, plans.count, strict=True)
        }

    def plan(self, option: Ints, count: Floats) -> Plan:
        """A plan with its options as they stand in the whole; those that never run are left out."""
        used = (option >= 0) & (count.max(axis=0, initial=0) > 0)
        return Plan(self.options[option[used]], count[:, used].T)

    def forced(self, jobs: Sequence[tuple[int, int]]) -> list[Forced]:
        """Cheapest plans that run an option."""
        from optimizer.solve.forced import forced_plans  # noqa: PLC0415

        k = self.terms
        place_of = np.full(int(self.options.max(initial=-1)) + 1, -1, dtype=np.int64)
        place_of[self.options] = np.arange(len(self.options))
        number = {int(w): n for n, w in enumerate(self.workloads)}
        rows = [(number[w], place_of[i], w, i) for w, i in jobs if w in number]
        wanted = np.array([row[:2] for row in rows], dtype=np.int64).reshape(-1, 2)
        size = len(wanted)
        value, alone = np.full(size, np.inf), np.full(size, np.inf)
        partner, count = np.full(size, -1, dtype=np.int64), np.zeros((size, len(k.hours), 2))
        forced_plans(
            wanted, k.begin, k.kind, k.options, k.rules, k.demand, k.hours, self.added, value, alone,
            partner, count,
        )  # fmt: skip
        return [
            Forced(
                row[3], self.plan(np.array([wanted[j, 1], partner[j]]), count[j]),
                value[j] + self.dropped[row[0]], alone[j] + self.dropped[row[0]],
            )
            for j, row in enumerate(rows)
            if np.isfinite(value[j])
        ]  # fmt: skip
