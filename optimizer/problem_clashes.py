"""Contradictions between rules of the problem tables: no placement could keep both, so they are bad input.

Each is told at the table that has to change, with what stands against it. What only a shortage could break
(a quota below a pin) is none: it ends as a shortfall.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from data.sheet import Sheet, shown
from optimizer.cover_rule import RULE, least_unit_usd, saves_too_much
from optimizer.errors import Fault
from optimizer.problem import ON_DEMAND
from optimizer.problem_rules import (
    COMMITMENT_POOLS,
    DEMAND,
    NODES,
    OPTIONS,
    ORIGINS,
    PERIODS,
    PINS,
    RESIDENCY,
    WORKLOADS,
)
from optimizer.problem_values import filled, places

SHARE_TOLERANCE = 1e-6
BOUNDS = ("min_replicas", "max_replicas")
DRAWN = ("pool", "pool_units", "price_hourly", "purchase")


def check_clashes(sheets: Mapping[str, Sheet]) -> None:
    """Every contradiction that can be judged: where a table has other faults, those come first."""
    check_shares(sheets[ORIGINS])
    check_cover(sheets)
    check_pinned_options(sheets)
    for name in (OPTIONS, PINS):
        check_order(sheets[name])
    needed = (WORKLOADS, OPTIONS, PINS, PERIODS, DEMAND, RESIDENCY)
    if any(sheets[name].faults for name in needed) or not (bounded(sheets[OPTIONS]) or bounded(sheets[PINS])):
        return
    bounds = bounds_by_period(sheets)
    sheets[PINS].faults.extend(crossed(bounds))
    for finding in (pinned_above_total, pinned_spot, pinned_abroad):
        sheets[WORKLOADS].faults.extend(finding(sheets, bounds))


def bounded(sheet: Sheet) -> bool:
    """Whether a table bounds any option."""
    return bool(sheet.frame[list(BOUNDS)].notna().to_numpy().any())


def check_shares(origins: Sheet) -> None:
    """The shares of a workload's origins sum to 1."""
    if origins.faults or origins.frame.empty:
        return
    total = origins.frame.groupby("workload")["share"].sum()
    for workload, share in total[(total - 1).abs() > SHARE_TOLERANCE].items():
        found = f"shares of {shown(workload)} that sum to {share:.9g}"
        origins.faults.append(Fault(origins.where, found, "a sum of 1", "correct the shares", column="share"))


def check_cover(sheets: Mapping[str, Sheet]) -> None:
    """What is covered saves no more than its price."""
    cover, saved = sheets[COMMITMENT_POOLS], "list_usd_per_unit_hour"
    drawing = sheets[OPTIONS], sheets[NODES]
    if not cover.usable("pool", saved) or not all(sheet.usable(*DRAWN) for sheet in drawing):
        return
    paid = pd.concat([paid_on_demand(sheet.frame) for sheet in drawing])
    pools = pd.Index(cover.frame["pool"].unique())
    usd = paid["price_hourly"].to_numpy(dtype=float)
    least = least_unit_usd(places(pools, paid["pool"]), usd, filled(paid, "pool_units"), len(pools))
    price = least[places(pools, cover.frame["pool"])]
    listed = cover.frame[saved].to_numpy(dtype=float)

    def found(row: int) -> str:
        return (
            f"{listed[row]:g} for a unit of {shown(cover.frame['pool'].iloc[row])} that costs {price[row]:g}"
        )

    cover.refuse(
        saved, saves_too_much(listed, price), RULE, "correct it, or name a pool for each price", found
    )


def paid_on_demand(frame: pd.DataFrame) -> pd.DataFrame:
    """Options or nodes that are paid on demand; of options on nodes, the nodes are."""
    is_paid = frame["purchase"].eq(ON_DEMAND)
    if "workload" in frame:
        is_paid &= frame["node"].isna()
    return frame.loc[is_paid, list(DRAWN)]


def check_pinned_options(sheets: Mapping[str, Sheet]) -> None:
    """Options that are pinned exist."""
    pins, options = sheets[PINS], sheets[OPTIONS]
    key = ["workload", "option_id"]
    if not (pins.usable(*key) and options.usable(*key)) or pins.frame.empty:
        return
    known = pd.MultiIndex.from_frame(options.frame[key])
    unknown = ~pd.MultiIndex.from_frame(pins.frame[key]).isin(known)
    pins.refuse("option_id", unknown, "an option of the workload", "add it there or correct the name")


def check_order(sheet: Sheet) -> None:
    """Fewest replicas of an option are not more than most."""
    if sheet.usable(*BOUNDS):
        wrong = (sheet.frame["min_replicas"] > sheet.frame["max_replicas"]).to_numpy(dtype=bool)
        sheet.refuse("min_replicas", wrong, "at most max_replicas", "lower one or raise the other")


def bounds_by_period(sheets: Mapping[str, Sheet]) -> pd.DataFrame:
    """What `options` and `pins` together ask of an option: workload, option_id, period, low, high, purchase,
    country, capacity. Only options that are bounded.
    """  # noqa: D205 - the columns are the summary
    options, pins = sheets[OPTIONS].frame, sheets[PINS].frame
    columns = ["workload", "option_id", "period", *BOUNDS]
    own = options.assign(period=None)[columns]
    rows = pd.concat([part.astype("object") for part in (own, pins[columns])], ignore_index=True)
    rows = rows.loc[rows["min_replicas"].fillna(0).gt(0) | rows["max_replicas"].notna()]
    every = sheets[PERIODS].frame[["period"]].astype("object")
    always = rows.loc[rows["period"].isna()].drop(columns="period").merge(every, how="cross")
    whole = pd.concat([always, rows.loc[rows["period"].notna()]], ignore_index=True)
    whole = whole.assign(
        low=whole["min_replicas"].astype(float).fillna(0.0),
        high=whole["max_replicas"].astype(float).fillna(np.inf),
    )
    key = ["workload", "option_id", "period"]
    both = whole.groupby(key, as_index=False, sort=False).agg({"low": "max", "high": "min"})
    facts = options[["workload", "option_id", "purchase", "country", "capacity"]].astype("object")
    return both.merge(facts, on=["workload", "option_id"], how="left")


