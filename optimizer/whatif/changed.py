"""The inputs of a plan or replay as they would be in a scenario: values in, other values out.

One function per key of a scenario, in the order in which they are applied: first what is offered, then what
it costs and how much of it there is, then what is asked of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import pandas as pd

from data.workloads import Workload
from optimizer.inputs import Inputs
from optimizer.rows import rows_of
from optimizer.whatif.change import Change

V = TypeVar("V")
COUNTED = ["requests", "tokens_in", "tokens_out"]
BY = ["model", "accelerator", "instance_type"]  # what a row of profiles is of


def changed(inputs: Inputs, change: Change) -> Inputs:
    """What would be known in a scenario; the inputs themselves stay as they are."""
    for step in STEPS:
        inputs = step(inputs, change)
    return inputs


def picked(names: Iterable[str], values: Mapping[str, V]) -> dict[str, V]:
    """By name the value of the last pattern that fits; names that none fits are left out."""
    found = {}
    for name in names:
        fitting = [value for pattern, value in values.items() if fnmatchcase(name, pattern)]
        if fitting:
            found[name] = fitting[-1]
    return found


# -- what is offered -------------------------------------------------------------------------------------


def with_catalog(inputs: Inputs, change: Change) -> Inputs:
    """Options added, or in the place of those with the same option_id."""
    if change.catalog is None:
        return inputs
    rows = change.catalog.assign(accelerator_count=change.catalog["accelerator_count"].fillna(0.0))
    if "is_estimated" in inputs.options:
        rows = rows.assign(is_estimated=False)
    kept = inputs.options.loc[~inputs.options["option_id"].isin(rows["option_id"])]
    return replace(inputs, options=sorted_rows([kept, rows], ["option_id"]))


def with_profiles(inputs: Inputs, change: Change) -> Inputs:
    """Throughput added, or in the place of that of the same model on the same accelerator or type."""
    if change.profiles is None:
        return inputs
    rows = change.profiles
    told = set(profile_keys(rows))
    kept = inputs.profiles.loc[[key not in told for key in profile_keys(inputs.profiles)]]
    return replace(inputs, profiles=sorted_rows([kept, rows], BY))


def profile_keys(profiles: pd.DataFrame) -> list[tuple[Any, ...]]:
    """What each row is of; what is not said is nothing."""
    return list(rows_of(profiles.astype(dict.fromkeys(BY, object)).fillna(dict.fromkeys(BY, "")), *BY))


def sorted_rows(parts: list[pd.DataFrame], keys: list[str]) -> pd.DataFrame:
    """Rows of tables one below the other, in the order that plans expect."""
    return pd.concat([part for part in parts if len(part)], ignore_index=True).sort_values(
        keys, ignore_index=True
    )


def with_price_list(inputs: Inputs, change: Change) -> Inputs:
    """Prices of the options that a list names."""
    if change.price_list is None:
        return inputs
    listed = change.price_list.set_index("option_id")["price_hourly"]
    price = inputs.options["option_id"].map(listed).fillna(inputs.options["price_hourly"]).astype(float)
    return replace(inputs, options=inputs.options.assign(price_hourly=price))


def with_prices(inputs: Inputs, change: Change) -> Inputs:
    """Prices times a factor. Running commitments keep the rates they were bought at."""
    factor = picked(inputs.options["option_id"], change.scenario.price)
    times = inputs.options["option_id"].map(factor).astype(float).fillna(1.0)
    if not factor:
        return inputs
    return replace(inputs, options=inputs.options.assign(price_hourly=inputs.options["price_hourly"] * times))


def with_quotas(inputs: Inputs, change: Change) -> Inputs:
    """Other quotas; None lifts one."""
    quota = picked(inputs.options["option_id"], change.scenario.quota)
    if not quota:
        return inputs
    wished = inputs.options["option_id"].map(
        {name: float("nan") if most is None else most for name, most in quota.items()}
    )
    told = inputs.options["option_id"].isin(quota)
    values = inputs.options["quota"].astype(float).where(~told, wished.astype(float))
    return replace(inputs, options=inputs.options.assign(quota=values))


def without_regions(inputs: Inputs, change: Change) -> Inputs:
    """Without what is offered and what runs in some regions."""
    gone = gone_options(inputs.options, change)
    if not gone:
        return inputs
    return replace(
        inputs,
        options=inputs.options.loc[~inputs.options["option_id"].isin(gone)].reset_index(drop=True),
        fleet=inputs.fleet.loc[~inputs.fleet["option_id"].isin(gone)].reset_index(drop=True),
        nodes=inputs.nodes.loc[~inputs.nodes["option_id"].isin(gone)].reset_index(drop=True),
    )


def gone_options(options: pd.DataFrame, change: Change) -> set[str]:
    """Options in the regions that are gone."""
    patterns = change.scenario.without_region
    return {
        name
        for name, provider, region in rows_of(options, "option_id", "provider", "region")
        if any(is_region(provider, region, pattern) for pattern in patterns)
    }


def is_region(provider: str, region: str, pattern: str) -> bool:
    """Whether a pattern, with or without a provider before it, is of a region."""
    return fnmatchcase(f"{provider}/{region}" if "/" in pattern else region, pattern)


# -- what is asked ---------------------------------------------------------------------------------------


def with_demand(inputs: Inputs, change: Change) -> Inputs:
    """Demand times a factor: all of the history, what was forecast of it, launches and units of work.

    Burstiness stays: the variance of counts grows as their mean does.
    """
    factor = picked([w.name for w in inputs.workloads], change.scenario.demand)
    if not factor:
        return inputs
    times = inputs.demand["workload"].map(factor).astype(float).fillna(1.0)
    past = inputs.past_forecasts
    said = past["unique_id"].map(factor).astype(float).fillna(1.0)
    return replace(
        inputs,
        demand=inputs.demand.assign(**{name: inputs.demand[name] * times for name in COUNTED}),
        past_forecasts=past.assign(value=past["value"] * said),
        workloads=tuple(times_work(w, factor.get(w.name, 1.0)) for w in inputs.workloads),
    )


def times_work(workload: Workload, factor: float) -> Workload:
    """What is expected of a launch, and work to be done, times a factor."""
    update: dict[str, object] = {}
    if workload.launch is not None:
        expected = workload.launch.requests_per_s * factor
        update["launch"] = workload.launch.model_copy(update={"requests_per_s": expected})
    if workload.work_units is not None:
        update["work_units"] = workload.work_units * factor
    return workload.model_copy(update=update) if update else workload


def with_slo(inputs: Inputs, change: Change) -> Inputs:
    """Other objectives; only keys that a workload's objective has, and the share and price of misses."""

    def other(workload: Workload) -> Workload:
        told = slo.get(workload.name)
        if told is None or workload.slo is None:
            return workload
        given = {key: value for key, value in told.items() if applies(workload, key)}
        return workload.model_copy(update={"slo": workload.slo.model_copy(update=given)})

    slo = slo_of([w.name for w in inputs.workloads], change)
    return replace(inputs, workloads=tuple(map(other, inputs.workloads))) if slo else inputs


