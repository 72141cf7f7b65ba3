"""What a capacity plan says of a workload that the minute loop serves: a floor, and the loop above it.

The floor is what the same time yesterday says, and at the first minute what is needed now; everything above
it the loop adds as load comes. What a forecast knows and yesterday does not (an event that was announced, a
Monday after a Sunday) raises the floor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import pandas as pd

from data.workloads import Workload
from optimizer.calibration import Fitted
from optimizer.control import (
    NOW,
    WEEK,
    Control,
    boot_minutes,
    candidates,
    choose,
    claim,
    quotas_of,
    ranked,
    reach_minutes,
    room,
)
from optimizer.faster_boot import faster_boots
from optimizer.forms import FORMS, TARGETS, Form, Hours, Past, around_yesterday, forms_for, past_of
from optimizer.inputs import Inputs
from optimizer.minute_load import MINUTE
from optimizer.needs import Candidate
from optimizer.outages import without_outages
from optimizer.plan_parts import AutoscaleRule, Term
from optimizer.problem import Floats, Ints
from optimizer.promises import Judged, Promise, promises_of
from optimizer.quota_shares import Claim, shares
from optimizer.reactive import LAST
from optimizer.replay.history import world_of
from optimizer.replay.world import World
from optimizer.schedule import DAY, HOUR

HISTORY_DAYS = 28
KINDS: dict[str, tuple[Form, ...]] = {"terms": FORMS, "target": TARGETS}


@dataclass(frozen=True)
class Loop:
    """How the minute loop serves one workload from as-of on, and no more: plans hold those of thousands.

    Attributes:
        option_id: the option that the loop adds.
        price_hourly: USD of one replica of it.
        fitted: the form and its factor.
        load: (t) requests/s of the last weeks; NaN where nobody counted.
        by_clock: (DAY) requests/s that scheduled spikes want served from as-of on, the same each day.
        spikes: minutes of the load that were such spikes: yesterday is read off the others.
        hours: (1) what is known as as-of begins.
        needed: requests/s that the form wants served then, before the factor.
        capacities: requests/s of one replica of each option, as long as requests are now.
        limits: replicas that quotas leave to the loop, by option: its own first, then dearer ones.
        claim: what it claims of quotas that others may use too.
        quotas: replicas, by option that has one.
        boot_minutes: until a launch of its option serves.
        standby: replicas of its option that stand by.
        standby_price_hourly: USD of one of them; NaN where none may.
        without: the form and factor without them, where they stand by.
        standby_options: options whose replicas may stand by.
        faster_boots: shorter boots in minutes, and the share of the cost that they would have saved.
        judged: what came of the loops of the last days; None where nobody knows.
    """

    option_id: str
    price_hourly: float
    fitted: Fitted
    load: Floats
    by_clock: Floats
    spikes: Ints
    hours: Hours
    needed: float
    capacities: Mapping[str, float]
    limits: Mapping[str, int]
    claim: Claim
    quotas: Mapping[str, int]
    boot_minutes: int
    standby: int
    standby_price_hourly: float
    without: Fitted | None
    standby_options: frozenset[str]
    faster_boots: tuple[tuple[int, float], ...] = ()
    judged: Judged | None = None

    @classmethod
    def of(cls, world: World, control: Control, past: Past) -> Loop:
        """From the world of the last weeks, what serves it, and what is read off its load up to as-of."""
        own, now = control.option, np.median(world.capacity[:, -NOW:], axis=1)
        needed = past.needed(control.fitted.form)
        return cls(
            option_id=world.option_id[own],
            price_hourly=float(world.price_hourly[own]),
            fitted=control.fitted,
            load=past.load[:-1],
            by_clock=past.clock.day_ahead(past.load[:-1], boot_minutes(world, own)),
            spikes=np.flatnonzero(past.clock.is_spike[:-1]),
            hours=past.hours.last_one(),
            needed=float(needed[-1]),
            capacities=dict(zip(world.option_id, now.tolist(), strict=True)),
            limits=limits(world, own),
            claim=claim(world, 0, control, control.fitted.factor * needed, world.minutes),
            quotas=quotas_of(world),
            boot_minutes=boot_minutes(world, own),
            standby=control.standby,
            standby_price_hourly=float(world.standby_price_hourly[own]),
            without=control.without,
            standby_options=frozenset(np.array(world.option_id)[world.has_standby].tolist()),
            judged=control.judged,
        )

    @property
    def capacity(self) -> float:
        """Requests/s of one replica of its option."""
        return self.capacities[self.option_id]

    @property
    def usd_per_unit(self) -> float:
        """USD of an hour per request/s of load, as the history was served."""
        load = float(np.nanmean(self.load))
        return self.fitted.usd_per_hour / load if load > 0 else float("nan")

    @property
    def highest(self) -> float:
        """Requests/s of the busiest minute of the last week."""
        return float(np.nanmax(self.load[1 - WEEK :], initial=0.0))

    def has_standby(self, option_id: str) -> bool:
        """Whether replicas of an option may stand by."""
        return option_id in self.standby_options

    def rule(self) -> AutoscaleRule:
        """The loop's rule as it stands in the plan, weights as of now."""
        form, factor = self.fitted.form, self.fitted.factor
        weights = {
            statistic: factor * float(by_hour[-1]) for statistic, by_hour in form.weights(self.hours).items()
        }
        if list(weights) == [LAST]:
            target = min(1.0, 1.0 / weights[LAST])
            return AutoscaleRule(target_utilization=round(target, 6), scale_down_window_s=form.window_s)
        terms = tuple(Term.of(statistic, weight) for statistic, weight in weights.items() if weight != 0)
        return AutoscaleRule(terms=terms, scale_down_window_s=form.window_s)

    def floor(self, minutes: int) -> Floats:
        """(minute) requests/s of capacity from as-of on that the loop does not go below."""
        form, factor = self.fitted.form, self.fitted.factor
        known = self.load.copy()
        known[self.spikes] = np.nan
        days = int(np.ceil(minutes / DAY)) + 1
        same_time = around_yesterday(np.concatenate([known, np.tile(known[-DAY:], days)]))
        floor = form.floor_share * same_time[len(known) :][:minutes]
        if form.floor is not None:
            floor[:HOUR] = np.maximum(floor[:HOUR], form.floor(self.hours)[-1])
        floor = np.maximum(floor, np.resize(self.by_clock, minutes))
        floor[0] = max(floor[0], self.needed)
        return factor * floor

    def turns(self, minutes: int) -> Ints:
        """Minutes from as-of on at which capacity for scheduled spikes begins or ends."""
        wanted = np.resize(self.by_clock > 0, minutes)
        return np.flatnonzero(wanted[1:] != wanted[:-1]) + 1

    def within(self, granted: Mapping[str, int], standby: int) -> Loop:
        """The same with so many replicas of some options, and no more that stand by."""
        own = {name: granted.get(name, limit) for name, limit in self.limits.items()}
        return replace(self, limits=own, standby=standby)

    def most(self, headroom_factor: float) -> dict[str, int]:
        """How far the loop may go, by option: the busiest minute several times over, within quotas."""
        wish = headroom_factor * self.highest
        found: dict[str, int] = {}
        for option_id, limit in self.limits.items():
            capacity = self.capacities[option_id]
            count = min(limit, int(np.ceil(max(0.0, wish) / capacity)))
            if count > 0:
                found[option_id] = count
                wish -= count * capacity
        return found


