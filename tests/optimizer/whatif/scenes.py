"""A small known world and scenarios in it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from data.workloads import Workload
from optimizer.formulate import Offer
from optimizer.inputs import Inputs
from optimizer.whatif.change import Asked, Change
from optimizer.whatif.changed import changed
from optimizer.whatif.scenario import Scenario
from tests.optimizer import worlds

PLACES = {("aws", "eu"): "DE", ("aws", "us"): "US", ("gcp", "eu"): "NL"}


def scene(*workloads: Workload, **changes: Any) -> Inputs:
    """Two services at 43 and 25 requests/s, four options in three places; one option has a quota."""
    rows = worlds.catalogue(
        worlds.option("aws-eu", 2.0),
        worlds.option("aws-us", 1.0, region="us", quota=20.0),
        worlds.option("gcp-eu", 3.0, provider="gcp"),
        worlds.option("gcp-eu-big", 10.0, provider="gcp", instance_type="big"),
    )
    declared = workloads or (worlds.workload("web"), worlds.workload("api"))
    demand = [worlds.steady(43.0, "web"), worlds.steady(25.0, "api")]
    made = worlds.world(declared, rows, demand, running={("web", "aws-us"): 5, ("api", "aws-eu"): 3})
    return worlds.without(made, **{"country": PLACES, **changes})


def change(**keys: Any) -> Change:
    """A scenario without tables."""
    return Change(Asked(Scenario.model_validate(keys)))


def tabled(*, catalog: pd.DataFrame | None = None, **tables: pd.DataFrame | None) -> Change:
    """A scenario of tables."""
    given = {name: frame for name, frame in {"catalog": catalog, **tables}.items() if frame is not None}
    return Change(Asked(Scenario.model_validate(dict.fromkeys(given, "table.csv"))), **given)


def after(inputs: Inputs, **keys: Any) -> Inputs:
    """The inputs in a scenario."""
    return changed(inputs, change(**keys))


def prices(inputs: Inputs) -> dict[str, float]:
    """By option."""
    return dict(zip(inputs.options["option_id"], inputs.options["price_hourly"], strict=True))


def committed(usd_per_hour: float) -> Offer:
    """A commitment that runs, on instances in aws/eu."""
    return Offer("plan", usd_per_hour, 0.0, {("aws", "eu", "m"): 1.0})
