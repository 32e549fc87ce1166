"""What every contract is: a frozen pydantic model that takes no unknown field."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

CONTRACT_VERSION = 1
"""The version of the contract between core and plugins. It grows when a plugin has to change."""


class Contract(BaseModel):
    """A frozen pydantic model that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
