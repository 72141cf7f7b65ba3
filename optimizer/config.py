"""Settings: `trimtab.toml` in the workspace, then `TRIMTAB_*` in the environment, then flags.

One frozen `Settings`; an unknown key is a fault that names the nearest known one. No secrets live here.
`TRIMTAB_PLANNING__DEMAND_QUANTILE=0.95` overrides `demand_quantile` under `[planning]`.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from optimizer.errors import Fault, InputError

FILE_NAME = "trimtab.toml"
PREFIX = "TRIMTAB_"
EXACT = 1e-9


class Section(BaseModel):
    """One table of trimtab.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Autoscale(Section):
    """The reactive rule between plans (see `autoscale` in capacity-plan/1)."""

    target_utilization: float = Field(0.75, gt=0, le=1, description="load over capacity the loop aims at")
    scale_down_window_s: int = Field(1800, ge=0, description="seconds the largest need is held")
    headroom_factor: float = Field(3.0, ge=1, description="max_replicas over the highest planned count")


class Planning(Section):
    """The capacity plan: replicas per option over the next hours."""

    demand_quantile: float = Field(0.99, gt=0.5, lt=1, description="quantile of demand that capacity covers")
    interval_minutes: int = Field(60, ge=1, le=1440, description="length of one planned interval")
    gap_share: float = Field(0.005, gt=0, lt=1, description="proven gap at which the solver stops")
    autoscale: Autoscale = Autoscale()


class PlacementSettings(Section):
    """The placement plan: types, regions, replicas and purchase over a typical day."""

    demand_quantile: float = Field(0.95, gt=0.5, lt=1, description="quantile of demand that capacity covers")
    forecast_days: int = Field(7, ge=1, le=28, description="days ahead that make the typical day")
    blocks_per_day: int = Field(4, ge=1, le=24, description="periods of the typical day")
    max_options: int = Field(2, ge=1, description="distinct options per workload")
    activation_cost_usd: float = Field(20.0, ge=0, description="once per option newly used by a workload")
    offer_commitments: bool = Field(
        default=True, description="weigh 1-year commitments (advice only, never bought)"
    )
    gap_share: float = Field(0.01, gt=0, lt=1, description="proven gap at which the solver stops")


class ForecastSettings(Section):
    """What the forecasters have besides their own members."""

    members: dict[str, str] = Field(
        default_factory=dict,
        description="pretrained models by name, with the folder or hub name to load: "
        'chronos = "models/chronos-bolt-small"',
    )


class Match(Section):
    """Which charges a rule is for: every pattern given must fit (`*` and `?`; case does not count)."""

    source: str | None = Field(None, description="who bills: aws, azure, gcp, …")
    account: str | None = Field(None, description="id or name of the account, subscription or project")
    service: str | None = Field(None, description="name of the service")
    region: str | None = Field(None, description="id of the region")
    resource: str | None = Field(None, description="name of the resource")
    category: str | None = Field(None, description="FOCUS ChargeCategory, such as Tax")
    tag: dict[str, str] = Field(default_factory=dict, description="tag or label = pattern of its value")


class OwnerRule(Match):
    """A rule of `[[allocation.rules]]`; the first that matches names the owner."""

    owner: str | None = Field(None, description="who pays")
    owner_from: str | None = Field(
        None,
        pattern=r"^(tag:.+|account|service|region|resource|source)$",
        description="where the charge names who pays: tag:team, account, service, …",
    )

    @model_validator(mode="after")
    def has_one_owner(self) -> Self:
        """Either a name or where to find it."""
        if (self.owner is None) == (self.owner_from is None):
            raise ValueError("give owner or owner_from, and not both")
        return self


class SharedCost(Section):
    """A rule of `[[allocation.shared]]`: charges that several owners pay together."""

    match: Match = Field(description='which charges, with the keys of a rule: {category = "Tax"}')
    split: Literal["even", "proportional", "fixed"] = Field(
        "proportional", description="alike, by direct cost, or by `shares`"
    )
    shares: dict[str, float] = Field(default_factory=dict, description="owner = share; add up to 1")
    among: tuple[str, ...] = Field((), description="who shares; everyone with a direct cost where empty")

    @model_validator(mode="after")
    def shares_fit_the_split(self) -> Self:
        """Fixed shares are not negative and add up to 1; other splits have none."""
        if self.split != "fixed":
            if self.shares:
                raise ValueError("shares belong to split = 'fixed'")
            return self
        if any(share < 0 for share in self.shares.values()) or abs(sum(self.shares.values()) - 1) > EXACT:
            raise ValueError(f"shares must be at least 0 and add up to 1, not {sum(self.shares.values()):g}")
        return self


