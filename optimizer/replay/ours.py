"""Trimtab's own policy in a replay: what `trimtab plan` would have ordered from what was known, hour by hour.

Per workload an option and a form with its factor, fitted anew every day on the history so far; the loop's
weights are renewed every hour, as they are with every plan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from optimizer.control import Control, choose, claim, reach_minutes, room, shared_room
from optimizer.forms import DAY, FORMS, Form, past_of
from optimizer.quota_shares import Claim
from optimizer.replay.case import Case, Known, no_replicas
from optimizer.simulate import Orders

Chooser: TypeAlias = Callable[[int, int], Control]  # of a workload, at a minute of history and replay


def minute_loop(case: Case, forms: Sequence[Form] = FORMS) -> Known:
    """The policy on demand, with the loop's weighted statistics; as a `Maker`."""
    return followed(case, lambda w, now: choose(case.whole, w, now, case.target[w], forms))


def followed(case: Case, chosen: Chooser) -> Known:
    """The loop, served as is chosen at the beginning of each day, when quotas are divided anew too."""
    orders = no_replicas(case.world)
    claims = [fill(orders, case, w, chosen) for w in range(len(case.world.workloads))]
    for day, of_day in enumerate(zip(*claims, strict=True)):
        span, (most, standby) = slice(day * DAY, (day + 1) * DAY), shared_room(case.whole, of_day)
        orders.most[:, span] = np.minimum(orders.most[:, span], most[:, None])
        if orders.standby is not None:
            orders.standby[:, span] = np.minimum(orders.standby[:, span], standby[:, None])
    return Known(orders)


def fill(orders: Orders, case: Case, workload: int, chosen: Chooser) -> list[Claim]:
    """Writes one workload's orders, a day at a time; (day) what it claims of quotas that others share."""
    load, claims = case.whole.load[workload], []
    for begin in range(0, case.world.minutes, DAY):
        span = slice(begin, min(begin + DAY, case.world.minutes))
        now, end = case.begin + span.start, case.begin + span.stop
        control = chosen(workload, now)
        past = past_of(load[:end], reach_minutes(case.whole, control))
        wanted = control.fitted.factor * past.needed(control.fitted.form)
        orders.needed[workload, span] = wanted[now:end]
        if orders.standby is not None:
            orders.standby[control.option, span] = control.standby
        orders.most[:, span] += room(case.whole, workload, control.option)[:, None]
        claims.append(claim(case.whole, workload, control, wanted, now))
    return claims
