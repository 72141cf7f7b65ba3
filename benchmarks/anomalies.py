"""The detector of `models.anomaly` beside simple published ones, judged as the Numenta benchmark judges.

Every score is that of series on which the threshold was not chosen: halves take turns, alike in the groups
of series, and many random halves are averaged, for with some fifty windows one split says little.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.inputs import GENERATED, shared
from benchmarks.nab import PROFILES, FloatArray, Scored, probation_rows, two_fold, windows_of
from benchmarks.registry import Benchmark, Contender, Prepared
from models.anomaly import MUCH_MORE, refractory, rows_of_series, stands_out
from models.anomaly import detect as detect_anomalies
from models.anomaly_features import DAY_US, steps
from models.grid import to_us

FILE = "datasets/metrics_nab_cloudwatch_5min.parquet"
SPLITS = 20
MONTH_US = 30 * DAY_US
Scorer = Callable[[np.ndarray, FloatArray], FloatArray]  # times in microseconds, values → scores


def prepare(folder: Path, series: int) -> Prepared:
    """The first so many labelled series of each group in turn."""
    found = shared(FILE)
    panel, source = (labelled(found[0]), "NAB, real series") if found else (invented(series), GENERATED)
    names = pd.Series(panel["unique_id"].unique())
    turn = names.groupby(names.str.split("/").str[0]).cumcount()
    chosen = names.loc[turn.sort_values(kind="stable").index[:series]]
    panel = panel.loc[panel["unique_id"].isin(chosen)].reset_index(drop=True)
    panel.to_parquet(folder / "panel.parquet", index=False)
    return Prepared(source, float(len(panel)), "rows")


def labelled(path: Path) -> pd.DataFrame:
    """`unique_id, ds, y` and whether the row lies in a labelled window."""
    columns = {"series_id": "unique_id", "ts_utc": "ds", "value": "y", "in_anomaly_window": "inside"}
    table = pd.read_parquet(path, columns=list(columns)).rename(columns=columns)
    table = table.assign(unique_id=table["unique_id"].astype("str"), y=table["y"].astype("float64"))
    return table.sort_values(["unique_id", "ds"], kind="stable", ignore_index=True)


def invented(series: int) -> pd.DataFrame:
    """Daily waves of two weeks in steps of 15 minutes, each with an hour at three times its size."""
    rng, parts = np.random.default_rng(0), []
    for number in range(series):
        ds = pd.date_range("2026-01-05", periods=14 * 96, freq="15min", tz="UTC").as_unit("us")
        y = 10 + 5 * np.sin(2 * np.pi * np.arange(ds.size) / 96) + rng.normal(0, 0.5, ds.size)
        at, rows = int(rng.integers(600, 1200)), np.arange(ds.size)
        y = np.where((rows >= at) & (rows < at + 4), 3 * y, y)
        inside = (rows >= at - 30) & (rows < at + 30)
        parts.append(pd.DataFrame({"unique_id": f"made/{number}", "ds": ds, "y": y, "inside": inside}))
    return pd.concat(parts, ignore_index=True)


def load(folder: Path) -> pd.DataFrame:
    """The panel, sorted by series and time."""
    return pd.read_parquet(folder / "panel.parquet")


def trimtab(panel: pd.DataFrame) -> pd.DataFrame:
    """What `trimtab anomalies --series` does."""
    return detect_anomalies(panel[["unique_id", "ds", "y"]])[["score", "is_anomaly"]]


def peer(scorer: Scorer, *, thinned: bool = False) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """A detector that scores series one by one; alarms that repeat are left out by our rule if asked for."""

    def run(panel: pd.DataFrame) -> pd.DataFrame:
        scores = np.zeros(len(panel))
        times_us, y = to_us(pd.DatetimeIndex(panel["ds"])), panel["y"].to_numpy()
        codes = panel["unique_id"].factorize()[0].astype(np.int64)
        for rows in rows_of_series(codes, times_us, np.isfinite(y)):
            made = scorer(times_us[rows], y[rows])
            if thinned:
                quiet = refractory(steps(times_us[rows]), np.zeros(rows.size, dtype=bool))
                made = np.where(stands_out(times_us[rows], np.log1p(made), quiet, MUCH_MORE), made, 0.0)
            scores[rows] = made
        return pd.DataFrame({"score": scores})

    return run


def windowed_gaussian(_: np.ndarray, y: FloatArray, rows: int = 6400, step: int = 100) -> FloatArray:
    """Surprise under a normal distribution of the last rows, fitted anew now and then (NAB's baseline)."""
    past = pd.Series(y).shift(1).rolling(rows, min_periods=10)
    held = (np.arange(y.size) // step) * step
    mean, spread = past.mean().to_numpy()[held], past.std().to_numpy()[held]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(np.abs(y - mean) / spread, posinf=0.0)


def seasonal_mad(times_us: np.ndarray, y: FloatArray) -> FloatArray:
    """Difference to a day before over the median absolute difference so far (3 of them is the usual rule)."""
    place = np.searchsorted(times_us, times_us - DAY_US, side="right") - 1
    miss = np.abs(np.where(place >= 0, y - y[np.maximum(place, 0)], np.nan))
    usual = pd.Series(miss).shift(1).expanding(20).median().to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(miss / usual, posinf=0.0)


def relative_entropy(_: np.ndarray, y: FloatArray, bins: int = 5, rows: int = 52) -> FloatArray:
    """Divergence of the last rows' histogram from that of all before (after Wang et al. 2011)."""
    lowest, highest = np.minimum.accumulate(y), np.maximum.accumulate(y)
    width = np.where(highest > lowest, highest - lowest, 1.0)
    place = np.minimum(((y - lowest) / width * bins).astype(np.int64), bins - 1)
    counts = np.concatenate([np.zeros((1, bins)), np.cumsum(place[:, None] == np.arange(bins), axis=0)])
    ends = np.arange(1, y.size + 1)
    begins = np.maximum(ends - rows, 0)
    recent = (counts[ends] - counts[begins]) / (ends - begins)[:, None]
    usual = (counts[begins] + 0.5) / (begins[:, None] + 0.5 * bins)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(recent > 0, recent * np.log(recent / usual), 0.0)
    return np.maximum(parts.sum(axis=1), 0.0)


def judge(panel: pd.DataFrame, made: pd.DataFrame) -> dict[str, float]:
    """Points of 100 that are lost, by profile; false alerts per series-month where the contender alerts."""
    corpus, groups, false, months = [], [], 0, 0.0
    for name, rows in panel.groupby("unique_id", sort=True):
        windows = windows_of(rows["inside"].to_numpy())
        corpus.append(Scored(made["score"].to_numpy()[rows.index], windows))
        groups.append(str(name).split("/", maxsplit=1)[0])
        if "is_anomaly" in made:
            ordinary = ~rows["inside"].to_numpy() & (np.arange(len(rows)) >= probation_rows(len(rows)))
            false += int(made["is_anomaly"].to_numpy()[rows.index][ordinary].sum())
            span_us = (rows["ds"].iloc[-1] - rows["ds"].iloc[0]) / pd.Timedelta(1, unit="us")
            months += span_us / MONTH_US * ordinary.mean()
    halves = [split(groups, seed) for seed in range(SPLITS)]
    lost = {}
    for profile in PROFILES:
        scores = [two_fold([[corpus[i] for i in half] for half in both], profile) for both in halves]
        lost[f"lost, {profile.name.removeprefix('reward_').replace('_', ' ')}"] = 100.0 - float(
            np.mean(scores)
        )
    return lost | {"false alerts": false / months if months else float("nan")}


def split(groups: list[str], seed: int) -> tuple[list[int], list[int]]:
    """Two halves of the series, alike in their groups: every other series for seed 0, else at random."""
    rng, halves = np.random.default_rng(seed), ([], [])
    turn = 0
    for group in sorted(set(groups)):
        members = [i for i, name in enumerate(groups) if name == group]
        if seed:
            rng.shuffle(members)
        for i in members:
            halves[turn % 2].append(i)
            turn += 1
    return halves


BENCHMARKS = (
    Benchmark(
        name="anomalies",
        about="Scores of labelled series, judged as NAB does; the threshold is chosen on the other half.",
        sizes={"small": 25, "medium": 25, "large": 25},
        prepare=prepare,
        load=load,
        judge=judge,
        subject=Contender("trimtab anomalies", trimtab),
        peers=(
            Contender("windowed Gaussian", peer(windowed_gaussian)),
            Contender("windowed Gaussian, thinned", peer(windowed_gaussian, thinned=True)),
            Contender("seasonal + MAD", peer(seasonal_mad)),
            Contender("seasonal + MAD, thinned", peer(seasonal_mad, thinned=True)),
            Contender("relative entropy", peer(relative_entropy)),
            Contender("relative entropy, thinned", peer(relative_entropy, thinned=True)),
        ),
    ),
)
