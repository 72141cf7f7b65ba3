"""Drivers: price, usage, new and ended apart, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from optimizer.cost_drivers import EFFECTS
from tests.optimizer.daily_bills import Load, day_rows, look, month_rows, named


def test_drivers_tell_price_usage_new_and_ended_apart(load: Load, tmp_path: Path) -> None:
    november = pd.Timestamp("2026-11-01", tz="UTC")

    def box(hours: float, price: float) -> dict[str, Any]:
        return {"cost": lambda _: hours * price, "quantity": lambda _: hours}

    def switch(before: tuple[float, float], after: tuple[float, float]) -> dict[str, Any]:
        pick = lambda day: after if day >= november else before  # noqa: E731
        return {"cost": lambda d: pick(d)[0] * pick(d)[1], "quantity": lambda d: pick(d)[0]}

    rows = [
        *day_rows(**switch((24, 1.0), (24, 1.25)), ServiceName="Dearer"),
        *day_rows(**switch((24, 1.0), (36, 1.0)), ServiceName="Busier"),
        *day_rows(**switch((10, 1.0), (20, 2.0)), ServiceName="Both"),
        *day_rows(**box(24, 2.0), first="2026-11-01", ServiceName="New"),
        *day_rows(**box(24, 3.0), last="2026-10-31", ServiceName="Ended"),
        *month_rows({"2026-09": 310.0, "2026-10": 310.0, "2026-11": 400.0}, ServiceName="Fee"),
    ]
    status = named(look(load(tmp_path, rows), months=1), "owner/search/USD")
    found = {d.service: [round(getattr(d, name), 6) for name in EFFECTS] for d in status.drivers}
    assert found == {  # per day × 30
        "Dearer": [30 * 24 * 0.25, 0, 0, 0, 0],
        "Busier": [0, 30 * 12, 0, 0, 0],
        "Both": [30 * 15, 30 * 15, 0, 0, 0],
        "New": [0, 0, 30 * 48, 0, 0],
        "Ended": [0, 0, 0, -30 * 72, 0],
        "Fee": [0, 0, 0, 0, 90],
    }
    assert [abs(d.change) for d in status.drivers] == sorted(
        (abs(d.change) for d in status.drivers), reverse=True
    )
