"""Trimtab's own policy in a replay: what `trimtab plan` would have ordered from what was known, hour by hour.

Per workload an option and a form with its factor, fitted anew every day on the history so far; the loop's
weights are renewed every hour, as they are with every plan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from optimizer.control import Control, boot_minutes, choose, claim, reach_minutes, room, shared_room
from optimizer.forms import FORMS, Form, past_of
from optimizer.hand_over import MARGIN_MINUTES
from optimizer.quota_shares import LEAST_CAPACITY, Claim
from optimizer.replay.case import Case, Known, no_replicas
from optimizer.schedule import DAY
from optimizer.simulate import Orders

# Of a workload, at a minute of history and replay, with the option that it ran until then; "" = nothing yet.
Chooser: TypeAlias = Callable[[int, int, str], Control]


def minute_loop(case: Case, forms: Sequence[Form] = FORMS) -> Known:
    """The policy on demand, with the loop's weighted statistics; as a `Maker`."""
    return followed(
        case, lambda w, now, running: choose(case.whole, w, now, case.target[w], forms, running=running)
    )


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
    load, running = case.whole.load[workload], ""
    claims = []
    for begin in range(0, case.world.minutes, DAY):
        span = slice(begin, min(begin + DAY, case.world.minutes))
        now, end = case.begin + span.start, case.begin + span.stop
        control = chosen(workload, now, running)
        past = past_of(load[:end], reach_minutes(case.whole, control))
        wanted = control.fitted.factor * past.needed(control.fitted.form)
        orders.needed[workload, span] = wanted[now:end]
        if orders.standby is not None:
            orders.standby[control.option, span] = control.standby
        orders.most[:, span] += room(case.whole, workload, control.option)[:, None]
        claims.append(claim(case.whole, workload, control, wanted, now))
        if running not in {"", case.whole.option_id[control.option]}:
            hand_over(orders, case, (case.whole.option_id.index(running), control.option), begin)
        running = case.whole.option_id[control.option]
    return claims


def hand_over(orders: Orders, case: Case, options: tuple[int, int], begin: int) -> None:
    """What served until now stays while what takes its place, all of it launched at once, boots.

    Args:
        orders: of the replay; changed in place.
        case: what is replayed.
        options: from which one to which one.
        begin: minute of the replay.
    """
    world, (before, after) = case.whole, options
    workload, last = world.option_workload[after], case.begin + begin - 1
    meanwhile = slice(begin, begin + boot_minutes(world, after) + MARGIN_MINUTES)
    for option, needed in zip((before, after), orders.needed[workload, begin - 1 : begin + 1], strict=True):
        count = int(np.ceil(needed / max(world.capacity[option, last], LEAST_CAPACITY)))
        orders.replicas[option, meanwhile] = count
        orders.most[option, meanwhile] = np.maximum(orders.most[option, meanwhile], count)
