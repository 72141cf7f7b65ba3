"""Forms of the minute loop: which statistics of the past make up the load that capacity must serve.

What has to be covered is the highest load of the next boot time, not of the next day: a launch helps after
its boot, a stop is immediate. Head-room is added, not multiplied, for relative jumps are largest where load
is low. Each form suits one kind of traffic; which one a series gets, and the factor on it, its own replayed
history decides (`optimizer.calibration`). Weights are renewed once an hour, with every plan.

    ramp     load moves in ramps: the slope of the last ten minutes goes on while a launch boots
    smooth   the same on counts that are noisy from minute to minute
    step     load jumps at once: the highest of six hours may come back any minute
    noisy    minute counts scatter widely around a level that moves slowly
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import TypeAlias

import numpy as np
import pandas as pd

from optimizer.problem import Floats
from optimizer.reactive import CONSTANT, LAST, Statistic, held, paths
from optimizer.schedule import DAY, HOUR, Clock

YESTERDAY = DAY  # the floor looks at the same time of the day before
AROUND = 30  # minutes before and after it
SCATTER_AROUND = 31  # minutes whose mean the scatter of a count is measured from
SCATTER_DAYS = 3
MOST_SURPRISE = 5.0  # a load that multiplies more than this says no more about the next hour
LEAST_LEVEL = 1e-9
MOST_SLOPE = 1.5  # of the tangent of a root: at next to no load it would be endless


def mean(minutes: int) -> Statistic:
    """Mean load of so many minutes."""
    return Statistic("mean", 60 * minutes)


def largest(minutes: int) -> Statistic:
    """Largest load of so many minutes."""
    return Statistic("max", 60 * minutes)


def highest_of_hour(q: float) -> Statistic:
    """A quantile of the minutes of an hour."""
    return Statistic("quantile", 3600, q)


LEVEL = mean(15)
STATISTICS = (
    LAST,
    CONSTANT,
    LEVEL,
    *(mean(minutes) for minutes in (3, 10, HOUR, 6 * HOUR)),
    *(largest(minutes) for minutes in (15, HOUR, 6 * HOUR, DAY)),
    *(highest_of_hour(q) for q in (0.95, 0.98)),
)


@dataclass(frozen=True)
class Hours:
    """What is known at the beginning of each hour; every array is (hour).

    Attributes:
        last, level, mean_60, mean_360, max_60: requests/s: the last minute, means of 15 and 60 minutes and of
            six hours, and the largest of an hour.
        surprise_30, surprise_60: by how much load rose within a boot time, relative: fourth-power means that
            lose half their weight in so many minutes.
        scatter: standard deviation of a minute's load around its level, over the root of the level.
    """

    last: Floats
    level: Floats
    mean_60: Floats
    mean_360: Floats
    max_60: Floats
    surprise_30: Floats
    surprise_60: Floats
    scatter: Floats

    def last_one(self) -> Hours:
        """(1) what is known at the beginning of the last hour."""
        return Hours(**{field.name: getattr(self, field.name)[-1:] for field in fields(self)})


Weighted: TypeAlias = Mapping[Statistic, Floats]


@dataclass(frozen=True)
class Form:
    """A rule whose weights are renewed every hour.

    Attributes:
        name: for people.
        weights: (hour) of each statistic.
        floor_share: of the highest load around the same time yesterday that capacity never falls below.
        floor: (hour) requests/s below which capacity does not fall within the hour, where there is one.
        window_s: how long the largest need is held.
        level: the statistic that says what the load is now; what a form wants beyond it is head-room.
    """

    name: str
    weights: Callable[[Hours], Weighted]
    floor_share: float
    floor: Callable[[Hours], Floats] | None = None
    window_s: int = 0
    level: Statistic = LAST


def ramp(h: Hours) -> Weighted:
    """The last load and its slope, what it reached lately, and room for surprises of the last hours."""
    return {
        LAST: 1.606 + 0.131 * h.surprise_60,
        mean(10): np.full_like(h.last, -0.764),
        largest(15): np.full_like(h.last, 0.102),
        **spread_out(h),
    }


def smooth(h: Hours) -> Weighted:
    """The same with means of a few minutes for the last load, and some room for scatter."""
    root = np.sqrt(np.maximum(h.mean_60, LEAST_LEVEL))
    return {
        mean(3): 1.606 + 0.131 * h.surprise_60,
        LEVEL: -0.764 + np.minimum(0.25 * h.scatter / root, MOST_SLOPE),
        largest(15): np.full_like(h.last, 0.102),
        **spread_out(h, 0.25 * h.scatter * root),
    }


def spread_out(h: Hours, more: Floats | float = 0.0) -> Weighted:
    """What ramps have in common: maxima of the hour and the day, and surprises in requests/s."""
    surprises = 0.464 * h.surprise_30 * h.last + 0.186 * h.surprise_60 * h.mean_360
    return {
        largest(60): np.full_like(h.last, 0.151),
        largest(DAY): np.full_like(h.last, 0.047),
        CONSTANT: surprises + more,
    }


def step(h: Hours) -> Weighted:
    """The last load and the highest of six hours."""
    return {
        LAST: np.full_like(h.last, 0.87),
        largest(360): np.full_like(h.last, 0.37),
        CONSTANT: 0.13 * h.surprise_30 * h.last,
    }


def noisy(h: Hours) -> Weighted:
    """The level, room for its scatter (a tangent of the root of the level) and what the hour reached."""
    root = np.sqrt(np.maximum(h.mean_60, LEAST_LEVEL))
    return {
        LEVEL: 0.325 + np.minimum(1.325 * h.scatter / root, MOST_SLOPE),
        mean(10): np.full_like(h.last, 0.128),
        largest(60): np.full_like(h.last, 0.122),
        highest_of_hour(0.95): np.full_like(h.last, 0.311),
        highest_of_hour(0.98): np.full_like(h.last, 0.181),
        CONSTANT: 1.325 * h.scatter * root + 0.095 * h.surprise_60 * h.level,
    }


FORMS = (
    Form("ramp", ramp, 0.59),
    Form("smooth", smooth, 0.59, level=mean(3)),
    Form("step", step, 0.41),
    Form("noisy", noisy, 0.55, level=LEVEL),
)
USUAL_BOOT = 5  # minutes that the weights of forms are made for


def forms_for(boot_minutes: int, forms: Sequence[Form] = FORMS) -> tuple[Form, ...]:
    """Forms to choose from: those with less head-room as well, where launches boot faster than usual."""
    return tuple(forms) if boot_minutes >= USUAL_BOOT else (*forms, *(quick(f, boot_minutes) for f in forms))


def quick(form: Form, boot_minutes: int, made_for: int = USUAL_BOOT) -> Form:
    """A form with less head-room: what has to be covered is the load until a launch serves, a minute more."""
    share = (boot_minutes + 1) / (made_for + 1)
    return replace(form, name=f"{form.name}, quick boot", weights=partial(lessened, form, share))


def lessened(form: Form, share: float, hours: Hours) -> Weighted:
    """A form's weights times a share, and what the share leaves on its level."""
    less = {statistic: share * weight for statistic, weight in form.weights(hours).items()}
    level = less.get(form.level, np.zeros_like(hours.last))
    return {form.level: level + 1.0 - share} | {s: w for s, w in less.items() if s != form.level}


