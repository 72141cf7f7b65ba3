"""Real traffic as minutes: what the capacity benchmark replays.

Ten-minute counts become ramps between the middles of their intervals. Intervals that the source calls gaps,
those with less than a twentieth of what is usual around them, and their neighbours, whose counts are cut or
doubled, are filled in between; token means are smoothed over 13 intervals. Minutes then scatter with a
variance of 4 times their mean, as the example workspace declares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.inputs import START, shared

Floats = npt.NDArray[np.float64]
SLOT = 10  # minutes
BURSTINESS = 4.0
WEB_REPLICAS = 30.0  # mean, of the cheapest option per request
WEB_TOKENS = (800.0, 150.0)
L40S = (7500.0, 1500.0)  # tokens/s: prefill, decode
LEAST_SHARE = 0.05  # of what is usual: below it the source was down
SMOOTHED = 13
NEEDED = (
    "workspaces/llm-8b",
    "datasets/traffic_llm_servegen_10min.parquet",
    "datasets/traffic_llm_servegen_client_10min.parquet",
    "datasets/traffic_web_nasa_1min.parquet",
)


@dataclass(frozen=True)
class Trace:
    """A service's minutes: requests and mean tokens, and the minute at which judging begins."""

    name: str
    requests: Floats
    prompt: Floats
    output: Floats
    begin: int

    def usage(self) -> pd.DataFrame:
        """As history/usage.parquet of a workspace with the workload `chat`."""
        ts = pd.date_range(START, periods=len(self.requests), freq="1min", unit="us")
        tokens = {"tokens_in": self.requests * self.prompt, "tokens_out": self.requests * self.output}
        return pd.DataFrame({"ts": ts, "workload": "chat", "requests": self.requests, **tokens})


def llm(series: str, seed: int) -> Trace:
    """A model of ServeGen, all its tenants together: six days of history, four to be judged."""
    (path,) = shared("datasets/traffic_llm_servegen_10min.parquet")
    rows = pd.read_parquet(path).query("series_id == @series").sort_values("offset_s")
    return spread(series.removeprefix("servegen_"), rows, is_gap(rows), seed)


def tenants(series: str, count: int, seed: int) -> list[Trace]:
    """Its largest tenants, each on its own; where it tells no tokens, 800 and 150."""
    whole, single = shared(
        "datasets/traffic_llm_servegen_10min.parquet", "datasets/traffic_llm_servegen_client_10min.parquet"
    )
    gaps = pd.read_parquet(whole).query("series_id == @series").sort_values("offset_s")["is_gap"].to_numpy()
    rows = pd.read_parquet(single).query("series_id == @series")
    largest = rows.groupby("client")["requests"].sum().nlargest(count).index
    found = []
    for client in largest:
        own = rows.loc[rows["client"].eq(client)].sort_values("offset_s")
        name = f"{series.removeprefix('servegen_')}/{client}"
        found.append(spread(name, own, widened(gaps.astype(bool)), seed + int(client)))
    return found


def web(seed: int) -> Trace:
    """A web server's minutes, scaled to a fleet; they scatter enough by themselves."""
    (path,) = shared("datasets/traffic_web_nasa_1min.parquet")
    counts = pd.read_parquet(path)["requests"].to_numpy(dtype=float)
    seconds = WEB_TOKENS[0] / L40S[0] + WEB_TOKENS[1] / L40S[1]
    scaled = counts * WEB_REPLICAS / (counts.mean() / 60.0 * seconds)
    ones = np.ones(len(counts))
    return Trace("web", scaled, WEB_TOKENS[0] * ones, WEB_TOKENS[1] * ones, len(counts) - 4 * 1440 - seed)


def invented(seed: int) -> list[Trace]:
    """Three days of levels with ramps between them, where the sample data is missing; one to be judged."""
    levels = np.random.default_rng(seed).lognormal(5.0, 0.4, 4 * 12)
    rate = 60.0 * np.interp(np.arange(4 * 1440), np.arange(len(levels)) * 120.0, levels)
    ones = np.ones(len(rate))
    return [Trace("invented", rate, WEB_TOKENS[0] * ones, WEB_TOKENS[1] * ones, 3 * 1440)]


def is_gap(rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Intervals in which the source was down, wholly or partly, and their neighbours."""
    counts = rows["requests"].astype(float).where(~rows["is_gap"].astype(bool))
    usual = counts.rolling(289, center=True, min_periods=1).median()
    return widened((counts.isna() | (counts < LEAST_SHARE * usual)).to_numpy())


def widened(marked: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Marked intervals and those beside them."""
    return np.convolve(marked, [1, 1, 1], mode="same") > 0


def spread(name: str, rows: pd.DataFrame, gaps: npt.NDArray[np.bool_], seed: int) -> Trace:
    """Ten-minute rows as minutes."""
    counts = rows["requests"].astype(float).mask(gaps).interpolate(limit_direction="both").to_numpy()
    rate = between(counts / SLOT)
    noisy = np.random.default_rng(seed).gamma(np.maximum(rate / BURSTINESS, 1e-9)) * BURSTINESS
    means = (rows[f"mean_{side}_tokens"].astype(float) for side in ("input", "output"))
    prompt, output = (tokens(mean, usual) for mean, usual in zip(means, WEB_TOKENS, strict=True))
    return Trace(name, noisy, prompt, output, 6 * 1440)


def tokens(mean: pd.Series[float], usual: float) -> Floats:
    """Smoothed token means, minute by minute."""
    known = mean.interpolate(limit_direction="both").fillna(usual)
    return between(known.rolling(SMOOTHED, center=True, min_periods=1).mean().to_numpy())


def between(values: Floats) -> Floats:
    """Slots as minutes, linear between their middles."""
    slots = np.arange(len(values)) + 0.5
    return np.asarray(np.interp((np.arange(len(values) * SLOT) + 0.5) / SLOT, slots, values))