def crossed(bounds: pd.DataFrame) -> Iterator[Fault]:
    """Bounds of one option that leave no count between them."""
    wrong = bounds.loc[bounds["low"] > bounds["high"]]
    for (workload, option), rows in wrong.groupby(["workload", "option_id"], sort=False):
        row = rows.iloc[0]
        found = (
            f"{row['low']:g} for {shown(option)} of {shown(workload)} at {shown(row['period'])} "
            f"with max_replicas {row['high']:g}"
        )
        yield Fault(
            "pins.parquet", found, "at most max_replicas", "lower one or raise the other", column=BOUNDS[0]
        )


def pinned_above_total(sheets: Mapping[str, Sheet], bounds: pd.DataFrame) -> Iterator[Fault]:
    """Options that must have more replicas together than their workload may have."""
    most = sheets[WORKLOADS].frame.set_index("workload")["max_replicas"]
    for workload, rows in bounds.groupby("workload", sort=False):
        total = rows.groupby("period", sort=False)["low"].sum()
        if total.max() > most[workload]:
            pinned = f"min_replicas of its options that sum to {total.max():g} at {shown(total.idxmax())}"
            found = f"{most[workload]:g} with {pinned}"
            action = "raise it, or lower min_replicas of options"
            told = Fault(WORKLOADS, found, "at least that sum", action, column="max_replicas")
            yield at_workload(sheets, str(workload), told)


def pinned_spot(sheets: Mapping[str, Sheet], bounds: pd.DataFrame) -> Iterator[Fault]:
    """Spot that must run although what may run beside it cannot carry the share that is not spot's."""
    spot = bounds.loc[bounds["purchase"].eq("spot") & bounds["low"].gt(0)]
    shares = sheets[WORKLOADS].frame.set_index("workload")["max_spot_share"].fillna(1.0)
    for workload, rows in spot.groupby("workload", sort=False):
        share, row = float(shares[workload]), rows.iloc[0]
        if share > 0 and not is_crowded_out(sheets, bounds, str(workload), 1.0 - share):
            continue
        found = f"{share:g} with {row['low']:g} replicas of {shown(row['option_id'])} (spot) pinned"
        expected, action = (
            "a share that leaves room for them",
            "raise it, or lower min_replicas of that option",
        )
        told = Fault(WORKLOADS, found, expected, action, column="max_spot_share")
        yield at_workload(sheets, str(workload), told)


def is_crowded_out(
    sheets: Mapping[str, Sheet], bounds: pd.DataFrame, workload: str, firm_share: float
) -> bool:
    """Whether, in some period, capacity that is not spot cannot carry its share beside pinned spot."""
    options, demand = sheets[OPTIONS].frame, sheets[DEMAND].frame
    firm = options.loc[options["workload"].eq(workload) & options["purchase"].ne("spot")]
    size = firm.set_index("option_id")["capacity"].astype(float)
    most = sheets[WORKLOADS].frame.set_index("workload")["max_replicas"].fillna(np.inf)[workload]
    need = demand.loc[demand["workload"].eq(workload)].set_index("period")["demand"] * firm_share
    for period, now in bounds.loc[bounds["workload"].eq(workload)].groupby("period", sort=False):
        high = now.set_index("option_id")["high"].reindex(size.index).fillna(np.inf)
        pinned = float(now.loc[now["purchase"].eq("spot"), "low"].sum())
        beside = (most - pinned) * float(size.max()) if most > pinned else 0.0
        room = min(float((high[high > 0] * size[high > 0]).sum()), beside)
        if pinned > 0 and room < float(need[period]) * (1 - SHARE_TOLERANCE):
            return True
    return False


def pinned_abroad(sheets: Mapping[str, Sheet], bounds: pd.DataFrame) -> Iterator[Fault]:
    """Options that must run in a country where their workload may not be."""
    residency = sheets[RESIDENCY].frame
    for workload, rows in bounds.loc[bounds["low"].gt(0)].groupby("workload", sort=False):
        allowed = set(residency.loc[residency["workload"].eq(str(workload)), "country"])
        abroad = rows.loc[~rows["country"].isin(allowed)]
        if allowed and len(abroad):
            option, country = abroad.iloc[0][["option_id", "country"]]
            where = country if isinstance(country, str) else "a country unknown"
            found = f"{shown(option)} pinned in {where}, residency in {', '.join(sorted(allowed))}"
            action = "allow the country in residency.parquet, or lower min_replicas of that option"
            told = Fault(WORKLOADS, found, "pinned options where it may be", action, column="workload")
            yield at_workload(sheets, str(workload), told)


def at_workload(sheets: Mapping[str, Sheet], workload: str, told: Fault) -> Fault:
    """A fault at the row of one workload."""
    sheet = sheets[WORKLOADS]
    row = int(sheet.frame.index[sheet.frame["workload"].eq(workload).to_numpy()][0]) + 1
    return replace(told, where=sheet.where, row=row)
