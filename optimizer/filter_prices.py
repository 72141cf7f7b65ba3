"""What the filters before the model cost: residency, regions, providers and the like, a workload at a time.

A filter leaves no row with a price. So a workload is priced again with the options that one filter keeps out,
at the prices of the plan; the dearest are confirmed by solving the day without that filter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from optimizer.admissible import FILTERS, Context, admissible
from optimizer.inputs import Inputs
from optimizer.needs import Candidate, Outlook
from optimizer.problem import Floats, Problem
from optimizer.solve import prune_dominated
from optimizer.solve.choices import Choices
from optimizer.solve.prices import Priced, Prices, Relaxation, relax
from optimizer.solve.repair_steps import Barred
from optimizer.solve.scarce import LEAST_USD_PER_DAY, Scarcity, days
from optimizer.solve.terms import is_plain
from optimizer.throughput import pair_options

# Filters that people decide about; the others are facts.
DECIDED = ("placement.providers", "placement.regions", "residency", "excluded", "pinned", "max_rtt_ms")
MOST_TRIED = 60  # workloads times filters
MOST_CONFIRMED = 2
Day = Callable[[Outlook], Problem]


@dataclass(frozen=True)
class FilterPrices:
    """What each decided filter of each workload costs per day.

    Attributes:
        inputs: what is known.
        outlook: candidates with their admissible options.
        day: makes the problem of an outlook.
    """

    inputs: Inputs
    outlook: Outlook
    day: Day

    def __call__(self, p: Problem, found: Relaxation, best_usd: Floats) -> tuple[Scarcity, ...]:
        """The dearest first and confirmed, at the prices of a problem solved.

        Workloads with rules about regions are left out: each would take a program of its own.
        """
        tried = [pair for c in self.outlook.candidates for pair in without_each(c, self.inputs)][:MOST_TRIED]
        own = dict(zip(p.workloads, best_usd, strict=True))
        told = []
        for wide, name in tried:
            q = self.day(replace(self.outlook, candidates=(wide,)))
            if not is_plain(q).all():
                continue
            least = float(Choices(Priced(q, named_prices(q, p, found.prices))).values()[0])
            usd = (own[wide.workload.name] - least) / days(p)
            if usd >= LEAST_USD_PER_DAY:
                told.append((Scarcity("rule", wide.workload.name, name, usd, ()), wide))
        told.sort(key=lambda pair: (-pair[0].usd_per_day, pair[0].name, str(pair[0].rule)))
        sure = [self.confirmed(wide, one, p, found) for one, wide in told[:MOST_CONFIRMED]]
        return (*sure, *(one for one, _ in told[MOST_CONFIRMED:]))

    def confirmed(self, wide: Candidate, one: Scarcity, p: Problem, found: Relaxation) -> Scarcity:
        """The same with what solving the day without the filter saves."""
        others = tuple(wide if c.workload.name == one.name else c for c in self.outlook.candidates)
        q = prune_dominated(self.day(replace(self.outlook, candidates=others)))
        after = relax(q, near=named_prices(q, p, found.prices))
        if after is None:
            return one
        return replace(one, confirmed_usd_per_day=max(0.0, (found.bound_usd - after.bound_usd) / days(q)))


def without_each(c: Candidate, inputs: Inputs) -> Iterator[tuple[Candidate, str]]:
    """The candidate with the options that one filter alone keeps out, and the filter."""
    context = Context(inputs.country, inputs.rtt_ms, inputs.spot_capacity)
    pairs = pair_options(c.workload, inputs.options, inputs.profiles, c.tokens)
    for name in DECIDED:
        others = tuple(item for item in FILTERS if item.name != name)
        wider = admissible(c.workload, pairs, context, others)
        if len(wider) > len(c.pairs):
            yield replace(c, pairs=wider), name


def named_prices(q: Problem, p: Problem, prices: Prices) -> Prices:
    """Prices of one problem for another that has pools and commitments of the same names."""
    found = Prices.none(q)
    for mine, known, names, of in (
        (found.rent, prices.rent, q.pools, p.pools),
        (found.worth, prices.worth, q.commitments, p.commitments),
    ):
        place = {name: k for k, name in enumerate(of)}
        for k, name in enumerate(names):
            if name in place:
                mine[k] = known[place[name]]
    limited = np.isfinite(q.pool_limit).any(axis=1)
    found.rent[~limited] = 0.0
    return found


def with_barred(inputs: Inputs, outlook: Outlook, day: Day, short: set[str]) -> tuple[Problem, Barred]:
    """The day with each option that one filter alone keeps from a workload that is short, and the filter."""
    rules: dict[tuple[str, str], str] = {}
    candidates = []
    for c in outlook.candidates:
        pairs = c.pairs
        if c.workload.name in short:
            for wide, name in without_each(c, inputs):
                more = wide.pairs.loc[~wide.pairs["option_id"].isin(pairs["option_id"])]
                rules |= {(c.workload.name, option): name for option in more["option_id"]}
                pairs = pd.concat([pairs, more])
        candidates.append(replace(c, pairs=pairs))
    whole = day(replace(outlook, candidates=tuple(candidates)))
    keys = zip(whole.option_workload, whole.option_id, strict=True)
    barred = {i: rules.get((whole.workloads[w], option)) for i, (w, option) in enumerate(keys)}
    return whole, {i: name for i, name in barred.items() if name is not None}
