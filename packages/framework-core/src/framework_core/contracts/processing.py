"""A step before or after a network, described so that a program without a training library can make it."""

from __future__ import annotations

from pydantic import Field, JsonValue

from framework_core.contracts._contract import Contract


class Processing(Contract):
    """How a ``Preprocessing`` or ``Postprocessing`` of ``framework_core.serving`` is built where a model answers.

    It goes into what ``fw export`` writes. The module that it names imports neither torch nor lightning.
    """

    builder: str = Field(pattern=r"^[\w.]+:\w+$")
    """What makes it: ``package.module:Class``."""

    settings: dict[str, JsonValue] = Field(default_factory=dict)
    """The arguments of the builder, as JSON holds them."""

    requirements: tuple[str, ...] = ()
    """What it imports beside numpy and the package it stands in, as pip names it: ``pillow>=10.3``."""
