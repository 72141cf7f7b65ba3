"""What one more hour of one offer really costs now, step by step, for `trimtab prices show`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from optimizer.errors import Fault, InputError
from optimizer.inputs import Inputs

WORDS = {
    "contract": "contracted price of this type in the bill",
    "discount": "contracted discount of the provider's machines in the bill",
    "spot": "spot price in the bill",
    "file": "price in catalog.parquet",
}


@dataclass(frozen=True)
class Step:
    """One step from the list price to what one more hour costs; the last step is the marginal price."""

    what: str
    usd_per_hour: float
    source: str
    as_of: pd.Timestamp | None


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
    inputs: Inputs, unused_usd_per_hour: Mapping[str, float], instance_type: str, region: str | None
) -> tuple[Price, ...]:
    """The price of every offer of an instance type, in one region or all, sorted by marginal price.

    Args:
        inputs: of the workspace, as of the moment asked about.
        unused_usd_per_hour: commitment id to what it costs without covering anything.
        instance_type: the provider's name, any case.
        region: the provider's id, or None.

    Raises:
        InputError: no offer of that type (and region) is known.
    """
    options = inputs.options
    of_type = options.loc[options["instance_type"].str.lower().eq(instance_type.lower())]
    chosen = of_type if region is None else of_type.loc[of_type["region"].eq(region)]
    if chosen.empty:
        known = sorted(set(of_type["region"])) or sorted(set(options["instance_type"]))
        found = f"no offer of {instance_type}" + (f" in {region}" if region else "")
        shown = ", ".join(known[:12]) + (" …" if len(known) > 12 else "")
        raise InputError(
            [Fault("prices", found, f"one of {shown}", "choose a type and region that is known")]
        )
    made = [_price(row, inputs, unused_usd_per_hour) for _, row in chosen.iterrows()]
    return tuple(sorted(made, key=lambda price: (price.marginal_usd_per_hour, price.option_id)))


def _price(option: pd.Series, inputs: Inputs, unused: Mapping[str, float]) -> Price:
    steps = tuple(_steps(option, inputs, unused))
    return Price(str(option["option_id"]), str(option["purchase"]), steps)


def _steps(option: pd.Series, inputs: Inputs, unused: Mapping[str, float]) -> Iterator[Step]:
    price, basis = float(option["price_hourly"]), str(option.get("price_basis", "file"))
    source, when = str(option.get("price_source", "catalog.parquet")), option.get("price_as_of")
    if basis == "file":
        yield Step(WORDS[basis], price, source, when)
    else:
        words = "list price" + (", estimated by a rule" if option.get("is_estimated") else "")
        yield Step(words, float(option["list_hourly"]), str(option["list_source"]), option["list_as_of"])
        if basis != "list":
            yield Step(WORDS[basis], price, source, when)
    if option["purchase"] != "on_demand":
        return
    key = (str(option["provider"]), str(option["region"]), str(option["instance_type"]))
    for offer in inputs.commitments:
        rate = offer.rates.get(key)
        if rate and unused.get(offer.name, 0.0) > 0:
            free = unused[offer.name] / rate
            what = f"unused commitment {offer.name} covers the first {free:.2g} instances"
            yield Step(what, 0.0, "bill", pd.Timestamp(inputs.as_of))
            return
