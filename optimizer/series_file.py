"""Forecasts of any long table: `trimtab forecast --series FILE`, no workspace needed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from models.frames import FrameError
from models.ladder import forecast
from optimizer.errors import Fault, InputError

COLUMNS = ("unique_id", "ds", "y")
MOST_STEPS = 10_000  # more than a year of hours


def forecast_file(series: Path, *, freq: str, steps: str, levels: str, out: Path | None) -> pd.DataFrame:
    """Forecast every series of a file and write `unique_id, ds, model, q…`.

    Args:
        series: CSV or Parquet with `unique_id, ds, y`; `ds` without zone is UTC.
        freq: length of a step, such as 1h.
        steps: number of steps to forecast.
        levels: quantile levels, separated by commas.
        out: CSV or Parquet by its ending; nothing is written without it.

    Raises:
        InputError: the file or an argument is wrong; all faults of the file at once.
    """
    count, step, wanted = parse_arguments(freq, steps, levels)
    frame = read_table(series)
    try:
        made = forecast(frame, freq=step, horizon_steps=count, levels=wanted, assume_utc=True)
    except FrameError as error:
        raise InputError(faults_of(series, error)) from error
    if out is not None:
        write_table(made, out)
    return made


def faults_of(series: Path, error: FrameError) -> list[Fault]:
    """What the forecasters found in a file, with the file's name and the series where they know it."""
    return [
        Fault(
            str(series) if fault.series is None else f"{series}, series {fault.series}",
            fault.found,
            fault.expected,
            fault.action,
            row=fault.row,
            column=fault.column,
        )
        for fault in error.faults
    ]


def parse_arguments(freq: str, steps: str, levels: str) -> tuple[int, pd.Timedelta, Sequence[float]]:
    """The flags as values, or every fault of them."""
    faults = []
    count = int(steps) if re.fullmatch(r"[0-9]{1,9}", steps) else 0
    if not 1 <= count <= MOST_STEPS:
        expected = f"a number of steps from 1 to {MOST_STEPS:,}"
        faults.append(Fault("--horizon", repr(steps), expected, "correct it"))
    try:
        step = pd.Timedelta(freq)
    except ValueError:
        step = pd.Timedelta(0)
    if not step > pd.Timedelta(0):  # not a time compares false with everything
        faults.append(Fault("--freq", repr(freq), "a length such as 1h or 10min", "correct it"))
    try:
        wanted = [float(level) for level in levels.split(",")]
    except ValueError:
        wanted = []
    if not wanted or not all(0 < level < 1 for level in wanted) or len(set(wanted)) < len(wanted):
        faults.append(Fault("--levels", repr(levels), "different numbers between 0 and 1", "correct them"))
    if faults:
        raise InputError(faults)
    return count, step, wanted


def read_table(path: Path) -> pd.DataFrame:
    """A long table from CSV or Parquet, told apart by the first bytes."""
    try:
        with path.open("rb") as file:
            is_parquet = file.read(4) == b"PAR1"
        frame = pd.read_parquet(path) if is_parquet else pd.read_csv(path, dtype={"unique_id": "str"})
    except (OSError, ValueError, pd.errors.ParserError) as error:
        found = " ".join(str(error).split())[:200] or "nothing to read"
        fault = Fault(str(path), found, "a CSV or Parquet table unique_id, ds, y", "export it again")
        raise InputError([fault]) from error
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        found = f"columns {', '.join(map(str, frame.columns))}"
        raise InputError([Fault(str(path), found, f"also {', '.join(missing)}", "rename or add the columns")])
    return with_times(path, frame)


def with_times(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """`ds` as UTC times; text is read as ISO 8601."""
    if not isinstance(frame["ds"].dtype, pd.DatetimeTZDtype):
        parsed = pd.to_datetime(frame["ds"], utc=True, errors="coerce", format="ISO8601")
        bad = parsed.isna()
        if bad.any():
            row = int(bad.to_numpy().argmax())
            found = repr(frame["ds"].iloc[row])
            fault = Fault(str(path), found, "an ISO 8601 time", "correct the row", row=row + 1, column="ds")
            raise InputError([fault])
        frame = frame.assign(ds=parsed)
    return frame.assign(ds=frame["ds"].dt.tz_convert("UTC").dt.as_unit("us"))


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """CSV or Parquet by the ending of the name."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in {".parquet", ".pq"}:
            frame.to_parquet(path, index=False)
        else:
            frame.to_csv(path, index=False)
    except OSError as error:
        found = f"{type(error).__name__} ({error.strerror})"
        fault = Fault(str(path), found, "a file that can be written", "choose another --out")
        raise InputError([fault]) from error
