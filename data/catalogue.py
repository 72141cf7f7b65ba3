"""Public facts that ship with Trimtab: list prices, instance types, regions and countries.

The tables are the CSV files of `data/samples`; its README names source and date of every group. They are
what a demo plans with and what a workspace without offers of its own can start from. None of them is live:
`as_of` is the date of the source, and rows that a rule made rather than a price list say `is_estimated`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import resources

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import Fault, InputError

Floats = NDArray[np.float64]

EARTH_RADIUS_KM = 6371.0
FIBRE_KM_PER_MS = 200.0  # light in glass covers about two thirds of its speed in vacuum
PATH_FACTOR = 1.5  # cables follow coasts, roads and exchanges, not great circles
ACCESS_MS = 5.0  # last mile and routers, both ways together


def list_prices() -> pd.DataFrame:
    """Public list prices, one row per provider, region, instance type and purchase.

    Columns as in the lake's `offers`: provider, region, instance_type, purchase (on_demand | spot |
    commitment), term ("1y" for commitment, else missing), price_hourly (USD per instance-hour), currency,
    as_of (UTC midnight of the source's date), source, is_estimated.
    """
    frame = _table("list_prices").copy()
    frame["as_of"] = pd.to_datetime(frame["as_of"], format="%Y-%m-%d", utc=True).astype("datetime64[us, UTC]")
    frame["is_estimated"] = frame["is_estimated"] == "true"
    return frame.astype({"price_hourly": "float64"})


def instance_types() -> pd.DataFrame:
    """Published sizes: provider, instance_type, family, vcpu, memory_gib, and accelerator (missing for none)
    with accelerator_count and accelerator_memory_gib (GiB each).
    """  # noqa: D205 - the columns are the summary
    floats = dict.fromkeys(("memory_gib", "accelerator_memory_gib"), "float64")
    return _table("instance_types").astype({"vcpu": "int64", "accelerator_count": "int64", **floats})


def regions() -> pd.DataFrame:
    """Regions with their country (ISO-2) and the coordinates in degrees of the city that names them."""
    return _table("regions").astype(dict.fromkeys(("latitude_deg", "longitude_deg"), "float64"))


def countries() -> pd.DataFrame:
    """Countries (ISO-2, name) with the degrees of roughly where their people live on average."""
    return _table("countries").astype(dict.fromkeys(("latitude_deg", "longitude_deg"), "float64"))


def rtt_ms(of: Iterable[str] | None = None, to: pd.DataFrame | None = None) -> pd.DataFrame:
    """Estimated round trips between origins and regions: origin, provider, region, rtt_ms.

    2 × great-circle distance / 200 km per ms × 1.5 for the way cables take + 5 ms for access. An estimate:
    good enough to rule out the wrong continent, not to choose between neighbours; measure where it matters.

    Args:
        of: countries as ISO-2 codes or region ids; all known countries by default.
        to: regions with their coordinates in degrees; those of `regions()` by default.

    Raises:
        InputError: an origin is neither a known country nor one of the regions.
    """
    places = regions() if to is None else to
    spots = places.drop_duplicates("region").rename(columns={"region": "origin"})
    known = pd.concat([countries().rename(columns={"country": "origin"}), spots]).set_index("origin")
    wanted = list(dict.fromkeys(countries()["country"] if of is None else of))
    unknown = [origin for origin in wanted if origin not in known.index]
    if unknown:
        expected = "an ISO 3166 alpha-2 country of data/samples/countries.csv or a region"
        advice = "correct the code or name a country nearby"
        raise InputError(Fault("origins", repr(name), expected, advice) for name in unknown)
    origins = known.loc[wanted, ["latitude_deg", "longitude_deg"]].reset_index()
    columns = ["provider", "region", "latitude_deg", "longitude_deg"]
    pairs = origins.merge(places[columns], how="cross", suffixes=("_from", "_to"))
    degrees = (f"{axis}_deg_{end}" for end in ("from", "to") for axis in ("latitude", "longitude"))
    distance_km = _great_circle_km(*(pairs[column].to_numpy(np.float64) for column in degrees))
    pairs["rtt_ms"] = 2 * distance_km / FIBRE_KM_PER_MS * PATH_FACTOR + ACCESS_MS
    return pairs[["origin", "provider", "region", "rtt_ms"]]


def _great_circle_km(
    latitude: Floats, longitude: Floats, to_latitude: Floats, to_longitude: Floats
) -> Floats:
    """Haversine distance of points given in degrees."""
    phi, to_phi = np.radians(latitude), np.radians(to_latitude)
    half_lambda = np.radians(to_longitude - longitude) / 2
    chord = np.sin((to_phi - phi) / 2) ** 2 + np.cos(phi) * np.cos(to_phi) * np.sin(half_lambda) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(chord, 0.0, 1.0))), dtype=np.float64)


@cache
def _table(name: str) -> pd.DataFrame:
    """A sample file as text, empty cells missing; the code NA of Namibia stays text."""
    with (resources.files("data") / "samples" / f"{name}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype="str", keep_default_na=False, na_values=[""])
