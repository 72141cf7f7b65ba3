"""Placement problems of any size, equal for equal seeds: prices and limits as real catalogues have them."""

from __future__ import annotations

import numpy as np

from optimizer.problem import Problem

REGIONS = tuple(f"region-{k}" for k in range(6))
TYPES = ((1.0, 1.0), (2.1, 2.0), (4.6, 4.2), (10.5, 9.0))  # (capacity, price) of each size, relative
PERIODS = 6
SPOT_DISCOUNT = 0.6


def generated(workloads: int, seed: int = 7) -> Problem:
    """Workloads that share spot pools, quotas and a commitment, over the blocks of a typical day.

    Each may use every type in four of six regions, on demand or as spot (at most half of its demand).
    """
    random = np.random.default_rng(seed)
    rows = [
        (w, region, size, is_spot)
        for w in range(workloads)
        for region in sorted(random.choice(len(REGIONS), 4, replace=False))
        for size in range(len(TYPES))
        for is_spot in (False, True)
    ]
    owner, region, size, spot = (np.array(column) for column in zip(*rows, strict=True))
    local = np.round(random.uniform(0.9, 1.3, (len(REGIONS), len(TYPES), 2)), 3)
    list_price = np.array([price for _, price in TYPES])[size] * local[region, size, 0]
    price = np.where(spot, list_price * (1 - SPOT_DISCOUNT) * local[region, size, 1], list_price)
    pools = [f"{r}/{k}/{way}" for r in REGIONS for k in range(len(TYPES)) for way in ("od", "spot")]
    pool = (region * len(TYPES) + size) * 2 + spot
    peak = random.lognormal(3.0, 0.8, workloads)
    rhythm = 0.6 + 0.4 * np.sin(
        2 * np.pi * (np.arange(PERIODS) / PERIODS + random.uniform(size=(workloads, 1)))
    )
    limit = np.full((len(pools), PERIODS), np.inf)
    limit[1::2] = np.ceil(random.uniform(0.5, 2.0, (len(pools) // 2, 1)) * max(workloads / 4, 1.0))
    rate, listed = commitment_arrays(pools, owner.size, pool, price, spot)
    return Problem(
        workloads=tuple(f"workload-{w}" for w in range(workloads)),
        periods=tuple(f"block-{t}" for t in range(PERIODS)),
        hours=np.full(PERIODS, 24.0 / PERIODS),
        demand=peak[:, None] * rhythm,
        max_spot_share=np.full(workloads, 0.5),
        max_options=np.full(workloads, np.inf),
        activation_cost_usd=np.zeros(workloads),
        min_regions=np.ones(workloads, dtype=np.int64),
        max_region_share=np.ones(workloads),
        min_replicas=np.ones(workloads),
        max_replicas=np.full(workloads, np.inf),
        min_on_demand_replicas=np.zeros(workloads),
        survive_region_loss=np.zeros(workloads, dtype=bool),
        option_workload=owner,
        option_id=tuple(pools[p] for p in pool),
        provider=("cloud",) * len(rows),
        region=tuple(REGIONS[r] for r in region),
        instance_type=tuple(f"type-{k}" for k in size),
        purchase=tuple("spot" if is_spot else "on_demand" for is_spot in spot),
        price_hourly=price,
        capacity=np.array([capacity for capacity, _ in TYPES])[size],
        pool=pool,
        pool_units=np.ones(len(rows)),
        quota_pool=np.full(len(rows), -1),
        egress_usd_per_unit=np.zeros(len(rows)),
        current_replicas=np.zeros(len(rows)),
        migration_cost_usd=np.zeros(len(rows)),
        pools=tuple(pools),
        pool_limit=limit,
        commitments=("savings plan",),
        committed_usd_per_hour=np.array([0.1 * float(peak.sum())]),
        offered_max_usd_per_hour=np.zeros(1),
        fee_per_usd=np.ones(1),
        committed_rate=rate,
        covered_list_price=listed,
    )


def commitment_arrays(
    pools: list[str], options: int, pool: np.ndarray, price: np.ndarray, spot: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(1, P) committed rate and list price: a third off every on-demand pool that an option draws on."""
    listed = np.full((1, len(pools)), np.nan)
    for i in range(options):
        if not spot[i]:
            listed[0, pool[i]] = price[i]
    return listed * 2 / 3, listed
