"""The best setting of a rival in hindsight: one for several cases, or one for a single case.

Settings are replayed. First every other value of each knob, then in the full grid the neighbours of the best
so far and of two that are cheaper and nearly meet the target, until there are no new ones. A setting that
misses the target of a case is worse than any that does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from optimizer.replay.case import Case
from optimizer.replay.results import Replayed
from optimizer.replay.rivals import Rival
from optimizer.simulate import simulate

Place = tuple[int, ...]  # of a setting in the grid of knobs
BESIDE = 2  # of the cheaper settings that nearly meet the target


@dataclass(frozen=True)
class Outcome:
    """What a setting came to.

    Attributes:
        rival: at that setting.
        cost_usd: (case) mean over seeds.
        attainment: (case) lowest over seeds and workloads of the share in time.
        short_share: (case) most by which a workload missed its target; 0 = none.
    """

    rival: Rival
    cost_usd: tuple[float, ...]
    attainment: tuple[float, ...]
    short_share: tuple[float, ...]

    @property
    def meets(self) -> bool:
        """Whether every workload of every case reached its target."""
        return not any(self.short_share)

    @property
    def rank(self) -> tuple[float, float]:
        """The less the better: what is missed at most, then the product of costs: each case counts alike."""
        return max(self.short_share), float(np.log(np.maximum(self.cost_usd, 1e-12)).sum())


@dataclass
class Trials:
    """Replays of settings, each made once per case.

    Attributes:
        cases: to be replayed.
        seeds: of replays.
        made: cost, attainment and what was missed, by setting and case.
    """

    cases: Sequence[Case]
    seeds: Sequence[int] = (0,)
    made: dict[tuple[Rival, int], tuple[float, float, float]] = field(default_factory=dict)

    def outcome(self, rival: Rival, cases: Iterable[int]) -> Outcome:
        """A setting in these cases."""
        found = [self.replayed(rival, k) for k in cases]
        cost, attainment, short = zip(*found, strict=True)
        return Outcome(rival, cost, attainment, short)

    def replayed(self, rival: Rival, at: int) -> tuple[float, float, float]:
        """A setting in one case."""
        if (rival, at) not in self.made:
            case = self.cases[at]
            plays = [simulate(case.world, rival(case), seed=seed) for seed in self.seeds]
            share = np.array([in_time(play) for play in plays])
            short = float(np.maximum(case.target - share, 0.0).max(initial=0.0))
            usd = float(np.mean([play.cost_usd for play in plays]))
            self.made[rival, at] = usd, float(share.min(initial=1.0)), short
        return self.made[rival, at]


def in_time(play: Replayed) -> list[float]:
    """(w) share of requests in time; 1 where there were none."""
    shares = [play.attainment(w) for w in range(len(play.world.workloads))]
    return [1.0 if np.isnan(share) else share for share in shares]


def tuned(rival: Rival, trials: Trials) -> Outcome:
    """The ONE setting that is best over all cases together."""
    return best(rival, trials, range(len(trials.cases)))


def tuned_each(rival: Rival, trials: Trials) -> tuple[Outcome, ...]:
    """The best setting of each case in hindsight."""
    return tuple(best(rival, trials, [k]) for k in range(len(trials.cases)))


def best(rival: Rival, trials: Trials, cases: Sequence[int]) -> Outcome:
    """Coarse to fine through the grid of knobs."""
    values = tuple(rival.KNOBS.values())
    new = set(product(*(coarse(len(axis)) for axis in values)))
    tried: dict[Place, Outcome] = {}
    while new:
        for place in sorted(new):
            tried[place] = trials.outcome(rival.turned(at(rival, place)), cases)
        near = (neighbours(place, [len(axis) for axis in values]) for place in leaders(tried))
        new = {place for places in near for place in places} - set(tried)
    return tried[leaders(tried)[0]]


def leaders(tried: Mapping[Place, Outcome]) -> list[Place]:
    """The best, and of the cheaper ones those that miss least: the best of all may lie between them."""
    ranked = sorted(tried, key=lambda place: (tried[place].rank, place))
    short, log_usd = tried[ranked[0]].rank
    cheaper = [place for place in ranked if tried[place].rank[1] < log_usd and tried[place].rank[0] > short]
    return [ranked[0], *cheaper[:BESIDE]]


def coarse(size: int) -> range:
    """Every other place of an axis, or all of a short one."""
    return range(0, size, 2 if size > 2 else 1)


def neighbours(place: Place, sizes: Sequence[int]) -> list[Place]:
    """Places a step away along one axis or two: more of one knob often allows less of another."""
    steps = (step for step in product((-1, 0, 1), repeat=len(sizes)) if 0 < np.count_nonzero(step) <= 2)
    moved = (tuple(x + dx for x, dx in zip(place, step, strict=True)) for step in steps)
    return [other for other in moved if all(0 <= x < size for x, size in zip(other, sizes, strict=True))]


def at(rival: Rival, place: Place) -> Mapping[str, object]:
    """The knobs at a place of the grid."""
    return {name: axis[k] for (name, axis), k in zip(rival.KNOBS.items(), place, strict=True)}
