"""The settings of the model and the callback. Read without torch."""

from __future__ import annotations

from framework_core.contracts import ComponentConfig
from pydantic import Field, PositiveInt


class GatedMLPConfig(ComponentConfig):
    """A small network for tables."""

    width: PositiveInt = 32
    """The length of the hidden layers."""

    drop_rate: float = Field(default=0.1, ge=0, lt=1)
    """Dropout before the classifier."""


class JitterConfig(ComponentConfig):
    """Noise on each training batch."""

    std: float = Field(default=0.1, ge=0)
    """Its standard deviation."""
