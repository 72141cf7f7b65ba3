"""Which form a series gets and by which factor: the cheapest that would have kept its objective in the past.

Thousands of minutes are replayed roughly, a minute at a time and on one option; `optimizer.simulate` is the
exact replay. One factor a series, and few forms: choosing among hundreds of settings fits the past only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.compiled import compiled
from optimizer.forms import FORMS, Form, Past, past_of
from optimizer.problem import Floats
from optimizer.schedule import DAY, HOUR

MARGIN = 0.10  # on a factor that a short history or few jumps decide
FEW_EPISODES = 6  # hours with late requests: that many are few
FEW_DAYS = 14  # a history as short as that is short; a calm one counts as much as what forms are made for
TOO_FEW_DAYS = 3  # however many hours were late
LEAST = 0.9  # a calm history alone does not say that less would do
WORTH_ANOTHER = 0.01  # of the cost that a form must save to be taken before those that stand before it
LEAST_COUNT = 1e-9
ROUNDING = 1e-9  # of a replica, that nobody launches another one for
MOST = 3.0  # a factor above this would not be capacity for load any more
HALVINGS = 9
LEAST_DAYS = 0.125  # of judged history: with less than three hours, the factor is that of forms as they are
WHOLE_DAYS = 1.0  # with less, nobody knows the night from the day yet
WORTH_ANOTHER_YOUNG = 0.1  # the same until then: hours that were calm say little of those to come
WARM_UP = DAY  # minutes whose statistics look back on too little
WINDOWS_S = tuple(60 * minutes for minutes in (2, 5, 10, 15, 30, 60, 120, 240, 480, DAY))


@dataclass(frozen=True)
class Service:
    """What a replica does for a series and what is asked of it.

    Attributes:
        capacity: (t) requests/s of one replica.
        price_hourly: USD.
        boot_minutes: from launch until it serves.
        wait_s: longest queueing that keeps the objective.
        timeout_s: longest wait before a request is dropped.
        burstiness: variance over mean of arrivals inside a minute.
        target: share of requests that must keep the objective.
        action_cost_usd: of each minute in which the count of replicas changes, beside the capacity.
        lost_share: of the time for which a replica has failed and what takes its place has not booted yet.
    """

    capacity: Floats
    price_hourly: float
    boot_minutes: int
    wait_s: float
    timeout_s: float
    burstiness: float
    target: float
    action_cost_usd: float = 0.0
    lost_share: float = 0.0

    def replaced_in(self, minutes: int) -> float:
        """`lost_share` where another replica serves so many minutes after one has failed."""
        return self.lost_share * minutes / max(1, self.boot_minutes)


@dataclass(frozen=True)
class Fitted:
    """A form with its factor, and what it would have cost and kept on the history it was fitted to.

    Attributes:
        form: chosen, with the window that it holds.
        factor: on everything the form wants, margin included.
        margin: share of the factor that the history did not ask for.
        usd_per_hour: mean cost of capacity on the replayed history; NaN where there was no load.
        attainment: share of requests in time; NaN where there was too little history.
        days: of history that were replayed.
        actions_per_hour: minutes of an hour in which the count of replicas changed.
        action_cost_usd: of each.
        own_window_s: window of the form as the factor was fitted to it.
    """

    form: Form
    factor: float
    usd_per_hour: float
    attainment: float
    days: float
    margin: float = 0.0
    actions_per_hour: float = 0.0
    action_cost_usd: float = 0.0
    own_window_s: int = 0

    @property
    def is_settled(self) -> bool:
        """Whether a whole day and more says so: pools and faster boots are not weighed by less."""
        return self.days >= WHOLE_DAYS and not np.isnan(self.attainment)

    @property
    def unheld(self) -> Form:
        """The form as the factor was fitted to it."""
        return replace(self.form, window_s=self.own_window_s)

    @property
    def whole_usd_per_hour(self) -> float:
        """Capacity and actions."""
        return self.usd_per_hour + self.actions_per_hour * self.action_cost_usd


def fit(load: Floats, service: Service, *, forms: Sequence[Form] = FORMS) -> Fitted:
    """The cheapest form at the factor that keeps the objective on the history.

    Args:
        load: (t) requests/s of the history; NaN where nobody counted.
        service: capacity has the same minutes.
        forms: to choose from, in order of preference.
    """
    return fitted(past_of(load, service.boot_minutes), service, len(load), forms=forms)


def fitted(past: Past, service: Service, end: int, *, forms: Sequence[Form] = FORMS) -> Fitted:
    """The same from statistics that reach beyond the history, of which the minutes before `end` are used."""
    span = judgeable(end)
    load = past.load[span]
    days = counted_days(load)
    if not np.nansum(load) > 0:
        return Fitted(forms[0], 1.0 + MARGIN, float("nan"), float("nan"), days, MARGIN)
    if days < LEAST_DAYS:
        return as_it_is(past, forms[0], service, span, days)
    found = [factored(past, form, service, span, days) for form in forms]
    return preferred(found, WORTH_ANOTHER if days >= WHOLE_DAYS else WORTH_ANOTHER_YOUNG)


def preferred(found: Sequence[Fitted], worth: float = WORTH_ANOTHER) -> Fitted:
    """The cheapest, but of two that hardly differ the first: chance made the other the cheaper one."""
    best = found[0]
    for other in found[1:]:
        if other.whole_usd_per_hour < (1.0 - worth) * best.whole_usd_per_hour:
            best = other
    return best


def judgeable(end: int) -> slice:
    """Minutes before `end` whose statistics look back on enough."""
    return slice(min(WARM_UP, end // 2), end)


def counted_days(load: Floats) -> float:
    """Days of minutes that somebody counted."""
    return float((~np.isnan(load)).sum()) / DAY


def as_it_is(past: Past, form: Form, service: Service, span: slice, days: float) -> Fitted:
    """A form with nothing but the margin, where the history is too short to say more."""
    played = held_as_pays(past, form, 1.0 + MARGIN, service, span)
    return replace(played, attainment=float("nan"), days=days, margin=MARGIN)


def factored(past: Past, form: Form, service: Service, span: slice, days: float) -> Fitted:
    """A form with the smallest factor that keeps the objective, and the margin on it; held as pays."""
    factor, more = safe_factor(past.load[span], past.needed(form)[span], service, span, days)
    return replace(held_as_pays(past, form, factor, service, span), days=days, margin=more)


def safe_factor(
    load: Floats, needed: Floats, service: Service, span: slice, days: float
) -> tuple[float, float]:
    """The smallest factor that keeps the objective on a history of so many days, with a margin; and that."""
    enough = smallest_factor(load, needed, service, span)
    # Failures are counted as often as they are expected: no episodes that would say how much is known.
    late = rough_replay(load, needed * enough, replace(service, lost_share=0.0), span).late
    more = margin(late, days)
    return trusted(enough, late, days) * (1.0 + more), more


def held_as_pays(past: Past, form: Form, factor: float, service: Service, span: slice) -> Fitted:
    """A form with its own window, or the longer one at which capacity and actions cost least together.

    The factor stays: holding longer only adds capacity, so nobody waits longer for fewer actions. Once that
    capacity alone is dearer than the best so far, what longer windows hold is dearer too.
    """
    best = replayed(past, form, factor, service, span)
    for window_s in WINDOWS_S if service.action_cost_usd > 0 else ():
        if window_s > form.window_s:
            tried = replayed(past, replace(form, window_s=window_s), factor, service, span)
            if tried.usd_per_hour >= best.whole_usd_per_hour:
                break
            best = min(best, tried, key=lambda f: f.whole_usd_per_hour)
    return replace(best, own_window_s=form.window_s)


def replayed(past: Past, form: Form, factor: float, service: Service, span: slice) -> Fitted:
    """What a form with its factor would have cost and kept."""
    load, needed = past.load[span], past.needed(form)[span] * factor
    played = rough_replay(load, needed, service, span)
    changes = np.count_nonzero(np.diff(np.ceil(needed / service.capacity[span] - ROUNDING)))
    return Fitted(
        form=form,
        factor=factor,
        usd_per_hour=played.usd_per_hour,
        attainment=1.0 - played.late_share,
        days=len(load) / DAY,
        actions_per_hour=HOUR * changes / max(1, len(load)),
        action_cost_usd=service.action_cost_usd,
    )


def trusted(enough: float, late: Floats, days: float) -> float:
    """A factor below 1 as far as it is known: until then forms as they are count as well.

    A long history says a little, and many late hours, by which a factor is a mean of many, say all of it.

    Args:
        enough: the smallest factor that keeps the objective.
        late: (t) requests late at that.
        days: of history.
    """
    if enough >= 1.0:
        return enough
    hours = episodes(late)
    by_hours = hours / (hours + FEW_EPISODES) * days / (days + TOO_FEW_DAYS)
    by_days = days / (days + FEW_DAYS)
    return 1.0 - max((1.0 - enough) * by_hours, (1.0 - max(enough, LEAST)) * by_days)


def margin(late: Floats, days: float) -> float:
    """Share added to the smallest factor for what the history did not show.

    A factor that a few jumps decide says little about the next one; where lateness comes in many hours, a
    little each, it is a mean of many.

    Args:
        late: (t) requests late at the smallest factor.
        days: of history.
    """
    return MARGIN * few(episodes(late), FEW_EPISODES) * few(days, FEW_DAYS)


def episodes(late: Floats) -> float:
    """Effective number of hours with late requests: (sum of late)^2 / sum of late^2; 0 where none is late."""
    hours = np.add.reduceat(late, np.arange(0, len(late), HOUR))
    squares = float((hours**2).sum())
    return float(hours.sum()) ** 2 / squares if squares > 0 else 0.0


def few(count: float, enough: float) -> float:
    """1 up to a count that is few, then falling as errors of means do."""
    return float(min(1.0, (enough / max(count, LEAST_COUNT)) ** 0.5))


def smallest_factor(
    load: Floats, needed: Floats, service: Service, span: slice, *, most: float = MOST
) -> float:
    """By bisection; where even the highest misses, the smallest that is hardly worse."""
    allowed = allowed_share(1.0 - service.target, rough_replay(load, needed * most, service, span).late_share)
    low, high = 0.0, most
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        late = rough_replay(load, needed * middle, service, span, at_most=allowed).late_share
        low, high = (low, middle) if late <= allowed else (middle, high)
    return high


def allowed_share(missable: float, at_most: float) -> float:
    """Share of requests that may be late: what the objective allows, beside what no factor helps against.

    A spike that is gone before a replica has booted is no reason to pay for three times the load all day.

    Args:
        missable: share that the objective allows.
        at_most: share that is late at the highest factor.
    """
    lost = max(0.0, at_most - missable)
    return missable + lost + min(lost, missable)


@dataclass(frozen=True)
class Rough:
    """What a rough replay gives: cost, and late requests of each minute."""

    usd_per_hour: float
    late_share: float
    late: Floats


def rough_replay(
    load: Floats, needed: Floats, service: Service, span: slice, *, at_most: float = np.inf
) -> Rough:
    """Capacity that follows a need, a minute at a time; given up, all late, once a share is late."""
    late, requests = np.zeros(len(load)), max(60.0 * float(np.nansum(load)), 1e-12)
    queue = (service.wait_s, service.timeout_s, service.burstiness, service.lost_share)
    limit = at_most * requests
    replicas = play(load, service.capacity[span], needed, service.boot_minutes, queue, late, limit)
    share = float(late.sum()) / requests if np.isfinite(replicas) else 1.0
    return Rough(replicas * service.price_hourly, share, late)


@compiled
def burst_share(load: float, rate: float, burstiness: float, wait_s: float) -> float:
    """Share of a minute's requests that bursts make wait too long, where the rate is enough in the mean."""
    if burstiness > 0.0 and 0.0 < load < rate:
        return np.exp(-2.0 * (rate / load - 1.0) / burstiness * rate * wait_s)  # type: ignore[no-any-return]
    return 0.0


