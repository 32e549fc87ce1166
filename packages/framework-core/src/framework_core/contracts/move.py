"""A move in the registry of models, as plugins are told of it."""

from __future__ import annotations

from typing import Literal

from framework_core.contracts._contract import Contract


class VersionMove(Contract):
    """A version of a registered model that was registered, or moved from stage to stage."""

    model: str
    """The registered model."""

    version: int
    """The version."""

    action: Literal["register", "promote", "demote", "rollback"]
    """What was done."""

    from_stage: str
    """The stage that it stood in; empty where it stood in none."""

    to_stage: str
    """The stage that it stands in since."""

    replaced: int | None = None
    """The version that stood there until then."""

    who: str
    """Who did it, as ``user@machine``."""

    why: str = ""
    """The reason that was given."""

    forced: bool = False
    """Whether a gate had refused it."""
