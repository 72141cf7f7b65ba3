"""What a scenario speaks of beside what there is: its unknown names, and what it says in words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from data.nearest import nearest
from optimizer.errors import Fault
from optimizer.inputs import Inputs
from optimizer.rows import rows_of
from optimizer.whatif.change import Change
from optimizer.whatif.changed import applies, gone_options, is_region, picked, with_catalog
from optimizer.whatif.scenario import ANY, SloChange

MOST_NAMED = 5
WORKLOADS, OPTIONS = "a workload, or a pattern of some", "an option_id, or a pattern of some"


def faults(inputs: Inputs, change: Change) -> Iterator[Fault]:
    """Everything a scenario names that is neither there nor added by itself."""
    said, whole = change.scenario, with_catalog(inputs, change)
    workloads = [w.name for w in inputs.workloads]
    options = whole.options["option_id"].tolist()
    for key, known, expected in (
        ("demand", workloads, WORKLOADS),
        ("price", options, OPTIONS),
        ("quota", options, OPTIONS),
        ("slo", workloads, WORKLOADS),
        ("residency", workloads, WORKLOADS),
    ):
        patterns: Mapping[str, object] = getattr(said, key)
        yield from unknown(change, key, patterns, known, expected)
    yield from unknown_regions(whole, change)
    yield from keys_without_use(inputs, change)
    if change.price_list is not None and not set(change.price_list["option_id"]) & set(options):
        first = str(change.price_list["option_id"].iloc[0])
        found, expected = f"no option of the catalogue, but {first!r}", "prices of options that there are"
        yield change.asked.fault("price_list", found, expected, advice(first, options))


def unknown(
    change: Change, key: str, patterns: Collection[str], known: Sequence[str], expected: str
) -> Iterator[Fault]:
    """Patterns that fit none of the known names."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            yield change.asked.fault(key, repr(pattern), expected, advice(pattern, known), name=pattern)


def unknown_regions(inputs: Inputs, change: Change) -> Iterator[Fault]:
    """Regions in which nothing is offered."""
    places = sorted(set(rows_of(inputs.options, "provider", "region")))
    for pattern in change.scenario.without_region:
        if not any(is_region(provider, region, pattern) for provider, region in places):
            names = [f"{p}/{r}" for p, r in places] if "/" in pattern else sorted({r for _, r in places})
            expected = "a region with offers, as region, provider/region or a pattern"
            yield change.asked.fault("without_region", repr(pattern), expected, advice(pattern, names))


def keys_without_use(inputs: Inputs, change: Change) -> Iterator[Fault]:
    """Keys of objectives that no workload has of those that the pattern fits."""
    for pattern, said in change.scenario.slo.items():
        fitting = [w for w in inputs.workloads if fnmatchcase(w.name, pattern)]
        for key in said.model_dump(exclude_none=True):
            if fitting and not any(applies(w, key) for w in fitting):
                wanted = "objective" if all(w.slo is None for w in fitting) else "objective with this key"
                found = f"{key} for {pattern!r}, of which no workload has an {wanted}"
                keys = sorted(k for k in SloChange.model_fields if any(applies(w, k) for w in fitting))
                action = f"keys it has: {', '.join(keys)}" if keys else "leave it out: work has a deadline"
                yield change.asked.fault("slo", found, "a key that counts", action, name=f"{pattern}.{key}")


def advice(name: str, known: Sequence[str]) -> str:
    """What to do about an unknown name: the nearest known one, or some to choose from."""
    meant = nearest(name.strip("*?"), known)
    if meant:
        return f"did you mean {meant!r}?"
    shown = ", ".join(known[:MOST_NAMED])
    more = len(known) - MOST_NAMED
    return f"known: {shown}" + (f" and {more} more" if more > 0 else "") if known else "there is none"


# -- in words --------------------------------------------------------------------------------------------


def words(inputs: Inputs, change: Change) -> tuple[str, ...]:
    """What is otherwise, and of how much: a line per change, in the order of keys."""
    return tuple(line for key in change.scenario.changes for line in WORDS[key](inputs, change))


def of_catalog(inputs: Inputs, change: Change) -> Iterator[str]:
    """Options that come, and those that are otherwise."""
    names = [] if change.catalog is None else change.catalog["option_id"].tolist()
    there = set(inputs.options["option_id"])
    new, other = ([name for name in names if (name in there) is known] for known in (False, True))
    if new:
        yield f"{counted(new, 'new option')}: {some(new)}"
    if other:
        yield f"{counted(other, 'option')} otherwise: {some(other)}"
    places = [] if change.catalog is None else sorted(set(rows_of(change.catalog, "provider", "region")))
    strange = [f"{p}/{r}" for p, r in places if (p, r) not in inputs.country]
    if strange and any(w.residency or w.max_rtt_ms is not None for w in inputs.workloads):
        yield f"where {some(strange)} is, is not known: rules of residency and round trip keep it out"


