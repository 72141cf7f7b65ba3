"""Rivals that choose the cheapest mix of accelerators every hour by an integer program.

The mix of an hour is chosen so long before it that its launches have booted when it begins, from what is
known then; until the hour begins, the mix before it stays.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from optimizer.problem import Floats, Ints
from optimizer.replay.case import Case, Known
from optimizer.replay.hours import HOUR, hourly, same_hour_before
from optimizer.replay.mix import cheapest_mix
from optimizer.replay.reactive_rivals import reactive
from optimizer.replay.rivals import Knobs, Rival
from optimizer.replay.wishes import (
    Need,
    at_once,
    busy,
    firm_options,
    known_capacity,
    last_busy,
    wished,
    within_quotas,
)
from optimizer.simulate import Orders, Policy

PROFILE_DAYS = 7


@dataclass(frozen=True)
class HourlyMix(Rival):
    """The cheapest mix for what an hour is thought to bring at most.

    Attributes:
        headroom: on that.
    """

    headroom: float = 1.2

    def __call__(self, case: Case) -> Policy:
        """Counts that depend on the load alone."""
        return Known(self.orders(case, self.mixes(case)))

    def orders(self, case: Case, mixes: Ints) -> Orders:
        """The mixes as they are."""
        return at_once(case.world, mixes)

    @abstractmethod
    def forecast(self, case: Case, option: int, lead: int) -> Floats:
        """(hour of the replay) most replicas of an option that will be busy.

        Args:
            case: what is replayed.
            option: which.
            lead: minutes before an hour in which nothing is known yet.
        """

    def mixes(self, case: Case) -> Ints:
        """(o, t) the mix of each minute's hour, and that of the next hour while it boots."""
        world, workloads = case.world, range(len(case.whole.workloads))
        options = [firm_options(case, w, self.option_id) for w in workloads]
        usable = np.sort(np.concatenate(options))
        lead = int(np.ceil(world.boot_s[usable].max(initial=0.0) / HOUR))
        replicas = [self.forecast(case, int(options[w][0]), lead) for w in workloads]
        capacity, firsts = known_capacity(case), [own[0] for own in options]
        path = np.zeros((len(world.option_id), world.minutes), dtype=np.int64)
        for hour in range(len(replicas[0])):
            begin, at = hour * HOUR, max(0, hour * HOUR - lead)
            need = np.array([replicas[w][hour] for w in workloads]) * self.headroom * capacity[firsts, at]
            counts = cheapest_mix(world, usable, capacity[:, at], need)
            path[:, begin : begin + HOUR] = counts[:, None]
            path[:, at:begin] = np.maximum(path[:, at:begin], counts[:, None])
        return within_quotas(world, path)


@dataclass(frozen=True)
class Melange(HourlyMix):
    """Mélange (Griggs et al. 2024) every hour, for the most of the hour before and of that hour yesterday."""

    KNOBS: ClassVar[Knobs] = {"headroom": (0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0)}

    def forecast(self, case: Case, option: int, lead: int) -> Floats:
        """The larger of both."""
        recent, past = last_hour(case, option, lead), case.begin // HOUR
        yesterday = same_hour_before(hourly(busy(case, option), case.begin, "max"), 1)
        return np.fmax(recent, yesterday[past : past + len(recent)])


@dataclass(frozen=True)
class SageServe(HourlyMix):
    """SageServe (Jaiswal et al. 2025): an autoregressive forecast, the program, and more when it runs hot.

    Attributes:
        target: utilisation beyond which replicas of the first option are added within the hour.
        window_s: scale-down window of those.
    """

    KNOBS: ClassVar[Knobs] = {
        "headroom": (0.6, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0),
        "target": (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9),
        "window_s": (0, 300, 900, 1800),
    }

    target: float = 0.7
    window_s: int = 300

    def forecast(self, case: Case, option: int, lead: int) -> Floats:
        """Same hour of the last week's days, and how far the last hour was off, as far as that lasts."""
        past, most = case.begin // HOUR, hourly(busy(case, option), case.begin, "max")
        usual = same_hour_before(most, PROFILE_DAYS)
        stays, recent = persistence((most - usual)[:past]), last_hour(case, option, lead)
        hours = past + np.arange(len(recent))
        before = np.where(hours > 0, usual[hours - 1], np.nan)
        told = usual[hours] + stays * (recent - before)
        return np.asarray(np.where(np.isnan(told), recent, np.maximum(told, 0.0)))

    def orders(self, case: Case, mixes: Ints) -> Orders:
        """The mixes, and what the last minute asks for beyond them."""
        needs = []
        for w in range(len(case.whole.workloads)):
            options = firm_options(case, w, self.option_id)
            needs.append(Need(options, reactive(case, options[0], self.target, self.window_s)))
        return wished(case, needs, mixes)


def last_hour(case: Case, option: int, lead: int) -> Floats:
    """(hour of the replay) most busy replicas within an hour until the mix is chosen, as last counted."""
    known, begins = last_busy(case, option), range(case.begin, case.whole.minutes, HOUR)
    chosen = [max(case.begin, begin - lead) for begin in begins]
    return np.array([known[max(0, at - HOUR + 1) : at + 1].max() for at in chosen])


def persistence(off: Floats) -> float:
    """Share of a deviation that is still there an hour later, by least squares; 1 where nothing is known."""
    before, after = off[:-1], off[1:]
    both = ~np.isnan(before) & ~np.isnan(after)
    square = float((before[both] ** 2).sum())
    return float(np.clip((before[both] * after[both]).sum() / square, 0.0, 1.0)) if square > 0 else 1.0
