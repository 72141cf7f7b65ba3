"""Further members of the forecasters' ensemble, named in `[forecast]` of trimtab.toml.

A member is an entry point of the group `trimtab.forecasters`: a function that takes a source (a folder, a
name in a hub) and gives a `models.forecaster.Forecaster`. Trimtab has `chronos` and `timesfm`; other packages
add theirs.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from models.forecaster import Forecaster
from optimizer.config import Settings
from optimizer.errors import Fault, InputError

GROUP = "trimtab.forecasters"


def members_of(settings: Settings) -> tuple[Forecaster, ...]:
    """The members that the settings name, in order of their names; none by default.

    Raises:
        InputError: a name that no installed package has, or a model that cannot be loaded.
    """
    return tuple(_member(name, source) for name, source in sorted(settings.forecast.members.items()))


@cache
def _member(name: str, source: str) -> Forecaster:
    found = {point.name: point for point in entry_points(group=GROUP)}
    where = f"trimtab.toml: forecast.members.{name}"
    if name not in found:
        known = ", ".join(sorted(found)) or "none is installed"
        raise InputError([Fault(where, repr(name), f"one of {known}", "correct it or install its package")])
    try:
        made = found[name].load()(source)
    except Exception as error:  # whatever a foreign package raises
        line = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        action = "install the package of the model, or correct the source"
        raise InputError([Fault(where, line, "a model that can be loaded", action)]) from error
    if not isinstance(made, Forecaster):
        action = "tell the author of the package"
        raise InputError([Fault(where, type(made).__name__, "a models.forecaster.Forecaster", action)])
    return made