def of_profiles(_: Inputs, change: Change) -> Iterator[str]:
    """Throughput that comes."""
    if change.profiles is not None:
        models = sorted(set(change.profiles["model"]))
        yield f"throughput of {some(models)}, {counted(list(change.profiles.index), 'row')}"


def of_price_list(inputs: Inputs, change: Change) -> Iterator[str]:
    """Prices of a list, and what of it nobody offers."""
    if change.price_list is None:
        return
    names = change.price_list["option_id"].tolist()
    there = set(with_catalog(inputs, change).options["option_id"])
    listed = [name for name in names if name in there]
    yield f"prices of {counted(listed, 'option')} as in {change.scenario.price_list}"
    other = [name for name in names if name not in there]
    if other:
        yield f"{counted(other, 'option')} of the list not in the catalogue, left out: {some(other)}"


def of_prices(inputs: Inputs, change: Change) -> Iterator[str]:
    """Factors on prices."""
    for pattern, factor in change.scenario.price.items():
        yield f"price of {options_of(inputs, change, pattern)} × {factor:g}"
    covering = [offer.name for offer in inputs.commitments]
    if covering and change.scenario.price:
        yield f"commitments keep the rates they were bought at: {some(covering)}"


def of_quotas(inputs: Inputs, change: Change) -> Iterator[str]:
    """Other quotas."""
    for pattern, most in change.scenario.quota.items():
        limit = "no quota" if most is None else f"a quota of {most}"
        yield f"{limit} for {options_of(inputs, change, pattern)}"


def of_regions(inputs: Inputs, change: Change) -> Iterator[str]:
    """What is gone with some regions."""
    gone = gone_options(with_catalog(inputs, change).options, change)
    yield f"without {some(change.scenario.without_region)}: {counted(list(gone), 'option')} gone"
    running = inputs.fleet.loc[inputs.fleet["option_id"].isin(gone) & inputs.fleet["desired"].gt(0)]
    for name, count in running.groupby("workload")["desired"].sum().items():
        yield f"{name} loses {'1 replica that runs' if count == 1 else f'{count:,} replicas that run'} there"


def of_demand(inputs: Inputs, change: Change) -> Iterator[str]:
    """Factors on demand."""
    for pattern, factor in change.scenario.demand.items():
        yield f"demand of {workloads_of(inputs, pattern)} × {factor:g}"


def of_slo(inputs: Inputs, change: Change) -> Iterator[str]:
    """Other objectives, beside what they are now."""
    for pattern, said in change.scenario.slo.items():
        for key, value in said.model_dump(exclude_none=True).items():
            mine = [w for w in inputs.workloads if fnmatchcase(w.name, pattern) and applies(w, key)]
            now = sorted({getattr(w.slo, key) for w in mine} - {None})
            was = f" (now {', '.join(f'{each:g}' for each in now)})" if now else ""
            yield f"slo.{key} of {some([w.name for w in mine])} {value:g}{was}"


def of_residency(inputs: Inputs, change: Change) -> Iterator[str]:
    """Other countries."""
    for pattern, countries in change.scenario.residency.items():
        where = f"only in {', '.join(countries)}" if countries else "in any country"
        yield f"{workloads_of(inputs, pattern)} {where}"


WORDS: Mapping[str, Callable[[Inputs, Change], Iterator[str]]] = {
    "demand": of_demand,
    "price": of_prices,
    "price_list": of_price_list,
    "quota": of_quotas,
    "slo": of_slo,
    "residency": of_residency,
    "without_region": of_regions,
    "catalog": of_catalog,
    "profiles": of_profiles,
}


def options_of(inputs: Inputs, change: Change, pattern: str) -> str:
    """Options that a pattern fits, as people say it."""
    fitting = list(picked(with_catalog(inputs, change).options["option_id"], {pattern: True}))
    if pattern == ANY:
        return f"all {counted(fitting, 'option')}"
    return pattern if fitting == [pattern] else f"{counted(fitting, 'option')} ({pattern})"


def workloads_of(inputs: Inputs, pattern: str) -> str:
    """Workloads that a pattern fits, as people say it."""
    fitting = list(picked([w.name for w in inputs.workloads], {pattern: True}))
    whole = len(fitting) == len(inputs.workloads) > 1
    return f"all {counted(fitting, 'workload')}" if whole else some(fitting)


def counted(things: Sequence[object], word: str) -> str:
    """So many of something."""
    return f"1 {word}" if len(things) == 1 else f"{len(things):,} {word}s"


def some(names: Sequence[str]) -> str:
    """The first few names."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
