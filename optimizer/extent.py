"""How large a problem may be: more is refused before it is read, not found out when memory ends."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from optimizer.errors import Fault, InputError
from optimizer.problem_rules import OPTIONS, PERIODS

# A million options take 1.0 GB to read and solve, 1.5 million with 24 periods 1.9 GB.
MOST_OPTIONS = 3_000_000
MOST_OPTION_PERIODS = 75_000_000
SMALLER = "leave out options that another beats, or solve what shares no pool apart"


def check_extent(where: str, options: int, periods: int) -> None:
    """Refuse what neither memory nor a day would be enough for.

    Args:
        where: the file or step that the error names.
        options: rows, one for each workload and option that may serve it.
        periods: that each of them has a count in.

    Raises:
        InputError: too many options, or too many in all periods together.
    """
    if options > MOST_OPTIONS:
        raise InputError([Fault(where, f"{options:,} options", f"at most {MOST_OPTIONS:,}", SMALLER)])
    if options * periods > MOST_OPTION_PERIODS:
        found = f"{options:,} options in {periods:,} periods"
        most = f"at most {MOST_OPTION_PERIODS:,} options x periods"
        raise InputError([Fault(where, found, most, f"take fewer or longer periods; {SMALLER}")])


def check_files(folder: Path) -> None:
    """The same of a folder of tables, from the numbers of rows that the files state."""
    try:
        rows = [pq.read_metadata(folder / f"{name}.parquet").num_rows for name in (OPTIONS, PERIODS)]
    except (OSError, pa.ArrowInvalid):  # told, with what to do, where the table is read
        return
    check_extent(f"{OPTIONS}.parquet", rows[0], rows[1])
