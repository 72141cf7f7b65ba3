r"""Rules of the compact model about caps, work that may be done at any time, and scenarios of loss.

Variables beside those of `optimizer.solve.compact`
    over[k]      by how much a soft or priced cap is exceeded; of a hard one only in the elastic model
    q[s,w,t]     demand that scenario s leaves unserved

Data beside it
    U[k], W[w]   limit of a cap; work to be done, in units times hours
    f[s,w,t]     factor of demand           lambda[s,p,t]  share of a pool that is lost
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.caps import CHANGED, KG_CO2E, USD
from optimizer.problem import Floats, Problem
from optimizer.solve.place_rules import route_egress
from optimizer.solve.program import Blocks, Rows, Term, everywhere, numbered, only


def keep_caps(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$\sum_{w \in k} \mathrm{use}_k(n, x, m) - o_k \le U_k$."""
    caps = p.caps
    if not len(caps):
        return
    over = v.add("over", caps.is_soft | caps.is_priced | np.full(len(caps), v.elastic))
    row = numbered(everywhere(len(caps)))
    terms: list[Term] = [(row, over, -1.0)]
    inside = caps.member[:, p.option_workload]
    for kind, rate in ((USD, p.price_hourly), (KG_CO2E, caps.kg_co2e_hourly)):
        mine = only(row[:, None], inside & caps.of_kind(kind)[:, None])
        terms.append((mine[:, :, None], v["n"], rate[:, None] * p.hours))
    usd = only(row[:, None], inside & caps.of_kind(USD)[:, None])
    if "x" in v:
        terms.append((usd[:, :, None], v["x"], p.egress_usd_per_unit[:, None] * p.hours))
    if "xw" in v:
        terms.append((usd[:, :, None], v["xw"], p.egress_usd_per_unit[:, None] * p.hours))
    if "f" in v:
        terms.append((usd[:, p.routes.option, None], v["f"], route_egress(p)[1]))
    if "kc" in v:
        terms.append((row, v["kc"], 1.0))
    if "m" in v:
        changed = only(row[:, None], inside & caps.of_kind(CHANGED)[:, None])
        terms.append((changed, v["m"], 1.0))
    yield Rows("cap", row, terms, upper=caps.limit)


def finish_work(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$\sum_t h_t \sum_i a_i n_{it} + s_w \ge W_w$ over its window; with egress $x$ as in `meet_demand`."""
    work, w = p.work, p.option_workload
    if not work.is_asked.any():
        return
    window = work.window(len(p.periods))
    charged = np.bincount(w[p.egress_usd_per_unit > 0], minlength=len(window)) > 0
    row = numbered(work.is_asked)
    mine = only(row[w][:, None], window[w])
    x = v.add("xw", window[w] & charged[w][:, None])
    last = np.zeros_like(window)
    last[np.arange(len(window)), work.end] = work.is_asked
    missed = v.missed("finish_work", last)
    room = p.capacity[:, None] * p.hours
    counted: list[Term] = [
        (only(mine, ~charged[w][:, None]), v["n"], room),
        (mine, x, np.broadcast_to(p.hours, x.shape)),
        (row[:, None], missed, 1.0),
    ]
    yield Rows("finish_work", row, counted, lower=work.amount)
    within = numbered(x >= 0)
    yield Rows("work_capacity", within, [(within, x, 1.0), (within, v["n"], -p.capacity[:, None])], upper=0.0)
    share = 1.0 - p.max_spot_share
    has_spot = np.bincount(w[p.is_spot], minlength=len(window)) > 0
    row = numbered(work.is_asked & (share > 0) & has_spot)
    firm = only(row[w][:, None], window[w] & ~p.is_spot[:, None])
    yield Rows(
        "work_spot",
        row,
        [(firm, v["n"], room), (row[:, None], missed, share[:, None])],
        lower=share * work.amount,
    )


def lose_in_scenarios(p: Problem, v: Blocks) -> Iterator[Rows]:
    r"""$\sum_i (1 - \lambda_{s,p(i),t})\,a_i n_{it} + q_{swt} \ge f_{swt} D_{wt}$."""
    scenarios = p.scenarios
    if not scenarios.is_paid.any():
        return
    asked = scenarios.demand_factor * p.demand
    q = v.add("q", (asked > 0) & scenarios.is_paid[:, None])
    row = numbered(q >= 0)
    kept = scenarios.kept_share(p.source_pool) * p.capacity[:, None]
    yield Rows("scenario", row, [(row[:, p.option_workload], v["n"], kept), (row, q, 1.0)], lower=asked)


def cap_prices(p: Problem) -> tuple[str, Floats]:
    r"""$\sum_k \mathrm{usd}_k\,o_k$ over priced caps."""
    return "over", np.nan_to_num(p.caps.usd_per_unit)


def slo(p: Problem) -> tuple[str, Floats]:
    r"""$\sum_s \pi_s \sum_{wt} h_t\,c_w\,q_{swt}$: what scenarios are expected to cost."""
    scenarios = p.scenarios
    usd = scenarios.slo_usd_per_unit[:, None] * p.hours
    return "q", scenarios.probability[:, None, None] * usd


def work_egress(p: Problem) -> tuple[str, Floats]:
    r"""$\sum_{it} h_t\,e_i\,x_{it}$ of work that may be done at any time."""
    return "xw", p.egress_usd_per_unit[:, None] * p.hours
