"""What is otherwise in a scenario: the keys of a file of scenarios, which are those of the flags.

Names of workloads, options and regions may be patterns (* and ?); of several that fit, the last one counts.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from data.workload_types import Count, Country, Model, Number, Positive, Share, Text

MOST = 1000.0  # by which anything may be multiplied
Factor = Annotated[Number, Field(ge=0, le=MOST)]
MoreThanNothing = Annotated[Number, Field(gt=0, le=MOST)]
ANY = "*"


class SloChange(Model):
    """Keys of an objective that are otherwise."""

    target: Annotated[Share, Field(gt=0)] | None = None
    """Share of requests that meet the objective (0..1)."""
    ttft_s: Positive | None = None
    """Longest queueing + prefill of a request of an LLM, in seconds."""
    tpot_ms: Positive | None = None
    """Longest time per output token of an LLM, in milliseconds."""
    latency_ms: Positive | None = None
    """Longest response time of another service, in milliseconds."""
    usd_per_1000_missed: Positive | None = None
    """What 1,000 requests cost that are not served, in USD."""


class Scenario(Model):
    """One scenario. Everything it does not name stays as it is."""

    name: Text = "what if"
    """What it is called in tables."""
    demand: dict[Text, MoreThanNothing] = Field(default_factory=dict)
    """Workload or pattern → factor on its demand: requests and tokens of its whole history, what its launch
    expects, its units of work."""
    price: dict[Text, Factor] = Field(default_factory=dict)
    """option_id or pattern → factor on its price."""
    price_list: Text | None = None
    """Table, Parquet or CSV, of option_id and price_hourly: prices of the options that it names."""
    quota: dict[Text, Count | None] = Field(default_factory=dict)
    """option_id or pattern → its quota in instances; null = no limit."""
    slo: dict[Text, SloChange] = Field(default_factory=dict)
    """Workload or pattern → keys of its objective."""
    residency: dict[Text, tuple[Country, ...]] = Field(default_factory=dict)
    """Workload or pattern → countries its data may be in; an empty list = any."""
    without_region: tuple[Text, ...] = ()
    """Regions that are gone with all that is offered and runs in them: region, provider/region or pattern."""
    catalog: Text | None = None
    """Table, Parquet or CSV, with the columns of catalog.parquet: options that are added, or that take the
    place of those with the same option_id."""
    profiles: Text | None = None
    """Table, Parquet or CSV, with the columns of profiles.parquet: throughput that is added, or that takes
    the place of that of the same model on the same accelerator or instance type."""

    @property
    def changes(self) -> tuple[str, ...]:
        """Keys by which it differs from what is."""
        return tuple(key for key in type(self).model_fields if key != "name" and getattr(self, key))


CHANGES = tuple(key for key in Scenario.model_fields if key != "name")


class ScenariosFile(Model):
    """Trimtab scenarios: what is otherwise in each."""

    scenarios: Annotated[tuple[Scenario, ...], Field(min_length=1)]
    """Every scenario, in the order of the table."""


def scenarios_schema() -> dict[str, Any]:
    """JSON Schema of a file of scenarios, as published in docs/schemas."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "scenarios.schema.json",
        **ScenariosFile.model_json_schema(),
    }
