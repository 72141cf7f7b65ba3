"""Anomalies of any long table: `trimtab anomalies --series FILE --out FILE`, no workspace needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from models.anomaly import detect, repeated_times
from models.frames import FrameError
from optimizer.errors import InputError
from optimizer.series_file import faults_of, read_table, write_table


@dataclass(frozen=True, eq=False)
class Marked:
    """The table with `score` and `is_anomaly`, and how many rows stand at the time of one before them."""

    frame: pd.DataFrame
    repeated: int
    first_repeated: str | None


def mark_file(series: Path, out: Path | None) -> Marked:
    """Score every row of a file, and write the rows in their order with the two columns.

    Args:
        series: CSV or Parquet with `unique_id, ds, y`; `ds` without zone is UTC; further columns are kept.
        out: CSV or Parquet by its ending; nothing is written without it.

    Raises:
        InputError: the file is wrong; all faults of it at once.
    """
    frame = read_table(series)
    try:
        made = detect(frame, assume_utc=True)
    except FrameError as error:
        raise InputError(faults_of(series, error)) from error
    if out is not None:
        write_table(made, out)
    twice = repeated_times(frame)
    if not twice.size:
        return Marked(made, 0, None)
    row = int(twice[0])
    where = f"{series}, series {frame['unique_id'].iloc[row]}, row {row + 1}"
    found = f"{where}: a second row at {frame['ds'].iloc[row]:%Y-%m-%d %H:%M:%S}"
    more = f" and {twice.size - 1} more such rows" if twice.size > 1 else ""
    note = f"{found}{more}; rows of one time are judged in the order they stand"
    return Marked(made, int(twice.size), note)
