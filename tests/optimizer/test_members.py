"""Members of the ensemble that the settings name: from installed packages, or a clear error."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

import pytest

from models.seasonal import LastWindow
from optimizer import members
from optimizer.config import ForecastSettings, Settings
from optimizer.errors import InputError


def named(**sources: str) -> Settings:
    return Settings(forecast=ForecastSettings(members=sources))


@pytest.fixture(autouse=True)
def some_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"window": "make_window", "broken": "make_broken", "stranger": "make_stranger"}
    points = [EntryPoint(name, f"{__name__}:{made}", members.GROUP) for name, made in found.items()]
    monkeypatch.setattr(members, "entry_points", lambda group: points if group == members.GROUP else [])
    members._member.cache_clear()


def make_window(source: str) -> LastWindow:
    return LastWindow(seasons=float(source))


def make_broken(source: str) -> LastWindow:
    raise OSError(f"no model in {source}")


def make_stranger(source: str) -> str:
    return source


def test_none_by_default() -> None:
    assert members.members_of(Settings()) == ()


def test_a_named_one_is_made_from_its_source() -> None:
    assert members.members_of(named(window="2")) == (LastWindow(seasons=2.0),)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("windw", "members.windw: found 'windw'; expected one of broken, stranger, window"),
        ("broken", "found OSError: no model in x; expected a model that can be loaded"),
        ("stranger", "found str; expected a models.forecaster.Forecaster"),
    ],
)
def test_what_cannot_be_had_is_told(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        members.members_of(named(**{name: "x"}))


def test_trimtab_has_chronos_and_timesfm() -> None:
    points = {point.name: point.value for point in entry_points(group=members.GROUP)}
    assert points == {"chronos": "models.pretrained:chronos", "timesfm": "models.pretrained:timesfm"}
