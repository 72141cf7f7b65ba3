"""The checker's rules about caps over many workloads, and about work that may be done at any time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.caps import EVERY_PERIOD, RULE
from optimizer.problem import Placement, Problem, cap_use
from optimizer.violations import Violation, at, slack


def check_caps(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """No cap that is not merely priced is exceeded."""
    caps, used = problem.caps, cap_use(problem, placement)
    for k in np.flatnonzero(~caps.is_priced & (used > caps.limit + slack(caps.limit))):
        where = f"{caps.name[k]},{EVERY_PERIOD}"
        yield Violation(RULE[caps.kind[k]], where, float(used[k]), float(caps.limit[k]))


def check_work(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """Work is done in its window, all of it and no more, its share of it on capacity that stays."""
    work, hours = problem.work, problem.hours
    window = work.window(len(hours))
    served = problem.sum_by_workload(placement.served)
    firm = problem.sum_by_workload(problem.capacity[:, None] * ~problem.is_spot[:, None] * placement.replicas)
    for w in map(int, np.flatnonzero(work.is_asked)):
        for t in np.flatnonzero(~window[w] & (served[w] > problem.demand[w] + slack(problem.demand[w]))):
            yield Violation("work_in_window", at(problem, w, t), float(served[w, t]), 0.0)
        done, asked, end = float(hours[window[w]] @ served[w, window[w]]), float(work.amount[w]), work.end[w]
        room = float(slack(np.array(asked)))
        if done < asked - room:
            yield Violation("finish_work", at(problem, w, end), done, asked)
        if done > asked + room:
            yield Violation("not_over_served", at(problem, w, end), done, asked)
        stays, need = float(hours[window[w]] @ firm[w, window[w]]), (1.0 - problem.max_spot_share[w]) * done
        if stays < need - float(slack(np.array(need))):
            yield Violation("work_spot", at(problem, w, end), stays, float(need))
