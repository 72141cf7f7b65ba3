"""How loops of several workloads share quotas: who may launch how many replicas of which option.

A quota grants replicas to whoever asks first. Loops that each count on the whole of it are denied launches
once it is used up, and ask for the same again while a dearer option stands free. So each gets a share, the
shares of an option add up to its quota at most, and a loop whose share is used up goes on to its next option.

Who gets a replica is who would pay most without it. A loop that has nothing else would leave requests
unserved, so it comes first; then whoever's last resort is dearest, by USD that one replica saves there; and
with equal stakes the shares are in proportion to needs, for none should starve beside a bigger one. With one
option in common that is the cheapest way to serve what the busiest minutes need. With several it is a
heuristic: loops that count on the same second option learn of each other only once the first is used up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NEAR = 1e-9
LEAST_CAPACITY = 1e-12  # requests/s: what serves less counts as if it served so little


@dataclass(frozen=True)
class Claim:
    """What one loop needs, and where it may take that from.

    Attributes:
        need: requests/s of capacity that it wanted at most of late.
        options: in the order in which it takes them.
        capacity: requests/s of one replica, by option.
        usd_per_unit: USD of one request/s for an hour, by option.
        standby: replicas of the first option that stand by; the need includes what they serve once called.
    """

    need: float
    options: tuple[str, ...]
    capacity: tuple[float, ...]
    usd_per_unit: tuple[float, ...]
    standby: int = 0

    def replicas(self, load: float, place: int) -> int:
        """Of one of its options, to serve a load."""
        return max(0, math.ceil(load / max(self.capacity[place], LEAST_CAPACITY) - NEAR))

    def pool(self, granted: Mapping[str, int], quotas: Mapping[str, int]) -> int:
        """Replicas that may stand by: of a share that is too short these are missing first.

        What stands by holds its part of the quota, and would keep others from theirs. Nobody is kept from
        anything by who has the whole quota.
        """
        own = self.options[0] if self.options else ""
        if own not in quotas or granted[own] == quotas[own]:
            return self.standby
        return max(0, self.standby - max(0, self.replicas(self.need, 0) - granted[own]))


@dataclass(frozen=True)
class Want:
    """Replicas that a claim asks of a quota next, and what each is worth to it.

    Attributes:
        worth: USD per hour that a replica saves; infinite where nothing else could serve.
        replicas: that are worth so much; further ones are worth less.
    """

    claim: int
    option: str
    worth: float
    replicas: int


def shares(claims: Sequence[Claim], quotas: Mapping[str, int]) -> list[dict[str, int]]:
    """(claim) replicas that it may run of each of its options that has a quota.

    First what is needed, the most valuable first; what is left then is divided in proportion to needs. The
    only one that may use an option has the whole quota.

    Args:
        claims: of all loops that may use the quotas.
        quotas: replicas, by option; others have none.
    """
    left = {option: max(0, quota) for option, quota in quotas.items()}
    found = [{option: 0 for option in claim.options if option in left} for claim in claims]
    need = [max(0.0, claim.need) for claim in claims]
    while wants := [w for k in range(len(claims)) if (w := wanted(k, claims[k], need[k], left))]:
        first = min(wants, key=lambda w: (-w.worth, w.option))
        equal = [w for w in wants if (w.worth, w.option) == (first.worth, first.option)]
        asked = [w.replicas for w in equal]
        granted = asked if sum(asked) <= left[first.option] else divided(left[first.option], asked)
        for want, count in zip(equal, granted, strict=True):
            claim = claims[want.claim]
            found[want.claim][want.option] += count
            left[want.option] -= count
            need[want.claim] -= count * claim.capacity[claim.options.index(want.option)]
    for option, rest in left.items():
        users = [k for k, claim in enumerate(claims) if option in claim.options]
        weights = [max(1, claims[k].replicas(claims[k].need, claims[k].options.index(option))) for k in users]
        for k, count in zip(users, divided(rest, weights), strict=True):
            found[k][option] += count
    return found


def wanted(k: int, claim: Claim, need: float, left: Mapping[str, int]) -> Want | None:
    """What a claim asks for next: of the first option that is left, what its last resort would have to serve.

    None where nothing is needed, nothing is left, or the first that is left has no quota.
    """
    usable = [j for j, option in enumerate(claim.options) if left.get(option, 1) > 0]
    if need <= NEAR or not usable or claim.options[usable[0]] not in left:
        return None
    own, missing, dearest = usable[0], need, math.inf
    for j in usable[1:]:
        serves = left.get(claim.options[j], math.inf) * max(claim.capacity[j], LEAST_CAPACITY)
        if serves >= missing - NEAR:
            dearest = claim.usd_per_unit[j]
            break
        missing -= serves
    worth = round((dearest - claim.usd_per_unit[own]) * claim.capacity[own], 9)
    return Want(k, claim.options[own], worth, max(1, claim.replicas(missing, own)))


def divided(total: int, weights: Sequence[int]) -> list[int]:
    """(weight) whole parts of a total in proportion to weights, by Adams' rule.

    The next one always goes to whoever has least of its weight, so everyone has one before anyone has two
    more than its due, and a larger total takes nothing from anybody (largest remainders would).

    Args:
        total: at least 0; all of it is given away.
        weights: at least 1.
    """
    count, whole = len(weights), sum(weights)
    below = max(0, total - count)  # rounded up, parts of so much are at most the total
    parts = [-(-below * weight // whole) for weight in weights]
    for _ in range(total - sum(parts) if weights else 0):
        k = min(range(count), key=lambda i: (parts[i] / weights[i], -weights[i], i))
        parts[k] += 1
    return parts
