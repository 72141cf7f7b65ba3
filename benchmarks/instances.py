"""Placement problems of any size, equal for equal seeds: prices, sizes and limits as fleets have them.

12 regions, 5 families, 5 sizes, on demand and spot. Workloads of log-normal size and a day's rhythm may use
three to seven regions and two to four families (some 150 options), up to 70 % on spot. The 12 on-demand
pools and the 8 spot pools most in demand hold 60 and 70 % of what cheapest choices would draw at their
peak; a savings plan covers 12 % of that spending, five commitments to single pools 4 % each.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from optimizer.problem import Floats, Ints, Problem

REGIONS, FAMILIES, SIZES = 12, 5, np.array([2.0, 4.0, 8.0, 16.0, 32.0])  # vCPU
MEDIAN_VCPU, SPREAD = 6.0, 1.1  # of log-normal demand
LISTED_FAMILIES = ("e2-standard", "n1-standard", "n2-standard", "n2d-standard", "t2d-standard")
OVERHEAD_VCPU = 0.4  # of every replica
SCARCE = ((0, 12, 0.6), (1, 8, 0.7))  # spot or not, pools with a limit, share of what is wanted at the peak
SAVINGS_PLAN, RESERVED = (0.12, 0.72), (0.04, 0.60)  # share of on-demand spending; USD paid per list USD


@dataclass(frozen=True)
class Market:
    """What is offered: (N,) offers; a pool is a region's family, bought one way."""

    region: Ints
    family: Ints
    is_spot: Ints
    vcpu: Floats
    price: Floats
    capacity: Floats
    list_per_vcpu: Floats  # (pools,)

    @property
    def pool(self) -> Ints:
        """(N,) pools; odd ones are spot."""
        return (self.region * FAMILIES + self.family) * 2 + self.is_spot


def generated(workloads: int, periods: int, seed: int = 0) -> Problem:
    """Workloads that share pools and commitments over the hours of a day."""
    random = np.random.default_rng(seed)
    return shared_out(invented_market(random), workloads, periods, random)


def real_offers(prices: Path, workloads: int, periods: int, seed: int = 0) -> Problem:
    """The same workloads on the list and spot prices of one provider, in 12 of its regions."""
    random = np.random.default_rng(seed)
    return shared_out(listed_market(prices, random), workloads, periods, random)


def shared_out(market: Market, workloads: int, periods: int, random: np.random.Generator) -> Problem:
    """Workloads with regions and families that they may use."""
    home = random.integers(0, REGIONS, workloads)
    regions = some_of(random, workloads, REGIONS, (3, 6))
    regions[np.arange(workloads), home] = True
    families = some_of(random, workloads, FAMILIES, (2, 4))
    owner, offer = np.nonzero(regions[:, market.region] & families[:, market.family])
    demand = days(random, workloads, periods)
    distance = random.uniform(0.0, 0.02, (REGIONS, REGIONS)) * (1 - np.eye(REGIONS))
    return as_problem(
        market, owner, offer, demand,
        egress=distance[home[owner], market.region[offer]],
        spot_share=random.uniform(0.0, 0.7, workloads),
        activation=0.5 * random.lognormal(0.0, 0.5, workloads),
    )  # fmt: skip