def plain(target: float) -> Callable[[Hours], Weighted]:
    """What a horizontal autoscaler can do: the last load over a target utilisation."""
    return partial(over_target, target)


def over_target(target: float, hours: Hours) -> Weighted:
    """Of one target; a function of the module, for loops are fitted in other processes too."""
    return {LAST: np.full_like(hours.last, 1.0 / target)}


def usual(h: Hours) -> Floats:
    """A floor for loops that only look at the last minute: what six hours needed and the last one reached."""
    return np.maximum(1.15 * h.mean_360 + 1.25 * h.surprise_60 * h.mean_60, 0.73 * h.max_60)


def low(h: Hours) -> Floats:
    """A floor that is lower, for loops with a low target."""
    return np.maximum(0.76 * h.mean_360 + 0.57 * h.surprise_60 * h.mean_60, 0.48 * h.max_60)


TARGETS = (
    Form("target 67 %, held", plain(0.67), 0.56, None, 900),
    Form("target 72 % over a floor", plain(0.72), 0.42, usual),
    Form("target 65 % over a low floor, held", plain(0.65), 0.49, low, 1800),
)


@dataclass(frozen=True)
class Past:
    """A load and what the forms read off it, each value from the minutes before it.

    Attributes:
        load: (t) requests/s; NaN where nobody counted.
        statistics: (t) each.
        same_time: (t) highest load around the same time of the last day that was counted; 0 before it.
        hours: (hour) what is known at the beginning of each.
        clock: spikes by schedule; yesterday, surprises and scatter are read off the minutes beside them.
        by_clock: (t) requests/s that they want served, from a boot time before.
    """

    load: Floats
    statistics: Mapping[Statistic, Floats]
    same_time: Floats
    hours: Hours
    clock: Clock
    by_clock: Floats

    def wanted(self, form: Form) -> Floats:
        """(t) requests/s that a form's loop wants served."""
        total = np.zeros(len(self.load))
        for statistic, weight in form.weights(self.hours).items():
            total += self.each_minute(weight) * self.statistics[statistic]
        return held(np.maximum(total, 0.0), form.window_s)

    def floor(self, form: Form) -> Floats:
        """(t) requests/s below which a form never falls."""
        least = np.maximum(form.floor_share * self.same_time, self.by_clock)
        return least if form.floor is None else np.maximum(self.each_minute(form.floor(self.hours)), least)

    def needed(self, form: Form) -> Floats:
        """(t) requests/s that a form wants served, its floor included."""
        return np.maximum(self.wanted(form), self.floor(form))

    def each_minute(self, hourly: Floats) -> Floats:
        """(t) what holds from one hour to the next."""
        return np.repeat(hourly, HOUR)[: len(self.load)]


