"""Backtest of forecasts of any long table: `trimtab backtest forecast --series FILE`, no workspace needed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from models.backtest import KNOWN_SEASONS, Case, at_moments, moments_between, rolling, run, usual_distance
from models.forecaster import season_steps
from models.frames import FrameError, Panel, check_series
from optimizer.backtest_forecasts import MODELS, MOST_ORIGINS, Judged, Progress, judged, ratios_for
from optimizer.errors import Fault, InputError
from optimizer.series_file import faults_of, parse_arguments, read_table

QUANTILE = 0.99


def of_file(
    series: Path,
    *,
    freq: str,
    steps: str,
    levels: str,
    origins: int,
    since: datetime | None,
    until: datetime | None,
    progress: Progress,
) -> Judged:
    """Backtest every series of a file; origins count back from each series' own end, or lie in a window.

    Args:
        series: CSV or Parquet with `unique_id, ds, y`; `ds` without zone is UTC.
        freq: length of a step, such as 1h.
        steps: number of steps of each forecast.
        levels: quantile levels that are averaged over, separated by commas.
        origins: most origins.
        since: no forecast begins before.
        until: nothing later is looked at.
        progress: told how far it is (0..1).

    Raises:
        InputError: the file or an argument is wrong, or the series are too short.
    """
    count, step, wanted = parse_arguments(freq, steps, levels)
    frame = read_table(series)
    try:
        panel = check_series(frame, step, assume_utc=True, non_negative=True)
        cases, number = chosen(series, panel, count, origins, since=since, until=until)
        example = panel.ids[int(np.nansum(panel.y, axis=1).argmax())]
        test = run(
            cases,
            panel.ids,
            levels=wanted,
            ratios=ratios_for(QUANTILE),
            keep=[example],
            progress=lambda done: progress(done / (number * MODELS)),
        )
    except FrameError as error:
        raise InputError(faults_of(series, error)) from error
    return judged(
        test,
        quantile=QUANTILE,
        subject=f"{len(panel):,} series of {series.name}",
        unit="y",
        horizon=count * step,
        example=str(example),
        history=history_of(panel, example, until),
        run=hashlib.sha256(pd.util.hash_pandas_object(frame).to_numpy().tobytes()).hexdigest()[:16],
    )


def number_of_origins(count: int) -> int:
    """A sensible number of origins."""
    if not 1 <= count <= MOST_ORIGINS:
        raise InputError(
            [Fault("--origins", str(count), f"a number from 1 to {MOST_ORIGINS:,}", "correct it")]
        )
    return count


def parse_levels(levels: str) -> Sequence[float]:
    """Quantile levels from text."""
    return parse_arguments("1h", "1", levels)[2]


def chosen(
    series: Path, panel: Panel, steps: int, origins: int, *, since: datetime | None, until: datetime | None
) -> tuple[Iterator[Case], int]:
    """Cases and how many."""
    if since is None and until is None:
        return rolling(panel, steps, origins)
    end = panel.end.max() + panel.freq
    last = (end if until is None else min(end, pd.Timestamp(until))) - steps * panel.freq
    first = panel.start.min() + KNOWN_SEASONS * season_steps(panel.freq) * panel.freq
    begin = first if since is None else max(first, pd.Timestamp(since))
    apart = usual_distance(panel.freq) if since is None else None
    moments = moments_between(begin, last, panel.freq, origins, apart)
    if not moments:
        found = f"rows from {panel.start.min():%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"
        expected = f"{KNOWN_SEASONS} seasons before --from and {steps} steps before --to"
        raise InputError([Fault(str(series), found, expected, "widen the window or shorten the horizon")])
    return at_moments(panel, moments, steps), len(moments)


def history_of(panel: Panel, name: object, until: datetime | None) -> pd.DataFrame:
    """`ds, y` of one series."""
    row = int(np.flatnonzero(panel.ids == name)[0])
    ds = panel.end[row] - panel.freq * np.arange(panel.steps - 1, -1, -1)
    frame = pd.DataFrame({"ds": ds, "y": panel.y[row]})
    frame = frame.loc[frame["ds"] >= panel.start[row]]
    return frame if until is None else frame.loc[frame["ds"] < pd.Timestamp(until)]
