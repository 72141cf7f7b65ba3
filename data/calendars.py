"""Public holidays by country, and time zones: the one door to the `holidays` package."""

from __future__ import annotations

from datetime import date
from functools import cache
from zoneinfo import available_timezones

KNOWN_AS = "a country, with or without a part of it, such as DE, DE-BY or US-CA"


def time_zone(name: str) -> str:
    """The name of an IANA time zone as it is; ValueError with what is expected for any other."""
    if name not in available_timezones():
        raise ValueError("an IANA time zone such as Europe/Berlin")
    return name


def holiday_calendar(name: str) -> str:
    """The name of a country with a calendar as it is; ValueError with what is expected for any other."""
    public_holidays(name, 2026)
    return name


@cache
def public_holidays(name: str, *years: int) -> frozenset[date]:
    """Days on which a country, or a part of it, has a public holiday; ValueError for an unknown one."""
    import holidays  # noqa: PLC0415  a quarter of a second, for those who name a country

    country, _, part = name.partition("-")
    try:
        return frozenset(holidays.country_holidays(country, subdiv=part or None, years=years))
    except NotImplementedError as error:
        raise ValueError(KNOWN_AS) from error
