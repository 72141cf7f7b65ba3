"""What a catalogue says of standby: replicas that have booted, wait at a lower price and serve sooner."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.sheet import Sheet

Floats = NDArray[np.float64]
STANDBY = ("standby_price_hourly", "standby_boot_seconds")


def check_standby(sheet: Sheet, boot_seconds: pd.Series[float]) -> None:
    """Both columns or none in a row; on demand alone; a call never takes longer than a boot.

    Args:
        sheet: the catalogue.
        boot_seconds: of its rows, defaults filled in.
    """
    if not sheet.usable(*STANDBY):
        return
    price, seconds = (sheet.frame[name] for name in STANDBY)
    offered = (price.notna() & seconds.notna()).to_numpy(dtype=bool)
    for name, other in (STANDBY, STANDBY[::-1]):
        alone = (sheet.frame[name].isna() & sheet.frame[other].notna()).to_numpy(dtype=bool)
        sheet.refuse(name, alone, f"a number, as {other} has one", f"fill it in or remove {other}")
    if sheet.usable("purchase"):
        firm = sheet.frame["purchase"].eq("on_demand").to_numpy(dtype=bool)
        expected = "nothing: only on_demand options have standby"
        sheet.refuse(STANDBY[0], offered & ~firm, expected, f"leave {' and '.join(STANDBY)} empty")
    if sheet.usable("boot_seconds"):
        slow = offered & (seconds > boot_seconds).to_numpy(dtype=bool)
        expected = "at most boot_seconds, for a replica that stands by has booted"
        sheet.refuse(STANDBY[1], slow, expected, "correct one of the two")


def without_empty_columns(catalog: pd.DataFrame) -> pd.DataFrame:
    """A catalogue that offers no standby has no columns for it."""
    offered = catalog.reindex(columns=list(STANDBY)).notna().to_numpy().any()
    return catalog if offered else catalog.drop(columns=list(STANDBY), errors="ignore")


def standby_offers(options: pd.DataFrame) -> tuple[Floats, Floats]:
    """(o) USD per hour and seconds of each option's standby; NaN where it has none."""
    price, seconds = (options.reindex(columns=[name])[name].to_numpy(dtype=float) for name in STANDBY)
    return price, seconds
