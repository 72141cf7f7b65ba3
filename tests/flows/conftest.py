"""Prefect reads its environment when it is imported: it is set here, before any test imports a flow."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from flows.deployments import NO_TELEMETRY
from tests.flows.workspaces import tiny_workspace

HOME = tempfile.TemporaryDirectory(prefix="prefect-")  # not the home of whoever runs the tests
os.environ.update(NO_TELEMETRY, PREFECT_HOME=HOME.name)
for name in ("PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_PROFILE"):
    os.environ.pop(name, None)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A small workspace with a forecast, two plans and a report in it for the making."""
    return tiny_workspace(tmp_path / "tiny")