def invented_market(random: np.random.Generator) -> Market:
    """Prices per vCPU that grow with performance, differ by region, and spot at 28 to 70 % of them."""
    per_vcpu = np.sort(random.uniform(0.041, 0.066, FAMILIES))
    rank = (per_vcpu - per_vcpu.min()) / np.ptp(per_vcpu)
    performance = 0.8 + 0.4 * rank + random.uniform(-0.08, 0.08, FAMILIES)
    by_region = np.concatenate([[1.0], random.uniform(1.0, 1.28, REGIONS - 1)])
    discount = random.uniform(0.28, 0.70, (REGIONS, FAMILIES))
    interrupted = random.uniform(0.02, 0.20, (REGIONS, FAMILIES))
    grid = np.indices((REGIONS, FAMILIES, len(SIZES), 2)).reshape(4, -1)
    region, family, size, spot = grid
    vcpu = SIZES[size]
    on_demand = per_vcpu[family] * by_region[region] * vcpu
    listed = np.repeat((by_region[:, None] * per_vcpu).ravel(), 2)
    return Market(
        region, family, spot, vcpu,
        price=on_demand * np.where(spot, discount[region, family], 1.0),
        capacity=performance[family] * (vcpu - OVERHEAD_VCPU)
        * np.where(spot, 1 - interrupted[region, family], 1.0),
        list_per_vcpu=listed,
    )  # fmt: skip


def listed_market(prices: Path, random: np.random.Generator) -> Market:
    """Prices as listed; performance per vCPU and interruptions, which no list has, are drawn.

    Regions are drawn from those that offer every size of every family both ways. Numbers stand for names.
    """
    table = pd.read_parquet(prices)
    types = [f"{family}-{int(size)}" for family in LISTED_FAMILIES for size in SIZES]
    ways = ["on_demand", "spot"]
    wanted = (
        table["cloud"].eq("gcp") & table["instance_type"].isin(types) & table["purchase_option"].isin(ways)
    )
    by = ["instance_type", "purchase_option"]
    wide = table[wanted].pivot_table("usd_per_hour", "region", by, "first")
    wide = wide.reindex(columns=pd.MultiIndex.from_product([types, ways])).dropna().sort_index()
    chosen = np.sort(random.choice(len(wide), REGIONS, replace=False))
    price = wide.to_numpy()[chosen].reshape(REGIONS, FAMILIES, len(SIZES), 2)
    performance = random.uniform(0.85, 1.15, FAMILIES)
    interrupted = random.uniform(0.02, 0.20, (REGIONS, FAMILIES))
    region, family, size, spot = np.indices(price.shape).reshape(4, -1)
    vcpu = SIZES[size]
    return Market(
        region, family, spot, vcpu,
        price=price.ravel(),
        capacity=performance[family] * (vcpu - OVERHEAD_VCPU)
        * np.where(spot, 1 - interrupted[region, family], 1.0),
        list_per_vcpu=np.repeat((price[:, :, 0, 0] / SIZES[0]).ravel(), 2),
    )  # fmt: skip


def some_of(random: np.random.Generator, rows: int, things: int, how_many: tuple[int, int]) -> np.ndarray:
    """(rows, things) a few of the things, drawn for each row."""
    order = random.random((rows, things)).argsort(axis=1).argsort(axis=1)
    return order < random.integers(how_many[0], how_many[1] + 1, rows)[:, None]


def days(random: np.random.Generator, workloads: int, periods: int) -> Floats:
    """(W, T) demand in vCPU of an ordinary machine."""
    size = MEDIAN_VCPU * random.lognormal(0.0, SPREAD, (workloads, 1))
    peak, depth = random.uniform(0, 24, (workloads, 1)), random.uniform(0.2, 0.7, (workloads, 1))
    hour = np.arange(periods) * 24.0 / periods
    rhythm = 1.0 + depth * np.cos(2 * np.pi * (hour - peak) / 24.0) * (periods > 1)
    return np.asarray(size * rhythm * random.lognormal(0.0, 0.05, (workloads, periods)))


