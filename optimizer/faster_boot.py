"""What launches that boot faster would save: the workload's own history, replayed with shorter boots.

Capacity has to cover the load of the next boot time, so a cached image, weights that are there already, or a
pool of booted machines save head-room. The objective stays; the form asks for less, and its factor is fitted
anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer.calibration import fitted, judgeable, replayed
from optimizer.control import Control, service
from optimizer.forms import USUAL_BOOT, Past, booting_in, quick
from optimizer.replay.world import World

if TYPE_CHECKING:
    from optimizer.minute_plan import Loop

BOOTS = (2, 1)  # minutes that images and weights at hand boot in
WORTH_SAYING = 0.02  # share of the cost
HOURS_PER_MONTH = 730


def faster_boots(world: World, control: Control, past: Past, target: float) -> Iterator[tuple[int, float]]:
    """Shorter boots in minutes and the share of the cost of capacity that they would have saved.

    Both are replayed without holding on for the sake of actions. Nothing where the history does not say what
    the boots that there are cost.

    Args:
        world: history of one workload.
        control: how it is served now.
        past: what is read off its load, for the boot time that there is.
        target: share of requests that must keep their objective.
    """
    minutes, now = world.minutes, control.fitted
    if not now.is_settled or not now.usd_per_hour > 0:
        return
    asked = service(world, control.option, slice(0, minutes), target)
    asked = replace(asked, action_cost_usd=0.0)
    span = judgeable(minutes)
    usual = replayed(past, now.unheld, control.own_factor, asked, span).usd_per_hour
    made_for = min(asked.boot_minutes, USUAL_BOOT)
    for boot in (b for b in BOOTS if b < made_for):
        sooner, faster = (
            booting_in(past, boot),
            replace(asked, boot_minutes=boot, lost_share=asked.replaced_in(boot)),
        )
        found = fitted(sooner, faster, minutes, forms=[quick(now.unheld, boot, made_for)])
        yield boot, 1.0 - found.usd_per_hour / usual


def faster_boot_text(loop: Loop) -> str:
    """A sentence on what shorter boots save; empty where that is next to nothing, or not known."""
    monthly = loop.fitted.usd_per_hour * HOURS_PER_MONTH
    told = [
        f"a boot of {minutes_text(boot)} would save about {share:.0%} ({share * monthly:,.0f} USD a month)"
        for boot, share in loop.faster_boots
        if share >= WORTH_SAYING
    ]
    if not told:
        return ""
    boots = f"{loop.option_id} boots in {minutes_text(loop.boot_minutes)}"
    return f"{boots}; with images and weights at hand {', '.join(told)}"


def minutes_text(minutes: int) -> str:
    """A count of minutes in words."""
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
