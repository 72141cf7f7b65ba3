"""How the minute loop serves a workload: on which option, by which form, as its own history says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TypeAlias

import numpy as np

from optimizer.calibration import Fitted, Service, fitted, judgeable, replayed
from optimizer.forms import Form, Past, forms_for, past_of
from optimizer.problem import Floats, Ints
from optimizer.promises import Judged, Promise, judged
from optimizer.quota_shares import LEAST_CAPACITY, Claim, shares
from optimizer.replay.standby_pool import empty_pool
from optimizer.replay.world import MINUTE_S, NONE, UNLIMITED, World
from optimizer.schedule import DAY
from optimizer.standby import Pooled, with_pool

HISTORY = 28 * DAY  # minutes that a fit looks back on
WEEK = 7 * DAY
NOW = 15  # minutes that say how long requests are now
DEAR = 1.6  # times the cheapest per request: above that an option is not tried
TRIED = 3  # options per workload
SECONDS_PER_1000H = 3_600_000
WORTH_A_MOVE = 0.05  # of its cost that another option must save


Promised: TypeAlias = Callable[[str, int], Sequence[Promise]]  # of an option that boots in so many minutes


def nothing_kept(_option_id: str, _boot_minutes: int) -> Sequence[Promise]:
    """No plan is known."""
    return ()


@dataclass(frozen=True)
class Control:
    """How one workload is served for a while.

    Attributes:
        option: position in the world; the loop adds replicas of it.
        fitted: the form and its factor.
        standby: replicas that stand by.
        without: the form and its factor without them, where they do.
        judged: what came of the loops of the last days, which the factor allows for; None where nobody knows.
    """

    option: int
    fitted: Fitted
    standby: int = 0
    without: Fitted | None = None
    judged: Judged | None = None

    @property
    def own_factor(self) -> float:
        """The factor without what it was raised by."""
        return self.fitted.factor / (1.0 + (self.judged.more if self.judged else 0.0))

    @property
    def bare_factor(self) -> float:
        """The factor that the history asked for, nothing added; 1 where the history said nothing."""
        return self.own_factor / (1.0 + self.fitted.margin)


def choose(
    world: World,
    workload: int,
    now: int,
    target: float,
    forms: Sequence[Form],
    *,
    running: str = "",
    past: Callable[[int], Past] | None = None,
    kept: Promised = nothing_kept,
) -> Control:
    """The option and form that would have been cheapest until now.

    Args:
        world: its minutes before `now` are known.
        workload: position.
        now: minute.
        target: share of requests that must keep their objective.
        forms: to choose from.
        running: option that serves it now: left only for one that is clearly cheaper, for a move to another
            option has to boot.
        past: by boot time, what is read off the load from the first minute that counts to now or beyond.
        kept: promises of an option's loops that boot in so long, in minutes of that past.
    """
    begin = max(0, now - HISTORY)
    found = []
    read = past or cache(
        partial(past_of, world.load[workload, begin:now])
    )  # options mostly share a boot time
    for option in candidates(world, workload, running):
        boot = boot_minutes(world, option)
        asked = service(world, option, slice(begin, now), target)
        usual = fitted(read(boot), asked, now - begin, forms=forms_for(boot, forms))
        found.append(with_standby(world, Control(option, usual), read(boot), asked))
    known = [c for c in found if not np.isnan(c.fitted.usd_per_hour)]
    if not known:
        return found[0]
    best = min(known, key=lambda c: c.fitted.whole_usd_per_hour)
    stays = next((c for c in known if world.option_id[c.option] == running), best)
    dearest = (1.0 + WORTH_A_MOVE) * best.fitted.whole_usd_per_hour
    chosen = stays if stays.fitted.whole_usd_per_hour <= dearest else best
    boot = boot_minutes(world, chosen.option)
    asked = service(world, chosen.option, slice(begin, now), target)
    return learned(chosen, read(boot), asked, kept(world.option_id[chosen.option], boot))


def learned(control: Control, past: Past, asked: Service, promises: Sequence[Promise]) -> Control:
    """The same with its factor raised where loops of the last days kept less than they promised.

    Loops beside a standby pool stay as they are: what they miss is called from the pool.
    """
    fitted, end = control.fitted, len(asked.capacity)
    found = None if control.standby else judged(past, asked, end, fitted, promises)
    if found is None or not found.more:
        return replace(control, judged=found)
    raised = replayed(past, fitted.form, fitted.factor * (1.0 + found.more), asked, judgeable(end))
    return replace(
        control,
        judged=found,
        fitted=replace(raised, days=fitted.days, margin=fitted.margin, own_window_s=fitted.own_window_s),
    )


def candidates(world: World, workload: int, running: str = "") -> list[int]:
    """Options on demand worth a try: the cheapest per request, and smaller ones that are not much dearer.

    And the one that runs now, as long as it is not much dearer either. None where all that may serve the
    workload is spot or committed.
    """
    own = [int(i) for i in world.options_of(workload) if world.pool[i] == NONE and not world.is_committed[i]]
    own.sort(key=lambda i: (world.usd_per_unit[i], i))
    if not own:
        return []
    best = own[0]
    limit = DEAR * world.usd_per_unit[best]
    cheaper = [i for i in own[1:] if world.price_hourly[i] < world.price_hourly[best]]
    tried = [best, *(i for i in cheaper if world.usd_per_unit[i] <= limit)][:TRIED]
    stays = [i for i in own if world.option_id[i] == running and world.usd_per_unit[i] <= limit]
    return [*tried, *(i for i in stays if i not in tried)]


def service(world: World, option: int, span: slice, target: float) -> Service:
    """What an option does for its workload, as a fit wants to know it."""
    workload, waits = world.option_workload[option], world.wait_s[option, span]
    return Service(
        capacity=world.capacity[option, span],
        price_hourly=float(world.price_hourly[option]),
        boot_minutes=boot_minutes(world, option),
        lost_share=float(world.failures_per_1000h[option] * lost_s(world, option) / SECONDS_PER_1000H),
        wait_s=float(np.median(waits)) if len(waits) else 0.0,  # without history nothing is replayed
        timeout_s=float(world.timeout_s[workload]),
        action_cost_usd=float(world.action_cost_usd[workload]),
        burstiness=float(world.burstiness[workload]),
        target=float(target),
    )


def with_standby(world: World, usual: Control, past: Past, asked: Service) -> Control:
    """The same with replicas that stand by, where the option offers that and it pays."""
    option = usual.option
    minutes = len(asked.capacity)  # the past may reach beyond the history
    if not world.has_standby[option] or not minutes:
        return usual
    span = judgeable(minutes)
    found, size = with_pool(past, usual.fitted, pool_of(world, option, asked), span)
    quota = UNLIMITED if world.quota_pool[option] == NONE else world.quota[world.quota_pool[option]]
    return Control(option, found, min(size, int(quota)), usual.fitted) if size else usual


def pool_of(world: World, option: int, asked: Service) -> Pooled:
    """What an option offers to stand by, nothing standing by yet."""
    return Pooled(asked, float(world.standby_price_hourly[option]), call_minutes(world, option))


def call_minutes(world: World, option: int) -> int:
    """Whole minutes until a replica serves that stands by; those of a boot where none do."""
    pool = empty_pool(world.boot_s[[option]], world.standby_boot_s[[option]], 1)
    return boot_minutes(world, option) - int(pool.called_at[0])


def reach_minutes(world: World, control: Control) -> int:
    """Whole minutes until more capacity serves."""
    return (call_minutes if control.standby else boot_minutes)(world, control.option)


def lost_s(world: World, option: int) -> float:
    """Seconds for which a replica that fails is missed: a boot, and a minute until what waited is served."""
    return float(world.boot_s[option]) + MINUTE_S


def boot_minutes(world: World, option: int) -> int:
    """Whole minutes until a launch serves."""
    return int(np.ceil(world.boot_s[option] / MINUTE_S - 1e-9))


def room(world: World, workload: int, option: int) -> Ints:
    """(o) how far the loop may go: the chosen option within its quota, dearer ones once that is used up."""
    most = np.zeros(len(world.option_id), dtype=np.int64)
    for i in world.options_of(workload):
        fallback = world.pool[i] == NONE and world.usd_per_unit[i] >= world.usd_per_unit[option]
        if i == option or fallback:
            most[i] = UNLIMITED if world.quota_pool[i] == NONE else world.quota[world.quota_pool[i]]
    return most


def ranked(world: World, workload: int, option: int) -> list[int]:
    """The options that the loop may add in the order in which it takes them: its own, then dearer ones."""
    usable = np.flatnonzero(room(world, workload, option))
    return sorted(usable.tolist(), key=lambda i: (i != option, world.usd_per_unit[i], i))


def claim(world: World, workload: int, control: Control, wanted: Floats, now: int) -> Claim:
    """What a loop claims of quotas that it shares.

    Args:
        world: its minutes before `now` are known.
        workload: position.
        control: the option that the loop adds, and what stands by of it.
        wanted: (t) requests/s that the loop wants served; the week up to `now` counts.
        now: minute.
    """
    options = ranked(world, workload, control.option)
    known = world.capacity[options, max(0, now - NOW) : max(1, now)]
    capacity = np.median(known, axis=1)
    need = float(np.nanmax(wanted[max(0, now - WEEK) : now + 1], initial=0.0))
    if control.standby:
        need += control.standby * float(capacity[0])
    usd = world.price_hourly[options] / np.maximum(capacity, LEAST_CAPACITY)
    names = tuple(world.option_id[i] for i in options)
    return Claim(need, names, tuple(capacity.tolist()), tuple(usd.tolist()), control.standby)


def quotas_of(world: World) -> dict[str, int]:
    """Replicas that quotas grant, by option; options without a quota are left out."""
    granted = np.append(world.quota, UNLIMITED)[world.quota_pool]  # the last is that of no quota
    pairs = zip(world.option_id, granted.tolist(), strict=True)
    return {option_id: quota for option_id, quota in pairs if quota < UNLIMITED}


def shared_room(world: World, claims: Sequence[Claim]) -> tuple[Ints, Ints]:
    """(o) replicas of each option that its workload may run and have stand by, quotas divided among all.

    Args:
        world: options and quotas.
        claims: (w).
    """
    most, standby = np.full((2, len(world.option_id)), UNLIMITED)
    quotas = quotas_of(world)
    for workload, granted in enumerate(shares(claims, quotas)):
        for i in world.options_of(workload):
            most[i] = granted.get(world.option_id[i], UNLIMITED)
            standby[i] = claims[workload].pool(granted, quotas)
    return most, standby
