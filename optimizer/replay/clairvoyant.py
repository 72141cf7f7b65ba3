r"""What on demand would have cost whoever knew the load: a linear program over blocks of five minutes.

    minimise    sum over o, b of  price_o hours_b n_ob
    subject to  n_ob - sum of u_oc over the last boot_o blocks c <= b  =  ready replicas
                sum over o of w of  capacity_ot x ready_ob  +  s  >=  load_wt       t in b, the worst minutes
                u_ob >= n_ob - n_o,b-1                                              launches
                sum over o of q of  n_ob  <=  quota_q

n: replicas paid for; the fleet of the first block is ready, as in a replay. s is what quotas leave no room
for. Its cost is a bound for plans by the block that let no minute be served short; a policy that decides by
the minute, or that may miss a share of requests, can be a little below. Rounded up, it is a plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from optimizer.errors import SolverError
from optimizer.problem import Bools, Floats, Ints
from optimizer.quota_shares import LEAST_CAPACITY
from optimizer.replay.case import Case, Known
from optimizer.replay.mix import MISSED, quotas
from optimizer.replay.results import Replayed
from optimizer.replay.tuning import in_time
from optimizer.replay.wishes import NEAR, at_once, within_quotas
from optimizer.replay.world import NONE, World
from optimizer.simulate import simulate
from optimizer.solve.highs import Limits, minimise
from optimizer.solve.program import Blocks, Program, Rows, Term, everywhere, numbered, only

BLOCK = 5  # minutes
BLOCK_S = 60 * BLOCK
LIMITS = Limits(gap_share=0.0, nodes=0, seconds=600.0)
HEADROOM_STEP, MOST_HEADROOM = 0.005, 2.0
HARDLY = 0.002  # of requests: no reason to buy more where a target is out of reach anyway


@dataclass(frozen=True)
class Clairvoyant:
    """The optimum and the plan made of it.

    Attributes:
        bounds_usd: (w) of the linear program.
        unserved: requests that quotas leave no room for in it, of all.
        headroom: (w) on the load that the plan serves, so that its replay meets the target.
        policy: the plan.
        replayed: the plan's replay.
    """

    bounds_usd: Floats
    unserved: float
    headroom: Floats
    policy: Known
    replayed: Replayed

    @property
    def bound_usd(self) -> float:
        """Of all workloads."""
        return float(self.bounds_usd.sum())


@dataclass(frozen=True)
class Relaxed:
    """The linear program's answer.

    Attributes:
        usd_each: (w) what replicas cost.
        unserved: requests of the worst minutes, per minute, that are not served.
        paid: (o, block) replicas, not whole.
    """

    usd_each: Floats
    unserved: float
    paid: Floats

    @property
    def usd(self) -> float:
        """What all of them cost."""
        return float(self.usd_each.sum())


@dataclass(frozen=True)
class Tried:
    """A plan with some head-room and its replay."""

    found: Relaxed
    policy: Known
    replayed: Replayed

    def short(self, target: Floats) -> Floats:
        """(w) share by which the target is missed; 0 = met."""
        return np.asarray(np.maximum(target - np.array(in_time(self.replayed)), 0.0))


def clairvoyant(case: Case, *, seed: int = 0) -> Clairvoyant:
    """The bound, and the plan in which each workload has the least head-room that meets its target.

    Where no head-room up to `MOST_HEADROOM` does, as where a quota is too short for all, it is the cheapest
    of the plans tried that misses hardly more than the one that misses least.
    """
    tried: dict[tuple[int, ...], Tried] = {}

    def at(steps: Ints) -> Tried:
        key = tuple(steps.tolist())
        if key not in tried:
            found = relaxed(case.world, headroom(steps))
            policy = plan(case.world, found)
            tried[key] = Tried(found, policy, simulate(case.world, policy, seed=seed))
        return tried[key]

    count = len(case.world.workloads)
    bound = at(np.zeros(count, dtype=np.int64)).found
    steps = least_steps(lambda steps: at(steps).short(case.target) == 0, most_steps(), count)
    if at(steps).short(case.target).any():
        steps = np.array(cheapest(tried, case.target))
    best = at(steps)
    return Clairvoyant(bound.usd_each, bound.unserved, headroom(steps), best.policy, best.replayed)


def cheapest(tried: Mapping[tuple[int, ...], Tried], target: Floats) -> tuple[int, ...]:
    """The steps whose plan costs least among those that miss hardly more than they must."""
    missed = {steps: float(one.short(target).sum()) for steps, one in tried.items()}
    least = min(missed.values())
    close = [steps for steps, short in missed.items() if short <= least + HARDLY]
    return min(close, key=lambda steps: (tried[steps].replayed.cost_usd, steps))


def headroom(steps: Ints) -> Floats:
    """(w) what the load is multiplied by."""
    return np.asarray(1.0 + steps * HEADROOM_STEP)


def most_steps() -> int:
    """Steps up to `MOST_HEADROOM`."""
    return round((MOST_HEADROOM - 1.0) / HEADROOM_STEP)


def least_steps(meets: Callable[[Ints], Bools], most: int, count: int) -> Ints:
    """(w) the first step of each that meets, if all after it do; `most` where none does.

    Steps are doubled, then halved, those of all workloads at a time. What one takes another may lack, so
    that together the answers may miss what each met while others had less.
    """
    low, high = np.zeros((2, count), dtype=np.int64)
    while (short := ~meets(high) & (high < most)).any():
        low = np.where(short, high + 1, low)
        high = np.where(short, np.minimum(most, np.maximum(1, 2 * high)), high)
    while (unsure := low < high).any():
        middle = np.where(unsure, (low + high) // 2, high)
        enough = meets(middle)
        high = np.where(unsure & enough, middle, high)
        low = np.where(unsure & ~enough, middle + 1, low)
    return high


def plan(world: World, found: Relaxed) -> Known:
    """Its counts rounded up, as far as quotas go."""
    counts = within_quotas(world, np.ceil(found.paid - NEAR).astype(np.int64))
    return Known(at_once(world, np.repeat(counts, BLOCK, axis=1)[:, : world.minutes]))


def relaxed(world: World, headroom: Floats | float = 1.0) -> Relaxed:
    """Solves the linear program for the load times a head-room, one for all workloads or (w)."""
    headroom = np.broadcast_to(np.asarray(headroom, dtype=float), len(world.workloads))
    usable = undominated(world)
    rows = worst_minutes(world, usable)
    hours = np.diff(np.append(np.arange(0, world.minutes, BLOCK), world.minutes)) / 60
    program = program_of(world, usable, rows, hours, headroom)
    found = minimise(program, LIMITS)
    if found.values is None:
        raise SolverError(f"the clairvoyant program has no answer: {found.status}")
    paid = np.zeros((len(world.option_id), len(hours)))
    paid[usable] = program.spread(found.values, "n")
    usd = world.price_hourly * (paid * hours).sum(axis=1)
    each = np.zeros(len(world.workloads))
    np.add.at(each, world.option_workload, usd)
    return Relaxed(each, float(program.spread(found.values, "s").sum() * 60), paid)


@dataclass(frozen=True)
class Worst:
    """(row) minutes that a block's replicas are measured by."""

    workload: Ints
    minute: Ints

    @property
    def block(self) -> Ints:
        """(row) blocks they are in."""
        return np.asarray(self.minute // BLOCK)


def worst_minutes(world: World, usable: Ints) -> Worst:
    """Of each block the minutes in which its load keeps most replicas busy, of any option."""
    workload, minute = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for w in range(len(world.workloads)):
        load = np.nan_to_num(world.load[w])
        own = usable[world.option_workload[usable] == w]
        busy = [load / served(world)[i] for i in own] or [load]  # without options all of it is unserved
        found = np.unique(np.concatenate([highest(one) for one in busy]))
        found = found[load[found] > 0]
        workload.append(np.full(len(found), w))
        minute.append(found)
    return Worst(np.concatenate(workload), np.concatenate(minute))


def served(world: World) -> Floats:
    """(o, t) requests/s of a replica, never 0."""
    return np.maximum(world.capacity, LEAST_CAPACITY)


def highest(busy: Floats) -> Ints:
    """(block) the minute with the largest value."""
    padded = np.append(busy, np.full(-len(busy) % BLOCK, -np.inf)).reshape(-1, BLOCK)
    return np.asarray(padded.argmax(axis=1) + np.arange(len(padded)) * BLOCK)


def program_of(world: World, usable: Ints, rows: Worst, hours: Floats, headroom: Floats) -> Program:
    """The linear program at the head of this file."""
    price, per_replica = world.price_hourly[usable], served(world)[usable]
    grid = everywhere(len(usable), len(hours))
    v = Blocks()
    n, u = v.add("n", grid), v.add("u", grid)
    s = v.add("s", everywhere(len(rows.minute)))
    v.pay("n", price[:, None] * hours)
    v.pay("s", MISSED * float((price[:, None] / per_replica).max(initial=0.0)))
    launch = numbered(everywhere(len(usable), len(hours) - 1))
    launches = Rows(
        "launch", launch, [(launch, u[:, 1:], 1.0), (launch, n[:, 1:], -1.0), (launch, n[:, :-1], 1.0)], 0.0
    )
    limits = quotas(world.quota, world.quota_pool[usable], n)
    return v.program([meet_load(world, usable, rows, (n, u, s), headroom), launches, limits])


def meet_load(
    world: World, usable: Ints, rows: Worst, columns: tuple[Ints, Ints, Ints], headroom: Floats
) -> Rows:
    """What is ready serves the worst minutes of each block."""
    n, u, s = columns
    row = np.arange(len(rows.minute))
    mine = np.where(world.option_workload[usable][:, None] == rows.workload, row, NONE)
    per_replica = served(world)[usable][:, rows.minute]
    boots = np.ceil(world.boot_s[usable] / BLOCK_S - NEAR).astype(np.int64)
    terms: list[Term] = [(mine, n[:, rows.block], per_replica), (row, s, 1.0)]
    for before in range(int(boots.max(initial=0))):
        boot = only(mine, boots[:, None] > before)
        terms.append((boot, u[:, np.maximum(rows.block - before, 0)], -per_replica))  # u of block 0 is 0
    return Rows("meet", row, terms, lower=headroom[rows.workload] * world.load[rows.workload, rows.minute])


def undominated(world: World) -> Ints:
    """On-demand options, without those that another one of the workload replaces at any time for less."""
    firm = np.flatnonzero(~world.is_spot & ~world.is_committed).tolist()
    return np.array([i for i in firm if not any(replaces(world, j, i) for j in firm)], dtype=np.int64)


def replaces(world: World, one: int, other: int) -> bool:
    """Whether an option is never dearer per request, boots no later and has no quota that could bind."""
    if one == other or world.option_workload[one] != world.option_workload[other] or not is_free(world)[one]:
        return False
    if world.boot_s[one] > world.boot_s[other]:
        return False
    usd = world.price_hourly[[one, other], None] / served(world)[[one, other]]
    return bool((usd[0] <= usd[1]).all() and ((usd[0] < usd[1]).any() or one < other))


def is_free(world: World) -> Bools:
    """(o) whether no plan reaches its quota: it holds the peaks of all that share it, with any head-room."""
    peak = np.ceil(np.nan_to_num(world.load)[world.option_workload] / served(world)).max(axis=1, initial=0.0)
    shared = np.bincount(world.quota_pool + 1, peak, len(world.quota) + 1)[1:]
    limit = np.append(world.quota >= MOST_HEADROOM * shared, True)  # the last is that of no quota
    return np.asarray(limit[world.quota_pool])
