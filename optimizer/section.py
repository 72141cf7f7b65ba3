"""What all tables of trimtab.toml have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One table of trimtab.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