def slo_of(names: Iterable[str], change: Change) -> dict[str, dict[str, float]]:
    """By workload the keys of its objective that are otherwise; of several patterns the last counts."""
    found: dict[str, dict[str, float]] = {}
    for name in names:
        for pattern, said in change.scenario.slo.items():
            if fnmatchcase(name, pattern):
                found.setdefault(name, {}).update(said.model_dump(exclude_none=True))
    return found


def applies(workload: Workload, key: str) -> bool:
    """Whether an objective of its kind has a key."""
    kinds = {"ttft_s": workload.is_llm, "tpot_ms": workload.is_llm, "latency_ms": not workload.is_llm}
    return workload.slo is not None and kinds.get(key, True)


def with_residency(inputs: Inputs, change: Change) -> Inputs:
    """Other countries that data may be in."""
    countries = picked([w.name for w in inputs.workloads], change.scenario.residency)
    if not countries:
        return inputs
    workloads = tuple(
        w.model_copy(update={"residency": countries[w.name]}) if w.name in countries else w
        for w in inputs.workloads
    )
    return replace(inputs, workloads=workloads)


STEPS: tuple[Callable[[Inputs, Change], Inputs], ...] = (
    with_catalog,
    with_profiles,
    with_price_list,
    with_prices,
    with_quotas,
    without_regions,
    with_demand,
    with_slo,
    with_residency,
)
