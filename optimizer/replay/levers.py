"""What each lever of Trimtab's own policy is worth: the policy with one of them taken away.

What is left is fitted anew every day, as the whole policy is. Costs at different shares in time are not
comparable; so what a policy orders is also multiplied, in hindsight, until it keeps a given share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from optimizer.calibration import fitted
from optimizer.control import HISTORY, Control, boot_minutes, choose, service, with_standby
from optimizer.forms import FORMS, TARGETS, Form, forms_for, past_of
from optimizer.problem import Floats
from optimizer.replay.case import Case, Known
from optimizer.replay.ours import followed
from optimizer.replay.results import Replayed
from optimizer.replay.tuning import in_time
from optimizer.replay.world import World
from optimizer.simulate import Orders, Policy, Seen, simulate

WHOLE, FORM = "whole", "form-"
HELD_S = 900  # before a loop scales in, where that is not done at once
LEVERS = {
    WHOLE: "nothing: the whole policy",
    **{f"{FORM}{form.name}": f"choice of form: always {form.name}" for form in FORMS},
    "floor": "floor from yesterday",
    "factor": "fitted factor: 1 for all",
    "margin": "margin on the factor",
    "option": "choice of option: the usual hardware",
    "at-once": "scale-in at once: held for 15 minutes",
    "terms": "weighted statistics: target and window",
}
FORMS_WITHOUT: Mapping[str, tuple[Form, ...]] = {
    **{f"{FORM}{form.name}": (form,) for form in FORMS},
    "floor": tuple(replace(form, floor_share=0.0) for form in FORMS),
    "at-once": tuple(replace(form, window_s=HELD_S) for form in FORMS),
    "terms": TARGETS,
}
MOST_SCALE = 4.0  # and its inverse: scales beyond are not tried
HALVINGS = 8  # of the logarithm between both: to about 1 %


@dataclass(frozen=True)
class Without:
    """Trimtab's policy without a lever, as a maker that other processes can be given.

    Attributes:
        lever: of `LEVERS`.
        usual: (w) option that a team is used to, for the lever `option`; None: the cheapest per request.
    """

    lever: str
    usual: tuple[str | None, ...] = ()

    def __call__(self, case: Case) -> Known:
        """The policy."""
        return followed(case, partial(self.control, case))

    def control(self, case: Case, workload: int, now: int, running: str) -> Control:
        """How a workload is served on the day that begins at a minute, after an option that it ran."""
        if self.lever == "option" and (usual := self.usual[workload]) is not None:
            return on_option(case, workload, now, usual)
        forms = FORMS_WITHOUT.get(self.lever, FORMS)
        found = choose(case.whole, workload, now, case.target[workload], forms, running=running)
        if self.lever == "factor":
            return with_factor(found, 1.0)
        return with_factor(found, found.bare_factor) if self.lever == "margin" else found


def with_factor(control: Control, factor: float) -> Control:
    """The same at another factor."""
    return replace(control, fitted=replace(control.fitted, factor=factor))


def on_option(case: Case, workload: int, now: int, option_id: str) -> Control:
    """One option, whatever others would cost."""
    own = case.whole.options_of(workload).tolist()
    option = next(i for i in own if case.whole.option_id[i] == option_id)
    begin = max(0, now - HISTORY)
    past = past_of(case.whole.load[workload, begin:now], boot_minutes(case.whole, option))
    asked = service(case.whole, option, slice(begin, now), case.target[workload])
    usual = Control(option, fitted(past, asked, now - begin, forms=forms_for(asked.boot_minutes)))
    return with_standby(case.whole, usual, past, asked)


@dataclass(frozen=True)
class Scaled:
    """A policy whose loop wants more, or less.

    Attributes:
        policy: the loop.
        by: (w) what its needs are multiplied by.
    """

    policy: Policy
    by: Floats

    def orders(self, world: World, seen: Seen) -> Orders:
        """What the policy orders, scaled."""
        given = self.policy.orders(world, seen)
        return replace(given, needed=given.needed * self.by[:, None])


def rescaled(world: World, policy: Policy, goal: Floats, *, seed: int) -> tuple[Floats, Replayed]:
    """The least scales at which every workload keeps a share, and the replay at these.

    Args:
        world: what is replayed.
        policy: a loop.
        goal: (w) share of requests in time.
        seed: of the replay.

    Returns:
        (w) scales; NaN where even `MOST_SCALE` does not keep the share.
    """
    low = np.full(len(goal), -np.log(MOST_SCALE))
    high = -low
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        enough = np.array(in_time(simulate(world, Scaled(policy, np.exp(middle)), seed=seed))) >= goal
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    last = simulate(world, Scaled(policy, np.exp(high)), seed=seed)
    return np.where(np.array(in_time(last)) >= goal, np.exp(high), np.nan), last
