"""What the loops of capacity plans promised, kept in one small file of the workspace.

A plan adds a row for each of its loops; later plans judge them by the minutes that have come since
(`optimizer.promises`). A plan reads rows of earlier moments alone, so that made again it is the same. The
file may be removed at any time: then what would have been promised is judged in its place.
"""

from __future__ import annotations

from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pyarrow as pa

from optimizer.layout import taking_place, writing_in

FILE = "promises.parquet"
KEPT = pd.Timedelta(days=14)  # before the newest plan: what ended earlier is not judged any more
TIME = "datetime64[us, UTC]"
TYPES = {
    "as_of": TIME, "ends": TIME, "workload": "str", "option_id": "str", "form": "str", "window_s": "int64",
    "factor": "float64", "more": "float64", "target": "float64", "version": "str",
}  # fmt: skip


def no_promises() -> pd.DataFrame:
    """A record without rows."""
    return pd.DataFrame(columns=list(TYPES)).astype(TYPES)


def read_promises(folder: Path, as_of: datetime) -> tuple[pd.DataFrame, list[str]]:
    """What was promised before a moment and may have held until the last days, and notes on what is left out.

    Returns:
        `as_of, ends, workload, option_id, form, window_s, factor, more, target, version`; by as_of.
    """
    rows, notes = usable(folder / FILE)
    now = pd.Timestamp(as_of)
    return rows.loc[(rows["as_of"] < now) & (rows["ends"] > now - KEPT)].reset_index(drop=True), notes


def keep_promises(folder: Path, made: pd.DataFrame) -> None:
    """Add what a plan promises; what was kept of the same moment goes, as does what is too old.

    The file is written beside itself and then takes its own place: who reads it finds the old one or the new.

    Raises:
        InputError: it cannot be written.
    """
    before, _ = usable(folder / FILE)
    rows = pd.concat([before.loc[~before["as_of"].isin(made["as_of"])], made.astype(TYPES)])
    if rows.empty:
        return
    rows = rows.loc[rows["ends"] > rows["as_of"].max() - KEPT]
    with writing_in(folder), taking_place(folder / FILE) as draft:
        rows.sort_values(["as_of", "workload"], ignore_index=True).to_parquet(draft, index=False)


def usable(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """The rows of a record that this version made and understands; notes on the others."""
    if not path.exists():
        return no_promises(), []
    try:
        rows = pd.read_parquet(path)[list(TYPES)].astype(TYPES)
    except (OSError, ValueError, TypeError, KeyError, pa.ArrowException) as error:
        why = f"it cannot be read ({type(error).__name__})"
        return no_promises(), [f"{path.name}: {why} and is left aside; the next plan begins it anew"]
    is_sound = (
        rows.notna().all(axis=1)
        & rows["factor"].between(0.0, float("inf"), inclusive="neither")
        & rows["more"].between(0.0, 1.0)
        & rows["target"].between(0.0, 1.0)
        & rows["window_s"].ge(0)
        & rows["ends"].gt(rows["as_of"])
        & ~rows.duplicated(["as_of", "workload"], keep=False)
    )
    is_ours = rows["version"].eq(version("trimtab"))
    left = [
        f"{path.name}: {count} of {len(rows)} promises {why}; they are left out"
        for count, why in (
            (int((~is_sound).sum()), "make no sense"),
            (int((is_sound & ~is_ours).sum()), "are of another version of Trimtab"),
        )
        if count
    ]
    return rows.loc[is_sound & is_ours].sort_values(["as_of", "workload"], ignore_index=True), left