def as_problem(
    m: Market,
    owner: Ints,
    offer: Ints,
    demand: Floats,
    *,
    egress: Floats,
    spot_share: Floats,
    activation: Floats,
) -> Problem:
    """Limits and commitments sized by what each workload would take if it were alone."""
    workloads, periods = demand.shape
    hours = np.full(periods, 24.0 / periods)
    pools, spot = len(m.list_per_vcpu), m.is_spot[offer] == 1
    spending, drawn = 0.0, np.zeros((pools, periods))
    usd_per_unit = m.price[offer] / m.capacity[offer] + egress
    for is_spot in (0, 1):
        cheapest = first_by(owner[spot == is_spot], usd_per_unit[spot == is_spot])
        of = offer[spot == is_spot][cheapest]
        share = spot_share if is_spot else 1.0 - spot_share
        replicas = share[:, None] * demand / m.capacity[of][:, None]
        np.add.at(drawn, m.pool[of], replicas * m.vcpu[of][:, None])
        spending += (1 - is_spot) * float((replicas * m.price[of][:, None]).sum(axis=0) @ hours) / 24
    peak, limit = drawn.max(axis=1), np.full((pools, periods), np.inf)
    for is_spot, scarce, part in SCARCE:
        bought_so = np.arange(is_spot, pools, 2)
        wanted = bought_so[np.argsort(-peak[bought_so], kind="stable")][:scarce]
        limit[wanted] = np.maximum(np.ceil(part * peak[wanted]), 2.0)[:, None]
    firm = np.arange(0, pools, 2)
    top = firm[np.argsort(-peak[firm], kind="stable")][:5]
    listed = np.full((1 + len(top), pools), np.nan)
    listed[0, firm] = m.list_per_vcpu[firm]
    listed[1 + np.arange(len(top)), top] = m.list_per_vcpu[top]
    paid = np.array([SAVINGS_PLAN[1], *[RESERVED[1]] * len(top)])
    held = spending * np.array([SAVINGS_PLAN[0], *[RESERVED[0]] * len(top)])
    none, size = np.zeros(len(offer)), len(offer)
    names = [f"region-{r}/family-{f}/{way}" for r in range(REGIONS) for f in range(FAMILIES)
             for way in ("on_demand", "spot")]  # fmt: skip
    types = [f"family-{f}-{int(v)}" for f, v in zip(m.family, m.vcpu, strict=True)]
    ways = ["spot" if s else "on_demand" for s in m.is_spot]
    regions = [f"region-{r}" for r in m.region]
    ids = ["/".join(parts) for parts in zip(regions, types, ways, strict=True)]
    return Problem(
        workloads=tuple(f"workload-{w:05d}" for w in range(workloads)),
        periods=tuple(f"hour-{t:02d}" for t in range(periods)),
        hours=hours, demand=demand, max_spot_share=spot_share,
        max_options=np.full(workloads, 2.0), activation_cost_usd=activation,
        min_regions=np.ones(workloads, dtype=np.int64), max_region_share=np.ones(workloads),
        min_replicas=np.zeros(workloads), max_replicas=np.full(workloads, np.inf),
        min_on_demand_replicas=np.zeros(workloads), survive_region_loss=np.zeros(workloads, dtype=bool),
        option_workload=owner, option_id=tuple(ids[k] for k in offer), provider=("cloud",) * size,
        region=tuple(regions[k] for k in offer), instance_type=tuple(types[k] for k in offer),
        purchase=tuple(ways[k] for k in offer), price_hourly=m.price[offer], capacity=m.capacity[offer],
        pool=m.pool[offer], pool_units=m.vcpu[offer], quota_pool=np.full(size, -1),
        egress_usd_per_unit=egress, current_replicas=none, migration_cost_usd=none.copy(),
        pools=tuple(names), pool_limit=limit,
        commitments=("savings plan", *[f"reserved {names[k]}" for k in top]),
        committed_usd_per_hour=held, offered_max_usd_per_hour=np.zeros(len(held)),
        fee_per_usd=np.ones(len(held)), committed_rate=listed * paid[:, None], covered_list_price=listed,
    )  # fmt: skip


def first_by(owner: Ints, value: Floats) -> Ints:
    """(W,) place of the least value of each owner; every owner has one."""
    order = np.lexsort((value, owner))
    return np.asarray(order[np.unique(owner[order], return_index=True)[1]], dtype=np.int64)
