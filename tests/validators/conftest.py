"""What the tests of this folder share: the environment of the validators, and the real samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.validators.environment import Environment, UnreachableRegistry, environment


@pytest.fixture(scope="session")
def validators() -> Environment:
    """The environment of the validators; the tests skip where it can neither be found nor be built."""
    try:
        return environment()
    except UnreachableRegistry as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def real_samples(request: pytest.FixtureRequest) -> Path | None:
    """The folder of real samples, None where it is missing: the generated ones are validated all the same."""
    try:
        folder: Path = request.getfixturevalue("shared")
    except pytest.skip.Exception:
        return None
    return folder