class Allocation(Section):
    """Who pays for what (`trimtab chargeback`)."""

    metric: Literal["effective", "billed"] = Field(
        "effective", description="amortised cost, or what the invoice asks in the month"
    )
    default_owner: str = Field("unallocated", description="owner of what no rule names")
    unused_commitments_to: str = Field(
        "", description="owner of what commitments cost unused; else the rules'"
    )
    rules: tuple[OwnerRule, ...] = Field((), description="tables [[allocation.rules]], tried in order")
    shared: tuple[SharedCost, ...] = Field((), description="tables [[allocation.shared]], tried before rules")


class Alarm(Section):
    """An entry of a budget's `alarms`: raised while there is still time to act."""

    share: float = Field(1.0, gt=0, description="of the budget's amount that must not be passed")
    probability: float = Field(
        0.5, gt=0, le=1, description="of ending the month above that share from which the alarm is raised"
    )


class Budget(Match):
    """A table of `[[budgets]]`: what a month may cost an owner, the charges of a filter, or all of them."""

    name: str = Field(min_length=1, description="name in tables and alerts")
    monthly_amount: float = Field(gt=0, description="what a month may cost, in `currency`")
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="ISO 4217; bills in others are converted")
    owner: str | None = Field(
        None, description="owner as `trimtab chargeback` names it, shared costs included"
    )
    alarms: tuple[Alarm, ...] = Field(
        (Alarm(share=1.0, probability=0.5),), description="list of {share, probability}"
    )

    @model_validator(mode="after")
    def is_of_an_owner_or_a_filter(self) -> Self:
        """An owner's cost has shared parts, which no filter of charges can see."""
        if self.owner is not None and has_filter(self):
            raise ValueError("give owner or a filter of charges, and not both")
        return self


class CostChange(Match):
    """A table of `[[costs.changes]]`: a change of cost that is known beforehand."""

    name: str = Field(min_length=1, description="what changes, for people")
    day: date = Field(description="first day it holds, UTC")
    until: date | None = Field(None, description="first day it does not hold any more; open where absent")
    factor: float | None = Field(
        None, ge=0, description="on the cost of the charges that match, such as 1.05"
    )
    amount_per_day: float | None = Field(
        None, description="added per day, in the currency of the bill; for an owner, or for everything"
    )
    owner: str | None = Field(None, description="only what this owner pays")

    @model_validator(mode="after")
    def has_one_effect(self) -> Self:
        """Either a factor on what is there, or an amount that comes on top."""
        if (self.factor is None) == (self.amount_per_day is None):
            raise ValueError("give factor or amount_per_day, and not both")
        if self.amount_per_day is not None and has_filter(self):
            raise ValueError("an amount_per_day is of an owner or of everything, not of a filter")
        if self.until is not None and self.until <= self.day:
            raise ValueError("until must be later than day")
        return self


class Costs(Section):
    """The forecast of cost (`trimtab budget`)."""

    settle_days: int = Field(
        2, ge=0, le=10, description="newest days of a load that are not believed: bills arrive late"
    )
    commitments_end: bool = Field(
        default=True, description="what a commitment covers costs its contracted price after its end"
    )
    changes: tuple[CostChange, ...] = Field((), description="tables [[costs.changes]], known beforehand")


class Channel(Section):
    """A table of `[[alerts.channels]]`. Secrets are named by an environment variable and never stand here."""

    name: str = Field(min_length=1, description="name of the channel")
    kind: Literal["webhook", "slack", "email"] = Field(
        description="JSON to any service, text that Slack and its like show, or e-mail"
    )
    url_env: str = Field("", description="environment variable with the URL (webhook, slack)")
    to: tuple[str, ...] = Field((), description="addresses (email)")
    sender: str = Field("", description="address of the sender (email)")
    host: str = Field("", description="mail server (email)")
    port: int = Field(587, ge=1, le=65535, description="port of the mail server")
    starttls: bool = Field(default=True, description="refuse to send mail without encryption")
    user: str = Field("", description="user at the mail server; none: no log-in")
    password_env: str = Field("", description="environment variable with the password")
    least_severity: Literal["info", "warning", "critical"] = Field(
        "info", description="what it wants to hear of"
    )

    @model_validator(mode="after")
    def has_what_its_kind_needs(self) -> Self:
        """A URL for the web, a server and addresses for mail."""
        needed = ("host", "sender", "to") if self.kind == "email" else ("url_env",)
        absent = [name for name in needed if not getattr(self, name)]
        if absent:
            raise ValueError(f"a channel of kind {self.kind} needs {', '.join(absent)}")
        if bool(self.user) != bool(self.password_env):
            raise ValueError("user and password_env belong together")
        return self


class Silence(Section):
    """A table of `[[alerts.silence]]`: alerts that nobody wants to hear of for a while."""

    key: str = Field(
        min_length=1, description="pattern of the alert's key (`*` and `?`), such as budget/search/*"
    )
    until: date = Field(description="first day on which it is told again, UTC")
    reason: str = Field("", description="why, for people")


