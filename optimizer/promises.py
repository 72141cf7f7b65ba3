"""What loops promised and what came of it: loops of the past, judged by the minutes that came after them.

A factor keeps the objective on the minutes it was fitted to; whether it keeps it on others is seen once they
have passed. The loops of the last days are replayed on the minutes for which they were in force: as plans
ordered them where that was kept (`optimizer.promise_record`), else as they would have been fitted, every
other day, by what was known then. Where significantly more came late than the objective allows, the factor is
raised to what would have kept it. It is never lowered: on 26 real services neither that nor a margin that
moves with every day (Gibbs and Candès 2021) was cheaper at the same share in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from optimizer.calibration import (
    WHOLE_DAYS,
    Fitted,
    Service,
    counted_days,
    judgeable,
    rough_replay,
    safe_factor,
    smallest_factor,
)
from optimizer.forms import Form, Past
from optimizer.minute_load import MINUTE
from optimizer.problem import Bools, Floats
from optimizer.promise_record import KEPT
from optimizer.rows import rows_of
from optimizer.schedule import DAY

JUDGED = KEPT // MINUTE  # minutes that are looked back on
REHEARSED = 2 * DAY  # minutes that a fit of the past is judged on: half the work of fitting anew each day
SECONDS = 60.0  # of a minute
SURE = 1.28  # standard errors: nine times of ten so much lateness is no chance
MOST_MORE = 0.25  # that a factor is raised by


@dataclass(frozen=True)
class Promise:
    """A loop that was in force for a while.

    Attributes:
        begin, end: minutes of the history; a later promise takes its place from its own begin on.
        form: with the window that it held.
        factor: as it was ordered.
        more: share that earlier promises had raised the factor by.
    """

    begin: int
    end: int
    form: Form
    factor: float
    more: float


@dataclass(frozen=True)
class Judged:
    """What came of the loops of the last days.

    Attributes:
        days: of minutes that were counted and that a loop was in force for.
        kept_days: of these, as plans ordered that were kept; the others as they would have been ordered.
        attainment: share of their requests in time.
        more: share that the factor is raised by.
    """

    days: float
    kept_days: float
    attainment: float
    more: float


def promises_of(rows: pd.DataFrame, forms: Sequence[Form], start: pd.Timestamp) -> list[Promise]:
    """Kept rows of one workload and option as promises; of forms that there are not any more, none.

    Args:
        rows: as `optimizer.promise_record` keeps them, by as_of.
        forms: that a loop of the option may have.
        start: of the first minute of the history.
    """
    known = {form.name: form for form in forms}
    columns = ("as_of", "ends", "form", "window_s", "factor", "more")
    return [
        Promise(
            (as_of - start) // MINUTE, (ends - start) // MINUTE, replace(known[form], window_s=window_s), *of
        )
        for as_of, ends, form, window_s, *of in rows_of(rows, *columns)
        if form in known
    ]


def judged(
    past: Past, service: Service, end: int, now: Fitted, promises: Sequence[Promise] = ()
) -> Judged | None:
    """How the loops of the last days did and what that asks for; None where next to none were in force.

    Args:
        past: of which the minutes before `end` are known.
        service: of the option that served them.
        end: minute.
        now: the loop from now on: what it would have ordered is judged where nothing was kept.
        promises: that were kept, in order of their begin.
    """
    span = slice(max(0, end - JUDGED), end)
    own, ordered = kept(past, promises, span)
    is_kept = ~np.isnan(own)
    walked = rehearsed(past, service, now, span, ~is_kept)
    own, ordered = (np.where(is_kept, path, walked) for path in (own, ordered))
    load = np.where(np.isnan(own), np.nan, past.load[span])
    days = counted_days(load)
    if days < WHOLE_DAYS or not np.nansum(load) > 0:
        return None
    own, ordered = (carried(path) for path in (own, ordered))
    return Judged(
        days=days,
        kept_days=counted_days(np.where(is_kept, load, np.nan)),
        attainment=1.0 - rough_replay(load, ordered, service, span).late_share,
        more=asked_for(load, own, service, span),
    )


def carried(path: Floats) -> Floats:
    """The path with its gaps filled by what comes next: capacity of minutes that are not judged."""
    return np.asarray(pd.Series(path).bfill().ffill(), dtype=np.float64)


def kept(past: Past, promises: Sequence[Promise], span: slice) -> tuple[Floats, Floats]:
    """(span) requests/s that promises wanted served, before they were raised and as ordered; NaN without one.

    What is raised again is the factor before it was raised: so nothing is learned twice.
    """
    own, ordered = np.full((2, span.stop - span.start), np.nan)
    needed = {form: past.needed(form)[span] for form in {p.form for p in promises}}
    for p in promises:
        here = slice(max(0, p.begin - span.start), max(0, p.end - span.start))
        ordered[here] = p.factor * needed[p.form][here]
        own[here] = ordered[here] / (1.0 + p.more)
    return own, ordered


def rehearsed(past: Past, service: Service, now: Fitted, span: slice, missing: Bools) -> Floats:
    """(span) what a loop would have wanted served, fitted every other day by what was known; NaN before.

    Args:
        past: what was known.
        service: of the option.
        now: its form.
        span: minutes of the past.
        missing: (span) minutes that are asked for; nothing is fitted for others.
    """
    needed, unheld = past.needed(now.form)[span], past.needed(now.unheld)
    wanted = np.full(len(missing), np.nan)
    for begin in range(len(missing) % REHEARSED, len(missing), REHEARSED):
        here, seen = slice(begin, begin + REHEARSED), judgeable(span.start + begin)
        load = past.load[seen]
        days = counted_days(load)
        if missing[here].any() and days >= WHOLE_DAYS and np.nansum(load) > 0:
            factor, _ = safe_factor(load, unheld[seen], service, seen, days)
            wanted[here] = factor * needed[here]
    return wanted


def asked_for(load: Floats, wanted: Floats, service: Service, span: slice) -> float:
    """Share by which what was wanted served fell short; 0 where what came late may be chance.

    Lateness comes in episodes, and the next fit knows those of the day before; so it is judged by the day:
    its sum has an error of about the root of the sum of squares, and one bad day alone, however bad, is less
    than that. What the largest raise would not have helped against does not count.
    """
    missable, most = 1.0 - service.target, 1.0 + MOST_MORE
    late = rough_replay(load, wanted, service, span).late
    days = np.add.reduceat(late, np.arange(0, len(load), DAY))
    beyond = float(days.sum()) - missable * SECONDS * float(np.nansum(load))
    if beyond <= SURE * float((days**2).sum()) ** 0.5:
        return 0.0
    return max(0.0, smallest_factor(load, wanted, service, span, most=most) - 1.0)