def limits(world: World, option: int) -> dict[str, int]:
    """Replicas that quotas leave to a loop of an option, by option: its own first, then dearer ones."""
    left: Ints = room(world, 0, option)
    return {world.option_id[i]: int(left[i]) for i in ranked(world, 0, option)}


def sharing(loops: Mapping[str, Loop]) -> dict[str, Loop]:
    """The same loops, each with its share of the quotas that several of them may use."""
    quotas: dict[str, int] = {}
    for loop in loops.values():
        quotas |= loop.quotas
    granted = shares([loop.claim for loop in loops.values()], quotas)
    return {
        name: loop.within(share, loop.claim.pool(share, quotas))
        for (name, loop), share in zip(loops.items(), granted, strict=True)
    }


def is_plain(workload: Workload) -> bool:
    """Whether replicas of one option may be added without a look at the others: no rule spreads them."""
    if workload.resources is not None:
        return False  # its replicas are pods, which nodes hold
    spread = workload.min_regions > 1 or workload.max_region_share < 1 or bool(workload.origins)
    lost = workload.survive_region_loss or workload.survive_zone_loss
    return not spread and not lost and workload.max_ramp_replicas is None


def loop_of(c: Candidate, inputs: Inputs, kind: str) -> Loop | None:
    """The loop of an interactive workload.

    None where its history is too short to say how it moves, where rules spread it, or where nothing on demand
    may serve it: then the plan covers a quantile of demand by itself.
    """
    if c.workload.tier != "interactive" or c.workload.slo is None or c.series is None:
        return None
    if not is_plain(c.workload):
        return None
    end = pd.Timestamp(inputs.as_of).floor(MINUTE)
    seen = without_outages(inputs, c.series)
    world = world_of(seen, (c.workload.name,), end - HISTORY_DAYS * pd.Timedelta(days=1), end)
    counted = np.flatnonzero(~np.isnan(world.requests[0]))
    if len(counted) == 0 or world.minutes - counted[0] < DAY:
        return None
    if not candidates(world, 0):
        return None
    begin = int(counted[0]) // HOUR * HOUR
    world = world.between(begin, world.minutes)
    target, running = c.workload.slo.target, most_running(inputs, c.workload.name)
    now = np.append(world.load[0], np.nan)  # the minute that begins: its load is not known
    past = cache(partial(past_of, now))
    own = inputs.promises.loc[
        inputs.promises["workload"].eq(c.workload.name) & inputs.promises["target"].eq(target)
    ]
    kept = partial(promised, own, world.start, KINDS[kind])
    control = choose(world, 0, world.minutes, target, KINDS[kind], running=running, past=past, kept=kept)
    read = past(reach_minutes(world, control))
    faster = () if control.standby else tuple(faster_boots(world, control, read, target))
    return replace(Loop.of(world, control, read), faster_boots=faster)


def promised(
    rows: pd.DataFrame, start: pd.Timestamp, forms: Sequence[Form], option_id: str, boot_minutes: int
) -> list[Promise]:
    """What earlier plans promised of one option, of the rows of a workload."""
    own = rows.loc[rows["option_id"].eq(option_id)]
    return promises_of(own, forms_for(boot_minutes, forms), start)


def most_running(inputs: Inputs, name: str) -> str:
    """The option that a workload has most replicas of now; "" where nothing is known to run."""
    rows = inputs.fleet.loc[inputs.fleet["workload"].eq(name) & inputs.fleet["desired"].gt(0)]
    return str(rows["option_id"].iloc[int(rows["desired"].argmax())]) if len(rows) else ""
