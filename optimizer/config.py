"""Settings: `trimtab.toml` in the workspace, then `TRIMTAB_*` in the environment, then flags.

One frozen `Settings`; an unknown key is a fault that names the nearest known one. No secrets live here.
`TRIMTAB_PLANNING__DEMAND_QUANTILE=0.95` overrides `demand_quantile` under `[planning]`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeGuard, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from data.nearest import hint, nearest
from optimizer.alert_settings import Alerts, Anomalies
from optimizer.cost_settings import Allocation, Budget, Costs
from optimizer.errors import Fault, InputError
from optimizer.section import Section

FILE_NAME = "trimtab.toml"
PREFIX = "TRIMTAB_"
Loc = tuple[int | str, ...]  # where pydantic found something


class Autoscale(Section):
    """The loop between plans (see `autoscale` in capacity-plan/1); each history sets its numbers."""

    kind: Literal["terms", "target"] = Field(
        "terms", description="terms: weighted statistics of past minutes; target: all that a plain HPA can do"
    )
    headroom_factor: float = Field(3.0, ge=1, description="max_replicas over what the busiest minute needed")


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
        default=True, description="weigh new commitments (advice only, never bought)"
    )
    gap_share: float = Field(0.01, gt=0, lt=1, description="proven gap at which the solver stops")


class CommitmentSettings(Section):
    """How new commitments are weighed; see commitments.md."""

    risk_weight: float = Field(0.1, ge=0, lt=1, description="weight of the worst draws against the mean")
    tail_share: float = Field(0.05, gt=0, le=1, description="share of draws that are the worst")
    draws: int = Field(200, ge=20, le=5000, description="futures of demand")
    capital_cost_share: float = Field(
        0.08, ge=0, le=1, description="yearly cost of capital, for what is paid upfront"
    )
    reservations_of: list[str] = Field(
        default_factory=list,
        description="providers whose commitments are each for one type in one region",
    )


class ForecastSettings(Section):
    """What the forecasters have besides their own members."""

    members: dict[str, str] = Field(
        default_factory=dict,
        description="pretrained models by name, with the folder or hub name to load: "
        'chronos = "models/chronos-bolt-small"',
    )


class Settings(BaseSettings):
    """Everything that can be set, with its default."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,  # somebody may have put a secret where its variable's name belongs
    )

    planning: Planning = Planning()
    placement: PlacementSettings = PlacementSettings()
    commitments: CommitmentSettings = CommitmentSettings()
    forecast: ForecastSettings = ForecastSettings()
    allocation: Allocation = Allocation()
    budgets: tuple[Budget, ...] = Field((), description="tables [[budgets]]")
    costs: Costs = Costs()
    anomalies: Anomalies = Anomalies()
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
    """Pydantic's findings as one line each; a slip of a key is not told again as that key missing."""
    items = error.errors()
    meant = slips(items)
    for item in items:
        loc = [str(part) for part in item["loc"]]
        key, variable = ".".join(loc), PREFIX + "__".join(loc).upper()
        where = variable if variable in os.environ else FILE_NAME
        if item["type"] == "extra_forbidden":
            keys = row_keys(item["loc"][:-1])
            yield unknown_key(where, key, hint(meant.get(item["loc"], loc[-1]), keys) if keys else None)
        elif item["type"] == "missing" and item["loc"][-1] in told_as_slips(meant, item["loc"]):
            continue
        else:
            found = f"{key} = {shown(key, item.get('input'))}"
            expected = "the name of an environment variable" if key.endswith("_env") else item["msg"].lower()
            yield Fault(where, found, expected, "correct the value")


def slips(items: Sequence[ErrorDetails]) -> dict[Loc, str]:
    """Unknown keys in rows of tables, such as [[budgets]], and what each was meant to be."""
    unknown, missing = (
        [item["loc"] for item in items if item["type"] == kind] for kind in ("extra_forbidden", "missing")
    )
    meant = {}
    for loc in unknown:
        row, name = loc[:-1], str(loc[-1])
        left = [str(each[-1]) for each in missing if each[:-1] == row]
        parts = {part: key for key in left for part in (*key.split("_"), key)}
        alone = left if len(left) == 1 == sum(each[:-1] == row for each in unknown) else []
        near = nearest(name, parts)
        found = parts[near] if near else nearest(name, row_keys(row)) or next(iter(alone), None)
        if found:
            meant[loc] = found
    return meant


def told_as_slips(meant: Mapping[Loc, str], loc: Loc) -> set[str]:
    """Keys of the same row that unknown ones were meant to be."""
    return {key for unknown, key in meant.items() if unknown[:-1] == loc[:-1]}


def row_keys(loc: Loc) -> tuple[str, ...]:
    """What the row at a place such as (budgets, 0) may hold; nothing where the place is no row."""
    model: type[BaseModel] = Settings
    for part in loc:
        if isinstance(part, str):
            annotation = model.model_fields[part].annotation
            kinds = [each for each in (annotation, *get_args(annotation)) if is_model(each)]
            if not kinds:
                return ()
            model = kinds[0]
    return tuple(model.model_fields) if any(isinstance(part, int) for part in loc) else ()


def is_model(annotation: object) -> TypeGuard[type[BaseModel]]:
    """Whether an annotation is a table of settings."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def shown(key: str, value: object) -> str:
    """A value as a fault may show it: what stands where the name of a secret belongs may be the secret."""
    if isinstance(value, Mapping):
        return f"a table with {', '.join(sorted(map(str, value))) or 'no key'}"
    if key.endswith("_env") or "://" in repr(value):
        return "a value that may be a secret"
    return repr(value)


def unknown_key(where: str, key: str, action: str | None = None) -> Fault:
    """The fault of a key that does not exist, with what to do or the nearest that does."""
    action = action or hint(nearest_key(key) or key, known_keys())
    return Fault(where, f"unknown key {key!r}", "a documented key", action)


def nearest_key(key: str) -> str | None:
    """The known key most like an unknown one."""
    whole = nearest(key, known_keys())
    if whole:
        return whole
    by_tail = {known.rsplit(".", 1)[-1]: known for known in known_keys()}
    tail = nearest(key.rsplit(".", 1)[-1], by_tail)
    return by_tail[tail] if tail else None


def known_keys(model: type[BaseModel] = Settings, prefix: str = "") -> list[str]:
    """Every key that may be set, dotted."""
    keys: list[str] = []
    for name, item in model.model_fields.items():
        keys.append(prefix + name)
        if is_model(item.annotation):
            keys += known_keys(item.annotation, prefix + name + ".")
    return keys
