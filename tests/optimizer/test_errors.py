"""Errors raised on purpose: all in one tree, and whether to retry is the type."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from data import errors as data_errors
from optimizer import errors
from optimizer.errors import (
    DeliveryError,
    Fault,
    RetryLaterError,
    SolverError,
    TransientError,
    TrimtabError,
)
from tests.conftest import REPO

FAULT = Fault("channel ops", "HTTP 500", "2xx", "try again later")


def classes(folder: str) -> Iterator[tuple[str, str, str]]:
    """File, class and base of every class that derives from an error of ours."""
    tree = {name for module in (data_errors, errors) for name in vars(module) if name.endswith("Error")}
    for path in (REPO / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for base in node.bases if isinstance(node, ast.ClassDef) else ():
                if isinstance(base, ast.Name) and base.id in tree:
                    yield path.name, node.name, base.id  # type: ignore[union-attr]


@pytest.mark.parametrize("folder", ["optimizer", "flows"])
def test_errors_stand_in_the_tree_and_nowhere_else(folder: str) -> None:
    assert {(file, name) for file, name, _ in classes(folder) if file != "errors.py"} == set()


def test_every_error_of_the_optimizer_is_drawn() -> None:
    drawing = errors.__doc__ or ""
    assert all(name in drawing for _, name, _ in classes("optimizer"))
    assert {name for _, name, _ in classes("optimizer")} == {
        "SolverError",
        "DeliveryError",
        "RetryLaterError",
    }


def test_whether_to_retry_is_the_type() -> None:
    assert issubclass(RetryLaterError, TransientError)
    for final in (DeliveryError, SolverError):
        assert issubclass(final, TrimtabError)
        assert not issubclass(final, TransientError)
    assert {DeliveryError.exit_code, RetryLaterError.exit_code} == {1}


def test_they_say_what_was_found_and_what_to_do() -> None:
    text = "channel ops: found HTTP 500; expected 2xx; try again later"
    assert str(DeliveryError(FAULT)) == text
    later = RetryLaterError(FAULT, 7.0)
    assert (str(later), later.wait_s) == (text, 7.0)
