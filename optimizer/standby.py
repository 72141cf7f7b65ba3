"""Whether a pool of replicas that stand by pays, as the history says.

With a pool the loop may keep less head-room: what load asks for suddenly is called and serves soon, and the
pool is filled again by launches. It is as large as the most that the history ever asked for within a boot
time: smaller ones are cheaper on the history and run dry on the next jump. The replay is the rough one of
`optimizer.calibration`; what serves in a minute is the least that was wished since a call takes, and no more
than the least that was wished since a boot takes plus the pool.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from optimizer.calibration import (
    HALVINGS,
    MARGIN,
    MOST,
    ROUNDING,
    Fitted,
    Rough,
    Service,
    allowed_share,
    margin,
    rough_replay,
    trusted,
)
from optimizer.forms import USUAL_BOOT, Past, booting_in, quick
from optimizer.problem import Floats
from optimizer.schedule import HOUR

WORTH_A_POOL = 0.02  # of the cost that it must save


@dataclass(frozen=True)
class Pooled:
    """A service with replicas that stand by.

    Attributes:
        service: what a replica does that is launched; capacity has the minutes of the loads below.
        price_hourly: USD of a replica that stands by.
        call_minutes: from a call until it serves.
        size: replicas of the pool.
    """

    service: Service
    price_hourly: float
    call_minutes: int
    size: int = 0

    def within(self, span: slice) -> Pooled:
        """The same for some of the minutes."""
        return replace(self, service=replace(self.service, capacity=self.service.capacity[span]))

    def wished(self, needed: Floats) -> Floats:
        """(t) replicas that the loop wishes to run."""
        return np.ceil(needed / self.service.capacity - ROUNDING)

    def most_called(self, needed: Floats) -> int:
        """Replicas of which a launch would still boot and a call serves: the most at any time."""
        wished = self.wished(needed)
        missed = least(wished, self.call_minutes) - least(wished, self.service.boot_minutes)
        return int(missed.max(initial=0.0))

    def replay(self, load: Floats, needed: Floats) -> Rough:
        """Cost and lateness; for each replica called another is launched, at the full price as it boots."""
        service, wished = self.service, self.wished(needed)
        booted = least(wished, service.boot_minutes)
        ready = np.minimum(least(wished, self.call_minutes), booted + self.size)
        lost_share = service.replaced_in(self.call_minutes if np.all(self.size) else service.boot_minutes)
        at_once = replace(service, boot_minutes=0, lost_share=lost_share)
        played = rough_replay(load, ready * service.capacity, at_once, slice(None))
        launched = np.minimum(self.size, wished - booted)
        full = float((wished + launched).mean()) * service.price_hourly
        return replace(played, usd_per_hour=full + float((self.size - launched).mean()) * self.price_hourly)

    def smallest_factor(self, load: Floats, needed: Floats) -> float:
        """By bisection, as without a pool."""
        most = self.replay(load, needed * MOST).late_share
        allowed = allowed_share(1.0 - self.service.target, most)
        low, high = 0.0, MOST
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            late = self.replay(load, needed * middle).late_share
            low, high = (low, middle) if late <= allowed else (middle, high)
        return high


def least(wished: Floats, minutes: int) -> Floats:
    """(t) the least that was wished in the last minutes, this one included."""
    return pd.Series(wished).rolling(minutes + 1, min_periods=1).min().to_numpy(dtype=float)


def with_pool(past: Past, usual: Fitted, pool: Pooled, span: slice) -> tuple[Fitted, int]:
    """How a workload is served with a pool and the pool's size; as usual and 0 where none pays.

    Args:
        past: of the workload.
        usual: how it is served without.
        pool: what standing by offers; the size is found here.
        span: minutes that are replayed.
    """
    if not usual.is_settled or pool.call_minutes >= min(pool.service.boot_minutes, USUAL_BOOT):
        return usual, 0
    made_for = min(pool.service.boot_minutes, USUAL_BOOT)
    forms = [quick(form, pool.call_minutes, made_for) for form in (usual.unheld, usual.form)]
    past, pool = booting_in(past, pool.call_minutes), pool.within(span)
    load, (needed, held) = past.load[span], [past.needed(form)[span] for form in forms]
    pool = replace(pool, size=pool.most_called(needed * (1.0 + MARGIN)))
    usual_usd, quicker = usual.whole_usd_per_hour, replace(usual, form=forms[1])
    found = fitted_to(quicker, load, needed, held, pool)
    if not pool.size or usual_usd - found.whole_usd_per_hour < WORTH_A_POOL * usual_usd:
        return usual, 0
    alone = fitted_to(quicker, load, needed, held, replace(pool, size=0))  # it may be the form that saves
    return (found, pool.size) if found.whole_usd_per_hour < alone.whole_usd_per_hour else (usual, 0)


def fitted_to(to: Fitted, load: Floats, needed: Floats, held: Floats, pool: Pooled) -> Fitted:
    """A form with the smallest factor that keeps the objective beside a pool, and the margin on it.

    Args:
        to: the form, and what stays of a fit.
        load: (t) requests/s.
        needed: (t) by the form as factors are fitted to it.
        held: (t) the same as long as actions make it pay to hold.
        pool: of some size.
    """
    enough = pool.smallest_factor(load, needed)
    late = pool.replay(load, needed * enough).late
    more = margin(late, to.days)
    factor = trusted(enough, late, to.days) * (1.0 + more)
    played = pool.replay(load, held * factor)
    changes = np.count_nonzero(np.diff(pool.wished(held * factor)))
    return replace(
        to,
        factor=factor,
        margin=more,
        usd_per_hour=played.usd_per_hour,
        attainment=1.0 - played.late_share,
        actions_per_hour=HOUR * changes / max(1, len(load)),
    )
