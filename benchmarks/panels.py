"""The series that forecasts are judged on: those the ladder's parameters were chosen on, and others.

Three panels, each a long frame `unique_id, ds, y`, in which a step without an observation has no row:

- tuned: demand per LLM and of the largest tenants (ServeGen), tweets, taxis and requests (NAB).
- held out: other tenants, the other CloudWatch metrics of NAB, virtual machines (Bitbrains), GPU clusters
  (Helios) and a web server (NASA). No parameter was chosen on them.
- short steps: what of both comes in steps of 5 or 10 minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.inputs import GENERATED, START, invented_trace, shared

MODELS = "datasets/traffic_llm_servegen_10min.parquet"
TENANTS = "datasets/traffic_llm_servegen_client_10min.parquet"
NAB = "datasets/metrics_nab_cloudwatch_5min.parquet"
MACHINES = "datasets/util_vm_bitbrains_5min.parquet"
CLUSTERS = "datasets/util_gpu_helios_earth_vc_5min.parquet"
JOBS = "datasets/traffic_gpujobs_helios_venus_10min.parquet"
WEB = "datasets/traffic_web_nasa_1min.parquet"
FILES = (MODELS, TENANTS, NAB, MACHINES, CLUSTERS, JOBS, WEB)

DEMAND = "Twitter|nyc_taxi|elb_request_count|ec2_network_in|NetworkIn"  # of NAB, in the tuned panel
LARGEST = 40  # tenants in the tuned panel
LEAST_USED_SHARE = 0.3  # of its steps: a tenant used more rarely is a list of events, not a demand
LEAST_DAYS = 4  # a forecast of the last day needs two seasons before it
Panel = tuple[pd.DataFrame, str]


def tuned() -> Panel:
    """Hourly means of the 52 series that the ladder was tuned on."""
    if not shared(*FILES):
        return invented(range(52)), GENERATED
    tenants, demand = of_tenants(), of_nab()
    parts = [of_models(), tenants[tenants["unique_id"].isin(largest(tenants))], demand[is_demand(demand)]]
    return mean_of_steps(pd.concat(parts), "h"), "ServeGen models and 40 largest tenants, 9 series of NAB"


def held_out() -> Panel:
    """Hourly means of 91 series that the ladder was not tuned on."""
    if not shared(*FILES):
        return invented(range(60, 112)), GENERATED
    tenants, metrics = of_tenants(), of_nab()
    other = metrics["unique_id"].str.startswith("realAWSCloudwatch") & ~is_demand(metrics)
    whole = tenants.groupby("unique_id")["ds"].transform("size") > LEAST_DAYS * 144
    small = ~tenants["unique_id"].isin(largest(tenants))
    parts = [tenants[small & whole], metrics[other], of_machines(), of_clusters(), of_jobs(), of_web()]
    source = "smaller tenants of ServeGen, CloudWatch of NAB, Bitbrains, Helios, NASA"
    return mean_of_steps(pd.concat(parts), "h"), source


def five_minutes() -> Panel:
    """Steps of 5 minutes: CloudWatch and tweets of NAB, virtual machines, GPU clusters."""
    if not shared(*FILES):
        return invented(range(20), "5min"), GENERATED
    metrics = of_nab()
    chosen = metrics["unique_id"].str.contains("realAWSCloudwatch|Twitter")
    parts = [metrics[chosen], of_machines(), of_clusters()]
    return last_weeks(mean_of_steps(pd.concat(parts), "5min")), "NAB, Bitbrains, Helios, at most three weeks"


def ten_minutes() -> Panel:
    """Steps of 10 minutes: ServeGen models and tenants, GPUs asked for in Helios."""
    if not shared(*FILES):
        return invented(range(20), "10min"), GENERATED
    parts = [of_models(), of_tenants(), of_jobs()]
    return last_weeks(mean_of_steps(pd.concat(parts), "10min")), "ServeGen, Helios, at most three weeks"


def of_models() -> pd.DataFrame:
    """LLM requests of whole models; steps without any request are gaps."""
    table = pd.read_parquet(*shared(MODELS))
    return with_offsets(table[~table["is_gap"]], table["series_id"].astype("str"))


def of_tenants() -> pd.DataFrame:
    """Those tenants that are used in a good part of the steps; a gap of the model is one of its tenants."""
    table, models = pd.read_parquet(*shared(TENANTS)), pd.read_parquet(*shared(MODELS))
    seen = models.loc[~models["is_gap"], ["series_id", "offset_s"]]
    table = table.merge(seen, on=["series_id", "offset_s"])
    rows = with_offsets(table, table["series_id"].astype("str") + "/" + table["client"].astype("str"))
    used = (rows["y"] > 0).groupby(rows["unique_id"]).transform("mean")
    return rows[used > LEAST_USED_SHARE]


def with_offsets(table: pd.DataFrame, names: pd.Series) -> pd.DataFrame:
    ds = START + pd.to_timedelta(table["offset_s"], unit="s")
    return long(names, ds, table["requests"])


def largest(tenants: pd.DataFrame) -> pd.Index:
    return tenants.groupby("unique_id")["y"].sum().nlargest(LARGEST).index


def of_nab() -> pd.DataFrame:
    table = pd.read_parquet(*shared(NAB))
    return long(table["series_id"].astype("str"), table["ts_utc"], table["value"])


def is_demand(metrics: pd.DataFrame) -> pd.Series:
    return metrics["unique_id"].str.contains(DEMAND)


def of_machines() -> pd.DataFrame:
    table = pd.read_parquet(*shared(MACHINES))
    return long("bitbrains/" + table["vm_id"].astype("str"), table["ts_utc"], table["cpu_usage_mhz"])


def of_clusters() -> pd.DataFrame:
    table = pd.read_parquet(*shared(CLUSTERS))
    local = table["ts_local"].dt.tz_localize("UTC")  # the zone is not told; the day's rhythm is the same
    return long("helios/" + table["vc"].astype("str"), local, table["demanded_gpu_num"])


def of_jobs() -> pd.DataFrame:
    table = pd.read_parquet(*shared(JOBS))
    local = table["ts_local"].dt.tz_localize("UTC")
    return long(table["series_id"].astype("str"), local, table["submit_gpu_num"])


def of_web() -> pd.DataFrame:
    table = pd.read_parquet(*shared(WEB))
    return long(table["series_id"].astype("str"), table["ts_utc"], table["requests"])


def long(names: pd.Series, ds: pd.Series, y: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"unique_id": names, "ds": ds.dt.as_unit("us"), "y": y.astype("float64")})


def mean_of_steps(rows: pd.DataFrame, freq: str) -> pd.DataFrame:
    """A row per series and step that holds an observation; the end is that of the whole steps."""
    rows = rows.assign(ds=rows["ds"].dt.floor(freq))
    return rows.groupby(["unique_id", "ds"], as_index=False)["y"].mean()


def last_weeks(rows: pd.DataFrame, weeks: int = 3) -> pd.DataFrame:
    """What the forecasters remember, and the week that is held back."""
    end = rows.groupby("unique_id")["ds"].transform("max")
    return rows[rows["ds"] > end - pd.Timedelta(7 * weeks, unit="D")].reset_index(drop=True)


def invented(seeds: range, freq: str = "h") -> pd.DataFrame:
    """Ten days of a day's rhythm with noise, of every size."""
    parts = [
        pd.DataFrame(
            {
                "unique_id": f"invented {seed:03d}",
                "ds": START + pd.to_timedelta(np.arange(1440) * 600, unit="s"),
                "y": invented_trace(seed=seed, mean=10.0 ** (seed % 5 + 1))["requests"],
            }
        )
        for seed in seeds
    ]
    rows = pd.concat(parts, ignore_index=True)
    return mean_of_steps(rows.assign(ds=rows["ds"].dt.as_unit("us")), "10min" if freq == "5min" else freq)


def in_turn(panel: pd.DataFrame, series: int) -> pd.DataFrame:
    """The first so many series of each kind in turn; the kind is the name up to the first slash."""
    names = pd.Series(sorted(panel["unique_id"].unique()))
    turn = names.groupby(names.str.split("/").str[0]).cumcount()
    chosen = names.loc[turn.sort_values(kind="stable").index[:series]]
    return panel[panel["unique_id"].isin(chosen)].reset_index(drop=True)


def write(panel: Callable[[], Panel], folder: Path, series: int) -> str:
    """Write a panel's first series into a folder; where they come from is given back."""
    whole, source = panel()
    in_turn(whole, series).to_parquet(folder / "panel.parquet", index=False)
    return source
