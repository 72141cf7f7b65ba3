"""What launches that boot faster would save: the workload's own history, replayed with shorter boots.

Capacity has to cover the load of the next boot time, so a cached image, weights that are there already, or a
pool of booted machines save head-room. The objective stays; the form asks for less, and its factor is fitted
anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from optimizer.calibration import WARM_UP, fitted, replayed
from optimizer.control import boot_minutes, service
from optimizer.forms import USUAL_BOOT, booting_in, quick
from optimizer.minute_plan import Loop

BOOTS = (2, 1)  # minutes that images and weights at hand boot in
WORTH_SAYING = 0.02  # share of the cost
HOURS_PER_MONTH = 730


def faster_boots(loop: Loop, target: float) -> Iterator[tuple[int, float]]:
    """Shorter boots in minutes and the share of the cost of capacity that they would have saved.

    Both are replayed without holding on for the sake of actions.

    Args:
        loop: how the workload is served now.
        target: share of requests that must keep their objective.
    """
    minutes, now = loop.world.minutes, loop.control.fitted
    asked = service(loop.world, loop.control.option, slice(0, minutes), target)
    asked = replace(asked, action_cost_usd=0.0)
    span = slice(min(WARM_UP, minutes // 2), minutes)
    usual = replayed(loop.past, now.unheld, now.factor, asked, span).usd_per_hour
    made_for = min(asked.boot_minutes, USUAL_BOOT)
    for boot in (b for b in BOOTS if b < made_for):
        past, faster = booting_in(loop.past, boot), replace(asked, boot_minutes=boot)
        found = fitted(past, faster, minutes, forms=[quick(now.unheld, boot, made_for)])
        yield boot, 1.0 - found.usd_per_hour / usual


def faster_boot_text(loop: Loop, target: float) -> str:
    """A sentence on what shorter boots save; empty where that is next to nothing, or not known."""
    now = loop.control.fitted
    if np.isnan(now.attainment) or not now.usd_per_hour > 0:
        return ""
    monthly = now.usd_per_hour * HOURS_PER_MONTH
    told = [
        f"{minutes_text(boot)} about {share:.0%} ({share * monthly:,.0f} USD a month)"
        for boot, share in faster_boots(loop, target)
        if share >= WORTH_SAYING
    ]
    if not told:
        return ""
    boots = f"{loop.option_id} boots in {minutes_text(boot_minutes(loop.world, loop.control.option))}"
    return f"{boots}: images and weights at hand that boot in {', in '.join(told)} would save"


def minutes_text(minutes: int) -> str:
    """A count of minutes in words."""
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