@compiled
def play(
    load: Floats,
    capacity: Floats,
    needed: Floats,
    boot_minutes: int,
    queue: tuple[float, float, float, float],
    late: Floats,
    most_late: float = np.inf,
) -> float:
    """Mean replicas; fills in the requests of each minute that are late. Infinite once too many are.

    The youngest stop first, so what serves in a minute is the least that was wished since a boot time ago.
    Within a minute the queue is a fluid; bursts are an exponential tail in heavy traffic (Kingman 1961). What
    is late while one replica has failed counts as often as that happens; two at once are left out.
    """
    wait_s, timeout_s, burstiness, lost_share = queue
    wished = np.ceil(needed / capacity - ROUNDING)
    waiting = total = 0.0
    for t in range(len(load)):
        if np.isnan(load[t]):
            waiting = 0.0
            continue
        least = wished[t]
        for before in range(max(0, t - boot_minutes), t):
            least = min(least, wished[before])
        rate = least * capacity[t]
        share = 1.0
        if rate > 0.0:
            share = burst_share(load[t], rate, burstiness, wait_s)
            after = min(max(0.0, waiting + 60.0 * (load[t] - rate)), rate * timeout_s)
            low, high = min(waiting, after), max(waiting, after)
            if high > rate * wait_s:
                share = max(share, min(1.0, (high - rate * wait_s) / max(high - low, 1e-12)))
            waiting = after
        if lost_share > 0.0 and share < 1.0 and load[t] > 0.0:
            left = rate - capacity[t]
            failed = 1.0 if load[t] >= left else burst_share(load[t], left, burstiness, wait_s)
            share += min(1.0, least * lost_share) * max(0.0, failed - share)
        late[t] = share * 60.0 * load[t]
        total += late[t]
        if total > most_late:
            return np.inf
    return float(wished.mean())
