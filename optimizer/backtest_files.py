"""A backtest as files people take away: scores as Parquet, a page and the same in Markdown."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from optimizer.backtest_forecasts import Judged
from optimizer.errors import Fault, InputError
from optimizer.layout import taking_place
from optimizer.report.backtest_page import render

NAMES = ("backtest.html", "backtest.md", "scores.parquet")


def write(found: Judged, folder: Path) -> tuple[Path, ...]:
    """Write the three files of `NAMES` into a folder, made if absent; the old ones stay where one fails.

    Raises:
        InputError: the folder cannot be written.
    """
    rendered = render(found)
    try:
        with ExitStack() as stack:
            page, plain, scores = (stack.enter_context(taking_place(folder / name)) for name in NAMES)
            page.write_text(rendered.html, encoding="utf-8", newline="\n")
            plain.write_text(rendered.markdown, encoding="utf-8", newline="\n")
            found.test.scores.to_parquet(scores, index=False)
    except OSError as error:
        found_text = str(error.strerror or error)
        fault = Fault(str(folder), found_text, "a folder that can be written", "choose another --out")
        raise InputError([fault]) from error
    return tuple(folder / name for name in NAMES)