class Alerts(Section):
    """Who is told, and how often."""

    repeat_hours: float = Field(24.0, gt=0, description="until the same alert is told again")
    max_per_hour: int = Field(
        10, ge=1, description="messages to one channel in an hour; the rest is summed up"
    )
    timeout_s: float = Field(10.0, gt=0, le=60, description="longest wait for a channel's answer")
    channels: tuple[Channel, ...] = Field((), description="tables [[alerts.channels]]")
    silence: tuple[Silence, ...] = Field((), description="tables [[alerts.silence]]")

    @model_validator(mode="after")
    def names_differ(self) -> Self:
        """A channel is called by its name."""
        names = [channel.name for channel in self.channels]
        if len(set(names)) < len(names):
            raise ValueError("two channels have the same name")
        return self


def has_filter(rule: Match) -> bool:
    """Whether any pattern narrows the charges down."""
    return any(getattr(rule, name) for name in Match.model_fields)


class Settings(BaseSettings):
    """Everything that can be set, with its default."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    planning: Planning = Planning()
    placement: PlacementSettings = PlacementSettings()
    forecast: ForecastSettings = ForecastSettings()
    allocation: Allocation = Allocation()
    budgets: tuple[Budget, ...] = Field((), description="tables [[budgets]]")
    costs: Costs = Costs()
    alerts: Alerts = Alerts()
    sources: dict[str, str] = Field(default_factory=dict, description="name = path that `ingest` reads")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  the hook's signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, which arrives as init arguments."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def budgets_differ(self) -> Self:
        """Alerts are told apart by the budget's name."""
        names = [budget.name for budget in self.budgets]
        if len(set(names)) < len(names):
            raise ValueError("two budgets have the same name")
        return self


def load_settings(workspace: Path) -> Settings:
    """Settings of a workspace; defaults where it has no trimtab.toml.

    Raises:
        InputError: not TOML, an unknown key, a value of the wrong type or out of range; all at once.
    """
    path = workspace / FILE_NAME
    strays = list(unknown_variables())
    try:
        settings = Settings(**read_toml(path))
    except ValidationError as error:
        raise InputError([*faults(error), *strays]) from error
    except SettingsError as error:
        fault = Fault("environment", str(error), "JSON or TRIMTAB_SECTION__KEY", "correct the variable")
        raise InputError([fault, *strays]) from error
    if strays:
        raise InputError(strays)
    return settings


def unknown_variables() -> Iterator[Fault]:
    """Variables such as TRIMTAB_PLANING__GAP_SHARE, whose section does not exist: pydantic ignores them.

    Names without `__` are left alone: other tools may share the prefix.
    """
    for name in sorted(os.environ):
        section, found, key = name.removeprefix(PREFIX).lower().partition("__")
        if name.startswith(PREFIX) and found and section not in Settings.model_fields:
            yield unknown_key(name, f"{section}.{key}")


def read_toml(path: Path) -> dict[str, Any]:
    """The file as a dictionary; empty if there is none."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        fault = Fault(FILE_NAME, f"unreadable TOML ({error})", "a TOML file", "correct the file")
        raise InputError([fault]) from error


def faults(error: ValidationError) -> Iterator[Fault]:
    """Pydantic's findings as one line each."""
    for item in error.errors():
        loc = [str(part) for part in item["loc"]]
        key, variable = ".".join(loc), PREFIX + "__".join(loc).upper()
        where = variable if variable in os.environ else FILE_NAME
        if item["type"] == "extra_forbidden":
            yield unknown_key(where, key)
        else:
            yield Fault(where, f"{key} = {item.get('input')!r}", item["msg"].lower(), "correct the value")


def unknown_key(where: str, key: str) -> Fault:
    """The fault of a key that does not exist, with the nearest that does."""
    nearest = nearest_key(key)
    hint = f"did you mean {nearest!r}?" if nearest else f"known: {', '.join(sorted(known_keys()))}"
    return Fault(where, f"unknown key {key!r}", "a documented key", hint)


def nearest_key(key: str) -> str | None:
    """The known key most like an unknown one."""
    close = difflib.get_close_matches(key, known_keys(), n=1, cutoff=0.6)
    if close:
        return close[0]
    tail = key.rsplit(".", 1)[-1]
    by_tail = {known.rsplit(".", 1)[-1]: known for known in known_keys()}
    close = difflib.get_close_matches(tail, by_tail, n=1, cutoff=0.6)
    return by_tail[close[0]] if close else None


def known_keys(model: type[BaseModel] = Settings, prefix: str = "") -> list[str]:
    """Every key that may be set, dotted."""
    keys: list[str] = []
    for name, item in model.model_fields.items():
        keys.append(prefix + name)
        if isinstance(item.annotation, type) and issubclass(item.annotation, BaseModel):
            keys += known_keys(item.annotation, prefix + name + ".")
    return keys