def booting_in(past: Past, minutes: int) -> Past:
    """The same past, for launches that boot in another time: only surprises look so far ahead."""
    surprises = rises(without_spikes(past.load, past.clock), minutes + 1)
    changed = {f"surprise_{half}": fourth_power_mean(surprises, half)[::HOUR] for half in (30, 60)}
    return replace(past, hours=replace(past.hours, **changed))


def past_of(load: Floats, boot_minutes: int) -> Past:
    """Reads everything off a load; hours begin with the first minute.

    Args:
        load: (t) requests/s; NaN where nobody counted.
        boot_minutes: from launch until it serves.
    """
    known, clock = paths(load, STATISTICS), Clock.of(load)
    calm = without_spikes(load, clock)
    surprises = rises(calm, boot_minutes + 1)
    hours = slice(None, None, HOUR)
    return Past(
        load=load,
        statistics=known,
        same_time=around_yesterday(calm),
        clock=clock,
        by_clock=clock.wanted(load, boot_minutes),
        hours=Hours(
            last=known[LAST][hours],
            level=known[LEVEL][hours],
            mean_60=known[mean(60)][hours],
            mean_360=known[mean(360)][hours],
            max_60=known[largest(60)][hours],
            surprise_30=fourth_power_mean(surprises, 30)[hours],
            surprise_60=fourth_power_mean(surprises, 60)[hours],
            scatter=scatter(calm)[hours],
        ),
    )


def without_spikes(load: Floats, clock: Clock) -> Floats:
    """(t) the load without the minutes of scheduled spikes."""
    return np.where(clock.is_spike, np.nan, load)


def rises(load: Floats, ahead: int) -> Floats:
    """(t) by how much load has risen above what it was so many minutes ago, relative; known at t."""
    before = pd.Series(load).shift(1).ffill()
    reached = before.rolling(ahead, min_periods=1).max()
    base = before.shift(ahead)
    rise = (reached / base.clip(lower=LEAST_LEVEL) - 1.0).clip(0.0, MOST_SURPRISE)
    return np.asarray(rise.fillna(0.0), dtype=np.float64)


def fourth_power_mean(values: Floats, half_life: int) -> Floats:
    """(t) mean of fourth powers, which lose half their weight in so many minutes: large ones count."""
    powers = pd.Series(values**4).ewm(halflife=half_life).mean()
    return np.asarray(powers**0.25, dtype=np.float64)


def scatter(load: Floats) -> Floats:
    """(t) standard deviation of a minute around its level, over the root of the level; known at t."""
    series = pd.Series(load)
    level = series.rolling(SCATTER_AROUND, center=True, min_periods=1).mean()
    off = (series - level) / np.sqrt(level.clip(lower=LEAST_LEVEL))
    spread = off.rolling(SCATTER_DAYS * DAY, min_periods=SCATTER_AROUND).std().shift(SCATTER_AROUND // 2 + 1)
    return np.asarray(spread.fillna(0.0), dtype=np.float64)


def around_yesterday(load: Floats) -> Floats:
    """(t) highest load within half an hour of the same time the day before.

    Where nobody counted then, it is that of the last day on which somebody did; 0 before there is one.
    """
    late = pd.Series(load).shift(YESTERDAY - AROUND)
    reached = late.rolling(2 * AROUND + 1, min_periods=1).max().to_numpy(dtype=float)
    days = np.pad(reached, (0, -len(reached) % DAY), constant_values=np.nan).reshape(-1, DAY)
    known = pd.DataFrame(days).ffill().fillna(0.0).to_numpy(dtype=np.float64)
    return np.asarray(known.ravel()[: len(load)])
