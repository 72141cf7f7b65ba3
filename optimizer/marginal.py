"""What one more hour of one offer really costs now, step by step, for `trimtab prices show`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

import pandas as pd

from optimizer.errors import Fault, InputError
from optimizer.inputs import Inputs
from optimizer.prices import Unused

NAMES_SHOWN = 12
WORDS = {
    "contract": "contracted price of this type in the bill",
    "discount": "contracted discount of the provider's machines in the bill",
    "spot": "spot price in the bill",
    "file": "price in catalog.parquet",
}


@dataclass(frozen=True)
class Step:
    """One step from the list price to what one more hour costs; the last step is the marginal price.

    `as_of` is the moment the figure is of, None where its source does not say; `age_days` its age at the
    moment asked about.
    """

    what: str
    usd_per_hour: float
    source: str
    as_of: pd.Timestamp | None
    age_days: float | None = None


@dataclass(frozen=True)
class Price:
    """One offer and the steps of its price."""

    option_id: str
    purchase: str
    steps: tuple[Step, ...]

    @property
    def marginal_usd_per_hour(self) -> float:
        """What one more hour costs now."""
        return self.steps[-1].usd_per_hour


def prices_of_type(
    inputs: Inputs, unused: Mapping[str, Unused], instance_type: str, region: str | None
) -> tuple[Price, ...]:
    """The price of every offer of an instance type, in one region or all, sorted by marginal price.

    Args:
        inputs: of the workspace, as of the moment asked about.
        unused: commitment id to what it costs without covering anything.
        instance_type: the provider's name, any case.
        region: the provider's id, or None.

    Raises:
        InputError: no offer of that type (and region) is known.
    """
    options = inputs.options
    of_type = options.loc[options["instance_type"].str.lower().eq(instance_type.lower())]
    chosen = of_type if region is None else of_type.loc[of_type["region"].eq(region)]
    if chosen.empty:
        raise InputError([_unknown(options, of_type, instance_type, region)])
    made = [_price(row, inputs, unused) for _, row in chosen.iterrows()]
    return tuple(sorted(made, key=lambda price: (price.marginal_usd_per_hour, price.option_id)))


def _unknown(options: pd.DataFrame, of_type: pd.DataFrame, instance_type: str, region: str | None) -> Fault:
    """What to say where there is no such offer: the regions of the type, else the types of nearest name."""
    found = f"no offer of {instance_type}" + (f" in {region}" if region else "")
    types = sorted(set(options["instance_type"]))
    known = sorted(set(of_type["region"])) or get_close_matches(instance_type, types, NAMES_SHOWN) or types
    shown = ", ".join(known[:NAMES_SHOWN]) + (" …" if len(known) > NAMES_SHOWN else "")
    return Fault(
        "prices",
        found,
        f"one of {shown}",
        "choose a type and region that is known, or ingest a price list that has it",
    )


def _price(option: pd.Series, inputs: Inputs, unused: Mapping[str, Unused]) -> Price:
    now = pd.Timestamp(inputs.as_of)
    steps = tuple(_aged(step, now) for step in (*_paid(option), *_uncovered(option, inputs, unused)))
    return Price(str(option["option_id"]), str(option["purchase"]), steps)


def _aged(step: Step, now: pd.Timestamp) -> Step:
    """The step with its age; a time that is not known is None."""
    if step.as_of is None or pd.isna(step.as_of):
        return replace(step, as_of=None)
    return replace(step, age_days=(now - step.as_of) / pd.Timedelta(days=1))


def _paid(option: pd.Series) -> Iterator[Step]:
    """The list price, then what the bill makes of it."""
    price, basis = float(option["price_hourly"]), str(option.get("price_basis", "file"))
    source, when = str(option.get("price_source", "catalog.parquet")), option.get("price_as_of")
    if basis == "file":
        yield Step(WORDS[basis], price, source, when)
        return
    words = "list price" + (", estimated by a rule" if option.get("is_estimated", False) else "")
    yield Step(words, float(option["list_hourly"]), str(option["list_source"]), option["list_as_of"])
    if basis != "list":
        yield Step(WORDS[basis], price, source, when)


def _uncovered(option: pd.Series, inputs: Inputs, unused: Mapping[str, Unused]) -> Iterator[Step]:
    """What is left of an on-demand hour after commitments that cover its type and are not used up.

    Each pays for as much of the hour as it has left; of the most it has left, the first instances are free.
    """
    if option["purchase"] != "on_demand":
        return
    key = (str(option["provider"]), str(option["region"]), str(option["instance_type"]))
    price, left = float(option["price_hourly"]), 1.0
    for offer in inputs.commitments:
        rate, idle = offer.rates.get(key), unused.get(offer.name)
        if not rate or idle is None or idle.usd_per_hour <= 0 or left <= 0:
            continue
        instances = idle.usd_per_hour / rate
        left = max(left - instances, 0.0)
        what = f"unused commitment {offer.name} covers {_covered(instances)}"
        yield Step(what, price * left, "bill, mean of its last week", idle.as_of)


def _covered(instances: float) -> str:
    """How far something reaches, in words."""
    if instances < 1:
        return f"{instances:.2g} of an instance"
    return "the first instance" if round(instances, 1) == 1 else f"the first {instances:.3g} instances"
